"""Makes accepted connections do at once what Twisted leaves to later turns of the reactor.

The reason: where each read brings one small message, those turns cost as much as the message; see docs/performance.md.

- Twisted keeps what is written until the socket says that it has room: two calls of epoll_ctl, and one more event. Here
  it goes out at once if nothing waits before it, and a connection that is closed while its bytes are read ends as soon
  as they are read.
- Twisted makes a context for the log around each event of each descriptor, four calls and two dictionaries. Here the
  reactor sees all accepted sockets as one: an epoll is a descriptor itself, readable when one of its own is.

Everything else is Twisted's.
"""

import select
from typing import Any, Final

from twisted.internet import tcp, unix
from twisted.internet.interfaces import IListeningPort, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_READ: Final = getattr(select, "EPOLLIN", 0)
_WRITE: Final = getattr(select, "EPOLLOUT", 0)

_REASONS: Final[dict[Exception, Failure]] = {why: Failure(why) for why in (CONNECTION_DONE, CONNECTION_LOST)}
"""The usual ends of a connection, made once: nobody looks at their tracebacks."""


class Accepted(tcp.Server):
    """Reads and writes one TCP connection."""

    _reading = False

    def doRead(self) -> Exception | None:  # type: ignore[override] # a mixin of its bases assigns one that takes all
        """See `IReadDescriptor.doRead`; the connection ends with what is returned."""
        try:
            data = self.socket.recv(self.bufferSize)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._reading = True
        self.protocol.dataReceived(data)
        self._reading = False
        if self.disconnecting and not self._aborting:
            if self._is_idle():
                return CONNECTION_DONE
            self.stopReading()
        return None

    def write(self, data: bytes) -> None:
        """See `ITransport.write`."""
        if self.connected and not (self.dataBuffer or self._tempDataBuffer or self._aborting or self.TLS):
            try:
                sent = self.socket.send(data)
            except OSError:  # nothing fits, or it is broken: Twisted meets that in its own way
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)

    def loseConnection(self) -> None:
        """See `ITransport.loseConnection`."""
        if self._reading and self.connected and self._is_idle():
            self.disconnecting = True  # `doRead` does the rest
        else:
            super().loseConnection()

    def _is_idle(self) -> bool:
        return self.producer is None and not (self.dataBuffer or self._tempDataBuffer or self.TLS)


class AcceptedLocally(Accepted, unix.Server):
    """Reads and writes one connection of a UNIX socket; it takes no file descriptors."""


@implementer(IReadDescriptor)
class Lane:
    """Polls accepted connections apart from all else that the reactor polls; to them it is the reactor.

    The real reactor polls the lane, as one reader, as long as it has connections.

    Args:
        reactor: The real one.
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._poll = select.epoll()
        self._connections: dict[int, Accepted] = {}
        self._wanted: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    # --- what a connection asks of its reactor: see `IReactorFDSet` ---------------------------------------------------

    def addReader(self, reader: Accepted) -> None:
        """Call its `doRead` when it can be read."""
        self._want(reader, _READ, 0)

    def addWriter(self, writer: Accepted) -> None:
        """Call its `doWrite` when it can be written."""
        self._want(writer, _WRITE, 0)

    def removeReader(self, reader: Accepted) -> None:
        """No longer."""
        self._want(reader, 0, _READ)

    def removeWriter(self, writer: Accepted) -> None:
        """No longer."""
        self._want(writer, 0, _WRITE)

    def _want(self, connection: Accepted, more: int, less: int) -> None:
        fd = connection.fileno()
        if fd < 0:  # closed, and so gone from here
            return
        before = self._wanted.get(fd, 0)
        wanted = (before | more) & ~less
        if wanted == before:
            return
        if not before:
            self._poll.register(fd, wanted)
            self._connections[fd] = connection
            if len(self._connections) == 1:
                self._reactor.addReader(self)
        elif wanted:
            self._poll.modify(fd, wanted)
        else:
            self._poll.unregister(fd)
            del self._connections[fd], self._wanted[fd]
            if not self._connections:
                self._reactor.removeReader(self)
            return
        self._wanted[fd] = wanted

    # --- the reactor calls: see `IReadDescriptor` ---------------------------------------------------------------------

    def fileno(self) -> int:
        """The file descriptor of the epoll."""
        return self._poll.fileno()

    def logPrefix(self) -> str:
        """See `ILoggingContext.logPrefix`."""
        return "signald"

    def doRead(self) -> None:
        """Read and write the connections that are ready."""
        connections = self._connections
        for fd, events in self._poll.poll(0):
            connection = connections.get(fd)
            if connection is None:  # it ended by what another one's bytes brought
                continue
            try:
                why = connection.doRead() if events == _READ else self._seldom(connection, fd, events)
                if why is not None:
                    self._end(connection, why)
            except Exception as problem:
                self._log.failure("a connection failed; it is closed")
                self._end(connection, problem)

    def connectionLost(self, reason: Failure) -> None:
        """End all connections, as the reactor ends."""
        for connection in list(self._connections.values()):
            connection.connectionLost(reason)

    def _seldom(self, connection: Accepted, fd: int, events: int) -> Exception | None:
        if not events & _READ and events & ~_WRITE:  # hung up, or broken
            return CONNECTION_DONE if self._wanted[fd] & _READ else CONNECTION_LOST
        why = connection.doRead() if events & _READ else None
        if why is None and events & _WRITE and fd in self._connections:
            why = connection.doWrite()
        return why

    def _end(self, connection: Accepted, why: Exception) -> None:
        self.removeReader(connection)
        self.removeWriter(connection)
        connection.connectionLost(_REASONS.get(why) or Failure(why))


def be_prompt(port: IListeningPort, reactor: Any) -> None:
    """Make a TCP or UNIX port of Twisted's accept connections of this kind; any other port stays as it is."""
    if isinstance(port, tcp.Port):
        kind = AcceptedLocally if isinstance(port, unix.Port) else Accepted
        lane: Any = Lane(reactor) if hasattr(select, "epoll") else reactor

        def accept(sock: Any, protocol: Any, client: Any, server: Any, number: int, reactor: Any) -> Accepted:
            return kind(sock, protocol, client, server, number, lane)

        port.transport = accept  # type: ignore[assignment] # Twisted says that whatever can be called so may stand here

"""Makes accepted connections do at once what Twisted leaves to later turns of the reactor.

The reason: where each read brings one small message, those turns cost as much as the message; see docs/performance.md.

- Twisted keeps what is written until the socket says that it has room: two calls of epoll_ctl, and one more event. Here
  it goes out at once if nothing waits before it, and a connection that is closed while its bytes are read ends as soon
  as they are read.
- Twisted polls each of them by itself; see `signald.network.lane`.

Everything else is Twisted's.
"""

import os
import socket
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.interfaces import IListeningPort
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST


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

    def part(self) -> int | None:
        """End as by `loseConnection`, but leave the socket open for whoever reads what was written.

        Returns:
            A file descriptor of the socket, to be closed later; None if it cannot be done now.
        """
        if not (self._reading and self.connected and self._is_idle()):
            return None
        try:
            self.socket.shutdown(socket.SHUT_WR)
            kept = os.dup(self.fileno())
        except OSError:
            return None
        self._shouldShutdown = False  # that would be for both descriptors
        self.disconnecting = True  # `doRead` does the rest
        return kept

    def _is_idle(self) -> bool:
        return self.producer is None and not (self.dataBuffer or self._tempDataBuffer or self.TLS)


class AcceptedLocally(Accepted, unix.Server):
    """Reads and writes one connection of a UNIX socket; it takes no file descriptors."""


def be_prompt(port: IListeningPort, reactor: Any) -> None:
    """Make a TCP or UNIX port of Twisted's accept connections of this kind; any other port stays as it is.

    Args:
        port: It listens already.
        reactor: What the connections are to take for the reactor, such as a `Lane`.
    """
    if isinstance(port, tcp.Port):
        kind = AcceptedLocally if isinstance(port, unix.Port) else Accepted

        def accept(sock: Any, protocol: Any, client: Any, server: Any, number: int, theirs: Any) -> Accepted:
            return kind(sock, protocol, client, server, number, reactor)

        port.transport = accept  # type: ignore[assignment] # Twisted says that whatever can be called so may stand here

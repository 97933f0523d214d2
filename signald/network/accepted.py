"""Makes accepted connections do at once what Twisted leaves to later turns of the reactor.

The reason: where each read brings one small message, those turns cost as much as the message; see docs/performance.md.

- Twisted keeps what is written until the socket says that it has room: two calls of epoll_ctl, and one more event. Here
  it goes out at once if nothing waits before it, and a connection that is closed while its bytes are read ends as soon
  as they are read.
- Twisted polls each of them by itself; see `signald.network.lane`.
- Twisted writes down names for the log that nobody reads here, and looks at each end again for what it was.

Everything else is Twisted's.
"""

import os
import socket
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.interfaces import IAddress
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST


class Accepted(tcp.Server):
    """Reads and writes one TCP connection.

    Args:
        sock: Has just been accepted.
        protocol: Reads it.
        peer: The address of the other side.
        reactor: What it is to take for the reactor, such as a `Lane`.
    """

    logstr = "signald"

    _reading = False
    _shouldShutdown = False  # nobody else has the socket, so closing is enough: a system call less

    def __init__(self, sock: socket.socket, protocol: Any, peer: IAddress, reactor: Any) -> None:
        tcp.Connection.__init__(self, sock, protocol, reactor)
        self._peer = peer
        self.startReading()
        self.connected = 1

    def __repr__(self) -> str:
        return f"<a connection from {self._peer}>"

    def getPeer(self) -> IAddress:
        """See `ITransport.getPeer`."""
        return self._peer

    def getHost(self) -> IAddress:
        """See `ITransport.getHost`."""
        return type(self._peer)("TCP", *self.socket.getsockname())

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
        self.disconnecting = True  # `doRead` does the rest
        return kept

    def _is_idle(self) -> bool:
        return self.producer is None and not (self.dataBuffer or self._tempDataBuffer or self.TLS)


class AcceptedLocally(Accepted, unix.Server):
    """Reads and writes one connection of a UNIX socket; it takes no file descriptors."""

    def __init__(self, *accepted: Any) -> None:
        unix.Server.__init__(self, *accepted)

    getPeer = unix.Server.getPeer
    getHost = unix.Server.getHost
    __repr__ = unix.Server.__repr__

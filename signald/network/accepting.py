"""Accepts connections, each in as few steps as there must be.

What Twisted does for each beyond that costs a tenth of a whole visit: a turn of the reactor with a context for the log,
two system calls for a name that is a number already, and an address that is made three times.
"""

import os
import socket
from typing import Any, Final

from twisted.internet import tcp, unix
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from signald.network.accepted import Accepted
from signald.network.sockets import IN_PYTHON, Sockets

AT_ONCE: Final = 64
"""Connections of one turn at most: those who are here already wait for no more than these."""


def accept_promptly(port: IListeningPort, reactor: Any, sockets: Sockets = IN_PYTHON) -> None:
    """Make a TCP or UNIX port of Twisted's accept connections of our kind; any other port stays as it is.

    Args:
        port: It listens already.
        reactor: What the connections are to take for the reactor, such as a `Lane`; a TCP port does, too.
        sockets: Read and write them.
    """
    if isinstance(port, unix.Port):
        port.transport = lambda sock, protocol, peer, *_: Accepted(_let_go(sock), protocol, peer, reactor, sockets)  # type: ignore[assignment] # Twisted's own place for it
    elif isinstance(port, tcp.Port):
        port.stopReading()
        port.reactor = reactor
        # Connections inherit it: with Nagle's algorithm and delayed ACKs each step of a call's set-up would take 40 ms.
        port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Acceptor(port, sockets).take_over()
        port.startReading()


class Acceptor:
    """Accepts the connections of one TCP port."""

    _log = Logger()

    def __init__(self, port: tcp.Port, sockets: Sockets) -> None:
        self._port: Any = port
        self._sockets = sockets
        self._next = sockets.acceptor(port.socket)
        self._at_once = 1
        self._accept_as_twisted_does = port.doRead

    def take_over(self) -> None:
        """Be what the port calls."""
        port = self._port
        port.doRead = self._accept
        port.transport = self._made_by_twisted

    def _accept(self) -> None:
        port, accept = self._port, self._next
        for number in range(self._at_once):
            try:
                accepted = accept()
            except OSError:  # no more descriptors, most of all: Twisted keeps one for that
                self._accept_as_twisted_does()
                return
            if accepted is None:
                self._at_once = max(1, number)  # asking in vain costs as much as accepting
                return
            descriptor, address = accepted
            transport = None
            try:
                protocol = port.factory.buildProtocol(None)
                transport = Accepted(descriptor, protocol, _whole(address), port.reactor, self._sockets)
                protocol.makeConnection(transport)
            except Exception:
                self._log.failure("a connection failed; it is closed")
                if transport is None:
                    os.close(descriptor)
                else:  # whoever polls it must not take the next of this number for it
                    transport.abortConnection()
        self._at_once = min(2 * self._at_once, AT_ONCE)

    def _made_by_twisted(
        self, accepted: socket.socket, protocol: Any, said: tuple[Any, ...], port: Any, number: int, reactor: Any
    ) -> Accepted:
        return Accepted(_let_go(accepted), protocol, _whole(said), reactor, self._sockets)


def _let_go(accepted: socket.socket) -> int:
    """The descriptor of a socket that Twisted has accepted; it is ours from then on, and does not wait."""
    accepted.setblocking(False)
    return accepted.detach()


def _whole(said: tuple[Any, ...]) -> tuple[Any, ...]:
    """An address as `accept` gives it; one of IPv6 that only holds within a link says in which."""
    if len(said) < 4 or not said[3]:
        return said
    host, _ = socket.getnameinfo(said, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return (host, *said[1:])

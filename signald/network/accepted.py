"""Reads and writes accepted connections: the transport of all that clients and pages say.

It does at once what Twisted's own transports leave to later turns of the reactor, as where each read brings one small
message those turns cost as much as the message; see docs/decisions/0013-accepted-sockets.md.

- What is written goes out at once if nothing waits before it; Twisted waits for the socket to say that it has room.
- A connection that is closed while its bytes are read ends as soon as they are read.
- Coming and going take a call or two in place of some twenty.
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IPushProducer,
    IReadWriteDescriptor,
    ITransport,
)
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from signald.network.sockets import IN_PYTHON, Sockets

FULL_BYTES: Final = 65536
"""With more than these waiting to be sent, whoever produces has to pause."""

SEND_BYTES: Final = 131072
"""Given to the kernel by one write at most, of what waited."""

_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of a connection that is to end by a reset, at once (socket(7))."""


@implementer(ITransport, IConsumer, IPushProducer, IReadWriteDescriptor)
class Accepted:
    """Reads and writes one connection, of TCP or a UNIX socket.

    Args:
        descriptor: Of a socket that has just been accepted, and does not wait.
        protocol: Reads it.
        peer: The address of the other side, as `accept` gives it.
        reactor: What it is to take for the reactor, such as a `Lane`.
        sockets: Read and write.

    Attributes:
        host: Where the other side is; empty for a UNIX socket.
        protocol: Gets what comes; another may take its place.
        connected: Whether it is open.
        disconnecting: Whether it closes when all is written.
        ends: Whether it closes with the read that it is in.
    """

    __slots__ = (
        "_aborting",
        "_descriptor",
        "_paused",
        "_peer",
        "_producer",
        "_reactor",
        "_reading",
        "_receive",
        "_send",
        "_streaming",
        "_unsent",
        "_writing",
        "connected",
        "disconnecting",
        "ends",
        "host",
        "protocol",
    )

    def __init__(self, descriptor: int, protocol: Any, peer: Any, reactor: Any, sockets: Sockets = IN_PYTHON) -> None:
        self._descriptor = descriptor
        self._receive = sockets.receive
        self._send = sockets.send
        self._peer = peer
        self.host = peer[0] if isinstance(peer, tuple) else ""
        self._reactor = reactor
        self._producer: Any = None
        self._streaming = self._paused = self._reading = self._writing = self._aborting = False
        self.disconnecting = self.ends = False
        self._unsent: bytearray | None = None
        self.protocol = protocol
        reactor.addReader(self)
        self.connected = True

    def __repr__(self) -> str:
        return f"<a connection from {self.getPeer()}>"

    # --- the reactor calls: see `IReadWriteDescriptor` ----------------------------------------------------------------

    def fileno(self) -> int:
        """See `IFileDescriptor.fileno`; -1 when it is closed."""
        return self._descriptor

    def logPrefix(self) -> str:
        """See `ILoggingContext.logPrefix`."""
        return "signald"

    def doRead(self) -> Exception | None:  # type: ignore[override] # as what Twisted has does it
        """See `IReadDescriptor.doRead`; the connection ends with what is returned."""
        receive = self._receive
        try:
            data = receive(self._descriptor)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        return self.take(data) if data else CONNECTION_DONE

    def take(self, data: bytes) -> Exception | None:
        """Take what was read; the connection ends with what is returned."""
        protocol = self.protocol
        if protocol is None or self._aborting:  # it ended, or is about to, by what another one's bytes brought
            return None
        self._reading = True
        protocol.dataReceived(data)
        self._reading = False
        if self.ends and not self._aborting:
            if self._producer is None and self._unsent is None:
                return CONNECTION_DONE
            self.ends = False
            self._reactor.removeReader(self)
        return None

    def doWrite(self) -> Exception | None:  # type: ignore[override]
        """See `IWriteDescriptor.doWrite`; the connection ends with what is returned."""
        if self._aborting:
            return None
        unsent = self._unsent
        if unsent:
            send = self._send
            try:
                sent = send(self._descriptor, bytes(memoryview(unsent)[:SEND_BYTES]))
            except BlockingIOError:
                return None
            except OSError:
                return CONNECTION_LOST
            del unsent[:sent]
            if unsent:
                return None
            self._unsent = None
        self._writing = False
        self._reactor.removeWriter(self)
        producer = self._producer
        if producer is not None and (self._paused or not self._streaming):
            self._paused = False
            producer.resumeProducing()
        elif self.disconnecting:
            return CONNECTION_DONE
        return None

    def connectionLost(self, reason: Failure) -> None:
        """See `IReadDescriptor.connectionLost`. Harmless when done twice."""
        if not self.connected:
            return
        self.connected = False
        self._reactor.removeReader(self)
        if self._writing:
            self._reactor.removeWriter(self)
        descriptor, self._descriptor = self._descriptor, -1  # another connection may soon have its number
        try:
            if self._aborting:
                with _as_socket(descriptor) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            os.close(descriptor)
        except OSError:
            pass  # it is closed in any case
        producer, self._producer = self._producer, None
        protocol, self.protocol = self.protocol, None
        try:
            if producer is not None:
                producer.stopProducing()
        finally:
            protocol.connectionLost(reason)

    # --- the protocol calls: see `ITransport` -------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """See `ITransport.write`."""
        if not self.connected or self._aborting:
            return
        unsent = self._unsent
        if unsent is None:
            send = self._send
            try:
                sent = send(self._descriptor, data)
            except OSError:  # nothing fits, or it is broken, which `doWrite` meets
                sent = 0
            if sent == len(data):
                return
            self._unsent = unsent = bytearray(data[sent:])
            self._write_later()
        else:
            unsent += data
        if len(unsent) > FULL_BYTES and self._streaming and self._producer is not None:
            self._paused = True
            self._producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """See `ITransport.writeSequence`."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """See `ITransport.loseConnection`; what was written before leaves, and what a producer has."""
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            if self._reading and self._producer is None and self._unsent is None:
                self.ends = True
            else:
                self._reactor.removeReader(self)
                self._write_later()

    def abortConnection(self) -> None:
        """See `ITCPTransport.abortConnection`."""
        if self.connected and not self._aborting:
            self._aborting = True
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            self._reactor.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def part(self) -> int | None:
        """End as by `loseConnection`, but leave the socket open for whoever reads what was written.

        Returns:
            A file descriptor of the socket, to be closed later; None if it cannot be done now.
        """
        if not (self._reading and self.connected and self._producer is None and self._unsent is None):
            return None
        try:
            with _as_socket(self._descriptor) as sock:
                sock.shutdown(socket.SHUT_WR)
            kept = os.dup(self._descriptor)
        except OSError:
            return None
        self.disconnecting = self.ends = True
        return kept

    def getPeer(self) -> IAddress:
        """See `ITransport.getPeer`."""
        return _address(self._peer)

    def getHost(self) -> IAddress:
        """See `ITransport.getHost`."""
        with _as_socket(self._descriptor) as sock:
            return _address(sock.getsockname())

    def setTcpNoDelay(self, enabled: bool) -> None:
        """See `ITCPTransport.setTcpNoDelay`: it is set for the port already."""

    # --- what a producer says: see `IConsumer` ------------------------------------------------------------------------

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See `IConsumer.registerProducer`."""
        if self._producer is not None:
            raise RuntimeError(f"{producer!r} cannot produce for {self!r}, as {self._producer!r} does")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer, self._streaming = producer, streaming
        if not streaming:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:
        """See `IConsumer.unregisterProducer`."""
        self._producer = None
        if self.disconnecting and self.connected:
            self._write_later()

    # --- who takes what comes says: see `IPushProducer` ---------------------------------------------------------------

    def pauseProducing(self) -> None:
        """See `IPushProducer.pauseProducing`: read no more."""
        self._reactor.removeReader(self)

    def resumeProducing(self) -> None:
        """See `IPushProducer.resumeProducing`: read again."""
        if self.connected and not (self.disconnecting or self._aborting):
            self._reactor.addReader(self)

    def stopProducing(self) -> None:
        """See `IPushProducer.stopProducing`."""
        self.loseConnection()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _write_later(self) -> None:
        self._writing = True
        self._reactor.addWriter(self)


@contextmanager
def _as_socket(descriptor: int) -> Iterator[socket.socket]:
    """The socket of a descriptor, for what is seldom asked of it; it stays open."""
    sock = socket.socket(fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()


def _address(name: Any) -> IAddress:
    if not isinstance(name, tuple):
        return UNIXAddress(name or None)
    return (IPv6Address if len(name) == 4 else IPv4Address)("TCP", *name)

"""The whole daemon in memory: real wiring from the first byte of a connection on, a clock that only tests move.

`MemoryTransport` stands for the socket and does what `twisted.internet.abstract.FileDescriptor` does: it buffers, calls
its producer at the same mark, closes after what is written, and tells of the end in a later turn.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any
from unittest.mock import patch

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from signald.core.messages import SUBPROTOCOL
from signald.daemon import Daemon
from signald.settings import settings
from signald.web import assets
from signald.wiring.daemon import make_daemon
from tests.support.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    Response,
    client_frame,
    close_frame,
    handshake,
    parse_response,
)

Message = dict[str, Any]

STARTED_AT = 1_800_000_000.0
"""When each daemon starts, in seconds since 1970."""

_read_once, _read_console_once = cache(assets.read), cache(assets.read_console)
"""To make pages takes two thirds of the time of a daemon's start, and they are the same for all."""

BUFFER_BYTES = 2**16
"""`FileDescriptor.bufferSize`: more than this pauses the producer."""


@implementer(ITCPTransport, IConsumer, IPushProducer)
class MemoryTransport:
    """The server's end of one connection.

    Attributes:
        reads: Whether the other end takes what is sent to it; false fills the buffer.
        peer: Where what arrives is given to.
        lost: Whether the protocol was told of the end.
        peak: The most bytes that have stood in the buffer.
        unread: What the other end has sent while nobody read.
    """

    def __init__(self, clock: MemoryReactorClock, peer: "MemoryClient") -> None:
        self._clock = clock
        self._buffer = b""
        self._producer: Any = None
        self._paused = False
        self._flushing = False
        self.host = "192.0.2.1"
        self.disconnecting = False
        self.unread = b""
        self._reading = True
        self._over = False
        self.peer = peer
        self.protocol: Any = None
        self.reads = True
        self.lost = False
        self.peak = 0

    # --- what a protocol calls ----------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes), "transports take bytes"
        if self._over:
            return
        self._buffer += data
        self.peak = max(self.peak, len(self._buffer))
        if self._producer is not None and len(self._buffer) > BUFFER_BYTES:
            # At each write, not only at the first: `FileDescriptor._maybePauseProducer`.
            self._paused = True
            self._producer.pauseProducing()
        self._flush_later()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True
        self._flush_later()

    def abortConnection(self) -> None:
        self._end(ConnectionAborted())

    def loseWriteConnection(self) -> None:
        raise NotImplementedError

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert self._producer is None, "two producers"
        assert streaming, "a push producer"
        if self._over:
            producer.stopProducing()
        else:
            self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        """Stop reading."""
        self._reading = False

    def resumeProducing(self) -> None:
        """Read again."""
        self._reading = True
        self._clock.callLater(0, self.arrive, b"")

    def stopProducing(self) -> None:
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self.host, 50000)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.2", 8080)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to do."""

    def getTcpNoDelay(self) -> bool:
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nothing to do."""

    def getTcpKeepAlive(self) -> bool:
        return False

    # --- what a test calls --------------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes that were written and not taken."""
        return len(self._buffer)

    @property
    def gone(self) -> bool:
        """Whether the other end sees the connection closed."""
        return self._over

    def arrive(self, data: bytes) -> None:
        """Bytes from the other end; after the end, or a close, nobody reads them."""
        self.unread += data
        if self._reading and not self._over and not self.disconnecting:
            data, self.unread = self.unread, b""
            if data:
                self.protocol.dataReceived(data)

    def peer_lost(self) -> None:
        """The other end is gone without a word."""
        self._end(ConnectionLost())

    def read_again(self) -> None:
        """The other end reads again."""
        self.reads = True
        self._flush_later()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _flush_later(self) -> None:
        if self.reads and not self._flushing and not self._over:
            self._flushing = True
            self._clock.callLater(0, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._over or not self.reads:
            return
        data, self._buffer = self._buffer, b""
        if data:
            self.peer.arrived(data)
        if self._producer is not None and self._paused:
            self._paused = False
            self._producer.resumeProducing()
        if self.disconnecting and not self._buffer:
            self._end(ConnectionDone())

    def _end(self, why: Exception) -> None:
        if not self._over:
            self._over = True
            self._buffer = b""
            self._clock.callLater(0, self._tell, Failure(why))

    def _tell(self, why: Failure) -> None:
        self.lost = True
        if self._producer is not None:
            self._producer.stopProducing()
        self.protocol.connectionLost(why)


class MemoryClient:
    """The other end of one connection.

    Attributes:
        messages: Server messages not yet taken.
        frames: Every frame that came.
        raw: Every byte that came.
        close_code: Of the server's close frame.
        pings: Payloads of the server's pings.
        token: The last resume token.
        received: Messages had in this session, as `resume` counts them.
        sent: Messages sent in this session.
    """

    def __init__(self, daemon: "MemoryDaemon") -> None:
        self._daemon = daemon
        self._reader = FrameReader()
        self._response: Response | None = None
        self.transport = MemoryTransport(daemon.clock, self)
        self.answers_pings = True
        self.answers_close = True
        self.raw = b""
        self.frames: list[Frame] = []
        self.messages: list[Message] = []
        self.pings: list[bytes] = []
        self.pongs: list[bytes] = []
        self.close_code: int | None = None
        self.id = ""
        self.token = ""
        self.received = 0
        self.sent: list[bytes] = []

    @property
    def response(self) -> Response:
        """The HTTP response; its head must be here."""
        response = parse_response(self.raw)
        assert response is not None, self.raw
        return response

    def write(self, data: bytes) -> None:
        """Send bytes, and let the daemon do all that follows."""
        self.transport.arrive(data)
        self._daemon.settle()

    def text(self, text: bytes | str) -> None:
        """Send one text frame."""
        payload = text.encode() if isinstance(text, str) else text
        self.sent.append(payload)
        self.write(client_frame(TEXT, payload))

    def send(self, type: str, **fields: Any) -> None:
        """Send one message."""
        self.text(json.dumps({"type": type, **fields}))

    def take(self) -> list[Message]:
        """The messages that came since the last call."""
        messages, self.messages = self.messages, []
        return messages

    def types(self) -> list[str]:
        """As `take`, but their types alone."""
        return [message["type"] for message in self.take()]

    def close(self, code: int | None = 1000) -> None:
        """Begin the closing handshake."""
        self.write(close_frame(code))

    def vanish(self) -> None:
        """Be gone without a word."""
        self.transport.peer_lost()
        self._daemon.settle()

    @property
    def gone(self) -> bool:
        """Whether the daemon has ended the connection."""
        return self.transport.gone

    def arrived(self, data: bytes) -> None:
        """The transport calls it with the daemon's bytes."""
        self.raw += data
        if self._response is None:
            self._response = parse_response(self.raw)
            if self._response is None:
                return
            data = self._response.rest
        if self._response.status == 101:
            for frame in self._reader.feed(data):
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        assert self.close_code is None, f"{frame} after the close frame"
        self.frames.append(frame)
        if frame.opcode == TEXT:
            message = json.loads(frame.payload)
            self.messages.append(message)
            self.received += message["type"] not in ("ready", "resumed")
            self.token = message.get("resume", {}).get("token", self.token)
        elif frame.opcode == PING:
            self.pings.append(frame.payload)
            if self.answers_pings:
                self._later(client_frame(PONG, frame.payload))
        elif frame.opcode == PONG:
            self.pongs.append(frame.payload)
        elif frame.opcode == CLOSE:
            self.close_code = int.from_bytes(frame.payload[:2], "big") if frame.payload else 1005
            if self.answers_close:
                self._later(close_frame(self.close_code if frame.payload else None))

    def _later(self, data: bytes) -> None:
        self._daemon.clock.callLater(0, self.transport.arrive, data)


class MemoryTest(SynchronousTestCase):
    """A test of the daemon in memory. A subclass with `fast_path` false runs all of it by Autobahn alone."""

    fast_path = True
    fast_frames = True
    """Whether handshakes and frames are read in C, where that was built."""

    def start(self, **variables: str) -> "MemoryDaemon":
        """A daemon with these environment variables."""
        return MemoryDaemon(FAST_PATH=str(self.fast_path), FAST_FRAMES=str(self.fast_frames), **variables)


class MemoryDaemon:
    """A started daemon, made by the same function as the real one.

    Args:
        variables: Environment variables, as in the README.
    """

    def __init__(self, **variables: str) -> None:
        self.clock = MemoryReactorClock()
        self.settings = settings.parse(variables)
        with patch.multiple(assets, read=_read_once, read_console=_read_console_once):
            self.daemon: Daemon = make_daemon(self.settings, self.clock, self.unix_time)
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self._factories: list[Any] = [listener[1] for listener in self.clock.tcpServers]
        self.connections = self.daemon._clients

    def unix_time(self) -> float:
        """Seconds since 1970; passes with the clock."""
        return STARTED_AT + self.clock.seconds()

    def settle(self) -> None:
        """Let everything happen that needs no time to pass."""
        for _ in range(10_000):
            now = self.clock.seconds()
            if not any(call.getTime() <= now for call in self.clock.getDelayedCalls()):
                return
            self.clock.advance(0)
        raise AssertionError("the daemon never comes to rest")

    def advance(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass, in steps as a reactor would."""
        until = self.clock.seconds() + seconds
        while (left := until - self.clock.seconds()) > 1e-9:
            self.clock.advance(min(step, left))
            self.settle()

    def connect(self, host: str = "192.0.2.1", *, listener: int = 0) -> MemoryClient:
        """A TCP connection, from an address, that has not said anything yet; the operator's listener comes last."""
        client = MemoryClient(self)
        client.transport.host = host
        protocol = self._factories[listener].buildProtocol(client.transport.getPeer())
        client.transport.protocol = protocol
        protocol.makeConnection(client.transport)
        self.settle()
        return client

    def client(
        self, *, origin: str | None = None, protocols: Sequence[str] = (), host: str = "192.0.2.1"
    ) -> MemoryClient:
        """A WebSocket client that has its id."""
        client = self.connect(host)
        client.write(handshake(origin=origin, protocols=protocols))
        assert client.response.status == 101, client.raw
        (ready,) = client.take()
        assert ready["type"] == "ready", ready
        client.id = ready["clientId"]
        return client

    def modern(self, *protocols: str, host: str = "192.0.2.1") -> MemoryClient:
        """A client of the protocol of today."""
        return self.client(protocols=[SUBPROTOCOL, *protocols], host=host)

    def resume(
        self, before: MemoryClient, *protocols: str, token: str = "", received: int | None = None, **more: Any
    ) -> MemoryClient:
        """A new connection that wants to go on with the session of another one; its answer stands in `messages`.

        What the server has not had is sent again.
        """
        client = self.modern(*protocols)
        client.token = ""
        wish = {"token": token or before.token, "received": before.received if received is None else received, **more}
        client.write(client_frame(TEXT, json.dumps({"type": "resume", **wish}).encode()))
        answer = client.messages[0]
        if answer["type"] == "resumed":
            client.id = answer["clientId"]
            client.received = before.received + len(client.messages) - 1
            client.sent = before.sent[: answer["received"]]
            for text in before.sent[answer["received"] :]:
                client.text(text)
        return client

    def pair(self, *, modern: bool = False) -> tuple[MemoryClient, MemoryClient]:
        """Two clients that are partners; their ``matched`` messages are taken."""
        one, other = (self.modern(), self.modern()) if modern else (self.client(), self.client())
        one.send("available")
        other.send("available")
        assert (one.types(), other.types()) == (["matched"], ["matched"])
        return one, other

    @property
    def clients(self) -> int:
        """How many clients the daemon says it has."""
        clients = self.daemon.life.health()["clients"]
        assert isinstance(clients, int)
        return clients

    def stop(self) -> "Deferred[None]":
        """Begin to stop, as a signal does."""
        stopped = self.daemon.stopService()
        self.settle()
        return stopped

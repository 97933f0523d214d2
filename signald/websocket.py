"""The WebSocket side of a client: Autobahn's frames to messages, and back.

Autobahn speaks RFC 6455; what stands here translates, keeps output within bounds and makes sure that a client which
is over is over at once. Autobahn names that are overridden keep its spelling; ours start with an underscore that it
does not use.
"""

from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.internet.interfaces import IPushProducer, IReactorCore
from twisted.logger import Logger, LogLevel
from zope.interface import implementer

from signald import __version__, origins
from signald.connections import Client, Connections
from signald.core.messages import MAX_MESSAGE_BYTES
from signald.deadlines import Deadlines
from signald.heartbeat import Heartbeat

SUBPROTOCOL = "signald.v1"
"""A client that asks for it may be sent message types that the first protocol did not have."""

MAX_OUTPUT_BYTES = 256 * 1024
"""Output that waits for one client beyond the transport's own buffer: about 60 SDPs. More means it does not read."""

GOING_AWAY = 1001
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013


class _QuietLogger(Logger):
    """Autobahn's own log, whose warnings are about clients: no operator has to act on them."""

    def emit(self, level: Any, format: str | None = None, **fields: Any) -> None:
        super().emit(LogLevel.debug if level in (LogLevel.info, LogLevel.warn) else level, format, **fields)


@implementer(IPushProducer)
class WebSocketConnection(WebSocketServerProtocol):
    """One client's connection; implements `signald.connections.Connection`."""

    factory: "WebSocketFactory"
    transport: Any
    log = _QuietLogger("autobahn")
    _log = Logger()
    _client: Client | None = None
    _paused = False
    _backlog = 0

    # --- Autobahn calls -----------------------------------------------------------------------------------------------

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """The handshake's headers are here: check the origin, choose the subprotocol."""
        if not origins.allows(self.factory.allowed_origins, request.origin):
            raise ConnectionDeny(ConnectionDeny.FORBIDDEN, "origin not allowed")
        return SUBPROTOCOL if SUBPROTOCOL in request.protocols else None

    def onOpen(self) -> None:
        """The handshake is done. Autobahn swallows what is raised here, so it is met here."""
        try:
            self.factory.handshakes.done(self)
            self.transport.registerProducer(self, True)
            self._client = self.factory.connections.open(self)
            self.factory.heartbeat.watch(self._client)
        except Exception:
            self._fail()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A whole message, unmasked, of valid UTF-8 if it is text."""
        if self._client is None:
            return
        try:
            if isBinary:
                self.factory.connections.refuse(self._client, "binary messages are not understood: send JSON as text")
            else:
                self.factory.connections.receive(self._client, payload)
        except Exception:
            self._fail()

    def onPong(self, payload: bytes) -> None:
        """The sign of life that `ping` asked for."""
        if self._client is not None:
            self._client.answered = True

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        """A close frame goes out, ours or the reply to theirs: from now on the client is over."""
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self.factory.closings.begin(self)
        self._over(f"closed with {code}")

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The transport is gone."""
        self.factory.handshakes.done(self)
        self.factory.closings.done(self)
        self.factory.open.discard(self)
        self._over(f"connection lost: {reason}")

    # --- signald.connections.Connection -------------------------------------------------------------------------------

    def send(self, text: bytes) -> None:
        """Send one text message; a client that does not read is closed with 1013 instead."""
        if self._paused:
            self._backlog += len(text)
            if self._backlog > MAX_OUTPUT_BYTES:
                self.close(TRY_AGAIN_LATER, "the client does not read what it is sent")
                return
        self.sendMessage(text)

    def ping(self) -> None:
        """Ask for a pong."""
        self.sendPing()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; if the client does not answer in time it is dropped."""
        if self.state == self.STATE_OPEN:
            # Autobahn's sendClose() refuses the codes that RFC 6455 7.4.1 has for servers.
            self.sendCloseFrame(code, reason.encode())

    def drop(self) -> None:
        """Abort the transport."""
        self.transport.abortConnection()

    # --- the transport calls (push producer: it tells when its buffer is full and when it is empty) -------------------

    def pauseProducing(self) -> None:
        """The transport's buffer is full: count what is sent from now on."""
        self._paused = True
        self._backlog = 0

    def resumeProducing(self) -> None:
        """The transport's buffer is empty."""
        self._paused = False

    def stopProducing(self) -> None:
        """The transport is gone."""

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _over(self, why: str) -> None:
        client, self._client = self._client, None
        if client is not None:
            self.factory.heartbeat.forget(client)
            self.factory.connections.closed(client, why)

    def _fail(self) -> None:
        self._log.failure("a client's connection failed; it is closed with 1011")
        self.close(INTERNAL_ERROR, "internal error")


class WebSocketFactory(WebSocketServerFactory):
    """Makes the connections of `/ws`.

    Args:
        connections: The clients of this instance.
        heartbeat: Watches each client.
        handshakes: Ends handshakes that take too long.
        closings: Ends closings that take too long.
        allowed_origins: Normalised; empty allows all.
        reactor: For Autobahn.
    """

    log = _QuietLogger("autobahn")
    noisy = False

    def __init__(
        self,
        connections: Connections,
        heartbeat: Heartbeat,
        handshakes: Deadlines,
        closings: Deadlines,
        allowed_origins: frozenset[str],
        reactor: IReactorCore,
    ) -> None:
        super().__init__(server=f"signald/{__version__}", reactor=reactor)
        self.connections = connections
        self.heartbeat = heartbeat
        self.handshakes = handshakes
        self.closings = closings
        self.allowed_origins = allowed_origins
        self.open: set[WebSocketConnection] = set()
        self.setProtocolOptions(
            versions=[13],
            webStatus=False,
            maxFramePayloadSize=MAX_MESSAGE_BYTES,
            maxMessagePayloadSize=MAX_MESSAGE_BYTES,
            failByDrop=False,
            echoCloseCodeReason=True,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
        )

    def buildProtocol(self, addr: Any) -> WebSocketConnection:  # type: ignore[override]
        """A connection that is about to shake hands."""
        connection = WebSocketConnection()
        connection.factory = self
        self.open.add(connection)
        return connection

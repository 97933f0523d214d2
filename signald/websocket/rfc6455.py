"""Speaks all of RFC 6455, by Autobahn: every handshake and every frame that the fast path does not take.

Autobahn's names keep its spelling.
"""

import re
from http import HTTPStatus
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny, ConnectionRequest
from twisted.logger import Logger

from signald import __version__
from signald.clients.client import Client
from signald.core.messages import MAX_MESSAGE_BYTES
from signald.core.refusals import Refused
from signald.websocket import bearer
from signald.websocket.base import ClientConnection, WebSockets

TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
"""Opcodes (RFC 6455 5.2)."""

PIECE_BYTES: Final = 4096
"""Bytes that Autobahn is given at once."""


_HEADER: Final = re.compile("Host|Upgrade|Connection|Origin|Sec-WebSocket-(?:Version|Protocol|Key|Extensions)")


def without_request(reason: str, code: int) -> str:
    """Why Autobahn refuses a handshake, in fixed words: its own quote the request, and so a token perhaps.

    Args:
        reason: Autobahn's words; the first header that they name is the one that is wrong.
        code: HTTP status.
    """
    header = _HEADER.search(reason.replace("WebSocket version", "Sec-WebSocket-Version"))
    return f"{header[0]} is missing or wrong" if header else HTTPStatus(code).phrase


class _AutobahnLog:
    """Takes Autobahn's log, and drops what it says at each frame, on which no operator has to act."""

    _log = Logger("autobahn")

    def debug(self, *args: object, **fields: object) -> None:
        """Said at each frame."""

    trace = info = warn = debug

    def error(self, message: str, **fields: object) -> None:
        """Something is wrong with Autobahn or with us."""
        self._log.error(message, **fields)

    critical = failure = error


class WebSocketConnection(ClientConnection, WebSocketServerProtocol):  # type: ignore[misc] # Autobahn's own bases
    """One client's connection, as Autobahn sees it."""

    factory: "WebSocketFactory"
    log = _AutobahnLog()

    def __init__(self, shared: WebSockets, address: str) -> None:
        ClientConnection.__init__(self, shared, address)
        WebSocketServerProtocol.__init__(self)
        self._unread = b""
        self._token: str | None = None
        self._refused: Refused | None = None  # why we let this client not in; None if Autobahn does not

    def connectionMade(self) -> None:
        """The transport is here: the time for the handshake begins."""
        super().connectionMade()
        self.hurry(self.shared.handshakes)

    def adopt(self, client: Client | None, *, paused: bool, backlog: int, closing: bool) -> None:
        """Take over a connection whose handshake is done, as it stands between two frames.

        Args:
            client: None if it is over.
            paused: Whether the transport's buffer is full.
            backlog: Bytes sent since then.
            closing: Whether our close frame went out.
        """
        self._client = client
        if client is not None:
            client.connection = self
        self._paused = paused
        self._backlog = backlog
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        self.hurry(None)
        # What Autobahn's succeedHandshake() sets.
        self.state = self.STATE_CLOSING if closing else self.STATE_OPEN
        self.closedByMe = closing
        self.inside_message = False
        self.current_frame = None  # type: ignore[assignment] # as Autobahn itself
        self.websocket_version = 13
        self.websocket_protocol_in_use = None

    # --- the reactor calls --------------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """See `IProtocol.dataReceived`."""
        turns = self.shared.turns
        if turns.in_use:
            turns.give(self, data)
            return
        self.shared.counts.received_bytes += len(data)
        if self.shared.throttle.max_bytes:
            self.shared.throttle.read(self, len(data))
        self._unread += data
        # Autobahn copies what is left after each frame, which many small ones would make expensive.
        while self._unread and not self._held:
            piece, self._unread = self._unread[:PIECE_BYTES], self._unread[PIECE_BYTES:]
            super().dataReceived(piece)

    def go_on(self) -> None:
        """See `Flooder.go_on`."""
        super().go_on()
        self.dataReceived(b"")

    # --- Autobahn calls -----------------------------------------------------------------------------------------------

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Count what is sent: all of it passes here."""
        self.shared.counts.sent_bytes += len(data)
        super().sendData(data, sync, chopsize)

    def onFrameEnd(self) -> bool | None:
        """Count frames of which any number may come as useless ones: continuations, pings, pongs, all after the end."""
        if self._client is None or self.current_frame.opcode not in (TEXT, BINARY, CLOSE):
            self.useless()
        return super().onFrameEnd()

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """The handshake's headers are here."""
        try:
            self._token = bearer.offered(request.protocols) or next(iter(request.params.get("token", ())), None)
            return self.shared.entrance.accept(request.origin, request.protocols)
        except Refused as refused:
            self._refused = refused
            raise ConnectionDeny(refused.refusal.status, refused.message) from None

    def onOpen(self) -> None:
        """The handshake is done. Autobahn swallows what is raised in these, so they are met in the base."""
        self.hurry(None)
        token, self._token = self._token, None
        self._opened(self.websocket_protocol_in_use, token)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A whole message."""
        self._received(payload, binary=isBinary)

    def onPong(self, payload: bytes) -> None:
        """A pong, asked for or not."""
        self._ponged()

    def onPing(self, payload: bytes) -> None:
        """Answer a ping, as if it were a message: a client that does not read its pongs must not fill the memory."""
        if self._has_room(len(payload)):
            self.sendPong(payload)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        """Count a handshake that is refused, and say why without quoting it: all of them pass here."""
        self.shared.counts.handshake_refused(code)
        words = without_request(reason, code) if self._refused is None else self._refused.message
        super().failHandshake(words, code, responseHeaders)

    def dropConnection(self, abort: bool = False) -> None:
        """Both close frames are there, or it failed: end, but let out what is written (`closings` ends what hangs)."""
        super().dropConnection(abort=False)

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False) -> None:
        """A close frame goes out, ours or the reply to theirs."""
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self._closing(code)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The transport is gone."""
        self._lost(str(reason))
        self.is_closed = None  # a Deferred whose result is this connection: it would be left to the garbage collector

    # --- signald.clients.client.Connection ----------------------------------------------------------------------------

    def send(self, text: bytes) -> None:
        """Send one text message; a client that does not read is closed with 1013 instead."""
        # Not sendMessage(): its limit is the one for what comes in, and a relay is longer by its `from`.
        if self.state == self.STATE_OPEN and self._has_room(len(text)):
            self.sendFrame(TEXT, text)

    def ping(self) -> None:
        """Ask for a pong."""
        self.sendPing()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; if the client does not answer in time it is dropped."""
        if self.state == self.STATE_OPEN:
            # Autobahn's sendClose() refuses the codes that RFC 6455 7.4.1 has for servers.
            self.sendCloseFrame(code, reason.encode())


class WebSocketFactory(WebSocketServerFactory):
    """Makes connections whose handshake is Autobahn's too.

    Args:
        shared: What all connections share.
        reactor: For Autobahn.
    """

    log = _AutobahnLog()
    noisy = False

    def __init__(self, shared: WebSockets, reactor: Any) -> None:
        super().__init__(server=f"signald/{__version__}", reactor=reactor)
        self._shared = shared
        self.setProtocolOptions(
            versions=[13],
            webStatus=False,
            # Pages from files and sandboxed frames: `origins` decides, and by default all may connect.
            allowNullOrigin=True,
            maxFramePayloadSize=MAX_MESSAGE_BYTES,
            maxMessagePayloadSize=MAX_MESSAGE_BYTES,
            failByDrop=False,
            echoCloseCodeReason=True,
            # Autobahn's timers run on the global reactor; `Deadlines` and `Heartbeat` do this.
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
        )

    def connection(self, address: str) -> WebSocketConnection:
        """Make the connection of a client, by its address."""
        connection = WebSocketConnection(self._shared, address)
        connection.factory = self
        return connection

"""Reads the frames that make up nearly all traffic, at a fraction of Autobahn's cost; all others go to Autobahn.

The reason: for a relayed message stock Autobahn spends more than twice the CPU of a Node.js server, and 12 kB of
memory for each silent client; see docs/performance.md. Taken here are whole text frames of at most 64 KiB, pings,
pongs, and close frames that are correct. Anything else, such as a fragment, a binary message, a broken frame, goes
untouched to an Autobahn connection that takes this one's place for good, so errors and limits are Autobahn's in either
case. FAST_PATH turns this file off.
"""

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from signald.core.refusals import Refused
from signald.network.front import give
from signald.network.output import Output
from signald.network.upgrade import Upgrade
from signald.websocket import bearer, handshake
from signald.websocket.base import NO_STATUS, ClientConnection, WebSockets
from signald.websocket.frames import CLOSE, TEXT, close_frame
from signald.websocket.rfc6455 import WebSocketConnection

# First byte of a control frame that is whole (FIN), without reserved bits, by opcode (RFC 6455 5.5).
_PING: Final = 0x89
_PONG: Final = 0x8A
_TAKEN: Final = frozenset((TEXT, CLOSE, _PING, _PONG))

_PING_FRAME: Final = b"\x89\x00"


def is_plain_close(payload: bytes) -> bool:
    """Whether a close frame's body is free of fault: RFC 6455 5.5.1, codes of 7.4 that may stand on the wire."""
    if not payload:
        return True
    if len(payload) == 1:
        return False
    code = payload[0] << 8 | payload[1]
    return (1000 <= code <= 1003 or 1007 <= code <= 1011 or 3000 <= code <= 4999) and payload[2:].isascii()


class FastConnection(ClientConnection):
    """One client's connection, until a frame comes that is not for it. A Twisted protocol without its base's dict."""

    __slots__ = ("_closed", "_data", "_output", "_queue", "_slow")

    def __init__(
        self, shared: WebSockets, output: Output, slow: Callable[[str], WebSocketConnection], address: str
    ) -> None:
        super().__init__(shared, address)
        self._output = output
        self._slow = slow
        self._data = b""
        self._queue: list[bytes] = []
        self._closed = False

    # --- the reactor calls --------------------------------------------------------------------------------------------

    def makeConnection(self, transport: Any) -> None:
        """See `IProtocol.makeConnection`."""
        self.transport = transport

    def enter(self, transport: Any, data: bytes, upgrade: Upgrade | None) -> None:
        """See `Entering.enter`."""
        self.transport = transport
        if upgrade is None or self.shared.turns.in_use:
            self.dataReceived(data)
        elif rest := self._shake_hands(data, upgrade):
            self.dataReceived(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See `IProtocol.connectionLost`."""
        self._closed = True
        self._queue.clear()
        self._lost(reason.getErrorMessage() if self._client is not None else "")

    def dataReceived(self, data: bytes) -> None:
        """Read frames; the first bytes are the handshake."""
        turns = self.shared.turns
        if turns.in_use:
            turns.give(self, data)
            return
        if self._client is None and not self._closed:
            data = self._shake_hands(data, self.shared.read_upgrade(data))
        self.shared.counts.received_bytes += len(data)
        try:
            self._read(self._data + data if self._data else data)
        except Exception:
            self._failed()

    def go_on(self) -> None:
        """See `Flooder.go_on`."""
        super().go_on()
        self.dataReceived(b"")

    def wait_for_turn(self) -> None:
        """See `Reader.wait_for_turn`; a handshake has its time for that, too."""
        if self._client is None and not self._closed:
            self.hurry(self.shared.handshakes)
        super().wait_for_turn()

    def has_turn(self) -> None:
        """See `Reader.has_turn`."""
        if self._deadline is self.shared.handshakes:
            self.hurry(None)
        super().has_turn()

    def _read(self, data: bytes) -> None:
        receive, texts = self.shared.clients.receive, self.shared.frames.texts
        size = len(data)
        at = 0
        while True:
            found, at = texts(data, at)
            for text in found:
                if (client := self._client) is not None:
                    receive(client, text)
                else:
                    self.useless()
            if size - at < 2:
                break
            end = self._read_other(data, at)
            if end is None:
                return self._hand_over(data[at:])
            if end == at:
                break
            at = end
            if self._held:
                break
        self._data = data[at:] if at < size else b""
        return None

    def _read_other(self, data: bytes, at: int) -> int | None:
        """Take the frame that stands at `at`, which is no whole text frame.

        Returns:
            Where the next one begins: there too, if this one is not here as a whole. None if it is one for Autobahn.
        """
        first = data[at]
        length = data[at + 1] - 128
        start = at + 6
        if length < 0 or length == 127 or first not in _TAKEN:  # not masked, too long, or not for us
            return None
        if length == 126:
            if first != TEXT:
                return None
            if len(data) - at < 4:
                return at
            length = data[at + 2] << 8 | data[at + 3]
            start = at + 8
            if length < 126:  # not in its shortest form
                return None
        end = start + length
        if end > len(data):
            return at
        if first == TEXT:  # as a whole, and so not UTF-8
            return None
        payload = self.shared.frames.unmask(data, start, end)
        if first == CLOSE:
            return end if self._close_received(payload) else None
        self._pinged(first, payload)
        return end

    def _pinged(self, first: int, payload: bytes) -> None:
        """Take a ping or a pong."""
        self.useless()
        if first == _PONG:
            self._ponged()
        elif self._client is not None and self._has_room(len(payload)):
            self._write(bytes((_PONG, len(payload))) + payload)

    # --- signald.clients.client.Connection ----------------------------------------------------------------------------

    def send(self, text: bytes) -> None:
        """Send one text message; a client that does not read is closed with 1013 instead."""
        if self._closed or (self._paused and not self._has_room(len(text))):
            return
        queue, frame = self._queue, self.shared.frames.frame
        if not queue:
            self._output.add(self)
        queue.append(frame(text))

    def ping(self) -> None:
        """Ask for a pong."""
        if not self._closed:
            self._write(_PING_FRAME)

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; if the client does not answer in time it is dropped."""
        if not self._closed:
            self._write(close_frame(code, reason))
            self._closed = True
            self._closing(code)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        queue = self._queue
        if not queue:
            self._output.add(self)
        queue.append(data)

    def flush(self) -> None:
        """Write what was kept."""
        queue = self._queue
        if not queue:
            return
        data = b"".join(queue)
        queue.clear()
        self.shared.counts.sent_bytes += len(data)
        self.transport.write(data)

    def _shake_hands(self, data: bytes, upgrade: Upgrade | None) -> bytes:
        """Answer a handshake; returns what stands behind it."""
        if upgrade is not None:
            try:
                protocol = self.shared.entrance.accept(upgrade.origin, upgrade.protocols)
            except Refused:
                pass  # Autobahn says so
            else:
                self._queue.append(handshake.accept(upgrade.key) + handshake.ENDS[protocol])
                self._output.add(self)
                token = upgrade.protocols and bearer.offered(upgrade.protocols)
                token = token or (upgrade.query and bearer.in_query(upgrade.query)) or None
                self._opened(protocol, token)
                return data[upgrade.size :]
        self._give_way().dataReceived(data)
        return b""

    def _close_received(self, payload: bytes) -> bool:
        """Answer a close frame, and end; false if it is one for Autobahn."""
        if not is_plain_close(payload):
            return False
        transport = self.transport
        if self._closed:
            self.useless()
        else:
            self._queue.append(bytes((CLOSE, len(payload))) + payload)
            self._closed = True
            code = int.from_bytes(payload[:2], "big") if payload else NO_STATUS
            self._over(code, f"closed with {code}")
        self.flush()
        transport.unregisterProducer()  # TLS waits for it
        transport.loseConnection()
        if self._deadline is None and not getattr(transport, "ends", False):
            self.hurry(self.shared.closings)
        return True

    def _hand_over(self, data: bytes) -> None:
        """A frame for Autobahn: it takes this connection's place from here on."""
        client, self._client = self._client, None
        paused, backlog, closing = self._paused, self._backlog, self._closed
        slow = self._give_way()
        slow.adopt(client, paused=paused, backlog=backlog, closing=closing)
        if closing:
            slow.hurry(self.shared.closings)
        slow.dataReceived(data)

    def _give_way(self) -> WebSocketConnection:
        self.flush()
        transport, self.transport = self.transport, None
        self._data = b""
        self._closed = True
        slow = self._slow(self.address)
        self.hurry(None)
        if self._held:
            self.shared.throttle.forget(self)
            transport.resumeProducing()
        give(transport, slow)
        slow.makeConnection(transport)
        return slow


class MeteredConnection(FastConnection):
    """A `FastConnection` of whose client not all bytes are read at once: MAX_BYTES_PER_SECOND."""

    __slots__ = ()

    enter = ClientConnection.enter  # the bytes of the handshake count too

    def dataReceived(self, data: bytes) -> None:
        """See `FastConnection.dataReceived`."""
        if not self.shared.turns.in_use:  # else it is dealt with later
            self.shared.throttle.read(self, len(data))
        super().dataReceived(data)

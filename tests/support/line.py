"""A WebSocket connection in an asyncio loop that can be lost in all ways in which people lose theirs."""

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from typing import Any

from tests.support.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    client_frame,
    close_frame,
    handshake,
    parse_response,
)

Message = dict[str, Any]


class Line(asyncio.Protocol):
    """One connection.

    Attributes:
        ready: The first message.
        over: Set when the connection has ended.
        heard: Takes each message after the first, in the moment in which it comes.
        ponged: Called for each pong.
        code: Of the server's close frame.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Message] = loop.create_future()
        self.over = asyncio.Event()
        self.heard: Callable[[Message], None] | None = None
        self.ponged: Callable[[], None] | None = None
        self.code: int | None = None
        self._head = b""
        self._upgraded = False
        self._reader = FrameReader()
        self._transport: Any = None

    def send(self, *frames: bytes) -> None:
        """Send frames, at once."""
        if not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def abort(self, *, reset: bool = True) -> None:
        """End it without a word."""
        self.over.set()
        if self._transport is not None and not self._transport.is_closing():
            if reset:
                end = self._transport.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def close(self, code: int) -> None:
        """End it as a browser does."""
        self.send(close_frame(code))
        self.over.set()
        self._transport.close()

    def vanish(self) -> None:
        """Read and write nothing any more, and stay open: what a phone leaves behind that changed its network."""
        self._transport.pause_reading()
        self.over.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(handshake(protocols=["signald.v1"]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("no ready came"))
            self.ready.exception()  # seen: whoever waits raises it

    def data_received(self, data: bytes) -> None:
        if not self._upgraded:
            self._head += data
            response = parse_response(self._head)
            if response is None:
                return
            if response.status != 101:
                self.abort()
                return
            self._upgraded = True
            data = response.rest
        for frame in self._reader.feed(data):
            if self.over.is_set():
                return
            if frame.opcode == TEXT:
                self._take(json.loads(frame.payload))
            elif frame.opcode == PING:
                self.send(client_frame(PONG, frame.payload))
            elif frame.opcode == PONG and self.ponged is not None:
                self.ponged()
            elif frame.opcode == CLOSE:
                self.code = int.from_bytes(frame.payload[:2], "big")
                self.close(self.code)

    def _take(self, message: Message) -> None:
        if not self.ready.done():
            assert message["type"] == "ready", message
            self.ready.set_result(message)
        elif self.heard is not None:
            self.heard(message)

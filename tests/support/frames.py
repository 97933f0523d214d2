"""WebSocket frames as a client makes and reads them (RFC 6455 5.2), the broken ones too.

Apart from the daemon's library on purpose: a mistake in that would cancel itself out.
"""

import base64
import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = base64.b64encode(hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()  # noqa: S324
"""What a server must answer to `KEY` (RFC 6455 4.2.2)."""

_MASK = b"\x5a\x00\xff\x31"


class Frame(NamedTuple):
    """A frame from the server."""

    opcode: int
    payload: bytes
    fin: bool
    rsv: int


def handshake(
    *,
    path: str = "/ws",
    host: str = "localhost",
    origin: str | None = None,
    protocols: Sequence[str] = (),
    without: Sequence[str] = (),
    **headers: str,
) -> bytes:
    """A client's opening handshake.

    Args:
        path: Target of the request.
        host: Host header.
        origin: Origin header, none if None.
        protocols: Subprotocols to offer.
        without: Names of headers to leave out.
        headers: More headers, or other values, with ``_`` for ``-``.
    """
    fields: dict[str, str] = {
        "host": host,
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": KEY,
        "sec-websocket-version": "13",
    }
    if origin is not None:
        fields["origin"] = origin
    if protocols:
        fields["sec-websocket-protocol"] = ", ".join(protocols)
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [f"{name}: {value}" for name, value in fields.items() if name not in without]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


WAYS = {"c": {}, "python": {"FAST_FRAMES": "false"}, "autobahn": {"FAST_PATH": "false"}}
"""Settings of each way of reading handshakes and frames. Where there was no compiler the first is the second."""


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    length_bytes: int | None = None,
    announced: int | None = None,
) -> bytes:
    """One frame, masked as a client must.

    Args:
        opcode: Of the frame.
        payload: Not masked yet.
        fin: Whether it is the last of its message.
        rsv: The three reserved bits.
        masked: False breaks RFC 6455 5.1.
        length_bytes: 0, 2 or 8 extended length bytes; the shortest that fits if None.
        announced: The length that the header tells, if not the true one.
    """
    length = len(payload) if announced is None else announced
    if length_bytes is None:
        length_bytes = 0 if length < 126 else 2 if length < 65536 else 8
    mask_bit = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if length_bytes == 0:
        head += bytes([mask_bit | length])
    elif length_bytes == 2:
        head += bytes([mask_bit | 126]) + struct.pack("!H", length)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", length)
    if not masked:
        return head + payload
    body = int.from_bytes(payload, "big") ^ int.from_bytes((_MASK * (len(payload) // 4 + 1))[: len(payload)], "big")
    return head + _MASK + body.to_bytes(len(payload), "big")


def close_frame(code: int | None = None, reason: bytes = b"") -> bytes:
    """A client's close frame."""
    return client_frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


class FrameReader:
    """Takes a server's bytes, gives its frames. A server that breaks the rules of framing is an AssertionError."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> list[Frame]:
        """All frames that are whole by now."""
        self._data += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        data = self._data
        if len(data) < 2:
            return None
        first, second = data[0], data[1]
        assert second & 0x80 == 0, "a server must not mask"
        length, start = second & 0x7F, 2
        extended = {126: 2, 127: 8}.get(length, 0)
        if extended:
            if len(data) < start + extended:
                return None
            length = int.from_bytes(data[start : start + extended], "big")
            start += extended
            assert length >= (126 if extended == 2 else 65536), "a server must use the shortest length"
        if len(data) < start + length:
            return None
        frame = Frame(first & 0x0F, data[start : start + length], bool(first & 0x80), first >> 4 & 7)
        assert frame.opcode < 8 or (frame.fin and length <= 125), "a control frame is short and whole"
        assert frame.rsv == 0, "no extension was agreed on"
        self._data = data[start + length :]
        return frame


class Response(NamedTuple):
    """An HTTP response of which the head is whole."""

    status: int
    headers: Mapping[str, str]
    rest: bytes
    """What came after the head."""


def parse_response(data: bytes) -> Response | None:
    """Read a response's head; None while it is not whole."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    line, *lines = head.decode("latin-1").split("\r\n")
    assert line.startswith(("HTTP/1.0 ", "HTTP/1.1 ")), line
    fields = (field.partition(":") for field in lines)
    return Response(int(line.split()[1]), {name.strip().lower(): value.strip() for name, _, value in fields}, rest)

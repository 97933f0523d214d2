"""Reads and makes WebSocket frames (RFC 6455 5.2) of the usual kind: text frames of at most 64 KiB, and short ones.

`texts` is the dear one: it looks at every byte that a client sends. `signald.websocket._frames` does the same in C,
where there was a compiler, at a tenth of the cost. What stands here is the reference, and all that there is elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

TEXT: Final = 0x81
"""First byte of a text frame that is whole (FIN), without reserved bits."""

CLOSE: Final = 0x88
"""The same of a close frame."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Reads and makes frames, in one language.

    Attributes:
        texts: See `texts`.
        unmask: See `unmask`.
        frame: See `frame`.
        language: "c" or "python".
    """

    texts: Callable[[bytes, int], tuple[list[bytes], int]]
    unmask: Callable[[bytes, int, int], bytes]
    frame: Callable[[bytes], bytes]
    language: str


def _head(size: int) -> bytes:
    if size < 126:
        return bytes((TEXT, size))
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")


_HEADS: Final = [_head(size) for size in range(1024)]
"""Of frames of the usual sizes."""


def unmask(data: bytes, start: int, end: int) -> bytes:
    """Give the payload that stands from `start` to `end`, without the mask before it (RFC 6455 5.3).

    In one operation on a large integer: Python has none on bytes.
    """
    size = end - start
    key = (data[start - 4 : start] * (size // 4 + 1))[:size]
    return (int.from_bytes(data[start:end], "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def frame(text: bytes) -> bytes:
    """Make a whole text frame as a server sends it."""
    size = len(text)
    return (_HEADS[size] if size < len(_HEADS) else _head(size)) + text


def close_frame(code: int, reason: str) -> bytes:
    """Make a close frame as a server sends it; the reason has at most 123 bytes."""
    payload = code.to_bytes(2, "big") + reason.encode()
    return bytes((CLOSE, len(payload))) + payload


def texts(data: bytes, at: int) -> tuple[list[bytes], int]:
    """Read whole text frames.

    Args:
        data: What came from a client.
        at: Where a frame begins.

    Returns:
        The payloads of the frames that stand there, one behind the other, without their masks; and where the first one
        begins that is not here as a whole, or is not masked, no text, not UTF-8, longer than 64 KiB, or whose length is
        not in its shortest form.
    """
    found = []
    size = len(data)
    while size - at >= 6 and data[at] == TEXT:
        length = data[at + 1] - 128
        start = at + 6
        if length == 126:
            length = data[at + 2] << 8 | data[at + 3]
            start = at + 8
            if length < 126:
                break
        elif not 0 <= length < 126:
            break
        if start + length > size:
            break
        text = unmask(data, start, start + length)
        if not text.isascii() and not is_utf8(text):
            break
        found.append(text)
        at = start + length
    return found, at


def is_utf8(text: bytes) -> bool:
    """Whether a text message may consist of this (RFC 6455 8.1)."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


_IN_PYTHON: Final = Frames(texts, unmask, frame, "python")

try:
    from signald.websocket import _frames
except ImportError:  # there was no compiler
    _FASTEST: Frames = _IN_PYTHON
else:
    _FASTEST = Frames(_frames.texts, _frames.unmask, _frames.frame, "c")


def choose(*, native: bool) -> Frames:
    """Choose what reads and makes frames.

    Args:
        native: Whether it may be the one in C; without that, or where it was not built, it is what stands here.
    """
    return _FASTEST if native else _IN_PYTHON

"""Reads and makes WebSocket frames (RFC 6455 5.2) of the usual kind: whole text frames of at most 64 KiB.

`texts` is the dear one: it looks at every byte that a client sends. `signald.websocket._frames` does the same in C,
where there was a compiler, at a tenth of the cost. What stands here is the reference, and all that there is elsewhere.
"""

from collections.abc import Callable
from typing import Final

TEXT: Final = 0x81
"""First byte of a text frame that is whole (FIN), without reserved bits."""

CLOSE: Final = 0x88
"""The same of a close frame."""

Texts = Callable[[bytes, int], tuple[list[bytes], int]]
"""See `texts`."""

try:
    from signald.websocket import _frames
except ImportError:  # there was no compiler
    _IN_C: Texts | None = None
else:
    _IN_C = _frames.texts


def _head(size: int) -> bytes:
    if size < 126:
        return bytes((TEXT, size))
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")


_HEADS: Final = [_head(size) for size in range(1024)]
"""Of frames of the usual sizes."""


def unmask(mask: bytes, payload: bytes) -> bytes:
    """Take the mask off a payload (RFC 6455 5.3), in one operation on a large integer."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


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
        text = unmask(data[start - 4 : start], data[start : start + length])
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


def reader(*, native: bool) -> Texts:
    """Choose what reads frames.

    Args:
        native: Whether it may be the one in C; without that, or where it was not built, it is `texts`.
    """
    return _IN_C if native and _IN_C is not None else texts


def language(texts: Texts) -> str:
    """Tell of what `reader` gave in which language it is written: "c" or "python"."""
    return "c" if texts is _IN_C else "python"

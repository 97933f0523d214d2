"""Frames of what clients say, masked beforehand; the messages are those of the load tool."""

from functools import cache

from signald.load.payloads import DIGITS, MARK

_MASK = b"\x37\xfa\x21\x3d"  # the example of RFC 6455, section 5.7


@cache
def masked(template: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Make the WebSocket frame of a template (RFC 6455, section 5.2) but for its number, masked beforehand.

    The generator then joins three pieces where it would mask each message; to a server every mask is as good.

    Args:
        template: a message of 126 to 65,535 bytes with MARK in it.

    Returns:
        What stands before the number, each number, what comes after it.
    """
    at = template.index(MARK)
    header = bytes((0x81, 0x80 | 126)) + len(template).to_bytes(2, "big") + _MASK
    head, tail = template[:at], template[at + len(MARK) :]
    return (
        header + _masked(head, 0),
        [_masked(digits, at) for digits in DIGITS],
        _masked(tail, at + len(MARK)),
    )


def _masked(part: bytes, offset: int) -> bytes:
    return bytes(byte ^ _MASK[(offset + index) % 4] for index, byte in enumerate(part))

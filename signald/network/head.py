"""Reads HTTP's other ways of saying the same, so that what comes after has to know one alone."""

import re
from typing import Final

MAX_HEAD_BYTES: Final = 16 * 1024
"""Request line and headers; browsers send 0.5 to 2 KiB, cookies of the same site may add some."""

END: Final = b"\r\n\r\n"
"""What ends a head."""

_ABSOLUTE: Final = re.compile(rb"(\w+ )https?://[^/? ]+(/?)", re.IGNORECASE)
"""A target with scheme and host, which every server must take (RFC 9112 3.2.2)."""

_SLASH: Final = re.compile(rb"(\w+ /ws)/(?=[? ])")
"""The endpoint's path, as some clients and proxies complete it."""

_LISTS: Final = (b"connection", b"upgrade", b"sec-websocket-extensions", b"sec-websocket-protocol")
"""Headers of a handshake that may be parted into several (RFC 6455 9.1 and 11.3.4, RFC 9110 5.3)."""


def without_empty_lines(data: bytes) -> bytes:
    """What stands before the first request line is to be ignored, if it is empty lines (RFC 9112 2.2)."""
    return data.lstrip(b"\r\n") if data[:1] in (b"\r", b"\n") else data


def plain(head: bytes) -> bytes:
    """Say a request in the usual way: with a path as its target, and each list in one header.

    Args:
        head: Request line and headers, without the empty line at the end.
    """
    head = _ABSOLUTE.sub(rb"\1/", head, count=1) if b"://" in head[: head.find(b"\r\n")] else head
    head = _SLASH.sub(rb"\1", head, count=1) if head.startswith(b"GET /ws/") else head
    lower = head.lower()
    for name in _LISTS:
        if lower.count(b"\r\n" + name + b":") > 1:
            head = _joined(head, name)
            lower = head.lower()
    return head


def _joined(head: bytes, name: bytes) -> bytes:
    lines: list[bytes] = []
    values: list[bytes] = []
    at = 0
    for line in head.split(b"\r\n"):
        before, colon, value = line.partition(b":")
        if colon and before.lower() == name:
            at = at or len(lines)
            values.append(value.strip())
        else:
            lines.append(line)
    lines.insert(at, name + b": " + b", ".join(values))
    return b"\r\n".join(lines)

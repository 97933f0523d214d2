"""Reads the handshakes of browsers and libraries (RFC 6455 4.2.1): once, for all who need to know what is in them.

`signald.network._upgrade` reads nearly all of them in C, where there was a compiler, at a ninth of the cost. What
stands here is the reference: it reads the others, and all of them elsewhere.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from signald.network.head import END, MAX_HEAD_BYTES

_REQUEST: Final = re.compile(rb"GET /ws(?:\?([^ #]*))? HTTP/1\.1")
_UPGRADE: Final = re.compile(rb"(?:^|,)\s*upgrade\s*(?:,|$)", re.IGNORECASE)
_HOST: Final = re.compile(rb"[^:]*(:[0-9]{1,9})?|\[[^\]]*\](:[0-9]{1,9})?")
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64."""

_VERSION: Final = b"13"


class Upgrade(msgspec.Struct, frozen=True, gc=False):
    """Asks for a WebSocket at ``/ws``.

    Attributes:
        key: ``Sec-WebSocket-Key``.
        origin: ``Origin``; None if there is none.
        protocols: The subprotocols offered, in order.
        query: What follows the ``?`` of the target.
        forwarded: ``X-Forwarded-For``.
        size: Bytes of the head, with the empty line at its end.
    """

    key: bytes
    origin: str | None
    protocols: tuple[str, ...]
    query: str = ""
    forwarded: bytes = b""
    size: int = 0


def read(data: bytes) -> Upgrade | None:
    """Read what a client says first.

    Returns:
        None unless a whole handshake is there, and it is good and said in the usual way.
    """
    end = data.find(END)
    if not 0 < end <= MAX_HEAD_BYTES:
        return None
    head = data[:end]
    line, *lines = head.split(b"\r\n")
    request = _REQUEST.fullmatch(line)
    if request is None or not head.isascii():
        return None
    fields: dict[bytes, bytes] = {}
    for header in lines:
        name, colon, value = header.partition(b":")
        if not colon or not name or name.strip() != name:
            return None
        fields[name.lower()] = value.strip()
    try:
        if (
            len(fields) < len(lines)
            or fields[b"upgrade"].lower() != b"websocket"
            or fields[b"sec-websocket-version"] != _VERSION
            or not _UPGRADE.search(fields[b"connection"])
            or not _KEY.fullmatch(fields[b"sec-websocket-key"])
            or not _HOST.fullmatch(fields[b"host"])
            or b"transfer-encoding" in fields
            or (b"content-length" in fields and fields[b"content-length"] != b"0")
        ):
            return None
    except KeyError:
        return None
    protocols: tuple[str, ...] = ()
    if b"sec-websocket-protocol" in fields:
        protocols = tuple(map(str.strip, fields[b"sec-websocket-protocol"].decode().split(",")))
        if len(set(protocols)) < len(protocols) or not all(protocols):
            return None
    return Upgrade(
        fields[b"sec-websocket-key"],
        fields[b"origin"].decode() if b"origin" in fields else None,
        protocols,
        "" if request[1] is None else request[1].decode(),
        fields.get(b"x-forwarded-for", b""),
        end + len(END),
    )


def read_loosely(head: bytes) -> Upgrade | None:
    """Find in a head of any kind what it takes to tell its client why it may not come in.

    Args:
        head: Request line and headers, without the empty line at the end.

    Returns:
        None if it could not read that. All else that a handshake needs is not looked for.
    """
    lower = head.lower()
    key = _last(head, lower, b"\r\nsec-websocket-key:")
    protocols = _last(head, lower, b"\r\nsec-websocket-protocol:")
    if protocols is None or key is None or not _KEY.fullmatch(key):
        return None
    if _last(head, lower, b"\r\nsec-websocket-version:") != _VERSION:
        return None
    origin = _last(head, lower, b"\r\norigin:")
    return Upgrade(
        key,
        None if origin is None else origin.decode("latin-1"),
        tuple(word.strip().decode("latin-1") for word in protocols.split(b",")),
    )


def _last(head: bytes, lower: bytes, name: bytes) -> bytes | None:
    """The value of the last header that begins so; None if it is not there."""
    at = lower.rfind(name)
    return None if at < 0 else head[at + len(name) :].partition(b"\r\n")[0].strip()


try:
    from signald.network import _upgrade
except ImportError:  # there was no compiler
    _FASTEST: Callable[[bytes], Upgrade | None] = read
else:
    _FASTEST = partial(_upgrade.read, read, Upgrade)


def reader(*, native: bool) -> Callable[[bytes], Upgrade | None]:
    """Choose what does as `read` does.

    Args:
        native: Whether it may be the one in C; without that, or where it was not built, it is `read` itself.
    """
    return _FASTEST if native else read

"""Reads the upgrade request as browsers send it, and answers it at once (RFC 6455 4.2).

Whatever is unusual, right or wrong, is left to Autobahn, which also makes the errors.
"""

import binascii
import hashlib
import re
from typing import Final, NamedTuple

from signald import __version__

_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_REQUEST: Final = re.compile(rb"GET /ws(?:\?([^ #]*))? HTTP/1\.1")
_UPGRADE: Final = re.compile(rb"(?:^|,)\s*upgrade\s*(?:,|$)", re.IGNORECASE)
_HOST: Final = re.compile(rb"[^:]*(:[0-9]{1,9})?|\[[^\]]*\](:[0-9]{1,9})?")
_NEEDED: Final = frozenset((b"host", b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version"))


class Upgrade(NamedTuple):
    """A good request.

    Attributes:
        key: ``Sec-WebSocket-Key``.
        origin: ``Origin``; None if there is none.
        protocols: The subprotocols offered, in order.
        query: What follows the ``?`` of the target.
    """

    key: bytes
    origin: str | None
    protocols: tuple[str, ...]
    query: str = ""


def read(head: bytes) -> Upgrade | None:
    """Read a request.

    Args:
        head: Request line and headers, without the empty line at the end; the method is GET and the path ``/ws``.

    Returns:
        None if Autobahn should look at it.
    """
    line, *lines = head.split(b"\r\n")
    request = _REQUEST.fullmatch(line)
    if request is None:
        return None
    headers: dict[bytes, bytes] = {}
    for header in lines:
        name, colon, value = header.partition(b":")
        if not colon or not name or name.strip() != name:
            return None
        headers[name.lower()] = value.strip()
    if len(headers) < len(lines) or not headers.keys() >= _NEEDED:
        return None
    key = headers[b"sec-websocket-key"]
    if (
        headers[b"upgrade"].lower() != b"websocket"
        or headers[b"sec-websocket-version"] != b"13"
        or not _UPGRADE.search(headers[b"connection"])
        or not is_key(key)
        or not head.isascii()
        or not _HOST.fullmatch(headers[b"host"])
    ):
        return None
    origin = headers.get(b"origin")
    offered = headers.get(b"sec-websocket-protocol")
    protocols: tuple[str, ...] = ()
    if offered is not None:
        protocols = tuple(word.strip() for word in offered.decode("ascii").split(","))
        if len(set(protocols)) != len(protocols) or not all(protocols):
            return None
    query = request[1] or b""
    return Upgrade(key, None if origin is None else origin.decode("ascii"), protocols, query.decode("ascii"))


def is_key(key: bytes) -> bool:
    """Whether a ``Sec-WebSocket-Key`` is one: 16 bytes in base64."""
    try:
        return len(key) == 24 and len(binascii.a2b_base64(key, strict_mode=True)) == 16
    except binascii.Error:
        return False


def answer(key: bytes, protocol: str | None) -> bytes:
    """Make the whole 101 response.

    Args:
        key: ``Sec-WebSocket-Key``.
        protocol: The subprotocol that was chosen.
    """
    return accept(key) + chosen(protocol)


def accept(key: bytes) -> bytes:
    """Make the part of it that depends on the key."""
    digest = hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()
    return _SWITCHING + binascii.b2a_base64(digest, newline=False)


def chosen(protocol: str | None) -> bytes:
    """Make the rest of it."""
    return b"\r\n\r\n" if protocol is None else f"\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n".encode()


_SWITCHING: Final = (
    f"HTTP/1.1 101 Switching Protocols\r\nServer: signald/{__version__}\r\n"
    "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
).encode()

"""Answers a handshake (RFC 6455 4.2.2); `signald.network.upgrade` reads it.

Whatever is unusual, right or wrong, is left to Autobahn, which also makes the errors.
"""

import binascii
import hashlib
from functools import partial
from typing import Final

from signald import __version__
from signald.core.messages import SUBPROTOCOL

try:  # Python's own, as `random` takes it: to ask OpenSSL, as `hashlib` does, is 2 % of a connection
    from _sha1 import sha1  # type: ignore[import-not-found] # not public
except ImportError:  # a Python without it
    sha1 = partial(hashlib.sha1, usedforsecurity=False)

_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SWITCHING: Final = (
    f"HTTP/1.1 101 Switching Protocols\r\nServer: signald/{__version__}\r\n"
    "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
).encode()

ENDS: Final = {
    None: b"\r\n\r\n",
    SUBPROTOCOL: f"\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode(),
}
"""The rest of the response, by the subprotocol that was chosen."""


def accept(key: bytes) -> bytes:
    """Make the part of the 101 response that depends on the ``Sec-WebSocket-Key``; one of `ENDS` follows it."""
    return _SWITCHING + binascii.b2a_base64(sha1(key + _MAGIC).digest(), newline=False)

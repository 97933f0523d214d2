"""Resume tokens: what one says, and that nobody else has said it.

A token is the payload, in msgpack, and 16 bytes of its HMAC-SHA256 (RFC 2104), in base64url. It holds no secret: its
owner may read it, and nobody can make or change one. All that is needed to give a session back stands in it, for the
case that the process which had it is no more.
"""

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode
from typing import Final, NamedTuple

import msgspec

from signald.core.ids import ClientId, RoomId, UserId

VERSION: Final = 1
"""Of the payload; a token of another version is none."""

SEAL_BYTES: Final = 16
"""Of the HMAC: 128 bits, as RFC 2104 section 5 allows."""

_BLOCK_BYTES: Final = 64
"""Of SHA-256."""

LIFE_S: Final = 86_400.0
"""How old a token may be of which nothing is known but itself."""


class Pass(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a token says of a session, at the time when it was made.

    Attributes:
        version: See VERSION.
        client: Whose it is.
        epoch: Of the session; each resume raises it.
        sent: Number of the message that carried the token.
        received: Messages of the client that there were.
        issued: Seconds since 1970.
        instance: The home.
        boot: The home's boot id, so that it is not taken for another process of the same name.
        room: In which room the client was, if in any.
        partner: With whom.
        partner_instance: The partner's home; empty for the same.
        user: Who the client is, if it has proved it.
        user_until: Up to when; seconds since 1970.
        partner_takes_data: Whether the partner's client knows `data`.
    """

    version: int
    client: ClientId
    epoch: int
    sent: int
    received: int
    issued: float
    instance: str
    boot: str
    room: RoomId | None = None
    partner: ClientId | None = None
    partner_instance: str = ""
    user: UserId | None = None
    user_until: float = 0.0
    partner_takes_data: bool = False


class Attempt(NamedTuple):
    """One attempt of a client to go on with its session. Of one whose answer was lost it makes another.

    Attributes:
        nonce: The same for all attempts after one loss, and known to nobody else; empty for none.
        number: Greater for each of them; 0 if the client does not count them.
    """

    nonce: str = ""
    number: int = 0

    def follows(self, other: "Attempt") -> bool:
        """Whether the client makes this one because it has not heard what came of the other."""
        return bool(self.nonce) and self.nonce == other.nonce and (self.number > other.number or not self.number)

    @property
    def counted(self) -> "Attempt":
        """This one, if it can be told from those before and after it; else none."""
        return self if self.number else Attempt()


NO_ATTEMPT: Final = Attempt()
"""Of a session that has not gone on so far: one for all of them."""


class Passes:
    """Makes tokens and reads them.

    Args:
        secret: The key of all processes that are to read each other's tokens.
    """

    __slots__ = ("_keys", "secret")

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._keys: tuple[_Key, ...] = (_Key(secret),)

    def share(self, secret: str) -> None:
        """Make tokens with another key from now on; those that were made with the last and the first one stay good."""
        if secret != self.secret:
            self._keys = (_Key(secret), *{self._keys[0], self._keys[-1]})
            self.secret = secret

    def issue(self, said: Pass) -> str:
        """A token that says this."""
        payload = _encode(said)
        return _write(payload + self._keys[0].seal(payload))

    def read(self, token: str) -> Pass | None:
        """What a token says; None if it was not made with a key of ours, or is of another version."""
        try:
            sealed = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except (UnicodeEncodeError, binascii.Error, ValueError):
            return None
        payload, seal = sealed[:-SEAL_BYTES], sealed[-SEAL_BYTES:]
        if not any(hmac.compare_digest(seal, key.seal(payload)) for key in self._keys):
            return None
        try:
            said = _decode(payload)
        except msgspec.MsgspecError:
            return None
        # Base64 has more than one way to write the same bytes; only ours counts.
        return said if said.version == VERSION and _write(sealed) == token else None


class _Key:
    """Makes seals with one key. What HMAC does with the key alone is done once: it is half of the work."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: str) -> None:
        key = hashlib.sha256(b"signald resume\0" + secret.encode()).digest().ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def seal(self, payload: bytes) -> bytes:
        """The first bytes of HMAC-SHA256 (RFC 2104 section 2)."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(payload)
        outer.update(inner.digest())
        return outer.digest()[:SEAL_BYTES]


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def _write(sealed: bytes) -> str:
    """Base64url (RFC 4648 section 5) without its padding."""
    return binascii.b2a_base64(sealed, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Pass).decode

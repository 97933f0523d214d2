"""Checks a signed token (JWT, RFC 7519) and says whose it is, as RFC 8725 advises.

Pure but for PyJWT, which checks the signature: time is passed in, and the keys are there already.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from jwt import PyJWS
from jwt.algorithms import OKPAlgorithm
from jwt.exceptions import PyJWTError
from jwt.utils import base64url_decode

from signald.core.ids import UserId
from signald.core.messages import MAX_TOKEN_LENGTH, MAX_USER_ID_LENGTH
from signald.core.wishes import Facts, from_claims
from signald.identity.signing_keys import EDWARDS, SigningKey

MAX_HEADER_LENGTH: Final = 1024
"""Characters of a token's first part. It names an algorithm and a key."""

MAX_KEY_ID_LENGTH: Final = 256
"""Characters of ``kid``."""

_MILLISECONDS: Final = 1e11
"""A time from this on is in milliseconds, as of 1973 and later; as seconds it would be in the year 5138."""

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_TYPES: Final = frozenset(("jwt", "at+jwt"))
"""``typ``, if there is one: tokens that the issuer signs for other ends must not be accepted (RFC 8725 3.11)."""


class AuthError(Exception):
    """A token is not accepted. The message is for the client: nothing of the token stands in it.

    Attributes:
        blame: Whether it is the token's fault; else it may be good a moment later.
    """

    def __init__(self, why: str, *, blame: bool = True) -> None:
        super().__init__(why)
        self.blame = blame


class Identity(msgspec.Struct, frozen=True):
    """What a good token says.

    Attributes:
        user: Its ``sub``.
        expires: Seconds since 1970 at which it ends, leeway included.
        facts: What it says of the client, for matching.
    """

    user: UserId
    expires: float
    facts: Facts = ()


class KeySource(Protocol):
    """Finds the key for a token."""

    @property
    def ready(self) -> bool:
        """Whether there are keys at all."""
        ...

    def find(self, algorithm: str, key_id: str | None) -> Sequence[SigningKey]:
        """See `signald.identity.signing_keys.KeySet.find`."""
        ...

    def look_again(self) -> None:
        """Look whether there are other keys by now, in a while: none of those found has signed a token."""
        ...


class Verifier:
    """Checks tokens against the issuer's keys and the operator's settings.

    Args:
        keys: Of the issuer.
        issuer: What ``iss`` must be; empty: anything.
        audience: What ``aud`` must be or contain; empty: a token must not have one, for it is meant for somebody else.
        leeway_s: By how much the clocks of issuer and server may differ.
        facts: Claims that are facts about the client.
    """

    def __init__(
        self, keys: KeySource, *, issuer: str, audience: str, leeway_s: float, facts: Sequence[str] = ()
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_s = leeway_s
        self._facts = facts
        self._jws = PyJWS()
        for name in EDWARDS:
            self._jws.register_algorithm(name, OKPAlgorithm())

    def verify(self, token: str, unix_time: float) -> Identity:
        """Check one token.

        Args:
            token: As the client sent it.
            unix_time: Seconds since 1970.

        Raises:
            AuthError: It is not accepted.
        """
        claims = _object(self._signed_part(token))
        self._check_source(claims)
        facts = from_claims(claims, self._facts)
        return Identity(_user(claims), self._check_time(claims, unix_time), facts)

    def _signed_part(self, token: str) -> bytes:
        """The claims, once the signature is found good."""
        parts = _COMPACT.fullmatch(token) if len(token) <= MAX_TOKEN_LENGTH else None
        if parts is None or len(parts[1]) > MAX_HEADER_LENGTH or len(parts[1]) % 4 == 1:
            raise AuthError("this is not a signed token")
        algorithm, key_id = _header(_object(base64url_decode(parts[1])))
        if not self._keys.ready:
            raise AuthError("the issuer's keys are not here yet: try again in a moment", blame=False)
        keys = self._keys.find(algorithm, key_id)
        if not keys:
            raise AuthError("the token is not signed by a key that is known here")
        for key in keys:
            try:
                payload: bytes = self._jws.decode_complete(token, key.value, algorithms=[algorithm])["payload"]
            except (PyJWTError, ValueError, TypeError):
                continue
            return payload
        if key_id is None or keys[0].id is None:  # by another key, which has no name either
            self._keys.look_again()
        raise AuthError("the token's signature is wrong")

    def _check_source(self, claims: Mapping[str, Any]) -> None:
        if self._issuer and claims.get("iss") != self._issuer:
            raise AuthError("the token is of another issuer")
        audience = claims.get("aud")
        if self._audience:
            listed = audience if isinstance(audience, list) else [audience]
            if self._audience not in listed:
                raise AuthError("the token is for another audience")
        elif audience is not None:
            raise AuthError("the token is for an audience that this server does not know as its own")

    def _check_time(self, claims: Mapping[str, Any], now: float) -> float:
        expires = _seconds(claims, "exp")
        if expires is None:
            raise AuthError("the token never ends: it must have exp")
        if now >= expires + self._leeway_s:
            raise AuthError("the token has expired")
        for name in ("nbf", "iat"):
            begins = _seconds(claims, name)
            if begins is not None and begins > now + self._leeway_s:
                raise AuthError("the token is not good yet")
        return expires + self._leeway_s


def _header(header: Mapping[str, Any]) -> tuple[str, str | None]:
    """The algorithm and key that a header names. Keys that it brings along, or points to, are not looked at."""
    algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or not isinstance(key_id, str | None) or not isinstance(kind, str):
        raise AuthError("the token's header is broken")
    if key_id is not None and len(key_id) > MAX_KEY_ID_LENGTH:
        raise AuthError("the token's header is broken")
    if kind.lower().removeprefix("application/") not in _TYPES:
        raise AuthError("the token is of another kind")
    if "crit" in header or "b64" in header:
        raise AuthError("the token's header asks for what is not supported")
    return algorithm, key_id


def _user(claims: Mapping[str, Any]) -> UserId:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_USER_ID_LENGTH or not subject.isprintable():
        raise AuthError("the token names no user: sub must be a string")
    return UserId(subject)


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 2)."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise AuthError(f"the token's {name} is no time")
    if value >= _MILLISECONDS:
        raise AuthError(f"the token's {name} is in milliseconds: it must be in seconds")
    return float(value)


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object in which no name stands twice: two readers must not see two different tokens (RFC 7519 4)."""
    try:
        found = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AuthError("the token's header or claims are no JSON object")
    return found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(name)

"""Reads keys that tokens are signed with, and says what each may be used for.

A key is bound to its algorithms before any token is seen, so a token's header can only choose among those: no ``none``,
no public key taken for an HMAC secret (RFC 8725 3.1). Pure but for PyJWT and cryptography.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

HMAC: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithms for a secret, with the fewest bytes that it may have (RFC 7518 3.2); the usual one first."""

RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
EDWARDS: Final = ("Ed25519", "Ed448")
"""Algorithms of the two Edwards curves by the names that tell them apart (RFC 9864)."""

ANY_EDWARDS: Final = "EdDSA"
"""Their older name, which leaves the curve to the key (RFC 8037)."""

PUBLIC: Final = (*RSA, *CURVES.values(), ANY_EDWARDS, *EDWARDS)
"""Algorithms for a public key; which of them depends on the key."""

RSA_BITS: Final = range(2048, 8193)
"""Fewest and most bits of an RSA key: a shorter one is breakable (RFC 7518 3.3), a longer one takes too much time."""

MAX_KEYS: Final = 64
"""Keys in one JWKS. Providers have two to five."""

MAX_MEANT: Final = 4
"""Keys that are tried for one token; a try takes 0.1 ms."""

_FROM_JWK: Final[Mapping[str, Any]] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}


class SigningKey(msgspec.Struct, frozen=True):
    """Holds one key, and what it may be used for.

    Attributes:
        value: As PyJWT takes it.
        algorithms: Those for which it may be used.
        id: Its ``kid``; None if it has none.
    """

    value: Any
    algorithms: frozenset[str]
    id: str | None = None


class KeySet:
    """Holds some keys, and finds those that a token may be signed with.

    Args:
        keys: In any order.
    """

    def __init__(self, keys: Sequence[SigningKey] = ()) -> None:
        self._keys = tuple(keys)

    @property
    def ready(self) -> bool:
        """Whether there are keys at all."""
        return bool(self._keys)

    def find(self, algorithm: str, key_id: str | None) -> Sequence[SigningKey]:
        """The keys that a token's header may mean; with ``kid`` in both it is one.

        Args:
            algorithm: ``alg``.
            key_id: ``kid``; it is compared and nothing else: no file, no address. A key without an id is always meant.
        """
        fit = [key for key in self._keys if algorithm in key.algorithms]
        named = [key for key in fit if key_id is not None and key.id == key_id]
        return named[:1] or [key for key in fit if key_id is None or key.id is None][:MAX_MEANT]

    def look_again(self) -> None:
        """See `signald.identity.tokens.KeySource.look_again`: there are no other keys."""


def from_secret(secret: str, pinned: frozenset[str]) -> KeySet:
    """The key set of a shared secret.

    Raises:
        ValueError: It is too short for a pinned algorithm, or one of these is not for secrets.
    """
    value, algorithms = secret.encode(), pinned or frozenset({"HS256"})
    if not algorithms <= HMAC.keys():
        raise ValueError(f"is for {', '.join(HMAC)} only, and JWT_ALGORITHMS has others")
    shortest = max(HMAC[algorithm] for algorithm in algorithms)
    if len(value) < shortest:
        raise ValueError(f"must be at least {shortest} bytes long: whoever sees a token could guess a shorter one")
    return KeySet([SigningKey(value, algorithms)])


def from_pem(pem: bytes, pinned: frozenset[str]) -> KeySet:
    """The key set of a PEM file with one public key, or a certificate of it.

    Raises:
        ValueError: It is something else, or is for none of the pinned algorithms.
    """
    if b"PRIVATE KEY" in pem:
        raise ValueError("holds a private key, which belongs to the issuer alone: give the public one")
    try:
        key = (
            x509.load_pem_x509_certificate(pem).public_key()
            if b"BEGIN CERTIFICATE" in pem
            else load_pem_public_key(pem)
        )
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no PEM public key") from None
    return KeySet([SigningKey(key, _uses(key, pinned))])


def from_jwks(text: bytes, pinned: frozenset[str]) -> KeySet:
    """The key set of a JWKS (RFC 7517 5). Keys that cannot be used are left out.

    Raises:
        ValueError: It is no JWKS, or has no key that can be used.
    """
    try:
        jwks = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("is not JSON") from None
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError(f"is no JWKS of at most {MAX_KEYS} keys")
    keys = [key for key in (_from_jwk(jwk, pinned) for jwk in listed) if key is not None]
    if not keys:
        raise ValueError("has no key that can be used: signing keys of kind RSA, EC and OKP can")
    return KeySet(keys)


def _from_jwk(jwk: Any, pinned: frozenset[str]) -> SigningKey | None:
    # A symmetric key (oct) or a private one (d) in what is served to the world is nobody's proof of anything.
    if not isinstance(jwk, dict) or not isinstance(kind := jwk.get("kty"), str) or kind not in _FROM_JWK or "d" in jwk:
        return None
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    key_id, algorithm = jwk.get("kid"), jwk.get("alg")
    if not isinstance(key_id, str | None) or not isinstance(algorithm, str | None):
        return None
    try:
        key = _FROM_JWK[kind].from_jwk(jwk)
        uses = _uses(key, pinned, () if algorithm is None else (algorithm,))
    except (PyJWTError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None
    return SigningKey(key, uses, key_id)


def _uses(key: Any, pinned: frozenset[str], own: Iterable[str] = ()) -> frozenset[str]:
    """The algorithms of a public key: the pinned ones, or the key's own, or the usual one of its kind."""
    possible: tuple[str, ...]
    alike: frozenset[str] = frozenset()  # names of one and the same algorithm: who says one says all
    if isinstance(key, RSAPublicKey):
        possible = RSA
        if key.key_size not in RSA_BITS:
            raise ValueError(
                f"holds an RSA key of {key.key_size} bits: {RSA_BITS.start} to {RSA_BITS.stop - 1} will do"
            )
    elif isinstance(key, EllipticCurvePublicKey) and key.curve.name in CURVES:
        possible = (CURVES[key.curve.name],)
    elif isinstance(key, Ed25519PublicKey | Ed448PublicKey):
        possible = (ANY_EDWARDS, EDWARDS[isinstance(key, Ed448PublicKey)])
        alike = frozenset(possible)
    else:
        raise ValueError("holds a key of a kind that tokens are not signed with")
    own = frozenset(own)
    own |= alike if own & alike else own
    pinned |= alike if pinned & alike else pinned
    uses = frozenset(possible) & (pinned or own or alike or {possible[0]})
    if own:
        uses &= own
    if not uses:
        raise ValueError(f"holds a key for {' or '.join(possible)}: JWT_ALGORITHMS has none of these")
    return uses

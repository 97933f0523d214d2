"""An issuer of tokens: the keys of every kind, made once, and tokens of any form, good or bad."""

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SECRET = "a secret of thirty-two bytes and more"
ISSUER = "https://issuer.example"
AUDIENCE = "signald.example"


@cache
def private_key(kind: str) -> Any:
    """A private key by the algorithm that it is for, with a number behind it for another one of the same kind."""
    algorithm = kind.rstrip("'")
    if algorithm[:2] in {"RS", "PS"}:
        return rsa.generate_private_key(65537, 2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(
        {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
    )


def public_pem(kind: str) -> bytes:
    """Its public half, as the operator has it in a file."""
    pem: bytes = (
        private_key(kind)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return pem


def public_jwk(kind: str, key_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """Its public half, as an issuer serves it."""
    key = private_key(kind).public_key()
    algorithm = jwt.get_algorithm_by_name(kind.rstrip("'"))
    jwk: dict[str, Any] = json.loads(algorithm.to_jwk(key))
    jwk.pop("key_ops", None)
    return jwk | ({} if key_id is None else {"kid": key_id}) | fields


def jwks(*keys: dict[str, Any]) -> bytes:
    """The document that an issuer serves."""
    return json.dumps({"keys": keys}).encode()


def sign(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **header: Any) -> str:
    """A token as issuers make it."""
    return jwt.encode(claims, key, algorithm, headers=header or None)


def handmade(header: bytes, payload: bytes, secret: bytes = SECRET.encode()) -> str:
    """A token of any bytes, signed by HS256 whatever its header says."""
    signed = _base64(header) + b"." + _base64(payload)
    return (signed + b"." + _base64(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


def _base64(text: bytes) -> bytes:
    return base64.urlsafe_b64encode(text).rstrip(b"=")

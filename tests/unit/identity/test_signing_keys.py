"""Keys: what is taken for one, and for what."""

import datetime
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from signald.identity import signing_keys
from signald.identity.signing_keys import KeySet
from tests.support.tokens import SECRET, jwks, private_key, public_jwk, public_pem

ANY: frozenset[str] = frozenset()
PEM, PUBLIC = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo


def uses(keys: KeySet) -> set[str]:
    """The algorithms for which there is a key."""
    return {name for name in (*signing_keys.HMAC, *signing_keys.PUBLIC, "none") if keys.find(name, None)}


def pem(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(PEM, PUBLIC)
    return encoded


def test_a_key_is_for_its_own_algorithm_alone() -> None:
    """A token's header decides how the token is checked."""
    assert uses(signing_keys.from_secret(SECRET, ANY)) == {"HS256"}
    for kind in ("RS256", "ES256", "ES384", "ES512", "EdDSA"):
        its = {kind} if kind != "EdDSA" else {"EdDSA", "Ed25519"}
        assert uses(signing_keys.from_pem(public_pem(kind), ANY)) == its
        assert uses(signing_keys.from_jwks(jwks(public_jwk(kind)), ANY)) == its


def test_both_names_of_an_edwards_curve() -> None:
    """An issuer that says `Ed25519` (RFC 9864) for what was `EdDSA` locks everybody out; or `Ed448` is taken for it."""
    for said in ("EdDSA", "Ed25519"):
        assert uses(signing_keys.from_pem(public_pem("EdDSA"), frozenset({said}))) == {"EdDSA", "Ed25519"}
        served = jwks(public_jwk("EdDSA", alg=said))
        assert uses(signing_keys.from_jwks(served, ANY)) == {"EdDSA", "Ed25519"}
        with pytest.raises(ValueError, match="no key that can be used"):
            signing_keys.from_jwks(served, frozenset({"ES256"}))
    with pytest.raises(ValueError, match="EdDSA or Ed25519: JWT_ALGORITHMS"):
        signing_keys.from_pem(public_pem("EdDSA"), frozenset({"Ed448"}))


def test_pinned_algorithms() -> None:
    """An issuer that signs in another way than usual locks everybody out; or a pinned list is not kept."""
    pinned = frozenset({"RS512", "PS256", "ES384"})
    assert uses(signing_keys.from_pem(public_pem("RS256"), pinned)) == {"RS512", "PS256"}
    with pytest.raises(ValueError, match="ES256: JWT_ALGORITHMS"):
        signing_keys.from_pem(public_pem("ES256"), pinned)
    served = jwks(public_jwk("RS256", alg="PS256"), public_jwk("ES256"), public_jwk("EdDSA"))
    assert uses(signing_keys.from_jwks(served, pinned)) == {"PS256"}
    assert uses(signing_keys.from_jwks(served, ANY)) == {"PS256", "ES256", "EdDSA", "Ed25519"}


def test_a_secret_for_public_keys() -> None:
    """A secret is used where a public key belongs, or is too short to be one."""
    with pytest.raises(ValueError, match="is for HS256"):
        signing_keys.from_secret(SECRET, frozenset({"RS256"}))
    for algorithm, length in signing_keys.HMAC.items():
        assert uses(signing_keys.from_secret("x" * length, frozenset({algorithm}))) == {algorithm}
        with pytest.raises(ValueError, match=f"at least {length} bytes"):
            signing_keys.from_secret("x" * (length - 1), frozenset({algorithm}))


def test_a_certificate() -> None:
    """An operator who was given a certificate has to find out how to get the key out of it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key("RS256").public_key())
        .serial_number(1)
        .not_valid_before(today)
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(private_key("RS256"), hashes.SHA256())
    )
    assert uses(signing_keys.from_pem(certificate.public_bytes(PEM), ANY)) == {"RS256"}


def test_what_is_no_public_key() -> None:
    """The daemon starts with a key that checks nothing, and every token is refused; or it holds what it must not."""
    private = private_key("ES256").private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for text, why in (
        (private, "private key"),
        (b"", "no PEM public key"),
        (b"ssh-ed25519 AAAA", "no PEM public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no PEM public key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no PEM public key"),
        (pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),  # noqa: S505 - on purpose
        (pem(ec.generate_private_key(ec.SECP256K1())), "of a kind"),
        (pem(dsa.generate_private_key(2048)), "of a kind"),
    ):
        with pytest.raises(ValueError, match=why):
            signing_keys.from_pem(text, ANY)


def test_keys_of_a_jwks_that_are_left_out() -> None:
    """A key that is for something else, or that everybody has, signs tokens; or one odd key spoils all others."""
    good = public_jwk("EdDSA", "good")
    secret = {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256"}
    weak = json.loads(json.dumps(public_jwk("RS256"))) | {"n": "AQAB"}
    for odd in (
        secret,
        secret | {"alg": "EdDSA"},
        public_jwk("ES256", use="enc"),
        public_jwk("ES256", key_ops=["sign"]),
        public_jwk("ES256", key_ops="verify"),
        public_jwk("ES256", alg="HS256"),
        public_jwk("ES256", alg="none"),
        public_jwk("ES256", alg="RS256"),
        public_jwk("ES256", alg=1),
        public_jwk("ES256") | {"kid": 1},
        public_jwk("ES256") | {"d": "AQAB"},
        public_jwk("ES256") | {"x": "AQAB"},
        public_jwk("ES256") | {"crv": "P-999"},
        public_jwk("ES256") | {"x": 1},
        {"kty": "EC"},
        {"kty": ["EC"]},
        {"kty": "RSA", "n": "", "e": ""},
        weak,
        "EC",
        None,
    ):
        text = json.dumps({"keys": [odd, good]}).encode()
        assert uses(signing_keys.from_jwks(text, ANY)) == {"EdDSA", "Ed25519"}, odd
        with pytest.raises(ValueError, match="no key"):
            signing_keys.from_jwks(json.dumps({"keys": [odd]}).encode(), ANY)


def test_what_is_no_jwks() -> None:
    """An error page in place of the keys ends the daemon, or takes away those that were there."""
    for text in (b"", b"<html>", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b"[" * 100_000, b"\xff"):
        with pytest.raises(ValueError, match=r"is no|has no"):
            signing_keys.from_jwks(text, ANY)
    with pytest.raises(ValueError, match="at most"):
        signing_keys.from_jwks(jwks(*[public_jwk("EdDSA")] * (signing_keys.MAX_KEYS + 1)), ANY)

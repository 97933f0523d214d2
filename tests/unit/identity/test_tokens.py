"""Which tokens are taken, and all that are not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt import PyJWS
from jwt.algorithms import OKPAlgorithm

from signald.core.messages import MAX_TOKEN_LENGTH, MAX_USER_ID_LENGTH
from signald.identity import signing_keys
from signald.identity.signing_keys import KeySet
from signald.identity.tokens import AuthError, Identity, Verifier
from tests.support.tokens import (
    AUDIENCE,
    ISSUER,
    SECRET,
    handmade,
    jwks,
    private_key,
    public_jwk,
    public_pem,
    sign,
)

NOW = 1_800_000_000
ANY: frozenset[str] = frozenset()
GOOD: dict[str, Any] = {"sub": "ada", "exp": NOW + 60, "iss": ISSUER, "aud": AUDIENCE}
HEADER = b'{"alg":"HS256","typ":"JWT"}'

BY_SECRET = signing_keys.from_secret(SECRET, ANY)
BY_RSA = signing_keys.from_pem(public_pem("RS256"), ANY)
BY_JWKS = signing_keys.from_jwks(
    jwks(public_jwk("RS256", "rsa"), public_jwk("ES256", "ec"), public_jwk("EdDSA", "ed")), ANY
)


def verifier(keys: KeySet = BY_SECRET, issuer: str = ISSUER, audience: str = AUDIENCE, leeway_s: float = 0) -> Verifier:
    return Verifier(keys, issuer=issuer, audience=audience, leeway_s=leeway_s)


def claims(**changed: Any) -> dict[str, Any]:
    """Good ones but for these; None takes one out."""
    return {name: value for name, value in (GOOD | changed).items() if value is not None}


def unsigned(algorithm: str) -> str:
    token = handmade(json.dumps({"alg": algorithm}).encode(), json.dumps(GOOD).encode())
    return token.rpartition(".")[0] + "."


def test_a_good_token() -> None:
    """Nobody gets in."""
    assert verifier().verify(sign(GOOD), NOW) == Identity("ada", NOW + 60)  # type: ignore[arg-type]
    assert verifier().verify(handmade(HEADER, json.dumps(GOOD).encode()), NOW).user == "ada"
    assert verifier(leeway_s=10).verify(sign(GOOD), NOW + 65).expires == NOW + 70
    many = sign(claims(aud=["other", AUDIENCE], nbf=NOW, iat=NOW - 1, sub="\u00e4" * 256, exp=NOW + 0.5))
    assert verifier().verify(many, NOW).user == "\u00e4" * 256


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_each_kind_of_public_key(algorithm: str) -> None:
    """An issuer's usual way to sign is not understood."""
    token = sign(GOOD, private_key(algorithm), algorithm)
    in_file = signing_keys.from_pem(public_pem(algorithm), ANY)
    assert verifier(in_file).verify(token, NOW).user == "ada"
    with pytest.raises(AuthError, match="signature"):
        verifier(in_file).verify(sign(GOOD, private_key(f"{algorithm}'"), algorithm), NOW)
    served = signing_keys.from_jwks(jwks(public_jwk(algorithm, "k", alg=algorithm, use="sig")), ANY)
    assert verifier(served).verify(sign(GOOD, private_key(algorithm), algorithm, kid="k"), NOW).user == "ada"


def test_the_key_that_is_named() -> None:
    """An issuer with several keys, as during a change of keys, locks everybody out."""
    for algorithm, key_id in (("RS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")):
        token = sign(GOOD, private_key(algorithm), algorithm, kid=key_id)
        assert verifier(BY_JWKS).verify(token, NOW).user == "ada"
    assert verifier(BY_JWKS).verify(sign(GOOD, private_key("ES256"), "ES256"), NOW).user == "ada"
    two = signing_keys.from_jwks(jwks(public_jwk("ES256", "new"), public_jwk("ES256'", "old")), ANY)
    assert verifier(two).verify(sign(GOOD, private_key("ES256'"), "ES256", kid="old"), NOW).user == "ada"
    assert verifier(two).verify(sign(GOOD, private_key("ES256'"), "ES256"), NOW).user == "ada", "it names none"
    with pytest.raises(AuthError, match="signature"):
        verifier(two).verify(sign(GOOD, private_key("ES256'"), "ES256", kid="new"), NOW)


def test_keys_without_names() -> None:
    """An issuer whose keys have no `kid` locks everybody out as soon as it has two, as during a change of keys."""
    two = signing_keys.from_jwks(jwks(public_jwk("ES256"), public_jwk("ES256'")), ANY)
    for kind in ("ES256", "ES256'"):
        for header in ({}, {"kid": "any"}):
            assert verifier(two).verify(sign(GOOD, private_key(kind), "ES256", **header), NOW).user == "ada"
    with pytest.raises(AuthError, match="signature"):
        verifier(two).verify(sign(GOOD, private_key("ES256''"), "ES256"), NOW)


def test_the_newer_name_of_an_algorithm() -> None:
    """Tokens that say `Ed25519` (RFC 9864) are refused, though the key is here."""
    token = handmade_edwards("Ed25519")
    assert verifier(BY_JWKS).verify(token, NOW).user == "ada"
    with pytest.raises(AuthError, match="known here"):
        verifier(BY_JWKS).verify(handmade_edwards("Ed448"), NOW)


def handmade_edwards(algorithm: str) -> str:
    """A token that is signed by an Ed25519 key, by any name."""
    jws = PyJWS()
    jws.register_algorithm(algorithm, OKPAlgorithm())
    return jws.encode(json.dumps(GOOD).encode(), private_key("EdDSA"), algorithm, headers={"kid": "ed"})


BAD: dict[str, str] = {
    "no algorithm": unsigned("none") + "AA",
    "no signature": unsigned("none"),
    "NONE in capitals": unsigned("NONE") + "AA",
    "nOnE, signed by the secret": handmade(b'{"alg":"nOnE"}', json.dumps(GOOD).encode()),
    "another HMAC than the pinned one": sign(GOOD, algorithm="HS512", key=SECRET * 2),
    "HS512 in the header, HS256 in truth": handmade(b'{"alg":"HS512"}', json.dumps(GOOD).encode()),
    "an algorithm that is a list": handmade(b'{"alg":["HS256"]}', json.dumps(GOOD).encode()),
    "no alg": handmade(b"{}", json.dumps(GOOD).encode()),
    "another secret": sign(GOOD, "another secret of thirty-two bytes"),
    "signed by a private key": sign(GOOD, private_key("RS256"), "RS256"),
    "signed by the empty secret": handmade(HEADER, json.dumps(GOOD).encode(), b""),
    "expired": sign(claims(exp=NOW)),
    "expired long ago": sign(claims(exp=0)),
    "never ends": sign(claims(exp=None)),
    "ends in words": sign(claims(exp="tomorrow")),
    "ends as a string of digits": sign(claims(exp=str(NOW + 60))),
    "ends as a truth": handmade(HEADER, json.dumps(claims(exp=True)).encode()),
    "ends at infinity": handmade(HEADER, b'{"sub":"ada","exp":Infinity,"iss":"%b"}' % ISSUER.encode()),
    "ends at 1e999": handmade(HEADER, json.dumps(GOOD).replace(str(NOW + 60), "1e999").encode()),
    "ends at not-a-number": handmade(HEADER, json.dumps(GOOD).replace(str(NOW + 60), "NaN").encode()),
    "ends at a number of 5000 digits": handmade(HEADER, json.dumps(GOOD).replace(str(NOW + 60), "9" * 5000).encode()),
    "ends before 1970": sign(claims(exp=-1)),
    "ends in milliseconds": sign(claims(exp=(NOW + 60) * 1000)),
    "not good yet": sign(claims(nbf=NOW + 1)),
    "nbf is null": handmade(HEADER, json.dumps(GOOD | {"nbf": None}).encode()),
    "issued tomorrow": sign(claims(iat=NOW + 86400)),
    "another issuer": sign(claims(iss="https://evil.example")),
    "an issuer that begins alike": sign(claims(iss=ISSUER + ".evil.example")),
    "an issuer in a list": handmade(HEADER, json.dumps(claims(iss=[ISSUER])).encode()),
    "no issuer": sign(claims(iss=None)),
    "another audience": sign(claims(aud="other.example")),
    "others' audiences": sign(claims(aud=["a", "b"])),
    "an audience that contains ours": sign(claims(aud=f"not-{AUDIENCE}")),
    "an audience that is an object": handmade(HEADER, json.dumps(claims(aud={AUDIENCE: 1})).encode()),
    "no audience": sign(claims(aud=None)),
    "no user": sign(claims(sub=None)),
    "an empty user": sign(claims(sub="")),
    "a user that is a number": handmade(HEADER, json.dumps(claims(sub=1)).encode()),
    "a user of 257 letters": sign(claims(sub="x" * (MAX_USER_ID_LENGTH + 1))),
    "a user with a line end": sign(claims(sub="ada\nroot")),
    "a user twice": handmade(HEADER, json.dumps(GOOD).encode()[:-1] + b',"sub":"root"}'),
    "an end twice": handmade(HEADER, b'{"exp":1,' + json.dumps(GOOD).encode()[1:]),
    "an algorithm twice": handmade(b'{"alg":"none","alg":"HS256"}', json.dumps(GOOD).encode()),
    "a name twice, deep inside": handmade(HEADER, json.dumps(GOOD).encode()[:-1] + b',"x":{"a":1,"a":2}}'),
    "claims that are a list": handmade(HEADER, b"[]"),
    "claims that are no JSON": handmade(HEADER, b"{"),
    "claims that are no UTF-8": handmade(HEADER, b'{"sub":"\xff"}'),
    "claims of nothing": handmade(HEADER, b"x")[:-1],
    "claims that are deep": handmade(HEADER, b"[" * 5000),
    "a header that is deep": handmade(b"[" * 500, json.dumps(GOOD).encode()),
    "a header that is huge": handmade(json.dumps({"alg": "HS256", "x": "x" * 2000}).encode(), b"{}"),
    "a kid that is huge": sign(GOOD, kid="x" * 300),
    "a kid that is an object": handmade(b'{"alg":"HS256","kid":{}}', json.dumps(GOOD).encode()),
    "what is critical and not known": handmade(b'{"alg":"HS256","crit":["exp"],"exp":1}', json.dumps(GOOD).encode()),
    "a payload that is not encoded": handmade(b'{"alg":"HS256","b64":false,"crit":["b64"]}', json.dumps(GOOD).encode()),
    "a token for another end": sign(GOOD, typ="dpop+jwt"),
    "a logout token": sign(GOOD, typ="logout+jwt"),
    "a typ that is a number": handmade(b'{"alg":"HS256","typ":1}', json.dumps(GOOD).encode()),
    "oversized": sign(claims(x="x" * MAX_TOKEN_LENGTH)),
    "truncated by a letter": sign(GOOD)[:-1],
    "truncated by its signature": sign(GOOD).rpartition(".")[0],
    "truncated to the header": sign(GOOD).partition(".")[0],
    "longer by a letter": sign(GOOD) + "A",
    "longer by a part": sign(GOOD) + ".AAAA",
    "padded": sign(GOOD) + "=",
    "with a space": " " + sign(GOOD),
    "with a line end": sign(GOOD) + "\n",
    "in plain base64": sign(GOOD).replace("_", "/").replace("-", "+") + "/",
    "five parts, as if encrypted": ".".join(["AAAA"] * 5),
    "empty": "",
    "dots": "..",
    "not ASCII": "\u00e4.\u00e4.\u00e4",
    "half a character": "\ud800.a.b",
    "a user id": "ada",
    "JSON": '{"sub":"ada"}',
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD)
def test_bad_tokens(token: str) -> None:
    """Somebody gets in who has no business here, or brings the server to its knees in trying."""
    with pytest.raises(AuthError) as caught:
        verifier().verify(token, NOW)
    assert caught.value.blame
    assert "ada" not in str(caught.value)


def test_times_in_milliseconds() -> None:
    """Tokens of an issuer that takes seconds for milliseconds never end; or all are refused, and nobody sees why."""
    for name in ("exp", "nbf", "iat"):
        with pytest.raises(AuthError, match=f"the token's {name} is in milliseconds"):
            verifier().verify(sign(claims(**{name: (NOW + 60) * 1000})), NOW)


def hmac_by(public: bytes) -> str:
    return handmade(HEADER, json.dumps(GOOD).encode(), public)


CONFUSED: dict[str, tuple[KeySet, str]] = {
    "the public key as an HMAC secret": (BY_RSA, hmac_by(public_pem("RS256"))),
    "the same without its last line end": (BY_RSA, hmac_by(public_pem("RS256").rstrip())),
    "the public key of a JWKS as an HMAC secret": (BY_JWKS, hmac_by(public_pem("EdDSA"))),
    "none, for a public key": (BY_RSA, unsigned("none") + "AA"),
    "PS256 for a key that is for RS256": (BY_RSA, sign(GOOD, private_key("RS256"), "PS256")),
    "RS512 for a key that is for RS256": (BY_RSA, sign(GOOD, private_key("RS256"), "RS512")),
    "another key of the same kind": (BY_RSA, sign(GOOD, private_key("RS256'"), "RS256")),
    "the key of another kid": (BY_JWKS, sign(GOOD, private_key("ES256"), "ES256", kid="rsa")),
    "an unknown kid": (BY_JWKS, sign(GOOD, private_key("ES256"), "ES256", kid="nobody")),
    "a kid that is a path": (BY_JWKS, sign(GOOD, private_key("ES256"), "ES256", kid="../../../../dev/null")),
    "a kid that is SQL": (BY_JWKS, sign(GOOD, private_key("ES256"), "ES256", kid="' UNION SELECT 'x")),
    "a kid that is a URL": (BY_JWKS, sign(GOOD, private_key("ES256"), "ES256", kid="https://evil.example/key")),
    "an empty kid": (BY_JWKS, sign(GOOD, private_key("ES256"), "ES256", kid="")),
    "a key that it brings along": (
        BY_JWKS,
        sign(GOOD, private_key("ES256'"), "ES256", kid="ec", jwk=public_jwk("ES256'")),
    ),
    "a place to fetch its key from": (
        BY_JWKS,
        sign(
            GOOD, private_key("ES256'"), "ES256", kid="ec", jku="https://evil.example/jwks", x5u="https://evil.example"
        ),
    ),
    "the signature of zeros": (
        BY_JWKS,
        sign(GOOD, private_key("ES256"), "ES256", kid="ec").rpartition(".")[0] + "." + "A" * 86,
    ),
}


@pytest.mark.parametrize(("keys", "token"), CONFUSED.values(), ids=CONFUSED)
def test_confused_keys(keys: KeySet, token: str) -> None:
    """Who knows what everybody may know, a public key, is every user."""
    with pytest.raises(AuthError):
        verifier(keys).verify(token, NOW)


def test_an_audience_that_nobody_set() -> None:
    """Tokens that the same issuer made for another site open this one."""
    with pytest.raises(AuthError, match="audience"):
        verifier(audience="").verify(sign(GOOD), NOW)
    assert verifier(audience="", issuer="").verify(sign(claims(aud=None, iss=None)), NOW).user == "ada"


def test_keys_that_are_not_here_yet() -> None:
    """In the first second after a start, clients with good tokens are thrown out for them."""
    with pytest.raises(AuthError, match="not here yet") as caught:
        verifier(KeySet()).verify(sign(GOOD), NOW)
    assert not caught.value.blame


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_is_signed(header: bytes, payload: bytes) -> None:
    """Some token brings an internal error."""
    for token in (handmade(header, payload), handmade(HEADER, payload), handmade(header, json.dumps(GOOD).encode())):
        with pytest.raises(AuthError):
            verifier().verify(token, NOW)


@given(st.text(max_size=80))
def test_whatever_is_sent(token: str) -> None:
    """Some text that is no token brings an internal error."""
    with pytest.raises(AuthError):
        verifier().verify(token, NOW)


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "nbf", "iat"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda of: st.lists(of, max_size=2),
        ),
    )
)
def test_whatever_is_claimed(changed: dict[str, Any]) -> None:
    """Some claim of an odd type brings an internal error, or a user without a name."""
    try:
        identity = verifier().verify(handmade(HEADER, json.dumps(GOOD | changed).encode()), NOW)
    except AuthError:
        return
    assert isinstance(identity.user, str)
    assert identity.expires > NOW

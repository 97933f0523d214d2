"""When the issuer's keys are fetched, and what happens meanwhile."""

from collections.abc import Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from signald.identity import jwks
from signald.identity.jwks import LOOK_S, MAX_JWKS_BYTES, REFRESH_S, RETRY_S, FetchError, Jwks
from signald.identity.tokens import AuthError, Verifier
from tests.support.tokens import jwks as document
from tests.support.tokens import private_key, public_jwk, sign

OLD = document(public_jwk("EdDSA", "old"))
NEW = document(public_jwk("EdDSA", "old"), public_jwk("EdDSA'", "new"))


class Fetches(SynchronousTestCase):
    """A JWKS whose fetches the test answers, on a clock that the test moves."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.cancelled: list[Deferred[bytes]] = []
        self.fetches: list[Deferred[bytes]] = []
        self.keys = Jwks(self.fetch, "somewhere", frozenset(), self.clock)
        self.keys.startService()
        self.addCleanup(self.keys.stopService)

    def fetch(self) -> Awaitable[bytes]:
        self.fetches.append(Deferred(self.cancelled.append))
        return self.fetches[-1]

    def advance(self, seconds: float) -> None:
        self.clock.pump([LOOK_S] * round(seconds / LOOK_S))

    def knows(self, *key_ids: str) -> bool:
        return all(self.keys.find("EdDSA", key_id) for key_id in key_ids)

    def test_at_the_start(self) -> None:
        """No token is accepted for the first ten minutes."""
        self.assertEqual((len(self.fetches), self.keys.ready), (1, False))
        self.fetches[0].callback(OLD)
        self.assertTrue(self.keys.ready)
        self.assertTrue(self.knows("old"))

    def test_now_and_then(self) -> None:
        """A key that the issuer took back is accepted for ever."""
        self.fetches[0].callback(NEW)
        self.advance(REFRESH_S - LOOK_S)
        self.assertEqual(len(self.fetches), 1)
        self.advance(LOOK_S)
        self.fetches[1].callback(OLD)
        self.assertTrue(self.knows("old"))
        self.assertFalse(self.knows("new"))

    def test_a_new_key(self) -> None:
        """After the issuer has changed its key, nobody gets in until the next refresh."""
        self.fetches[0].callback(OLD)
        self.advance(RETRY_S)
        self.assertFalse(self.knows("new"))
        self.assertEqual(len(self.fetches), 2, "at once")
        self.fetches[1].callback(NEW)
        self.assertTrue(self.knows("old", "new"))

    def test_made_up_key_ids(self) -> None:
        """Anybody makes this server ask the issuer's a thousand times a second."""
        self.fetches[0].callback(OLD)
        for _ in range(1000):
            self.keys.find("EdDSA", "made up")
        self.assertEqual(len(self.fetches), 1, "not so soon after the last")
        self.advance(RETRY_S)
        for _ in range(1000):
            self.keys.find("EdDSA", "made up")
        self.assertEqual(len(self.fetches), 2, "one at a time")
        self.fetches[1].callback(OLD)
        self.advance(RETRY_S)
        self.keys.find("EdDSA", "made up")
        self.assertEqual(len(self.fetches), 3)

    def test_a_new_key_without_a_name(self) -> None:
        """An issuer whose keys have no `kid` changes its key, and nobody gets in for an hour."""
        verifier = Verifier(self.keys, issuer="", audience="", leeway_s=0)
        self.fetches[0].callback(document(public_jwk("EdDSA")))
        token = sign({"sub": "ada", "exp": 60}, private_key("EdDSA'"), "EdDSA")
        self.advance(RETRY_S)
        for _ in range(100):
            self.assertRaises(AuthError, verifier.verify, token, 0.0)
        self.assertEqual(len(self.fetches), 2, "looked for, once")
        self.fetches[1].callback(document(public_jwk("EdDSA'")))
        self.assertEqual(verifier.verify(token, 0.0).user, "ada")

    def test_the_issuer_is_away(self) -> None:
        """While the issuer restarts, nobody gets in; or afterwards nobody ever."""
        self.fetches[0].errback(FetchError("HTTP status 503"))
        self.assertFalse(self.keys.ready)
        self.advance(RETRY_S)
        self.fetches[1].callback(OLD)
        self.advance(REFRESH_S)
        self.fetches[2].callback(b"<html>come back later</html>")
        self.assertTrue(self.knows("old"), "those from before stay")
        self.advance(RETRY_S)
        self.fetches[3].callback(NEW)
        self.assertTrue(self.knows("new"))

    def test_the_end(self) -> None:
        """A daemon that stops waits for an issuer that does not answer."""
        self.keys.stopService()
        self.assertEqual(self.cancelled, self.fetches)
        self.advance(REFRESH_S)
        self.keys.find("EdDSA", "any")
        self.assertEqual(len(self.fetches), 1)

    def test_a_file(self) -> None:
        """Keys in a file are not read, or fill the memory."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "jwks.json"
        path.write_bytes(OLD)
        fetch = jwks.from_file(str(path))
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(fetch())), OLD)  # type: ignore[arg-type]
        path.write_bytes(b"x" * (MAX_JWKS_BYTES + 1))
        self.failureResultOf(Deferred.fromCoroutine(fetch()), FetchError)  # type: ignore[arg-type]
        path.unlink()
        self.failureResultOf(Deferred.fromCoroutine(fetch()), OSError)  # type: ignore[arg-type]

"""Handshakes that are refused: pages of today are told why, and all others get the status that they ever got."""

from typing import Any

from signald.core.bans import BanKind
from signald.core.messages import ErrorCode
from signald.identity.tokens import AuthError, Verifier
from signald.moderation.operator import Moderation
from tests.support.frames import handshake
from tests.support.memory import STARTED_AT, MemoryClient, MemoryDaemon, MemoryTest
from tests.support.tokens import SECRET, sign

TOKENS = {"AUTH_MODE": "optional", "JWT_SECRET": SECRET, "JWT_LEEWAY_SECONDS": "0"}
BAD = sign({"sub": "ada", "exp": 1})
ADA = sign({"sub": "ada", "exp": STARTED_AT + 3600})
HERE = "192.0.2.1"


class RefusedHandshakes(MemoryTest):
    """The usual path."""

    def connect(
        self, daemon: MemoryDaemon, *protocols: str, v1: bool = True, origin: str | None = None, host: str = HERE
    ) -> MemoryClient:
        """One that tries to come in."""
        client = daemon.connect(host)
        offers = ["signald.v1"] * v1 + list(protocols)
        client.write(handshake(protocols=offers, origin=origin))
        return client

    def told(self, client: MemoryClient) -> tuple[str, int | None, str, str]:
        """What one is told that is not let in: the error's code, the close code, what to do and why."""
        self.assertEqual(client.response.status, 101)
        self.assertEqual(client.response.headers["sec-websocket-protocol"], "signald.v1")
        error, goodbye = client.take()
        self.assertEqual((error["type"], goodbye["type"]), ("error", "goodbye"))
        self.after_ms: int = goodbye["afterMs"]
        return error["code"], client.close_code, goodbye["action"], goodbye["reason"]

    def status(self, client: MemoryClient) -> int:
        """What one gets that does not speak today's protocol; nothing else comes."""
        self.assertTrue(client.gone)
        self.assertEqual(client.frames, [])
        return client.response.status

    def moderation(self, daemon: MemoryDaemon) -> Moderation:
        """The operator's hand."""
        found = daemon.daemon._moderation
        assert isinstance(found, Moderation)
        return found

    def test_full(self) -> None:
        """A page says that its user's network is broken, since the server is full; or all try again at once."""
        daemon = self.start(MAX_CONNECTIONS="1")
        daemon.client()
        self.assertEqual(self.told(self.connect(daemon)), ("FULL", 4503, "reconnect", "full"))
        self.assertTrue(5_000 <= self.after_ms <= 30_000)
        self.assertEqual(self.status(self.connect(daemon, v1=False)), 503)
        self.assertEqual((daemon.clients, daemon.daemon._counts.clients), (1, 1))

    def test_full_in_few_words(self) -> None:
        """A client that writes no blank behind its colons, as HTTP allows, gets a status that a page cannot read."""
        daemon = self.start(MAX_CONNECTIONS="1")
        daemon.client()
        client = daemon.connect()
        client.write(handshake(protocols=["signald.v1"]).replace(b": ", b":"))
        self.assertEqual(self.told(client)[0], "FULL")

    def test_too_many_of_one_address(self) -> None:
        """A page with ten tabs cannot say that they are too many."""
        for limit in ("MAX_CONNECTIONS_PER_ADDRESS", "HANDSHAKES_PER_ADDRESS_PER_SECOND"):
            daemon = self.start(**{limit: "1"})
            daemon.client()
            self.assertEqual(self.told(self.connect(daemon)), ("TOO_MANY", 4429, "reconnect", "too-many"))
            self.assertTrue(2_000 <= self.after_ms <= 12_000)
            self.assertEqual(self.status(self.connect(daemon, v1=False)), 429)

    def test_banned(self) -> None:
        """Somebody who is banned for a minute believes that the service is down for good."""
        daemon = self.start()
        self.moderation(daemon).ban(BanKind.ADDRESS, HERE, 60.0, "enough", "ada")
        self.assertEqual(self.told(self.connect(daemon)), ("BANNED", 4403, "stay-out", "banned"))
        self.assertEqual(self.after_ms, 60_000)
        self.assertEqual(self.status(self.connect(daemon, v1=False)), 403)
        self.assertEqual(daemon.connect("192.0.2.9").gone, False)

    def test_foreign_page_is_told_nothing(self) -> None:
        """A page of somebody else learns who is banned here, or that the server is full."""
        daemon = self.start(ALLOWED_ORIGIN="https://example.com", MAX_CONNECTIONS="1")
        client = self.connect(daemon, origin="https://evil.example")
        self.assertEqual(self.status(client), 403)
        daemon.client(origin="https://example.com")
        self.assertEqual(self.status(self.connect(daemon, origin="https://evil.example")), 503)
        self.assertEqual(self.told(self.connect(daemon, origin="https://example.com"))[0], "FULL")

    def test_stopping(self) -> None:
        """A balancer takes a client that comes in the midst of a deploy for served, and tries no other instance."""
        daemon = self.start(DRAIN_SECONDS="30")
        daemon.pair()
        daemon.stop()
        for v1 in (True, False):
            self.assertEqual(self.status(self.connect(daemon, v1=v1)), 503)
        self.assertEqual(daemon.clients, 2)

    def test_bad_token(self) -> None:
        """A page with an old token is let in as a stranger, and looks for partners as one."""
        daemon = self.start(**TOKENS)
        client = self.connect(daemon, f"bearer.{BAD}")
        self.assertEqual(self.told(client), ("AUTH_FAILED", 4401, "stay-out", "bad-token"))
        self.assertEqual(daemon.daemon._counts.clients, 0)
        daemon.settle()
        self.assertTrue(client.gone)
        old = self.connect(daemon, f"bearer.{BAD}", v1=False)
        self.assertEqual([told.get("code", told["type"]) for told in old.take()], ["ready", "AUTH_FAILED"])

    def test_token_that_cannot_be_checked_now(self) -> None:
        """Everybody is thrown out because the server that has the keys is slow."""

        def not_now(verifier: Verifier, token: str, now: float) -> Any:
            raise AuthError("the keys are not here yet", blame=False)

        self.patch(Verifier, "verify", not_now)
        daemon = self.start(**TOKENS)
        client = self.connect(daemon, f"bearer.{ADA}")
        self.assertEqual([told.get("code", told["type"]) for told in client.take()], ["ready", "AUTH_FAILED"])
        self.assertIsNone(client.close_code)

    def test_banned_user(self) -> None:
        """Somebody who is banned is told to get a new token, and gets one, for ever."""
        daemon = self.start(**TOKENS)
        self.moderation(daemon).ban(BanKind.USER, "ada", 3600.0, "enough", "ada")
        self.assertEqual(self.told(self.connect(daemon, f"bearer.{ADA}")), ("BANNED", 4403, "stay-out", "banned"))
        self.assertEqual(self.after_ms, 3_600_000)

    def test_one_too_many_of_a_user(self) -> None:
        """A second tab goes on as a stranger, or tries for ever."""
        daemon = self.start(MAX_CONNECTIONS_PER_USER="1", **TOKENS)
        daemon.modern(f"bearer.{ADA}")
        second = self.connect(daemon, f"bearer.{ADA}")
        self.assertEqual([told.get("code", told["type"]) for told in second.take()], ["ready", "TOO_MANY_OF_USER"])
        daemon.advance(0.9)
        self.assertIsNone(second.close_code)
        daemon.advance(0.2)
        self.assertEqual(self.told(second), ("TOO_MANY_OF_USER", 4409, "stay-out", "too-many"))
        self.assertEqual((daemon.clients, daemon.connections.away), (1, 0))

    def test_who_comes_back_is_not_one_too_many(self) -> None:
        """A phone that changed its network loses its call, since its old connection still looks alive."""
        daemon = self.start(MAX_CONNECTIONS_PER_USER="1", **TOKENS)
        ada, bob = daemon.modern(f"bearer.{ADA}"), daemon.modern()
        ada.send("available")
        bob.send("available")
        again = self.connect(daemon, f"bearer.{ADA}")
        again.take()
        again.send("resume", token=ada.token, received=ada.received)
        self.assertEqual(again.take()[0]["type"], "resumed")
        daemon.advance(5)
        self.assertEqual((ada.close_code, again.close_code), (4001, None))
        bob.take()
        again.send("ice", candidate=None)
        self.assertEqual(bob.types(), ["ice"])

    def test_who_comes_back_takes_the_place_of_a_newer_one(self) -> None:
        """A page that goes on beside a new tab of its user and the new tab throw each other out, and nobody is left."""
        limit = {"MAX_CONNECTIONS_PER_USER": "1", "USER_OVERFLOW": "replace"}
        daemon = self.start(REDIS_URL="redis://127.0.0.1:1", **limit, **TOKENS)
        ada, bob = daemon.modern(f"bearer.{ADA}"), daemon.modern()
        ada.send("available")
        bob.send("available")
        daemon.advance(5)
        tab = self.connect(daemon, f"bearer.{ADA}")
        daemon.advance(0.3)
        again = self.connect(daemon, f"bearer.{ADA}")
        again.take()
        again.send("resume", token=ada.token, received=ada.received)
        self.assertEqual(again.take()[0]["type"], "resumed")
        daemon.advance(5)
        self.assertEqual((ada.close_code, tab.close_code, again.close_code), (4001, 1008, None))
        self.assertEqual(bob.types(), ["matched"])

    def test_guest_in_the_second_before_it_must_go(self) -> None:
        """One too many meets somebody in that second, who then waits for it for the time of a lost connection."""
        daemon = self.start(MAX_CONNECTIONS_PER_USER="1", **TOKENS)
        daemon.modern(f"bearer.{ADA}")
        second, bob = self.connect(daemon, f"bearer.{ADA}"), daemon.modern()
        second.send("available")
        bob.send("available")
        daemon.advance(1.5)
        self.assertEqual(second.close_code, 4409)
        self.assertEqual(bob.take()[-1], {"type": "partner-left", "reason": "removed"})

    def test_counted(self) -> None:
        """An operator cannot see that clients are turned away, or why."""
        daemon = self.start(MAX_CONNECTIONS="1", **TOKENS)
        self.connect(daemon, f"bearer.{BAD}")
        daemon.settle()
        daemon.client()
        self.connect(daemon)
        self.connect(daemon, v1=False)
        counts = daemon.daemon._counts
        self.assertEqual((counts.turned_away[ErrorCode.AUTH_FAILED], counts.turned_away[ErrorCode.FULL]), (1, 1))
        self.assertEqual(counts.handshakes_refused[503], 2)

    def test_what_it_sends_is_not_heard(self) -> None:
        """One that was turned away speaks on, and is heard, or breaks the connection of another."""
        daemon = self.start(**TOKENS)
        client = daemon.connect()
        client.answers_close = False
        client.write(handshake(protocols=["signald.v1", f"bearer.{BAD}"]))
        client.send("available")
        client.send("ping")
        self.assertEqual([told["type"] for told in client.take()], ["error", "goodbye"])
        daemon.advance(10)
        self.assertTrue(client.gone)
        self.assertEqual(daemon.daemon._admission.connected, 0)


class Slow(RefusedHandshakes):
    """The same by Autobahn alone."""

    fast_path = False

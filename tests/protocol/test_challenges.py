"""Guests prove work before they wait: on the wire, in the metrics, beside users and old clients."""

import re

from signald.core.toll import NUMBERS, PATIENCE_S
from tests.support.memory import MemoryClient, MemoryTest
from tests.support.tokens import SECRET, sign
from tests.support.work import proof_of


class Challenges(MemoryTest):
    """A daemon that challenges every guest."""

    def setUp(self) -> None:
        self.daemon = self.start(
            CHALLENGE="on",
            CHALLENGE_PER_SECOND="10",
            PUBLIC_METRICS="true",
            AUTH_MODE="optional",
            JWT_SECRET=SECRET,
            REMATCH_DELAY_SECONDS="0",
        )

    def metric(self, name: str) -> float:
        page = self.daemon.connect()
        page.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        (value,) = re.findall(rf"^signald_{re.escape(name)} (\S+)$", page.response.rest.decode(), re.MULTILINE)
        return float(value)

    def work(self, client: MemoryClient) -> list[str]:
        """Solve what the client was asked; gives the types of what comes of it."""
        (challenge,) = (message for message in client.take() if message["type"] == "challenge")
        client.send(**proof_of(challenge))
        return client.types()

    def test_guests_meet_when_both_have_worked(self) -> None:
        """Whoever has worked meets nobody, or whoever has not meets somebody."""
        one, other = self.daemon.modern(), self.daemon.modern()
        one.send("available", id=1)
        self.assertEqual([message["type"] for message in one.messages], ["challenge", "ok"])
        self.assertLessEqual(one.messages[0]["maxnumber"], NUMBERS)
        other.send("available")
        self.daemon.advance(1.0)
        self.assertNotIn("matched", [message["type"] for message in one.messages])
        self.assertEqual(self.work(other), ["challenge"])
        self.assertEqual(self.work(one), ["challenge", "matched"])
        self.assertEqual(self.metric('challenges_total{result="made"}'), 4)
        self.assertEqual(self.metric('challenges_total{result="proven"}'), 2)
        self.assertEqual(self.metric("challenging"), 1)

    def test_next_is_paid_during_the_call(self) -> None:
        """Next brings a spinner each time, or bots press it for nothing."""
        one, other, third = (self.daemon.modern() for _ in range(3))
        for client in (one, other):
            client.send("available")
        self.work(one)
        (challenge,) = (message for message in other.take() if message["type"] == "challenge")
        other.send(**proof_of(challenge))
        (ahead,) = (message for message in other.take() if message["type"] == "challenge")
        other.send(**proof_of(ahead))
        third.send("available")
        self.work(third)
        self.assertEqual(other.types(), [])
        other.send("next")
        self.assertEqual(other.types(), ["challenge", "matched"])

    def test_a_user_is_not_asked(self) -> None:
        """A site whose users sign in has them work for those of other sites."""
        client = self.daemon.modern()
        client.send("auth", token=sign({"sub": "ada", "exp": 4_000_000_000}))
        client.send("available", id=1)
        self.assertEqual(client.types(), ["ok"])

    def test_old_clients_are_told(self) -> None:
        """A page of before waits for ever, and nobody knows why."""
        client = self.daemon.client()
        client.send("available")
        (error,) = client.take()
        self.assertEqual((error["type"], error["code"]), ("error", "CHALLENGE_REQUIRED"))

    def test_who_knows_no_challenges_is_told(self) -> None:
        """A page of before the challenges waits for ever for a partner, and nobody knows why."""
        page, phone = self.daemon.modern(), self.daemon.modern()
        page.send("available", id=1)
        self.daemon.advance(PATIENCE_S / 2)
        phone.send("available")
        self.work(phone)
        self.assertEqual([message["type"] for message in page.messages], ["challenge", "ok"])
        challenge, _ = page.take()
        self.daemon.advance(PATIENCE_S / 2 + 1)
        (error,) = page.take()
        self.assertEqual((error["type"], error["code"]), ("error", "CHALLENGE_REQUIRED"))
        self.daemon.advance(PATIENCE_S)
        self.assertEqual(phone.types(), [])
        page.send(**proof_of(challenge))
        self.assertEqual(page.types(), [])
        page.send("available")
        self.assertIn("matched", page.types())

    def test_after_a_resume(self) -> None:
        """Whoever loses its connection at the door stands there for ever, or is let in for it."""
        one, other = self.daemon.modern(), self.daemon.modern()
        other.send("available")
        self.work(other)
        one.send("available")
        one.vanish()
        again = self.daemon.resume(one)
        self.assertEqual([m["type"] for m in again.messages if m["type"] == "matched"], [])
        last = [message for message in again.take() if message["type"] == "challenge"][-1]
        again.send(**proof_of(last))
        self.assertIn("matched", again.types())

    def test_a_proof_of_somebody_else(self) -> None:
        """One solution is good for a whole farm."""
        one, other = self.daemon.modern(), self.daemon.modern()
        for client in (one, other):
            client.send("available")
        (challenge,) = one.take()
        other.take()
        other.send(**proof_of(challenge), id=1)
        (error,) = other.take()
        self.assertEqual((error["code"], error["id"]), ("CHALLENGE_FAILED", 1))
        self.assertEqual(self.metric('challenges_total{result="failed"}'), 1)


class ChallengesOfCrowds(MemoryTest):
    """A daemon that challenges guests while too many come."""

    def test_auto(self) -> None:
        """An attack is met by nobody, or its end by nobody."""
        daemon = self.start(CHALLENGE="auto", CHALLENGE_PER_SECOND="1")
        quiet = daemon.modern()
        quiet.send("available", id=1)
        self.assertEqual(quiet.types(), ["ok"])
        old = daemon.client()
        old.send("available")
        self.assertEqual(quiet.types(), ["matched"])
        bots = [daemon.modern() for _ in range(20)]
        bots[0].send("available")
        self.assertEqual(bots[0].types(), ["challenge"])
        late = daemon.client()
        late.send("available")
        self.assertEqual(late.types(), ["error"])
        daemon.advance(60.0)
        late.send("available")
        self.assertEqual(late.types(), [])
        bots[1].send("available")
        self.assertEqual(bots[1].types(), ["matched"])

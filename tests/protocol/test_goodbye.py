"""What clients are told before the server closes their connections."""

import jwt

from signald.core.bans import BanKind
from signald.moderation.operator import Moderation
from tests.support.memory import STARTED_AT, MemoryClient, MemoryTest

SECRET = "0123456789abcdef0123456789abcdef"
TOKENS = {"AUTH_MODE": "optional", "JWT_SECRET": SECRET}


def token(user: str) -> str:
    """A good token of a user."""
    return jwt.encode({"sub": user, "exp": STARTED_AT + 3600}, SECRET)


class Goodbye(MemoryTest):
    """The usual path."""

    def said_to(self, client: MemoryClient, code: int) -> tuple[str, str, int]:
        """What a client was told last, which was closed with this code then."""
        said = client.take()[-1]
        self.assertEqual((said["type"], client.close_code), ("goodbye", code))
        return said["action"], said["reason"], said["afterMs"]

    def flood(self, client: MemoryClient) -> None:
        """Send too much until it is closed."""
        while client.close_code is None:
            client.send("ping")

    def test_server_stops(self) -> None:
        """All clients of a deploy come back in the same second, or as new ones."""
        daemon = self.start()
        clients = [daemon.modern() for _ in range(3)]
        old = daemon.client()
        daemon.stop()
        told = [self.said_to(client, 1012) for client in clients]
        self.assertEqual({each[:2] for each in told}, {("resume", "stopping")})
        self.assertTrue(all(1000 <= after <= 1004 for *_, after in told), told)
        self.assertEqual((old.take(), old.close_code), ([], 1001))

    def test_server_stops_that_keeps_no_sessions(self) -> None:
        """A client wants to go on with a session that nobody keeps."""
        daemon = self.start(RESUME_SECONDS="0")
        client = daemon.modern()
        daemon.stop()
        self.assertEqual(self.said_to(client, 1001)[:2], ("reconnect", "stopping"))

    def test_drain(self) -> None:
        """Those that are sent away first come back at once, and to the same instance."""
        daemon = self.start(DRAIN_SECONDS="30")
        one, other = daemon.pair(modern=True)
        idle = daemon.modern()
        daemon.stop()
        self.assertEqual(self.said_to(idle, 1012)[0], "resume")
        self.assertEqual((one.take(), other.take()), ([], []))
        one.send("leave")
        self.assertEqual(self.said_to(one, 1012)[0], "resume")
        self.assertEqual(other.messages[0], {"type": "partner-left", "reason": "leave"})
        self.assertEqual(self.said_to(other, 1012)[0], "resume")

    def test_missed_goodbye_does_no_harm(self) -> None:
        """The counts of both sides differ from then on, and messages are lost or come twice."""
        secret = {"RESUME_SECRET": SECRET}
        daemon = self.start(**secret)
        one, other = daemon.pair(modern=True)
        one.transport.reads = False
        daemon.stop()
        after = self.start(**secret)
        one, other = after.resume(one), after.resume(other)
        self.assertEqual(one.messages[0]["type"], "resumed")
        other.send("ice", candidate=None)
        self.assertEqual(one.types()[-1], "ice")
        one.vanish()
        other.send("ice", candidate=None)
        again = after.resume(one)
        self.assertEqual((again.messages[0]["lost"], again.types()), (False, ["resumed", "ice"]))

    def test_ban(self) -> None:
        """A page tells somebody to try again who is banned for an hour."""
        daemon = self.start(**TOKENS)
        client, other = daemon.modern("bearer." + token("ada")), daemon.modern()
        client.send("available")
        other.send("available")
        moderation = daemon.daemon._moderation
        assert isinstance(moderation, Moderation)
        moderation.ban(BanKind.USER, "ada", 3600.0, "enough", "ada")
        daemon.settle()
        self.assertEqual(self.said_to(client, 1008), ("stay-out", "banned", 3_600_000))
        self.assertEqual(other.take()[-1], {"type": "partner-left", "reason": "removed"})

    def test_one_too_many_of_a_user(self) -> None:
        """Two pages of one user throw each other out for ever."""
        daemon = self.start(MAX_CONNECTIONS_PER_USER="1", USER_OVERFLOW="replace", **TOKENS)
        first = daemon.modern("bearer." + token("ada"))
        daemon.modern("bearer." + token("ada"))
        daemon.advance(2)
        self.assertEqual(self.said_to(first, 1008), ("stay-out", "too-many", 0))

    def test_bad_tokens_and_floods(self) -> None:
        """A client that can never come in tries for ever."""
        daemon = self.start(MAX_MSG_PER_SECOND="1", VIOLATIONS_PER_MINUTE="3", **TOKENS)
        guest, flooder = daemon.modern(), daemon.modern()
        for _ in range(3):
            daemon.advance(5)
            guest.send("auth", token="bad")
        self.assertEqual(self.said_to(guest, 1008), ("stay-out", "bad-token", 0))
        self.flood(flooder)
        self.assertEqual(self.said_to(flooder, 1008), ("stay-out", "flood", 60_000))

    def test_a_flood_that_brings_no_ban(self) -> None:
        """A page says when to come back, and it is not true."""
        daemon = self.start(MAX_MSG_PER_SECOND="1", VIOLATIONS_PER_MINUTE="3", BAN_SECONDS="0")
        flooder = daemon.modern()
        self.flood(flooder)
        self.assertEqual(self.said_to(flooder, 1008), ("stay-out", "flood", 0))

    def test_why_the_partner_left(self) -> None:
        """A page says that somebody pressed next whose network has failed."""
        for why in ("next", "leave"):
            one, other = self.start().pair(modern=True)
            one.send(why)
            self.assertEqual(other.messages[0], {"type": "partner-left", "reason": why})
        one, other = self.start().pair(modern=True)
        one.close(1000)
        self.assertEqual(other.take(), [{"type": "partner-left", "reason": "gone"}])
        daemon = self.start()
        one, other = daemon.pair(modern=True)
        one.vanish()
        daemon.advance(31)
        self.assertEqual(other.take()[-1], {"type": "partner-left", "reason": "gone"})


class Slow(Goodbye):
    """The same by Autobahn alone."""

    fast_path = False

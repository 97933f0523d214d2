"""Whoever wants somebody else's session, or all the memory of the server."""

from signald.clients import questions
from signald.clients.questions import Kick
from signald.core.ids import ClientId
from tests.support.memory import STARTED_AT, MemoryClient, MemoryDaemon, MemoryTest
from tests.support.tokens import SECRET, sign

JWT = {"AUTH_MODE": "optional", "JWT_SECRET": SECRET}


def token(user: str) -> str:
    """Proof of who it is."""
    return sign({"sub": user, "exp": STARTED_AT + 600})


def failed(client: MemoryClient) -> bool:
    """Whether a wish to go on was refused."""
    return client.messages[0].get("code") == "RESUME_FAILED"


class Attacks(MemoryTest):
    """On one instance."""

    def test_many_attempts(self) -> None:
        """Tokens are tried until one is good, or until the server has no memory left."""
        daemon = self.start(MAX_MSG_PER_SECOND="100000")
        one, other = daemon.pair(modern=True)
        one.vanish()
        before = daemon.clients
        for number in range(300):
            thief = daemon.resume(one, token=f"{one.token[:-4]}{number:04d}")
            self.assertTrue(failed(thief))
            thief.vanish()
            thief_session = daemon.connections.find(ClientId(thief.id))
            if thief_session is not None:
                daemon.connections.end(thief_session, "test")
        self.assertEqual(daemon.clients, before)
        self.assertEqual(other.types(), ["partner-away"])
        self.assertEqual(daemon.resume(one).messages[0]["type"], "resumed")

    def test_many_attempts_on_one_connection(self) -> None:
        """The same without a handshake for each."""
        daemon = self.start(MAX_MSG_PER_SECOND="100000")
        one, _ = daemon.pair(modern=True)
        one.vanish()
        thief = daemon.resume(one, token="x")
        for _ in range(200):
            thief.send("resume", token=one.token, received=one.received)
        self.assertEqual({message.get("code") for message in thief.take()}, {None, "RESUME_FAILED"})

    def test_another_users_token(self) -> None:
        """Somebody with an account of his own goes on with another's call, whose token he has seen."""
        daemon = self.start(**JWT)
        one = daemon.modern(f"bearer.{token('ada')}")
        other = daemon.modern()
        for client in (one, other):
            client.send("available")
        one.vanish()
        thief = daemon.resume(one, f"bearer.{token('eve')}")
        self.assertTrue(failed(thief))
        self.assertEqual(daemon.resume(one, f"bearer.{token('ada')}").messages[0]["type"], "resumed")
        self.assertEqual(other.types(), ["matched", "partner-away", "partner-back"])

    def test_a_ban_during_the_absence_wins(self) -> None:
        """Whoever is thrown out comes back by its token."""
        daemon = self.start(**JWT)
        one = daemon.modern(f"bearer.{token('ada')}")
        other = daemon.modern()
        for client in (one, other):
            client.send("available")
        one.vanish()
        moderation = daemon.daemon._moderation
        moderation.asked(questions.encode(Kick(ClientId(one.id), "no")))
        daemon.settle()
        self.assertEqual(other.types(), ["matched", "partner-away", "partner-left"])
        self.assertTrue(failed(daemon.resume(one)))

    def test_a_flood_of_sessions_away(self) -> None:
        """Connections that come and vanish fill the memory, each for half a minute."""
        daemon = self.start(RESUME_MAX_AWAY="20")
        lost = [daemon.modern() for _ in range(60)]
        for client in lost:
            client.vanish()
        self.assertEqual(daemon.connections.away, 20)
        self.assertTrue(failed(daemon.resume(lost[0])))
        self.assertEqual(daemon.resume(lost[-1]).messages[0]["type"], "resumed")

    def test_what_is_kept_in_all_is_bounded(self) -> None:
        """Partners of those who are away fill the memory with what they say."""
        daemon = self.start(RESUME_TOTAL_BYTES="20000", MAX_MSG_PER_SECOND="1000")
        pairs = [daemon.pair(modern=True) for _ in range(5)]
        for one, other in pairs:
            one.vanish()
            for _ in range(20):
                other.send("offer", sdp="x" * 900)
            self.assertLessEqual(daemon.connections.kept_bytes, 20_000)
        answers = [daemon.resume(one).messages[0] for one, _ in pairs]
        self.assertTrue(any(answer["lost"] for answer in answers))
        self.assertEqual({answer["state"] for answer in answers}, {"paired"})

    def test_words_before_the_answer(self) -> None:
        """A client that does not wait for the answer fills the memory, or speaks for somebody else."""
        daemon = self.start(RESUME_SECRET="0123456789abcdef")
        stranger = MemoryDaemon(RESUME_SECRET="0123456789abcdef").modern()
        client = daemon.resume(stranger)
        self.assertEqual(client.messages[0]["type"], "resumed")

    def test_odd_wishes(self) -> None:
        """A broken wish ends the connection, or counts as one."""
        daemon = self.start()
        one, _ = daemon.pair(modern=True)
        one.vanish()
        for fields in (
            {"received": -1},
            {"received": 1.5},
            {"received": None},
            {"received": 2**53},
            {"attempt": 0},
            {"attempt": 2**53},
            {"token": 5},
            {"nonce": "n" * 65},
            {"waited": -1},
        ):
            client = daemon.modern()
            client.send("resume", **{"token": one.token, "received": one.received, **fields})
            self.assertEqual(client.take()[0]["code"], "INVALID_FORMAT", fields)
        answer = daemon.resume(one, received=2**53 - 1).messages[0]
        self.assertEqual((answer["type"], answer["lost"]), ("resumed", True))

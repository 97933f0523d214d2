"""Messages that are answered: exactly one answer for each, after what it did, whatever becomes of the connection."""

import json
from typing import Any

import jwt

from signald.core import messages
from signald.core.messages import CLIENT_MESSAGES, MAX_INTEGER
from tests.support.frames import TEXT, client_frame
from tests.support.memory import STARTED_AT, MemoryClient, MemoryTest

SECRET = "0123456789abcdef0123456789abcdef"

NEEDED: dict[str, dict[str, Any]] = {
    "offer": {"sdp": "v=0"},
    "answer": {"sdp": "v=0"},
    "ice": {"candidate": None},
    "report": {"reason": "spam"},
    "resume": {"token": "t", "received": 0},
}
"""Fields without which a message is none."""

GOOD = ("a", "\u00e9" * 64, 0, MAX_INTEGER)
BAD: tuple[Any, ...] = ("", "x" * 65, -1, MAX_INTEGER + 1, 1.5, True, None, [], {"id": 1})


def frames_of(*said: dict[str, Any]) -> bytes:
    """Messages as a client sends them, at once."""
    return b"".join(client_frame(TEXT, json.dumps(each).encode()) for each in said)


def answers(client: MemoryClient) -> list[tuple[str, object]]:
    """What a client was told since the last call about messages of its own, as types and ids."""
    return [(told["type"], told.get("id")) for told in client.take() if "id" in told]


class Requests(MemoryTest):
    """The usual path."""

    def test_each_message_is_answered_once(self) -> None:
        """A page waits for ever for what became of a button that somebody pressed."""
        for kind in map(messages.message_type, CLIENT_MESSAGES):
            for is_paired in (False, True):
                daemon = self.start()
                client = daemon.pair(modern=True)[0] if is_paired else daemon.modern()
                for id in GOOD:
                    client.send(kind, id=id, **NEEDED.get(kind, {}))
                    told = answers(client)
                    self.assertEqual([name for _, name in told], [id], f"{kind}, paired: {is_paired}")
                    self.assertIn(told[0][0], ("ok", "error"))

    def test_answer_comes_last(self) -> None:
        """A page that goes on when its request is done does so before it has what the request brought."""
        daemon = self.start()
        one, other = daemon.modern(), daemon.modern()
        one.send("ping", id=1)
        self.assertEqual(one.take(), [{"type": "pong"}, {"type": "ok", "id": 1}])
        one.send("available", id="wait")
        self.assertEqual(one.take(), [{"type": "ok", "id": "wait"}])
        other.send("available", id="meet")
        self.assertEqual(other.types(), ["matched", "ok"])
        self.assertEqual(one.types(), ["matched"])
        one.send("offer", sdp="v=0", id=2)
        self.assertEqual(one.take(), [{"type": "ok", "id": 2}])
        self.assertEqual(other.take(), [{"type": "offer", "from": one.id, "sdp": "v=0"}])

    def test_refusals_name_the_message(self) -> None:
        """A page with two requests under way cannot tell which of them failed."""
        client = self.start(MAX_MSG_PER_SECOND="5").modern()
        for text, code in (
            ('{"type":"next","id":1}', "NOT_PAIRED"),
            ('{"type":"fly","id":1}', "UNKNOWN_TYPE"),
            ('{"id":1}', "INVALID_FORMAT"),
            ('{"type":"offer","id":1}', "INVALID_FORMAT"),
            ('{"type":"ice","candidate":7,"id":1}', "INVALID_FORMAT"),
            ('{"type":"ping","id":1}', "RATE_LIMIT"),
        ):
            client.text(text)
            (told,) = client.take()
            self.assertEqual((told["type"], told["code"], told["id"]), ("error", code, 1), text)

    def test_what_cannot_be_named(self) -> None:
        """An answer to a request that was never made ends another one."""
        daemon = self.start(MAX_MSG_PER_SECOND="100")
        client = daemon.modern()
        for id in BAD:
            client.send("ping", id=id)
            (told,) = client.take()
            self.assertEqual((told["code"], "$.id" in told["message"], "id" in told), ("INVALID_FORMAT", True, False))
        for text in ('{"type":"ping","id":1', '[{"id":1}]', '{"type":"fly","text":"\\"id\\":1"}', "[" * 2000 + '"id"'):
            client.text(text)
            (told,) = client.take()
            self.assertNotIn("id", told, text)

    def test_old_clients_are_not_answered(self) -> None:
        """A client of the first protocol gets a message that it does not know, or is refused for a field of its own."""
        client = self.start(MAX_MSG_PER_SECOND="100").client()
        for id in (*GOOD, *BAD):
            client.send("ping", id=id)
            self.assertEqual(client.take(), [{"type": "pong"}])
            client.send("next", id=id)
            (told,) = client.take()
            self.assertEqual(set(told), {"type", "code", "message"})

    def test_crossed_message_is_answered_as_stale(self) -> None:
        """A page takes an offer for delivered that was dropped, since the partner had changed."""
        daemon = self.start()
        one, other = daemon.pair(modern=True)
        one.send("offer", sdp="v=0", roomId="before", id=5)
        self.assertEqual(one.take(), [{"type": "ok", "id": 5, "stale": True}])
        self.assertEqual(other.take(), [])

    def test_token_is_answered_when_it_was_checked(self) -> None:
        """A page waits for a partner before it is known, or is told that a bad token is good."""
        daemon = self.start(AUTH_MODE="required", JWT_SECRET=SECRET)
        client = daemon.modern()
        client.send("available", id=1)
        client.send("auth", token="bad", id=2)
        client.send("auth", token=jwt.encode({"sub": "ada", "exp": STARTED_AT + 60}, SECRET), id=3)
        client.send("available", id=4)
        self.assertEqual(
            [(told["type"], told.get("code"), told["id"]) for told in client.take()],
            [("error", "AUTH_REQUIRED", 1), ("error", "AUTH_FAILED", 2), ("ok", None, 3), ("ok", None, 4)],
        )
        daemon.advance(300)
        (told,) = client.take()
        self.assertEqual(set(told), {"type", "code", "message"}, "what comes by itself answers nothing")

    def test_what_is_refused_late_is_answered_so(self) -> None:
        """A report that was dropped is thanked for."""
        daemon = self.start()
        one, _ = daemon.pair(modern=True)
        for id in (1, 2):
            one.send("report", reason="spam", id=id)
        self.assertEqual(answers(one), [("ok", 1), ("error", 2)])

    def test_missed_answer_comes_again(self) -> None:
        """A connection is lost in the moment of a report, and the page sends it twice, or never."""
        daemon = self.start()
        one, _ = daemon.pair(modern=True)
        one.transport.reads = False
        one.send("report", reason="spam", id="r")
        one.vanish()
        again = daemon.resume(one)
        self.assertEqual(again.messages[0]["received"], 2)
        self.assertEqual(answers(again), [("ok", "r")])
        self.assertEqual(daemon.daemon._counts.reports, 1)

    def test_message_that_was_not_heard_is_done_once(self) -> None:
        """The same for one that was lost on the way to the server."""
        daemon = self.start()
        one, _ = daemon.pair(modern=True)
        one.sent.append(b'{"type":"report","reason":"spam","id":"r"}')
        one.vanish()
        again = daemon.resume(one)
        self.assertEqual(answers(again), [("ok", "r")])
        self.assertEqual(daemon.daemon._counts.reports, 1)

    def test_resume_is_answered(self) -> None:
        """A page that came back cannot tell whether it did; what it said meanwhile is answered by nobody."""
        daemon = self.start()
        one, other = daemon.pair(modern=True)
        one.vanish()
        other.send("ice", candidate=None)
        again = daemon.resume(one, id="back")
        self.assertEqual(again.types(), ["resumed", "ice", "ok"])
        again.received += 1
        again.vanish()
        self.assertEqual(daemon.resume(again).types(), ["resumed"], "the answer counts as a message")
        stranger = daemon.modern()
        wish = {"type": "resume", "token": "t", "received": 0, "id": 1}
        stranger.write(frames_of(wish, {"type": "ping", "id": 2}, {"type": "fly"}))
        told = [(each["type"], each.get("id")) for each in stranger.take()]
        self.assertEqual(told, [("error", 1), ("pong", None), ("ok", 2), ("error", None)])

    def test_answers_after_the_end(self) -> None:
        """What is kept for sessions grows with each one that ends while it is answered."""
        daemon = self.start(AUTH_MODE="optional", JWT_SECRET=SECRET)
        client = daemon.modern()
        for id in range(3):
            client.send("auth", token="bad", id=id)
        self.assertEqual(answers(client), [("error", 0), ("error", 1), ("error", 2)])
        self.assertEqual(client.close_code, 1008)
        self.assertEqual(daemon.connections.kept_bytes, 0)


class Slow(Requests):
    """The same by Autobahn alone."""

    fast_path = False

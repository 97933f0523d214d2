"""Sessions that outlive their connections, on one instance: what two people notice of a lost socket."""

from typing import Any

from signald.clients.resuming import ENDS
from signald.core.ids import ClientId
from tests.support.memory import MemoryClient, MemoryDaemon, MemoryTest

SIGNAL = {"candidate": {"candidate": "c"}}


class Resume(MemoryTest):
    """The usual path."""

    def calling(self, **variables: str) -> tuple[MemoryDaemon, MemoryClient, MemoryClient]:
        """A daemon, and two of today's clients that are partners."""
        daemon = self.start(**variables)
        return daemon, *daemon.pair(modern=True)

    def resumed(self, client: MemoryClient) -> dict[str, Any]:
        """The answer to a `resume`, which was good."""
        answer = client.messages.pop(0)
        self.assertEqual(answer["type"], "resumed", answer)
        return answer

    def test_call_goes_on(self) -> None:
        """A phone changes its network, and the call is over."""
        daemon, one, other = self.calling()
        partner = one.id
        one.vanish()
        self.assertEqual(other.take(), [{"type": "partner-away", "seconds": 30}])
        daemon.advance(29.9)
        again = daemon.resume(one)
        answer = self.resumed(again)
        resume = answer.pop("resume")
        self.assertEqual(resume["seconds"], 30)
        self.assertEqual(
            {key: answer[key] for key in ("clientId", "state", "partnerId", "partner", "received", "lost")},
            {
                "clientId": partner, "state": "paired", "partnerId": other.id, "partner": "here",
                "received": 1, "lost": False,
            },
        )  # fmt: skip
        self.assertEqual(other.take(), [{"type": "partner-back", "lost": False}])
        again.send("ice", **SIGNAL)
        other.send("ice", **SIGNAL)
        self.assertEqual([*other.types(), *again.types()], ["ice", "ice"])
        self.assertEqual(daemon.clients, 2)

    def test_what_was_missed_comes_in_order(self) -> None:
        """A candidate that was under way is lost, and the call stays black."""
        daemon, one, other = self.calling()
        other.send("offer", sdp="heard")
        one.transport.reads = False
        other.send("offer", sdp="unread")
        one.vanish()
        for number in range(3):
            other.send("ice", candidate={"candidate": str(number)})
        again = daemon.resume(one)
        self.assertFalse(self.resumed(again)["lost"])
        missed = [message.get("sdp") or message["candidate"]["candidate"] for message in again.take()]
        self.assertEqual(missed, ["unread", "0", "1", "2"])

    def test_what_was_not_heard_is_told(self) -> None:
        """The client cannot know which of its own messages to send again, and an offer is lost or comes twice."""
        daemon, one, other = self.calling()
        one.send("ice", **SIGNAL)
        one.text("not JSON")
        one.sent.append(b'{"type":"ice","candidate":{"candidate":"never arrived"}}')
        one.vanish()
        other.take()
        again = daemon.resume(one)
        self.assertEqual(self.resumed(again)["received"], 3)
        self.assertEqual([message["type"] for message in other.take()], ["partner-back", "ice"])
        again.vanish()
        other.take()
        self.assertEqual(self.resumed(daemon.resume(again))["received"], 4)
        self.assertEqual(other.types(), ["partner-back"])

    def test_time_runs_out(self) -> None:
        """Somebody sits before a dead partner for ever."""
        daemon, one, other = self.calling(RESUME_SECONDS="5")
        one.vanish()
        daemon.advance(4.9)
        self.assertEqual(other.take(), [{"type": "partner-away", "seconds": 5}])
        daemon.advance(0.2)
        self.assertEqual(other.types(), ["partner-left"])
        self.assertEqual(daemon.resume(one).messages[0]["code"], "RESUME_FAILED")

    def test_nothing_is_kept_once_it_has_arrived(self) -> None:
        """Memory grows with every message that was ever sent."""
        daemon, one, other = self.calling()
        resuming = daemon.connections.resuming
        assert resuming is not None
        for _ in range(20):
            one.send("ice", **SIGNAL)
        self.assertGreater(resuming.kept_bytes, 0)
        daemon.advance(61)
        self.assertEqual(resuming.kept_bytes, 0)
        other.take()
        other.vanish()
        again = daemon.resume(other)
        self.assertFalse(self.resumed(again)["lost"])
        self.assertEqual(again.take(), [])

    def test_more_than_can_be_kept_is_lost(self) -> None:
        """A client goes on without what it has missed, and nobody says so: the call hangs."""
        daemon, one, other = self.calling(RESUME_SESSION_MESSAGES="5", MAX_MSG_PER_SECOND="1000")
        one.vanish()
        for number in range(6):
            other.send("ice", candidate={"candidate": str(number)})
        other.take()
        again = daemon.resume(one)
        self.assertTrue(self.resumed(again)["lost"])
        self.assertEqual(len(again.take()), 5)
        self.assertEqual(other.take(), [{"type": "partner-back", "lost": True}])

    def test_old_socket_that_looks_alive(self) -> None:
        """A half-open connection keeps its client out until the heartbeat finds it."""
        daemon, one, other = self.calling()
        again = daemon.resume(one)
        self.assertFalse(self.resumed(again)["lost"])
        self.assertEqual(one.close_code, 4001)
        self.assertEqual(other.take(), [])
        again.send("ice", **SIGNAL)
        self.assertEqual(other.types(), ["ice"])
        daemon.advance(120)
        self.assertFalse(again.gone)

    def test_place_in_the_queue(self) -> None:
        """A moment without network costs the place in the queue; or somebody is matched with one who is away."""
        for returns in (True, False):
            daemon, first, second = self.calling()
            first.send("block")
            for client in (first, second):
                client.send("leave")
            for client in (first, second):
                client.send("leave")
                client.send("available")
                daemon.advance(1)
            first.vanish()
            daemon.advance(1)
            if returns:
                again = daemon.resume(first)
                self.assertEqual(self.resumed(again)["state"], "waiting")
            newcomer = daemon.modern()
            newcomer.send("available")
            self.assertEqual(newcomer.take()[0]["partnerId"], first.id if returns else second.id)

    def test_partner_leaves_meanwhile(self) -> None:
        """Who comes back talks to nobody, or has lost its turn."""
        daemon, one, other = self.calling()
        one.vanish()
        other.send("leave")
        again = daemon.resume(one)
        answer = self.resumed(again)
        self.assertEqual((answer["state"], answer.get("roomId")), ("waiting", None))
        self.assertEqual(again.types(), ["partner-left"])
        newcomer = daemon.client()
        newcomer.send("available")
        self.assertEqual(newcomer.take()[0]["partnerId"], one.id)

    def test_what_ends_a_session_and_what_does_not(self) -> None:
        """Who closed the page keeps its partner waiting; who was cut off loses it."""
        for code in (1000, 1001, None, 1008, 1011, 4000):
            daemon, one, other = self.calling()
            one.close(code)
            ends = (code or 1005) in ENDS
            self.assertEqual(other.types(), ["partner-left" if ends else "partner-away"], code)
            answer = daemon.resume(one).messages[0]
            self.assertEqual(answer["type"], "error" if ends else "resumed", code)

    def test_missed_heartbeat(self) -> None:
        """A laptop that slept for a minute has lost its call."""
        daemon, one, other = self.calling()
        one.send("ping")
        one.take()
        one.answers_pings = False
        daemon.advance(75)
        self.assertTrue(one.gone)
        self.assertEqual(other.types(), ["partner-away"])
        self.resumed(daemon.resume(one))

    def test_old_clients_hear_nothing_of_it(self) -> None:
        """A client of the first protocol is sent what it does not know."""
        daemon = self.start()
        old, new = daemon.client(), daemon.modern()
        for client in (old, new):
            client.send("available")
        self.assertNotIn("resume", old.take()[0])
        new.vanish()
        self.assertEqual(old.take(), [])
        again = daemon.resume(new)
        self.resumed(again)
        self.assertEqual(old.take(), [])
        old.vanish()
        self.assertEqual(again.types(), ["partner-left"])
        again.vanish()

    def test_both_away(self) -> None:
        """A train in a tunnel: two calls end that needed not to."""
        daemon, one, other = self.calling()
        one.vanish()
        other.vanish()
        first = daemon.resume(one)
        self.assertEqual(self.resumed(first)["partner"], "away")
        second = daemon.resume(other)
        self.assertEqual(self.resumed(second)["partner"], "here")
        self.assertEqual(first.types(), ["partner-away", "partner-back"])
        self.assertEqual(second.types(), ["partner-back"])
        first.send("ice", **SIGNAL)
        self.assertEqual(second.types(), ["ice"])

    def test_token_is_good_once(self) -> None:
        """Whoever has seen a token once takes the call over later."""
        daemon, one, other = self.calling()
        one.vanish()
        again = daemon.resume(one)
        self.resumed(again)
        other.take()
        for _ in range(3):
            thief = daemon.resume(one)
            self.assertEqual(thief.messages[0]["code"], "RESUME_FAILED")
            thief.send("available")
            self.assertEqual(daemon.clients, 3)
            thief.close()
        self.assertFalse(again.gone)
        self.assertEqual(other.take(), [])

    def test_answer_that_was_lost(self) -> None:
        """Two losses in a row, as on every bad network, and the session is gone though the client did all right."""
        daemon, one, other = self.calling()
        one.vanish()
        lost = daemon.resume(one, nonce="n")
        self.resumed(lost)
        lost.vanish()
        other.take()
        self.assertEqual(daemon.resume(one, nonce="another").messages[0]["code"], "RESUME_FAILED")
        for _ in range(2):
            again = daemon.resume(one, nonce="n")
            self.assertFalse(self.resumed(again)["lost"])
            self.assertEqual(other.types(), ["partner-back"])
            again.vanish()
            other.take()

    def test_attempt_that_was_given_up(self) -> None:
        """It arrives after the next one was good, and takes the call away from the person who is back in it."""
        daemon, one, other = self.calling()
        one.vanish()
        back = daemon.resume(one, nonce="n", attempt=2)
        self.resumed(back)
        other.take()
        for number in (1, 2):
            late = daemon.resume(one, nonce="n", attempt=number)
            self.assertEqual(late.messages[0]["code"], "RESUME_FAILED")
        self.assertFalse(back.gone)
        self.assertEqual(other.take(), [])
        back.vanish()
        self.resumed(daemon.resume(one, nonce="n", attempt=3))

    def test_match_that_was_not_heard(self) -> None:
        """The connection is lost just when a partner is found: the token in `matched` never came, and both lose."""
        daemon = self.start()
        one, other = daemon.modern(), daemon.modern()
        one.send("available")
        one.transport.reads = False
        other.send("available")
        one.vanish()
        again = daemon.resume(one)
        self.assertEqual(self.resumed(again)["state"], "paired")
        self.assertEqual(again.types(), ["matched"])
        self.assertEqual(other.types(), ["matched", "partner-away", "partner-back"])
        again.vanish()
        self.assertEqual(self.resumed(daemon.resume(again))["state"], "paired")

    def test_old_token(self) -> None:
        """A token from before the match takes the call over."""
        daemon = self.start()
        one, other = daemon.modern(), daemon.modern()
        old = one.token
        for client in (one, other):
            client.send("available")
        one.vanish()
        self.assertEqual(daemon.resume(one, token=old).messages[0]["code"], "RESUME_FAILED")
        self.resumed(daemon.resume(one))

    def test_altered_tokens(self) -> None:
        """Somebody makes a token that was never given out."""
        daemon, one, _other = self.calling()
        one.vanish()
        token = one.token
        wrong = [token[:-1], token[1:], token + "A", "", "x", token[:20], token.swapcase(), token + "=", " " + token]
        wrong += [token[:place] + chr(ord(token[place]) ^ 1) + token[place + 1 :] for place in range(0, len(token), 7)]
        for text in wrong:
            self.assertEqual(daemon.resume(one, token=text or "é").messages[0]["code"], "RESUME_FAILED", text)
        self.resumed(daemon.resume(one))

    def test_resume_comes_first(self) -> None:
        """A session is exchanged in the midst of another, and nobody knows which message was for which."""
        daemon, one, other = self.calling()
        one.vanish()
        client = daemon.modern()
        client.send("ping")
        client.send("resume", token=one.token, received=1)
        self.assertEqual([message.get("code") for message in client.take()], [None, "RESUME_FAILED"])
        client.send("available")
        client.send("resume", token=one.token, received=1)
        self.assertEqual(client.take()[0]["code"], "RESUME_FAILED")
        self.resumed(daemon.resume(one))
        self.assertEqual(other.types(), ["partner-away", "partner-back"])

    def test_off(self) -> None:
        """An operator cannot have the old behaviour."""
        daemon, one, other = self.calling(RESUME_SECONDS="0")
        self.assertEqual(one.token, "")
        one.vanish()
        self.assertEqual(other.types(), ["partner-left"])
        self.assertEqual(daemon.resume(one, token="x").messages[0]["code"], "RESUME_FAILED")

    def test_message_that_crossed_a_change_of_partner(self) -> None:
        """An offer for the one who has just left reaches the next one, or brings an error that nobody understands."""
        daemon, one, other = self.calling()
        client = daemon.connections.find(ClientId(one.id))
        assert client is not None
        room = client.session.room
        one.send("ice", roomId=room, **SIGNAL)
        self.assertEqual(other.types(), ["ice"])
        third = daemon.modern()
        third.send("available")
        other.send("leave")
        self.assertEqual([*one.types(), *third.types()], ["partner-left", "matched", "matched"])
        for kind, fields in (("offer", {"sdp": "s"}), ("ice", SIGNAL), ("next", {}), ("leave", {})):
            one.send(kind, roomId=room, **fields)
            other.send(kind, roomId=room, **fields)
        self.assertEqual([*one.take(), *other.take(), *third.types()], [])
        one.send("ice", roomId=None, **SIGNAL)
        one.send("ice", roomId=5, **SIGNAL)
        self.assertEqual([*third.types(), *[m["code"] for m in one.take()]], ["ice", "INVALID_FORMAT"])

    def test_old_clients_may_send_any_room(self) -> None:
        """A field that an old client has always sent for itself costs it its messages."""
        daemon = self.start()
        one, other = daemon.pair()
        rooms: tuple[Any, ...] = ("x", 5, {"a": []})
        for room in rooms:
            one.send("ice", roomId=room, **SIGNAL)
        self.assertEqual(other.types(), ["ice"] * 3)

    def test_restart_of_the_only_process(self) -> None:
        """Every deploy of a small service ends all its calls."""
        secret = {"RESUME_SECRET": "0123456789abcdef"}
        before, one, other = self.calling(**secret)
        before.stop()
        self.assertEqual((one.close_code, other.close_code), (1012, 1012))
        after = self.start(**secret)
        first = after.resume(one)
        answer = self.resumed(first)
        self.assertEqual((answer["state"], answer["partner"], answer["lost"]), ("paired", "away", True))
        second = after.resume(other)
        answer = self.resumed(second)
        self.assertEqual((answer["state"], answer["partner"], answer["lost"]), ("paired", "here", True))
        self.assertEqual((one.id, other.id), (first.id, second.id))
        self.assertEqual(first.types()[-1:], ["partner-back"])
        second.take()
        first.send("offer", sdp="anew")
        self.assertEqual(second.types(), ["offer"])
        second.vanish()
        self.assertEqual(first.types(), ["partner-away"])
        self.resumed(after.resume(second))

    def test_only_one_comes_back_after_a_restart(self) -> None:
        """Who came back sits before a partner who never will."""
        secret = {"RESUME_SECRET": "0123456789abcdef"}
        before, one, other = self.calling(**secret)
        before.stop()
        after = self.start(**secret)
        first = after.resume(one)
        self.resumed(first)
        after.advance(29)
        self.assertEqual(first.take(), [])
        after.advance(2)
        self.assertEqual(first.types(), ["partner-left"])
        self.assertEqual(after.resume(other).messages[0]["code"], "RESUME_FAILED")

    def test_waiting_through_a_restart(self) -> None:
        """Who waits when the process restarts is told nothing, and waits no longer."""
        secret = {"RESUME_SECRET": "0123456789abcdef"}
        before = self.start(**secret)
        one = before.modern()
        one.send("available")
        before.stop()
        after = self.start(**secret)
        again = after.resume(one, waited=0)
        answer = self.resumed(again)
        self.assertEqual((answer["state"], answer["lost"]), ("waiting", True))
        other = after.client()
        other.send("available")
        self.assertEqual(other.types(), ["matched"])

    def test_without_a_secret_a_restart_is_a_restart(self) -> None:
        """Tokens of one service are good on another."""
        before, one, _ = self.calling()
        before.stop()
        self.assertEqual(self.start().resume(one).messages[0]["code"], "RESUME_FAILED")


class SlowPathResume(Resume):
    """The same by Autobahn."""

    fast_path = False

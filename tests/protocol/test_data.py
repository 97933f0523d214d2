"""`data`: what a page says to its partner's page, and to nobody who does not know it."""

import json
from typing import Any

from signald.core.messages import MAX_DATA_BYTES, MAX_NESTING
from tests.support.memory import MemoryClient, MemoryTest


def send(client: MemoryClient, written: str, more: str = "") -> None:
    """Send `data` with this JSON text in it."""
    client.text('{"type":"data","data":' + written + more + "}")


def codes(client: MemoryClient) -> list[Any]:
    """The errors that a client was told since the last call; nothing else may have come."""
    return [told["code"] for told in client.take()]


class Data(MemoryTest):
    """The usual path."""

    def test_arrives_as_it_was_written(self) -> None:
        """What one page wrote is another text in the other: a number that lost digits, a key that moved."""
        _, one, other = self.paired()
        for written in (
            '{"typing" : true}',
            "null",
            '"\\u00e9\u00e9"',
            "[1.50,1e400,10000000000000000000000000000]",
            '{"b":1,"a":2,"b":3}',
        ):
            send(one, written)
            text = other.frames[-1].payload
            self.assertEqual(text, b'{"type":"data","from":"%b","data":%b}' % (one.id.encode(), written.encode()))
        self.assertEqual(one.take(), [])

    def paired(self) -> Any:
        """A daemon, and two of today's clients that are partners."""
        daemon = self.start(MAX_MSG_PER_SECOND="100")
        return daemon, *daemon.pair(modern=True)

    def test_so_much_and_no_more(self) -> None:
        """A page makes the memory of its partner's, or of the server, grow as it likes."""
        _, one, other = self.paired()
        fits = json.dumps("x" * (MAX_DATA_BYTES - 2))
        send(one, fits)
        self.assertEqual(other.types(), ["data"])
        send(one, fits + " ")
        self.assertEqual(codes(one), [], "spaces around it are not written in it")
        send(one, json.dumps("x" * (MAX_DATA_BYTES - 1)))
        send(one, "[" * MAX_NESTING + "]" * MAX_NESTING)
        one.text('{"type":"data"}')
        self.assertEqual(codes(one), ["INVALID_FORMAT"] * 3)
        self.assertEqual(other.types(), ["data"])

    def test_old_partner_is_sent_none(self) -> None:
        """A client of the first protocol gets a message that it does not know; or the page waits for a reply."""
        daemon = self.start()
        modern, old = daemon.modern(), daemon.client()
        modern.send("available")
        old.send("available")
        (told,) = modern.take()
        self.assertIs(told["data"], False)
        self.assertEqual(set(old.take()[0]), {"type", "roomId", "partnerId", "initiator"})
        modern.send("data", data=1, id="d")
        (told,) = modern.take()
        self.assertEqual((told["code"], told["id"]), ("PARTNER_CANNOT", "d"))
        self.assertEqual(old.take(), [])

    def test_next_partner_is_another(self) -> None:
        """A page takes its partner for one that cannot, or can, because the one before did."""
        daemon = self.start(REMATCH_DELAY_SECONDS="0", REQUEUE_ON_PARTNER_LEAVE="false")
        modern, old, other = daemon.modern(), daemon.client(), daemon.modern()
        modern.send("available")
        old.send("available")
        other.send("available")
        modern.take()
        modern.send("next")
        self.assertIs(modern.take()[0]["data"], True)
        send(modern, "1")
        self.assertEqual(other.types(), ["matched", "data"])
        other.send("leave")
        modern.take()
        send(modern, "1")
        self.assertEqual(codes(modern), ["NOT_PAIRED"])

    def test_crossed(self) -> None:
        """What was typed for one stranger is read by the next."""
        _, one, other = self.paired()
        send(one, "1", ',"roomId":"before"')
        self.assertEqual((one.take(), other.take()), ([], []))

    def test_is_kept_for_who_is_away(self) -> None:
        """A text is lost with a connection, though everything else comes again."""
        daemon, one, other = self.paired()
        one.vanish()
        send(other, '"kept"')
        again = daemon.resume(one)
        answer, missed = again.take()
        self.assertEqual((answer["data"], missed["data"]), (True, "kept"))
        send(again, '"back"')
        self.assertEqual(other.take()[-1]["data"], "back")

    def test_is_known_after_a_restart(self) -> None:
        """A page that wrote to its partner cannot any more, since the server was restarted."""
        secret = {"RESUME_SECRET": "0123456789abcdef0123456789abcdef"}
        before = self.start(**secret)
        one, other = before.pair(modern=True)
        after = self.start(**secret)
        one, other = after.resume(one), after.resume(other)
        self.assertIs(one.take()[0]["data"], True)
        other.take()
        send(one, "1")
        self.assertEqual(other.types(), ["data"])


class Slow(Data):
    """The same by Autobahn alone."""

    fast_path = False

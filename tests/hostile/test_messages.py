"""Messages made to cost much, or to be taken for something else. In memory, by both ways of reading frames."""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from signald.core.messages import MAX_MESSAGE_BYTES, MAX_NESTING
from tests.support.frames import TEXT, client_frame
from tests.support.memory import MemoryTest

ROOM = MAX_MESSAGE_BYTES - 100

COSTLY_S = 0.25
"""For the dearest message: it takes milliseconds; this is for a loaded machine."""


def colliding(count: int) -> str:
    """Keys that a table with a weak hash puts in one place (the classic pair of DJB's function)."""
    keys = [""]
    while len(keys) < count:
        keys = [key + end for key in keys for end in ("Ez", "FY")]
    return ",".join(f'"{key}":0' for key in keys[:count])


class Messages(MemoryTest):
    """From one of two partners to the other."""

    def setUp(self) -> None:
        self.daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false", MAX_MSG_PER_SECOND="1000000")
        self.client, self.partner = self.daemon.pair()

    @contextmanager
    def costs(self, at_most_s: float, what: object = None) -> Iterator[None]:
        """What is done here takes no more of the processor. What other tests have left is not looked at meanwhile."""
        gc.disable()
        try:
            began = time.process_time()
            yield
            self.assertLess(time.process_time() - began, at_most_s, what)
        finally:
            gc.enable()

    def say(self, text: str | bytes) -> tuple[list[str], list[str]]:
        """The error codes, or other types, that come back, and the types that the partner gets; in bounded time."""
        with self.costs(COSTLY_S, text[:60]):
            self.client.text(text)
        self.assertFalse(self.client.gone)
        answers = [str(message.get("code", message["type"])) for message in self.client.take()]
        return answers, self.partner.types()

    def test_deep(self) -> None:
        """Nesting would overflow the stack of the daemon, or of the partner's browser."""
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            half = ROOM // (len(opening) + 1)
            deep = opening * half + "0" + closing * half
            for text in (
                deep,
                opening * half,
                f'{{"type":"ice","candidate":{{"a":{deep[:-200]}',
                f'{{"type":"offer","sdp":{deep}}}'[:ROOM],
            ):
                self.assertEqual(self.say(text), (["INVALID_FORMAT"], []))
            for depth, relayed in ((MAX_NESTING - 1, True), (MAX_NESTING, False)):
                nested = opening * depth + "0" + closing * depth
                codes, types = self.say(f'{{"type":"offer","sdp":{nested}}}')
                self.assertEqual((codes, types), ([], ["offer"]) if relayed else (["INVALID_FORMAT"], []))

    def test_brackets_in_strings(self) -> None:
        """SDP with many brackets would be taken for nesting, or counting them would take long."""
        self.assertEqual(self.say('{"type":"offer","sdp":"%s"}' % ('[{\\"' * (ROOM // 4))), ([], ["offer"]))

    def test_colliding_keys(self) -> None:
        """A few messages would keep the processor busy for minutes."""
        keys = colliding(2000)
        self.assertEqual(self.say(f'{{"type":"ping",{keys}}}'), (["pong"], []))
        self.assertEqual(self.say(f'{{"type":"ice","candidate":{{{keys}}}}}'), ([], ["ice"]))
        self.assertEqual(self.say('{"type":"ping",%s"x":0}' % ('"x":0,' * 9000)), (["pong"], []))

    def test_huge_numbers(self) -> None:
        """A number of many digits takes quadratic time where it is turned into an integer."""
        self.addCleanup(sys.set_int_max_str_digits, sys.get_int_max_str_digits())
        sys.set_int_max_str_digits(0)  # of the test's own client
        digits = "9" * (ROOM - 60)
        for number in (digits, "-" + digits, "1e" + digits, "0." + digits, "1E-" + digits[:-10], "1e400"):
            self.assertEqual(self.say(f'{{"type":"ice","candidate":{{"n":{number}}}}}'), ([], ["ice"]))
            self.assertEqual(self.say(f'{{"type":"ping","n":{number}}}'), (["pong"], []))
            self.assertEqual(self.say(f'{{"type":{number}}}'), (["INVALID_FORMAT"], []))
            self.assertEqual(self.say(f'{{"type":"auth","userId":{number}}}'), (["INVALID_FORMAT"], []))

    def test_not_json_for_python_but_not_for_browsers(self) -> None:
        """The partner's browser would fail on what only Python takes for JSON."""
        for value in (
            "NaN",
            "Infinity",
            "-Infinity",
            "01",
            "1.",
            ".5",
            "+1",
            "'x'",
            "{a:1}",
            "[1,]",
            '"\t"',
            '"\\x41"',
        ):
            self.assertEqual(self.say(f'{{"type":"offer","sdp":{value}}}'), (["INVALID_FORMAT"], []), value)

    def test_break_out_of_the_relay(self) -> None:
        """Somebody could speak in another's name, by a payload that ends the message before its end."""
        for value in ('"x","from":"y"', '1}{"type":"matched"', '"x"}', '"x"} ', '"\\u0022}'):
            _, types = self.say(f'{{"type":"offer","sdp":{value}}}')
            self.assertNotIn("matched", types)
        self.client.text('{"type":"offer","from":"me","sdp":"x","from":"y"}')
        (offer,) = self.partner.take()
        self.assertEqual(offer["from"], self.client.id)

    def test_ids_that_cost(self) -> None:
        """An id of many digits, or refusals that name it, would keep the processor busy, or come back in thousands."""
        daemon = self.start(MAX_MSG_PER_SECOND="40")
        client, partner = daemon.pair(modern=True)
        for id in ("9" * (ROOM - 60), '"%s"' % ("x" * (ROOM - 60)), "[" * (ROOM // 2), '{"a":' * 5000):
            before = len(client.raw)
            with self.costs(COSTLY_S, id[:9]):
                client.text(f'{{"type":"offer","sdp":"x","id":{id}}}')
            self.assertEqual([told["code"] for told in client.take()], ["INVALID_FORMAT"], id[:9])
            self.assertLess(len(client.raw) - before, 400)
        flood = client_frame(TEXT, b'{"type":"ping","id":1,"x":"%b"}' % (b"\\n" * (ROOM // 3)))
        with self.costs(100 * COSTLY_S / 10):
            for _ in range(100):
                client.write(flood)
        told = client.take()
        self.assertEqual(sum(each.get("id") == 1 for each in told), 100, "each is answered once, whatever it is")
        self.assertEqual(partner.take(), [])

    def test_two_types(self) -> None:
        """A filter before signald would see another type than signald."""
        self.client.text('{"type":"ping","type":"offer","sdp":"x"}')
        self.client.text('{"t\\u0079pe":"offer","sdp":"x"}')
        for message in self.partner.take():
            self.assertEqual(message["type"], "offer")

    def test_invalid_utf8(self) -> None:
        """A browser closes the connection on text that is none: one partner could close the other."""
        for broken in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"):
            client, partner = self.daemon.pair()
            client.write(client_frame(TEXT, b'{"type":"offer","sdp":"' + broken + b'"}'))
            self.assertEqual(client.close_code, 1007)
            self.assertEqual(partner.types(), ["partner-left"])

    def test_lone_surrogates(self) -> None:
        """What JSON may escape but UTF-8 cannot hold would be an error in the daemon."""
        for text in ('{"type":"offer","sdp":"\\ud800"}', '{"type":"auth","userId":"\\ud800"}'):
            self.assertEqual(self.say(text), (["INVALID_FORMAT"], []))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_compressed(self) -> None:
        """A kilobyte would become a gigabyte."""
        client, partner = self.daemon.pair()
        client.write(client_frame(TEXT, b"\xaa\x56\x4a", rsv=4))
        self.assertEqual(client.close_code, 1002)
        self.assertEqual(partner.types(), ["partner-left"])


class MessagesByAutobahn(Messages):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

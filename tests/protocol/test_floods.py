"""A client that sends more that is of no use than it has reason to is read more slowly, and loses nothing."""

from signald.limits.throttle import PER_SECOND
from tests.support.frames import CONTINUATION, PING, PONG, TEXT, client_frame
from tests.support.memory import MemoryTest

ICE = b'{"type":"ice","candidate":{}}'


class Throttle(MemoryTest):
    """By each kind of useless frame."""

    def test_pings_wait_for_the_next_second(self) -> None:
        """Who sends pings as fast as it can would take the processor from everybody."""
        daemon = self.start()
        client = daemon.client()
        client.write(client_frame(PING, b"x") * (3 * PER_SECOND))
        self.assertLess(len(client.pongs), 2 * PER_SECOND)
        first = len(client.pongs)
        client.write(client_frame(PING, b"y") * 10)
        self.assertEqual(len(client.pongs), first)
        daemon.advance(1)
        self.assertLess(len(client.pongs), 4 * PER_SECOND)
        daemon.advance(5)
        self.assertEqual(client.pongs, [b"x"] * 3 * PER_SECOND + [b"y"] * 10)
        self.assertFalse(client.gone)

    def test_every_kind(self) -> None:
        """The brake could be gone round by another kind of frame."""
        for frame in (
            client_frame(PING),
            client_frame(PONG),
            client_frame(CONTINUATION, fin=False),
            client_frame(TEXT, b"{}"),
            client_frame(TEXT, ICE),
        ):
            daemon = self.start()
            client, partner = daemon.pair()
            client.write(client_frame(TEXT, fin=False) if frame[0] == CONTINUATION else b"")
            client.write(frame * 2 * PER_SECOND)
            client.write(frame)
            self.assertEqual(client.transport.unread, frame, frame)
            daemon.advance(10)
            self.assertEqual(client.transport.unread, b"")
            partner.send("ping")
            self.assertEqual(partner.types()[-1], "pong")

    def test_hundreds_above_the_limit_are_all_answered(self) -> None:
        """Clients of the old server that send too fast would hang, or be thrown out."""
        daemon = self.start()
        client, partner = daemon.pair()
        client.write(client_frame(TEXT, ICE) * 900)
        self.assertEqual(len(partner.types()), 39)
        self.assertEqual([error["code"] for error in client.take()], ["RATE_LIMIT"] * 861)
        daemon.advance(1)
        client.write(client_frame(TEXT, ICE))
        self.assertEqual(partner.types(), ["ice"])

    def test_useful_messages_never_wait(self) -> None:
        """An operator who allows many messages would find that they are not allowed after all."""
        daemon = self.start(MAX_MSG_PER_SECOND="1000000")
        client, partner = daemon.pair()
        client.write(client_frame(TEXT, ICE) * 2 * PER_SECOND)
        self.assertEqual(len(partner.types()), 2 * PER_SECOND)

    def test_end_while_held(self) -> None:
        """Who goes while it is not read from would stay in the table, and be read from after its end."""
        daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false")
        client, partner = daemon.pair()
        client.write(client_frame(PONG) * 2 * PER_SECOND)
        client.vanish()
        self.assertEqual(partner.types(), ["partner-left"])
        daemon.advance(3)
        self.assertEqual(daemon.clients, 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_another_way_of_reading_while_held(self) -> None:
        """A client would never be read from again."""
        daemon = self.start()
        client = daemon.client()
        client.write(client_frame(TEXT, b"{}") * 2 * PER_SECOND + client_frame(TEXT, b"", fin=False))
        daemon.advance(10)
        client.write(client_frame(CONTINUATION, b'{"type":"ping"}'))
        self.assertEqual(client.types()[-1], "pong")


class FloodsByAutobahn(Throttle):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

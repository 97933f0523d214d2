"""Connections that wait for their turn, as others of their address keep the loop busy."""

from signald.limits.turns import SHARE_S, Turns
from signald.telemetry.lag import LAG_S
from tests.support.frames import TEXT, client_frame, handshake
from tests.support.memory import MemoryDaemon, MemoryTest

BUSY_S = 0.9
"""What one of the crowd takes for what it has sent: less than what counts as a pause of the process."""


class Busy:
    """One of the crowd: what it sends takes its time."""

    address = "192.0.2.1"

    def __init__(self, daemon: MemoryDaemon) -> None:
        self._clock = daemon.clock

    def dataReceived(self, data: bytes) -> None:
        self._clock.rightNow += BUSY_S

    def wait_for_turn(self) -> None:
        """What else it sends does not matter."""

    def has_turn(self) -> None:
        """Nor here."""

    def drop(self) -> None:
        raise AssertionError("it did nothing wrong")


class Waiting(MemoryTest):
    """Behind a crowd."""

    def crowd(self, daemon: MemoryDaemon, seconds: float) -> None:
        """Others of the same address keep the loop busy for so long; it has been late."""
        (turns,) = (service for service in daemon.daemon if isinstance(service, Turns))
        daemon.clock.advance(4 * LAG_S)
        daemon.clock.advance(LAG_S)
        self.assertTrue(turns.in_use)
        self.assertGreater(BUSY_S, SHARE_S)
        for _ in range(round(seconds / BUSY_S)):
            turns.give(Busy(daemon), b"x")

    def test_a_handshake(self) -> None:
        """Whoever has to wait for its turn is thrown out some seconds after it, in the midst of a call."""
        daemon = self.start()
        client = daemon.connect()
        self.crowd(daemon, 5)
        client.transport.arrive(handshake())
        self.assertEqual(client.raw, b"")
        daemon.settle()
        self.assertEqual((client.response.status, client.types()), (101, ["ready"]))
        daemon.advance(20)
        self.assertFalse(client.gone)

    def test_a_handshake_for_too_long(self) -> None:
        """Handshakes that wait take places for as long as the crowd likes, and count nowhere as half open."""
        daemon = self.start()
        client = daemon.connect()
        self.crowd(daemon, 20)
        client.transport.arrive(handshake())
        daemon.settle()
        self.assertEqual((client.gone, client.raw), (True, b""))
        self.assertEqual(daemon.daemon._admission.connected, 0)

    def test_a_client_that_was_sent_away(self) -> None:
        """Whoever does not answer our close frame keeps its place for ever, as something it had said had to wait."""
        daemon = self.start()
        client = daemon.connect()
        client.answers_close = False
        client.transport.arrive(handshake())
        daemon.settle()
        (known,) = daemon.daemon._clients
        self.crowd(daemon, 1)
        known.connection.close(1001, "go")
        client.transport.arrive(client_frame(TEXT, b'{"type":"ping"}'))
        daemon.settle()
        self.assertFalse(client.gone)
        daemon.advance(20)
        self.assertTrue(client.gone)

    def test_the_end_meanwhile(self) -> None:
        """What somebody said is read after its end."""
        daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false")
        client, partner = daemon.pair()
        late = daemon.connect()
        self.crowd(daemon, 5)
        read = daemon.daemon._counts.received_bytes
        client.transport.arrive(client_frame(TEXT, b'{"type":"ice","candidate":{}}'))
        late.transport.arrive(handshake())
        for each in (client, late):
            each.transport.peer_lost()
        daemon.settle()
        self.assertEqual((partner.types(), late.raw), (["partner-left"], b""))
        self.assertEqual((daemon.clients, daemon.daemon._counts.received_bytes), (1, read))
        self.assertEqual(self.flushLoggedErrors(), [])


class WaitingByAutobahn(Waiting):
    """The same by Autobahn alone."""

    fast_path = False

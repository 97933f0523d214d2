"""A stop as clients see it: 1001 for everybody, and nothing else."""

from tests.support.frames import TEXT, client_frame, handshake
from tests.support.memory import MemoryTest


class Stops(MemoryTest):
    """All clients are told at once that they should connect again; meanwhile nobody is matched or left."""

    def setUp(self) -> None:
        self.daemon = self.start(REMATCH_DELAY_SECONDS="0")

    def test_everyone_gets_1001_and_nothing_else(self) -> None:
        """Pages would tell people that their partner left, or begin a call that ends at once."""
        paired = [client for _ in range(3) for client in self.daemon.pair()]
        waiting = self.daemon.client()
        waiting.send("available")
        clients = [*paired, waiting, self.daemon.client()]
        self.assertEqual(len({client.id for client in clients}), 8)
        stopped = self.daemon.stop()
        self.daemon.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual([client.close_code for client in clients], [1001] * 8)
        self.assertEqual([client.types() for client in clients], [[]] * 8)
        self.assertTrue(all(client.gone for client in clients))
        self.assertEqual(self.daemon.clients, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_nothing_runs_on(self) -> None:
        """A timer that nobody stops would keep an embedding process, or a test, from ending."""
        one, other = self.daemon.pair()
        one.send("next")
        other.vanish()
        self.daemon.client()
        connection = self.daemon.connect()
        connection.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        stopped = self.daemon.stop()
        self.daemon.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(self.daemon.clock.getDelayedCalls(), [])

    def test_who_does_not_answer(self) -> None:
        """A frozen phone would hold up the stop."""
        deaf = self.daemon.client()
        deaf.answers_close = False
        unreadable = self.daemon.client()
        unreadable.transport.reads = False
        polite = self.daemon.client()
        stopped = self.daemon.stop()
        self.assertEqual((deaf.close_code, polite.gone), (1001, True))
        self.daemon.advance(1)
        self.assertNoResult(stopped)
        self.daemon.advance(2)
        self.successResultOf(stopped)
        self.assertTrue(deaf.gone)
        self.assertTrue(unreadable.gone)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_half_open_connections(self) -> None:
        """Connections that never finished their handshake would hold up the stop, or become clients in the midst."""
        silent, half = self.daemon.connect(), self.daemon.connect()
        half.write(handshake()[:-2])
        stopped = self.daemon.stop()
        half.transport.arrive(b"\r\n")
        self.daemon.advance(0.1)
        self.successResultOf(stopped)
        self.assertTrue(silent.gone)
        self.assertTrue(half.gone)
        self.assertEqual(half.raw, b"")

    def test_messages_that_come_in_the_midst(self) -> None:
        """A message that was on its way would be answered by an error, or log one."""
        one, other = self.daemon.pair()
        one.answers_close = False
        self.daemon.stop()
        for message in (b'{"type":"next"}', b'{"type":"available"}', b'{"type":"ice","candidate":null}'):
            one.write(client_frame(TEXT, message))
        self.daemon.advance(3)
        self.assertEqual((one.types(), other.types()), ([], []))
        self.assertEqual(self.flushLoggedErrors(), [])


class StopsByAutobahn(Stops):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

"""SIGTERM with DRAIN_SECONDS: calls that are being set up finish, and nobody waits where nobody will come."""

from tests.support.memory import MemoryDaemon, MemoryTest


def ready(daemon: MemoryDaemon) -> int:
    """What a balancer sees."""
    client = daemon.connect()
    client.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    return client.response.status


class Drain(MemoryTest):
    """One daemon, stopped while it works."""

    def test_calls_are_set_up_to_their_end(self) -> None:
        """A rolling restart would cut calls in the middle of their offers and answers."""
        daemon = self.start(DRAIN_SECONDS="20")
        one, other = daemon.pair()
        stopped = daemon.stop()
        for number in range(4):
            daemon.advance(2)
            one.send("ice", candidate={"candidate": str(number)})
            self.assertEqual(other.take()[-1]["candidate"]["candidate"], str(number))
        self.assertIsNone(one.close_code)
        daemon.advance(7)
        self.assertEqual((one.close_code, other.close_code), (1001, 1001))
        self.successResultOf(stopped)

    def test_not_for_ever(self) -> None:
        """A chatty pair would hold up the restart."""
        daemon = self.start(DRAIN_SECONDS="10")
        one, other = daemon.pair()
        daemon.stop()
        for _ in range(12):
            one.send("ice", candidate={})
            daemon.advance(1)
        self.assertEqual((one.close_code, other.close_code), (1001, 1001))

    def test_nobody_waits_here(self) -> None:
        """Clients would wait for partners on an instance that takes nobody in any more."""
        daemon = self.start(DRAIN_SECONDS="20")
        one, other = daemon.pair()
        idle = daemon.client()
        waiting = daemon.client()
        waiting.send("available")
        daemon.stop()
        daemon.settle()
        self.assertEqual((idle.close_code, waiting.close_code), (1001, 1001))
        self.assertEqual(ready(daemon), 503)
        late = daemon.connect()
        late.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self.assertEqual(late.response.status, 503)
        one.take(), other.take()
        one.send("next")
        daemon.settle()
        self.assertEqual(other.types(), ["partner-left"])
        self.assertEqual((one.close_code, other.close_code), (1001, 1001))

    def test_the_second_signal_ends_it(self) -> None:
        """Somebody who presses Ctrl-C twice means it."""
        daemon = self.start(DRAIN_SECONDS="60")
        one, _ = daemon.pair()
        stopped = daemon.stop()
        daemon.advance(1)
        self.assertNoResult(stopped)
        daemon.daemon.hurry()
        daemon.advance(1)
        self.assertEqual(one.close_code, 1001)
        self.successResultOf(stopped)

    def test_at_once_by_default(self) -> None:
        """Platforms that give a process ten seconds would kill it in the midst of a drain that nobody asked for."""
        daemon = self.start()
        one, _ = daemon.pair()
        daemon.stop()
        daemon.settle()
        self.assertEqual(one.close_code, 1001)


class SlowDrain(Drain):
    """The same where Autobahn reads all frames."""

    fast_path = False

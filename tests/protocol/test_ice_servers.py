"""STUN and TURN servers on the wire."""

from tests.support.memory import STARTED_AT, MemoryTest


class IceServersOnTheWire(MemoryTest):
    """What is in `ready` and `matched`."""

    def test_absent_by_default(self) -> None:
        """A client of the old server sees a change."""
        daemon = self.start()
        one, other = daemon.client(), daemon.client()
        for client in (one, other):
            client.send("available")
        for client in (one, other):
            (matched,) = client.take()
            self.assertEqual(set(matched), {"type", "roomId", "partnerId", "initiator"})
        self.assertNotIn(b"iceServers", one.raw)

    def test_fresh_in_matched(self) -> None:
        """Who waits for longer than TURN_TTL cannot use the TURN server in its call."""
        daemon = self.start(ICE_SERVERS="stun:a,turn:a", TURN_SECRET="s" * 16, TURN_TTL="60", HEARTBEAT_SECONDS="3600")
        waits = daemon.client()
        self.assertIn(f"{int(STARTED_AT) + 60}:{waits.id}".encode(), waits.raw)
        waits.send("available")
        daemon.advance(100, step=10)
        comes = daemon.client()
        comes.send("available")
        for client in (waits, comes):
            (matched,) = client.take()
            stun, turn = matched["iceServers"]
            self.assertEqual(stun, {"urls": ["stun:a"]})
            self.assertEqual(turn["urls"], ["turn:a"])
            self.assertEqual(turn["username"], f"{int(STARTED_AT) + 160}:{client.id}")

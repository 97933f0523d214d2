"""Clients tell what became of their calls: once for each room, of the last ones."""

import re
from typing import Any

from tests.support.memory import MemoryClient, MemoryTest


class Outcomes(MemoryTest):
    """`outcome`, on the wire and in the metrics."""

    def setUp(self) -> None:
        self.daemon = self.start(OUTCOME_RELEASES="2026-11, beta", PUBLIC_METRICS="true", REMATCH_DELAY_SECONDS="0")

    def calls(self, **labels: str) -> float:
        """How many calls `/metrics` has with these labels."""
        page = self.daemon.connect()
        page.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        lines = re.findall(r"^signald_calls_total\{(.*)\} (\S+)$", page.response.rest.decode(), re.MULTILINE)
        return sum(float(value) for text, value in lines if all(f'{k}="{v}"' in text for k, v in labels.items()))

    def pair(self) -> tuple[MemoryClient, MemoryClient, str]:
        one, other = self.daemon.modern(), self.daemon.modern()
        for client in (one, other):
            client.send("available")
        other.take()
        return one, other, str(one.take()[0]["roomId"])

    def refusal(self, client: MemoryClient, **fields: Any) -> str:
        client.send("outcome", **fields)
        (error,) = client.take()
        self.assertEqual(error["type"], "error")
        return f"{error['code']} {error['message']}"

    def test_told_by_both(self) -> None:
        """Nobody knows whether calls connect."""
        one, other, room = self.pair()
        one.send("outcome", roomId=room, result="connected", path="relayed", setupMs=1234.5, release="beta", id=1)
        other.send("outcome", roomId=room, result="failed", release="of somebody else")
        self.assertEqual((one.types(), other.types()), (["ok"], []))
        self.assertEqual(self.calls(result="connected", path="relayed", release="beta"), 1)
        self.assertEqual(self.calls(result="failed", release="other"), 1)

    def test_after_the_end(self) -> None:
        """A page that is asked for the next partner first cannot say how the last call was."""
        one, other, room = self.pair()
        one.send("next")
        other.send("leave")
        for client in (one, other):
            client.take()
            client.send("outcome", roomId=room, result="connected")
            self.assertEqual(client.types(), [])
        self.assertEqual(self.calls(), 2)

    def test_once_for_each_room(self) -> None:
        """One client with a bad day makes the numbers of all."""
        one, _, room = self.pair()
        for number in range(30):
            one.send("outcome", roomId=room, result="failed", id=number)
        self.assertEqual(one.types(), ["ok"] * 30)
        self.assertEqual(self.calls(), 1)

    def test_the_last_eight_rooms(self) -> None:
        """A page that tells late tells in vain; or each client keeps all rooms that it ever had."""
        one, other, room = self.pair()
        rooms = [room]
        for _ in range(9):
            one.send("next")
            rooms += [message["roomId"] for message in one.take() if message["type"] == "matched"]
            other.take()
            self.daemon.advance(1)
        self.assertEqual(len(set(rooms)), 10)
        for old in rooms[:2]:
            self.assertTrue(self.refusal(one, roomId=old, result="failed").startswith("NOT_PAIRED"))
        for known in rooms[2:] * 2:
            one.send("outcome", roomId=known, result="connected")
        self.assertEqual(one.types(), [])
        self.assertEqual(self.calls(), 8)

    def test_rooms_of_others(self) -> None:
        """Whoever hears of a room says that its call failed."""
        _, _, room = self.pair()
        self.assertTrue(self.refusal(self.daemon.client(), roomId=room, result="failed").startswith("NOT_PAIRED"))
        self.assertEqual(self.calls(), 0)

    def test_bounds(self) -> None:
        """A slip of a page, or somebody who likes large numbers, makes averages that mean nothing."""
        one, _, room = self.pair()
        for bad in (
            {"setupMs": -1},
            {"setupMs": 600_001},
            {"durationMs": 1e12},
            {"loss": 1.5},
            {"rttMs": 60_001},
            {"path": "teleported"},
            {"candidateType": "unknown"},
            {"release": "x" * 65},
            {"result": "good"},
            {"roomId": 17},
        ):
            refusal = self.refusal(one, **{"roomId": room, "result": "connected", **bad})
            self.assertIn("INVALID_FORMAT", refusal)
            self.assertIn(next(iter(bad)), refusal)
        one.send("outcome", roomId=room, result="connected", loss=None, path=None)
        self.assertEqual((one.types(), self.calls()), ([], 1))

    def test_after_a_lost_connection(self) -> None:
        """Calls that outlive a change of the network are never told of, or told of twice."""
        one, _, room = self.pair()
        one.vanish()
        back = self.daemon.resume(one)
        back.take()
        back.send("outcome", roomId=room, result="connected")
        back.vanish()
        again = self.daemon.resume(back)
        again.take()
        again.send("outcome", roomId=room, result="failed")
        self.assertEqual((again.types(), self.calls(), self.calls(result="failed")), ([], 1, 0))


class OutcomesBySlowPath(Outcomes):
    """The same by Autobahn alone."""

    fast_path = False

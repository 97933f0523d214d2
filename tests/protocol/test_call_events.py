"""What the operator's webhook is told of rooms."""

import hmac
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed
from twisted.logger import capturedLogs, formatEvent

from signald.moderation import webhook
from signald.moderation.webhook import AT_ONCE, MAX_LOST_LINES
from tests.support.memory import STARTED_AT, MemoryClient, MemoryDaemon, MemoryTest

ALL = "report,matched,ended"
SECRET = b"s" * 16
LOST = MAX_LOST_LINES + 3


class CallEvents(MemoryTest):
    """Rooms that begin and end, told to an endpoint that the test plays."""

    def setUp(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.hangs = False

    def begin(self, events: str = ALL, **variables: str) -> MemoryDaemon:
        def from_url(url: str, reactor: Any) -> Callable[[bytes, Mapping[str, str]], Awaitable[int]]:
            return self.post

        with patch.object(webhook, "from_url", from_url):
            self.daemon = self.start(
                REPORT_WEBHOOK_URL="https://hooks.example/",
                REPORT_WEBHOOK_SECRET=SECRET.decode(),
                WEBHOOK_EVENTS=events,
                REMATCH_DELAY_SECONDS="0",
                MATCHES_PER_MINUTE="0",
                MAX_MSG_PER_SECOND="1000",
                **variables,
            )
        return self.daemon

    def post(self, body: bytes, headers: Mapping[str, str]) -> Awaitable[int]:
        text = b"%s.%s." % (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode())
        signature = b64encode(hmac.digest(SECRET, text + body, "sha256")).decode()
        self.assertEqual(headers["webhook-signature"], f"v1,{signature}")
        self.events.append(json.loads(body))
        return Deferred() if self.hangs else succeed(200)

    def told(self) -> list[str]:
        """The kinds of what was posted since the last call."""
        told, self.events = [event["type"] for event in self.events], []
        return told

    def room(self, modern: bool = True) -> tuple[MemoryClient, MemoryClient, str]:
        """Two in a room, the one with the smaller id first."""
        new = self.daemon.modern if modern else self.daemon.client
        one, other = new(), new()
        one.send("available")
        other.send("available")
        (room,) = {message["roomId"] for client in (one, other) for message in client.take()}
        return (*sorted((one, other), key=lambda client: client.id), room)

    def test_whoever_leaves(self) -> None:
        """An operator bills, or counts, calls that never ended, or twice."""
        self.begin()
        for leaver, modern in ((0, True), (1, True), (0, False), (1, False)):
            *pair, room = self.room(modern)
            one, other = pair
            clients = [{"clientId": one.id}, {"clientId": other.id}]
            began = STARTED_AT + self.daemon.clock.seconds()
            (matched,) = self.events
            self.assertEqual(
                matched,
                {
                    "type": "matched",
                    "time": began,
                    "instanceId": matched["instanceId"],
                    "roomId": room,
                    "clients": clients,
                },
            )
            self.daemon.advance(42.25)
            pair[leaver].send("leave")
            (_, ended) = self.events
            self.assertEqual(
                ended,
                matched | {"type": "ended", "time": began + 42.25, "reason": "leave", "durationMs": 42250},
            )
            self.told()
            for client in pair:
                client.send("leave")
                client.vanish()
            self.daemon.advance(600)
            self.assertEqual(self.told(), [])

    def test_over_a_lost_connection(self) -> None:
        """Each tunnel that a train goes through looks like the end of a call and another one."""
        self.begin()
        for returns in (0, 1):
            *pair, room = self.room()
            self.assertEqual(self.told(), ["matched"])
            pair[returns].vanish()
            self.daemon.advance(5)
            pair[returns] = self.daemon.resume(pair[returns])
            self.assertEqual(self.told(), [])
            self.daemon.advance(5)
            pair[1 - returns].send("leave")
            (ended,) = self.events
            self.assertEqual((ended["roomId"], ended["reason"], ended["durationMs"]), (room, "leave", 10_000))
            self.told()
            for client in pair:
                client.send("leave")

    def test_who_does_not_come_back(self) -> None:
        """Calls with somebody whose phone died never end."""
        self.begin()
        for goes in (0, 1):
            *pair, _ = self.room()
            pair[goes].vanish()
            pair[1 - goes].vanish()
            self.daemon.advance(600)
            matched, ended = self.events
            self.assertEqual((matched["type"], ended["type"], ended["reason"]), ("matched", "ended", "gone"))
            self.told()

    def test_only_what_is_wanted(self) -> None:
        """An endpoint for reports drowns in rooms; or nobody hears of rooms alone."""
        for events, kinds in (("report", ["report"]), ("ended", ["ended"]), ("matched", ["matched"])):
            self.begin(events)
            one, _, _ = self.room()
            one.send("report", reason="spam")
            one.send("leave")
            self.assertEqual(self.told(), kinds)

    def test_the_end_of_an_instance(self) -> None:
        """After a deployment calls of clients that cannot come back go on for ever in the books."""
        self.begin(RESUME_SECONDS="0")
        self.room()
        self.told()
        self.daemon.stop()
        self.daemon.advance(10)
        (ended,) = self.events
        self.assertEqual((ended["type"], ended["reason"]), ("ended", "stopping"))

    def test_a_crowd_pushes_no_report_out(self) -> None:
        """On a busy evening a report is lost for the news of rooms, or the log is full of these."""
        self.hangs = True
        with patch.object(webhook, "MAX_QUEUED", AT_ONCE + 2), capturedLogs() as logged:
            self.begin("report,ended", PUBLIC_METRICS="true")
            one, _, room = self.room()
            for _ in range(AT_ONCE + 2 + LOST):
                one.send("next", roomId=room)
                room = one.take()[-1]["roomId"]
            one.send("report", reason="spam")
        self.assertEqual(self.told(), ["ended"] * AT_ONCE + ["report"])
        page = self.daemon.connect()
        page.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        metrics = page.response.rest.decode()
        for line in (
            f'call_webhooks_total{{result="lost"}} {LOST}.0',
            f"call_webhooks_queued {AT_ONCE + 2}.0",
            'webhooks_total{result="lost"} 0.0',
            "webhooks_queued 1.0",
        ):
            self.assertIn(f"\nsignald_{line}\n", metrics)
        self.assertEqual(len([event for event in logged if "is lost" in formatEvent(event)]), MAX_LOST_LINES)

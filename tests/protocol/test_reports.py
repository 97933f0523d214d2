"""Reports have an id: the reporter is told it, and the operator finds what was said under it."""

import json
from typing import Any

from signald.moderation.reports import REPORTS_PER_MINUTE
from tests.support.frames import Response
from tests.support.memory import MemoryDaemon, MemoryTest

TOKEN = "the-token-of-the-operator"


def ask(daemon: MemoryDaemon, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """A request to the operator's API: status, and what was answered."""
    text = b"" if body is None else json.dumps(body).encode()
    client = daemon.connect(listener=1)
    client.write(
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(text)}\r\n\r\n".encode()
        + text
    )
    answer: Response = client.response
    _, chunk, _ = answer.rest.split(b"\r\n", 2)
    return answer.status, json.loads(chunk)


class Reports(MemoryTest):
    """From the button to the moderator."""

    def started(self, **settings: str) -> MemoryDaemon:
        return self.start(ADMIN_LISTEN="tcp:9101:interface=127.0.0.1", ADMIN_TOKEN=TOKEN, **settings)

    def test_who_reports_is_told_the_id(self) -> None:
        """A page has evidence, and cannot say to which report it belongs; or waits for ever whether it was taken."""
        daemon = self.started()
        one, other = daemon.pair(modern=True)
        one.send("report", reason="nudity", text="did not stop", id="r")
        told, answer = one.take()
        (report,) = ask(daemon, "GET", "/reports")[1]["reports"]
        self.assertEqual(told["type"], "reported")
        self.assertEqual(told["reportId"], report["reportId"])
        self.assertEqual(told["partnerId"], report["reported"]["clientId"])
        self.assertEqual(answer, {"type": "ok", "id": "r", "reportId": report["reportId"]})
        self.assertEqual((report["reason"], report["text"], report["state"]), ("nudity", "did not stop", "open"))
        other.send("report", reason="spam")
        self.assertEqual(other.types(), ["reported"])
        other.send("report", reason="spam", id=1)
        self.assertEqual([(told["type"], told["id"]) for told in other.take()], [("error", 1)])

    def test_old_clients_are_told_nothing(self) -> None:
        """A client that knows no such message ends its call over it."""
        daemon = self.started()
        one, _ = daemon.pair()
        one.send("report", reason="spam", id=1)
        self.assertEqual(one.take(), [])
        self.assertEqual(ask(daemon, "GET", "/reports")[1]["total"], 1)

    def test_reports_are_worked_through(self) -> None:
        """What a moderator has done comes up again and again, or is nowhere to be found."""
        daemon = self.started(REPORTS_KEPT="3")
        ids = []
        for _ in range(4):
            one, _ = daemon.pair(modern=True)
            one.send("report", reason="spam")
            ids.append(one.take()[0]["reportId"])
        status, first = ask(daemon, "GET", "/reports?limit=2")
        self.assertEqual((status, first["total"], first["complete"]), (200, 3, True))
        self.assertEqual([each["reportId"] for each in first["reports"]], [ids[3], ids[2]])
        _, rest = ask(daemon, "GET", f"/reports?limit=2&before={first['before']}")
        self.assertEqual([each["reportId"] for each in rest["reports"]], [ids[1]])
        self.assertNotIn("before", rest)
        ruling = {"state": "dismissed", "by": "ada", "note": "a joke"}
        status, ruled = ask(daemon, "POST", f"/reports/{ids[2]}", ruling)
        self.assertEqual((status, {name: ruled[name] for name in ruling}), (200, ruling))
        self.assertEqual(ask(daemon, "GET", f"/reports/{ids[2]}"), (200, ruled))
        _, still = ask(daemon, "GET", "/reports?state=open")
        self.assertEqual([each["reportId"] for each in still["reports"]], [ids[3], ids[1]])
        self.assertEqual(ask(daemon, "GET", f"/reports/{ids[0]}"), (404, {"error": "no such report"}))

    def test_what_makes_no_sense_is_refused(self) -> None:
        """A slip of a moderator looks as if nothing had been reported, or changes what it should not."""
        daemon = self.started()
        for method, path, body, wrong in (
            ("GET", "/reports?state=new", None, "state"),
            ("GET", "/reports?before=%20", None, "before"),
            ("GET", "/reports?limit=501", None, "limit"),
            ("POST", "/reports/x", {"state": "new"}, "state"),
            ("POST", "/reports/x", {"state": "open", "by": ""}, "by"),
            ("POST", "/reports/x", {"state": "open", "note": 501 * "x"}, "note"),
        ):
            status, answer = ask(daemon, method, path, body)
            self.assertEqual(status, 400, path)
            self.assertIn(wrong, answer["error"])
        self.assertEqual(ask(daemon, "POST", "/reports/x", {"state": "open"})[0], 404)

    def test_reports_end(self) -> None:
        """What strangers wrote of each other is kept for ever."""
        daemon = self.started(REPORT_DAYS="1")
        one, _ = daemon.pair(modern=True)
        one.send("report", reason="spam")
        daemon.advance(86_401.0, step=3600.0)
        self.assertEqual(ask(daemon, "GET", "/reports")[1]["reports"], [])

    def test_a_flood_is_bounded(self) -> None:
        """Bots fill the store, the operator's Prometheus and its endpoint; or nobody can report them any more."""
        daemon = self.started(REPORTS_KEPT="30", MAX_MSG_PER_SECOND="1000", REMATCH_DELAY_SECONDS="0")
        before = self.series(daemon)
        for host in range(10):
            for _ in range(10):
                pair = [daemon.modern(host=f"203.0.113.{host}") for _ in (0, 1)]
                for bot in pair:
                    bot.send("available")
                room = pair[0].take()[-1]["roomId"]
                for number, bot in enumerate(pair * 5):
                    bot.send("report", reason=f"{number} of {host}", text="x" * 500)
                    bot.send("outcome", roomId=room, result="connected", path="direct", release=f"{number} of {host}")
                for bot in pair:
                    bot.send("leave")
        self.assertEqual(self.series(daemon).keys(), before.keys())
        self.assertEqual(self.series(daemon)["signald_reports_total"], 10 * REPORTS_PER_MINUTE)
        told = {name: count for name, count in self.series(daemon).items() if name.startswith("signald_calls_total{")}
        self.assertEqual(sum(told.values()), 200)
        one, other = (daemon.modern(host="198.51.100.1") for _ in (0, 1))
        for client in (one, other):
            client.send("available")
        one.take()
        one.send("report", reason="spam")
        _, listed = ask(daemon, "GET", "/reports?limit=100")
        self.assertEqual((listed["total"], len(listed["reports"])), (30, 30))
        self.assertEqual(listed["reports"][0]["reportId"], one.take()[0]["reportId"])

    def series(self, daemon: MemoryDaemon) -> dict[str, float]:
        """Each series that Prometheus would keep, with its value."""
        client = daemon.connect(listener=1)
        client.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        lines = [line.rsplit(" ", 1) for line in client.response.rest.decode().splitlines() if line[:8] == "signald_"]
        return {name: float(value) for name, value in lines}

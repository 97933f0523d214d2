"""The operator's console: who may open it, what its stream tells, and what a page from elsewhere gets."""

import json
from typing import Any

from signald.web.viewers import VIEWERS_AT_MOST, VIEWERS_OF_ONE
from tests.support.desk import MODERATED, MODERATOR, OPERATOR, ask, chunks, request
from tests.support.memory import MemoryClient, MemoryDaemon, MemoryTest


def told(viewer: MemoryClient) -> list[Any]:
    """What a viewer was told."""
    lines = chunks(viewer.response.rest).decode().split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


class Console(MemoryTest):
    """One instance, two people."""

    def started(self, **settings: str) -> MemoryDaemon:
        return self.start(**MODERATED, **settings)

    def look(self, daemon: MemoryDaemon, token: str | None = MODERATOR, **more: Any) -> MemoryClient:
        return request(daemon, "GET", "/console/stream", token, **more)

    def test_viewers_are_told_how_it_goes(self) -> None:
        """The numbers stand still, or are those of nobody."""
        daemon = self.started(METRICS_POOLS="chess")
        viewer = self.look(daemon)
        self.assertEqual(viewer.response.headers["content-type"], "text/event-stream")
        one, other = daemon.pair()
        third = daemon.modern()
        third.send("available", pool="Chess")
        one.send("report", reason="spam")
        one.send("outcome")
        daemon.advance(2.0)
        (event,) = told(viewer)
        self.assertEqual((event["complete"], event["silent"]), (True, []))
        (instance,) = event["instances"]
        fields = ask(daemon, "GET", "/console/hour", MODERATOR).body["fields"]
        sample = dict(zip(fields, instance["samples"][-1], strict=True))
        self.assertEqual((sample["clients"], sample["waiting"], sample["rooms"]), (3, 1, 1))
        self.assertEqual((sample["matched"], sample["reports"], sample["errors"]), (2, 1, 1))
        self.assertEqual([pool[:3] for pool in sample["pools"]], [["", 0, 2], ["chess", 1, 0], ["other", 0, 0]])
        self.assertEqual((instance["state"], instance["version"] != ""), ("serving", True))
        other.vanish()
        daemon.advance(2.0)
        self.assertEqual(told(viewer)[1]["instances"][0]["samples"][0][1], 2)

    def test_an_hour_is_kept_and_no_more(self) -> None:
        """Charts begin when somebody looks, when it is too late; or memory grows for ever."""
        daemon = self.started()
        daemon.client()
        daemon.advance(4000.0, step=10.0)
        (instance,) = ask(daemon, "GET", "/console/hour").body["instances"]
        times = [sample[0] for sample in instance["samples"]]
        self.assertEqual(len(times), 362)
        self.assertEqual(times[-1] - times[0], 3600.0)
        self.assertEqual(times, sorted(times))

    def test_who_does_not_read_is_dropped(self) -> None:
        """A window that sleeps fills the memory of the service."""
        daemon = self.started()
        slow, other = self.look(daemon), self.look(daemon)
        slow.transport.reads = False
        while not slow.gone:
            daemon.advance(2.0)
            self.assertLess(slow.transport.peak, 70_000)
        self.assertFalse(other.gone)
        self.assertGreater(len(told(other)), 10)

    def test_only_so_many_look(self) -> None:
        """Forgotten windows of one person take the processor, or keep all others from looking."""
        daemon = self.started()
        hers = [self.look(daemon) for _ in range(VIEWERS_OF_ONE)]
        self.assertEqual(self.look(daemon).response.status, 503)
        self.assertEqual(self.look(daemon, OPERATOR).response.status, 200)
        hers[0].vanish()
        self.assertEqual(self.look(daemon).response.status, 200)
        self.assertLess(VIEWERS_OF_ONE * 2, VIEWERS_AT_MOST)

    def test_nobody_looks_after_the_end(self) -> None:
        """The process waits for windows that are never closed."""
        daemon = self.started()
        viewer = self.look(daemon)
        daemon.stop()
        self.assertTrue(viewer.gone)

    def test_only_with_a_token(self) -> None:
        """Anybody who finds the port sees what goes on, or a moderator reads the settings."""
        daemon = self.started()
        for path in ("me", "hour", "stream", "settings"):
            for token in (None, "x" * 20):
                self.assertEqual(ask(daemon, "GET", f"/console/{path}", token).status, 401, path)
        me = {"name": "ada", "role": "moderator", "users": False}
        self.assertEqual(ask(daemon, "GET", "/console/me", MODERATOR).body, me)
        self.assertEqual(ask(daemon, "GET", "/console/settings", MODERATOR).status, 403)
        settings = ask(daemon, "GET", "/console/settings").body["settings"]
        self.assertIn("there may ada (moderator), bob (operator)", settings)
        self.assertNotIn(OPERATOR, str(settings))

    def test_names_that_are_not_ours(self) -> None:
        """A stranger lets its own name point to the operator's machine, and its page becomes the console."""
        daemon = self.started(ADMIN_HOSTS="admin.example.com")
        for host, status in (
            *(("localhost", 200), ("localhost:9101", 200), ("127.0.0.1:9101", 200), ("[::1]:9101", 200)),
            *(("signald-a:9101", 200), ("a.internal", 200), ("Admin.example.com.:443", 200)),
            *(("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example:9101", 421)),
            *(("evil.example@localhost", 421), ("", 421), ("evil.example#.localhost", 421)),
        ):
            for path in ("", "style.css", "me"):
                said = ask(daemon, "GET", f"/console/{path}", host=host)
                self.assertEqual(said.status, status, (host, path))
            self.assertEqual(self.look(daemon, host=host).response.status, status, host)

    def test_pages_from_elsewhere(self) -> None:
        """A page that an operator looks at reads the console's answers, or acts by the operator's browser."""
        daemon = self.started()
        for origin in ("https://evil.example", "null", "http://localhost", "http://localhost:9101.evil.example"):
            said = ask(daemon, "GET", "/console/hour", Origin=origin)
            self.assertEqual(said.status, 403, origin)
            self.assertNotIn("access-control-allow-origin", said.headers)
        self.assertEqual(ask(daemon, "GET", "/console/hour", Origin="http://localhost:9101").status, 200)
        client = daemon.client()
        for method, path in (("OPTIONS", f"/clients/{client.id}"), ("OPTIONS", "/bans"), ("OPTIONS", "/console/me")):
            asks = {"Origin": "https://evil.example", "Access_Control_Request_Method": "DELETE"}
            before = ask(daemon, method, path, None, **asks)
            self.assertGreaterEqual(before.status, 400)
            self.assertFalse([name for name in before.headers if name.startswith("access-control")])
        self.assertEqual(ask(daemon, "DELETE", f"/clients/{client.id}", None, Cookie=f"token={OPERATOR}").status, 401)
        self.assertFalse(client.gone)

    def test_the_page_may_do_nothing_else(self) -> None:
        """A report becomes a script in the browser of whoever may throw everybody out."""
        daemon = self.started()
        for path in ("/console/", "/console/main.js", "/console/style.css"):
            said = ask(daemon, "GET", path, None)
            self.assertEqual(said.status, 200, path)
            policy = dict(rule.strip().split(" ", 1) for rule in said.headers["content-security-policy"].split(";"))
            self.assertEqual((policy["default-src"], policy["script-src"]), ("'none'", "'self'"))
            self.assertEqual((policy["frame-ancestors"], policy["form-action"]), ("'none'", "'none'"))
            self.assertEqual(policy["require-trusted-types-for"], "'script'")
            self.assertEqual(said.headers["x-frame-options"], "DENY")
            self.assertNotIn("set-cookie", said.headers)
        self.assertEqual(ask(daemon, "GET", "/console", None).headers["location"], "console/")
        public = daemon.connect()
        public.write(b"GET /static/console/main.js HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(public.response.status, 404)

    def test_what_was_reported_of_somebody(self) -> None:
        """A moderator judges by one report, and does not see that the reporter reports everybody."""
        daemon = self.started()
        one, other = daemon.pair(modern=True)
        one.send("report", reason="spam")
        other.send("report", reason="nudity")
        daemon.pair(modern=True)[0].send("report", reason="other")
        listed = ask(daemon, "GET", f"/reports?about={one.id}", MODERATOR).body["reports"]
        self.assertEqual([report["reason"] for report in listed], ["nudity", "spam"])
        self.assertEqual(ask(daemon, "GET", "/reports?about=nobody").body["reports"], [])

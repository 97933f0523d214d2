"""Several people with tokens of their own: what each may do and see, and who did it."""

import hmac
from typing import Any, cast
from unittest.mock import patch

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from signald.core.accounts import Account, Role
from signald.web.accounts import Accounts
from tests.support.desk import MODERATED, MODERATOR, OPERATOR, ask
from tests.support.memory import STARTED_AT, MemoryDaemon, MemoryTest
from tests.support.tokens import SECRET, sign


class Roles(MemoryTest):
    """ada moderates, bob may all."""

    def started(self, **settings: str) -> MemoryDaemon:
        lines: list[LogEvent] = []
        observer = cast(ILogObserver, lines.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.lines = lines
        return self.start(**MODERATED, **settings)

    def logged(self) -> list[tuple[str, Any]]:
        """Each line that says who did something, and who."""
        return [(formatEvent(event), event["by"]) for event in self.lines if "by" in event]

    def test_who_shows_which_token(self) -> None:
        """Somebody with an old, cut or empty token throws people out; or a good one is refused."""
        daemon = self.started()
        for token in (None, "", "x", MODERATOR[:-1], f"{MODERATOR}x", f"ada:moderator:{MODERATOR}", "\xe9" * 20):
            said = ask(daemon, "GET", "/clients", token)
            self.assertEqual((said.status, set(said.body)), (401, {"error"}), token)
        for token in (MODERATOR, OPERATOR):
            self.assertEqual(ask(daemon, "GET", "/clients", token).status, 200)

    def test_moderators_see_no_addresses(self) -> None:
        """Each volunteer who helps to moderate learns where everybody lives, or can try out who is banned."""
        daemon = self.started()
        client = daemon.client(host="198.51.100.7")
        for method, path, body in (
            ("GET", "/clients?addresses=true", None),
            ("GET", f"/clients/{client.id}?addresses=true", None),
            ("GET", "/clients?addresses=1&search=198.51", None),
            ("POST", "/bans", {"address": "198.51.100.7", "seconds": 60}),
            ("GET", "/bans/address/198.51.100.7", None),
            ("DELETE", "/bans/address/198.51.100.7", None),
        ):
            said = ask(daemon, method, path, MODERATOR, body)
            self.assertEqual((said.status, "operators only" in said.body["error"]), (403, True), path)
        self.assertEqual(ask(daemon, "GET", "/clients?addresses=true").body["clients"][0]["address"], "198.51.100.7")
        banned = ask(daemon, "POST", "/bans", MODERATOR, {"client": client.id, "seconds": 60})
        self.assertEqual(banned.status, 201)
        (shown,) = ask(daemon, "GET", "/bans", MODERATOR).body["bans"]
        self.assertEqual(banned.body["bans"], [shown])
        self.assertEqual(set(shown), {"id", "kind", "until", "reason", "automatic"})
        (known,) = ask(daemon, "GET", "/bans").body["bans"]
        self.assertEqual((known["id"], known["value"]), (shown["id"], "198.51.100.7"))
        self.assertEqual(ask(daemon, "GET", f"/bans/id/{shown['id']}", MODERATOR).body, shown)
        self.assertNotIn("198.51.100.7", str([line for line, _ in self.logged()]))

    def test_moderators_lift_what_they_do_not_see(self) -> None:
        """A ban that a moderator regrets has to wait for an operator."""
        daemon = self.started()
        client = daemon.client(host="198.51.100.7")
        (ban,) = ask(daemon, "POST", "/bans", MODERATOR, {"client": client.id, "seconds": 60}).body["bans"]
        self.assertEqual(daemon.connect("198.51.100.7").gone, False)
        self.assertEqual(ask(daemon, "DELETE", f"/bans/id/{ban['id'][:-1]}", MODERATOR).status, 404)
        self.assertEqual(ask(daemon, "DELETE", f"/bans/id/{ban['id']}", MODERATOR).status, 204)
        self.assertEqual(ask(daemon, "GET", "/bans").body, {"total": 0, "bans": []})
        self.assertEqual(ask(daemon, "DELETE", f"/bans/id/{ban['id']}", MODERATOR).status, 404)

    def test_every_action_says_who_did_it(self) -> None:
        """After a fight among moderators nobody can say who threw out half of the guests."""
        daemon = self.started(AUTH_MODE="optional", JWT_SECRET=SECRET)
        one, other = daemon.pair(modern=True)
        one.send("auth", token=sign({"sub": "eve", "exp": STARTED_AT + 600}))
        one.send("report", reason="spam")
        (report,) = (told["reportId"] for told in one.take() if told["type"] == "reported")
        ask(daemon, "DELETE", f"/clients/{other.id}?reason=enough", MODERATOR)
        ask(daemon, "POST", "/bans", MODERATOR, {"client": one.id, "seconds": 60, "reason": "rude"})
        ask(daemon, "DELETE", "/bans/user/eve", OPERATOR)
        ask(daemon, "POST", f"/reports/{report}", MODERATOR, {"state": "acted", "note": "out"})
        self.assertEqual(
            self.logged(),
            [
                (f"client {other.id} kicked by ada: 'enough'", "ada"),
                ("one user banned for 60 s by ada: 'rude'", "ada"),
                ("a ban on one user was lifted by bob", "bob"),
                (f"report {report} is acted now, says 'ada': 'out'", "ada"),
            ],
        )

    def test_nobody_speaks_for_another(self) -> None:
        """A moderator signs what it has done with the name of another."""
        daemon = self.started(ADMIN_TOKEN="the-token-that-all-have")
        one, _ = daemon.pair(modern=True)
        one.send("report", reason="spam")
        (report,) = (told["reportId"] for told in one.take())
        said = ask(daemon, "POST", f"/reports/{report}", MODERATOR, {"state": "acted", "by": "bob"})
        self.assertEqual(said.status, 403)
        self.assertEqual(ask(daemon, "GET", f"/reports/{report}").body["state"], "open")
        for by, name in (({"by": "carl"}, "carl"), ({}, "admin")):
            shared = ask(daemon, "POST", f"/reports/{report}", "the-token-that-all-have", {"state": "acted", **by})
            self.assertEqual((shared.status, shared.body["by"]), (200, name))

    def test_clients_are_found(self) -> None:
        """Of ten thousand the one that a report names is looked for by hand."""
        daemon = self.started(AUTH_MODE="optional", JWT_SECRET=SECRET)
        one, other = daemon.pair(modern=True)
        third = daemon.client(host="198.51.100.7")
        third.send("auth", token=sign({"sub": "Mallory", "exp": STARTED_AT + 600}))
        room = ask(daemon, "GET", f"/clients/{one.id}").body["roomId"]
        for search, found in (
            (one.id, {one.id, other.id}),
            (room, {one.id, other.id}),
            ("mallo", {third.id}),
            ("198.51", set()),
            ("nobody", set()),
        ):
            listed = ask(daemon, "GET", f"/clients?search={search}", MODERATOR).body
            self.assertEqual({each["clientId"] for each in listed["clients"]}, found, search)
            self.assertEqual(listed["total"], 3)
        by_address = ask(daemon, "GET", "/clients?search=198.51&addresses=true").body["clients"]
        self.assertEqual([each["clientId"] for each in by_address], [third.id])
        self.assertEqual(len(ask(daemon, "GET", f"/clients?search={room}&limit=1").body["clients"]), 1)
        self.assertEqual(ask(daemon, "GET", f"/clients?search={'x' * 999}").status, 400)

    def test_the_time_that_it_takes_tells_nothing(self) -> None:
        """Whoever measures answers finds a token letter by letter, or whether a moderator's comes before."""
        known = Accounts([Account(name, Role.OPERATOR, name * 20) for name in "abc"])
        with patch("hmac.compare_digest", wraps=hmac.compare_digest) as compare:
            for shown in (b"a" * 20, b"c" * 20, b"", b"x" * 5000):
                known.find(shown)
        self.assertEqual([[len(each) for each in call.args] for call in compare.call_args_list], [[32, 32]] * 12)

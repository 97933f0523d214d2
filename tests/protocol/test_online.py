"""How many people are here, for the front page of a site."""

import json

from tests.support.frames import Response
from tests.support.memory import MemoryDaemon, MemoryTest


def ask(daemon: MemoryDaemon, *headers: str) -> Response:
    """The answer to ``/online``."""
    client = daemon.connect()
    client.write("\r\n".join(("GET /online HTTP/1.1", "Host: localhost", *headers, "", "")).encode())
    daemon.settle()
    assert client.gone
    return client.response


class OnlineTest(MemoryTest):
    """Of one process in memory."""

    def test_who_is_here_and_who_waits(self) -> None:
        """A front page shows nobody, or people who have gone."""
        daemon = self.start()
        self.assertEqual(json.loads(ask(daemon).rest), {"online": 0, "waiting": 0, "complete": True})
        daemon.pair()
        daemon.client().send("available")
        away = daemon.modern()
        away.vanish()
        self.assertEqual(json.loads(ask(daemon).rest)["online"], 0, "asked again within a second")
        daemon.advance(1.0)
        self.assertEqual(json.loads(ask(daemon).rest), {"online": 4, "waiting": 1, "complete": True})

    def test_other_sites(self) -> None:
        """The page of the site, on its own domain, may not read the number; or anybody's may."""
        self.assertEqual(ask(self.start(), "Origin: https://x.example").headers["access-control-allow-origin"], "*")
        daemon = self.start(ALLOWED_ORIGIN="https://*.example.com")
        for origin, allowed in (("https://www.example.com", True), ("https://example.org", False)):
            headers = ask(daemon, f"Origin: {origin}").headers
            self.assertEqual(headers.get("access-control-allow-origin"), origin if allowed else None)
            self.assertEqual(headers["vary"], "Origin")
            self.assertEqual(headers["cache-control"], "public, max-age=1")

    def test_who_does_not_want_it(self) -> None:
        """An operator cannot keep to itself how many users there are."""
        self.assertEqual(ask(self.start(PUBLIC_ONLINE="false")).status, 404)

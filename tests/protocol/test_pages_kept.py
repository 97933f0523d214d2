"""Pages as browsers load them: over few connections, compressed, and without a body when they have them already."""

import gzip
import re

from tests.support.frames import Response, handshake, parse_response
from tests.support.memory import MemoryClient, MemoryDaemon, MemoryTest

REQUESTS = 100
"""One connection may bring so many."""


class Browser:
    """Asks for pages over one connection."""

    def __init__(self, daemon: MemoryDaemon, host: str = "192.0.2.1") -> None:
        self.client: MemoryClient = daemon.connect(host)

    def get(self, path: str, method: str = "GET", version: str = "1.1", **headers: str) -> Response:
        """The answer, with its body in `rest`."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        before = len(self.client.raw)
        self.client.write(f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n{lines}\r\n".encode())
        answer = parse_response(self.client.raw[before:])
        assert answer is not None, self.client.raw[before:]
        return answer

    @property
    def open(self) -> bool:
        return not self.client.gone


class PagesKept(MemoryTest):
    """The connection, the caches, the compression."""

    def test_one_connection_for_all_of_a_page(self) -> None:
        """Each part of the page would cost a connection, and twelve visitors all that there are."""
        daemon = self.start()
        browser = Browser(daemon)
        page = browser.get("/", connection="keep-alive", accept_encoding="gzip, br")
        self.assertNotIn("connection", page.headers)
        parts = re.findall(r'"(/static/[^"]+)"', gzip.decompress(page.rest).decode())
        self.assertEqual(len(parts), 3)
        for path in (*parts, "/online", "/"):
            answer = browser.get(path, accept_encoding="gzip")
            self.assertEqual((answer.status, len(answer.rest)), (200, int(answer.headers["content-length"])), path)
        self.assertTrue(browser.open)
        daemon.advance(14)
        self.assertTrue(browser.open)
        self.assertEqual(browser.get("/").status, 200)
        daemon.advance(16)
        self.assertFalse(browser.open, "it would wait for ever")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_reload_costs_no_body(self) -> None:
        """Whoever comes again loads everything again; or keeps the page of the last release."""
        browser = Browser(self.start())
        page = browser.get("/", accept_encoding="gzip")
        self.assertEqual(page.headers["cache-control"], "no-cache")
        again = browser.get("/", accept_encoding="gzip", if_none_match=f'"other", W/{page.headers["etag"]}')
        self.assertEqual((again.status, again.rest), (304, b""))
        self.assertEqual(again.headers["etag"], page.headers["etag"])
        for path in re.findall(r'"(/static/[^"]+)"', gzip.decompress(page.rest).decode()):
            kept = browser.get(path).headers["cache-control"]
            self.assertEqual(kept, "public, max-age=31536000, immutable", path)
        self.assertTrue(browser.open)

    def test_compressed_and_not(self) -> None:
        """A cache would give one browser what only another can read."""
        browser = Browser(self.start())
        plain = browser.get("/static/call.js")
        packed = browser.get("/static/call.js", accept_encoding="gzip")
        self.assertEqual(gzip.decompress(packed.rest), plain.rest)
        self.assertEqual((plain.headers["vary"], packed.headers["vary"]), ("Accept-Encoding", "Accept-Encoding"))
        self.assertNotEqual(plain.headers["etag"], packed.headers["etag"])
        self.assertNotIn("content-encoding", plain.headers)
        self.assertEqual(browser.get("/static/call.js", if_none_match=packed.headers["etag"]).status, 200)
        self.assertEqual(browser.get("/static/call.js", "HEAD", if_none_match=plain.headers["etag"]).status, 304)

    def test_single_modules_stay_where_they_were(self) -> None:
        """Pages that take signaling.js from here would have none, or the one of last year."""
        browser = Browser(self.start())
        for name in ("signaling.js", "call.js", "client.js", "demo/style.css"):
            answer = browser.get(f"/static/{name}")
            self.assertEqual((answer.status, answer.headers["cache-control"]), (200, "no-cache"))

    def test_another_releases_names(self) -> None:
        """A page of an instance that is new already would have no script, if an old one is asked for that."""
        browser = Browser(self.start())
        answer = browser.get("/static/demo/main.0123456789ab.js")
        self.assertEqual((answer.status, answer.headers["cache-control"]), (200, "no-cache"))
        self.assertEqual(browser.get("/static/call.0123456789ab.js").status, 404)

    def test_who_is_not_kept(self) -> None:
        """A proxy's connection carries the requests of many, who would meet in it; a probe's would be in the way."""
        daemon = self.start()
        for headers in (
            {"connection": "close"},
            {"connection": "keep-alive, x"},
            {"via": "1.1 cache"},
            {"x_forwarded_for": "192.0.2.7"},
            {"forwarded": "for=192.0.2.7"},
            {"x_real_ip": "192.0.2.7"},
            {"upgrade": "h2c"},
        ):
            browser = Browser(daemon)
            answer = browser.get("/", **headers)
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"), headers)
            self.assertFalse(browser.open, headers)
        for path, method, version in (
            ("/", "GET", "1.0"),
            ("/healthz", "GET", "1.1"),
            ("/readyz", "GET", "1.1"),
            ("/nowhere", "GET", "1.1"),
            ("/ws", "GET", "1.1"),
            ("/", "DELETE", "1.1"),
        ):
            browser = Browser(daemon)
            self.assertEqual(browser.get(path, method, version).headers["connection"], "close", path)
            self.assertFalse(browser.open, path)

    def test_requests_of_a_connection(self) -> None:
        """Who is in would stay in for ever, whatever the limits say meanwhile."""
        browser = Browser(self.start())
        for number in range(1, REQUESTS + 1):
            self.assertEqual(browser.get("/static/demo/favicon.svg").status, 200)
            self.assertEqual(browser.open, number < REQUESTS)

    def test_how_many_are_kept(self) -> None:
        """Connections that nobody uses any more would take the place of those that are needed."""
        daemon = self.start(MAX_HALF_OPEN="3")
        browsers = [Browser(daemon) for _ in range(5)]
        for browser in browsers:
            browser.get("/")
        self.assertEqual([browser.open for browser in browsers], [False, False, True, True, True])
        daemon.advance(10)
        self.assertEqual(browsers[2].get("/").status, 200)
        Browser(daemon).get("/")
        self.assertEqual([browser.open for browser in browsers[2:]], [True, False, True], "the longest unused goes")

    def test_the_next_request_has_its_time(self) -> None:
        """A head that comes byte by byte would hold the connection, if it is not the first one."""
        daemon = self.start(HANDSHAKE_TIMEOUT_SECONDS="5")
        browser = Browser(daemon)
        browser.get("/")
        for _ in range(8):
            browser.client.write(b"G")
            daemon.advance(1)
        self.assertFalse(browser.open)

    def test_an_answer_has_its_time(self) -> None:
        """Who asks and does not read would hold the connection for ever."""
        daemon = self.start()
        deaf = [Browser(daemon), Browser(daemon)]
        for browser, headers in zip(deaf, ("", "Connection: close\r\n"), strict=True):
            browser.client.transport.reads = False
            browser.client.write(f"GET /static/demo/style.css HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        daemon.advance(20)
        self.assertTrue(all(browser.client.transport.buffered for browser in deaf))
        daemon.advance(30)
        self.assertEqual([browser.open for browser in deaf], [False, False])

    def test_a_websocket_after_a_page(self) -> None:
        """A proxy that names nobody may send both down one connection; the second would hang."""
        daemon = self.start(MAX_CONNECTIONS_PER_ADDRESS="1", TRUSTED_PROXIES="192.0.2.0/24")
        for expected in (101, 101, 429):
            browser = Browser(daemon)
            browser.get("/")
            before = len(browser.client.raw)
            address = "198.51.100.1" if daemon.clients == 0 else "198.51.100.2"
            browser.client.write(handshake(x_forwarded_for=address))
            answer = parse_response(browser.client.raw[before:])
            assert answer is not None
            self.assertEqual(answer.status, expected)
        self.assertEqual(daemon.clients, 2)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_the_end(self) -> None:
        """A connection that was kept would bring a client in the midst of the end."""
        daemon = self.start()
        browser = Browser(daemon)
        browser.get("/")
        stopped = daemon.stop()
        browser.client.transport.arrive(handshake())
        daemon.advance(0.1)
        self.successResultOf(stopped)
        self.assertFalse(browser.open)
        self.assertEqual(browser.client.raw.count(b"HTTP/1.1"), 1)

    def test_a_rush(self) -> None:
        """Twelve visitors at once would be reset, though each says at once what it wants."""
        daemon = self.start(MAX_CONNECTIONS="100")
        crowd = [Browser(daemon) for _ in range(72)]
        self.assertEqual([browser.get("/").status for browser in crowd], [200] * 72)

"""Requests made to confuse: two readings of one head, strange paths, pages of others. In memory, by both ways."""

from tests.support.frames import handshake
from tests.support.memory import MemoryClient, MemoryTest

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Requests(MemoryTest):
    """Each must be answered once, or not at all, and the connection end."""

    def setUp(self) -> None:
        self.daemon = self.start(ALLOWED_ORIGIN="https://example.com")

    def ask(self, data: bytes) -> MemoryClient:
        client = self.daemon.connect()
        client.write(data)
        return client

    def assertRefused(self, data: bytes, *statuses: int) -> None:
        client = self.ask(data)
        self.daemon.advance(15)
        self.assertTrue(client.gone, data)
        self.assertLessEqual(client.raw.count(b"HTTP/1."), 1, data)
        if client.raw:
            self.assertIn(client.response.status, statuses, data)
        self.assertEqual(self.daemon.clients, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_smuggling_behind_a_body(self) -> None:
        """A proxy that reads a head another way than signald would give one user's answer to another."""
        for lines in (
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding: identity\r\n\r\n",
            b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
            b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
            b"Content-Length: 44, 0\r\n\r\n",
            b"Content-Length: +0\r\n\r\n",
            b"Content-Length: 0x0\r\n\r\n",
            b"Content-Length: -1\r\n\r\n",
            b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"X: y\r\n\tContent-Length: 44\r\n\r\n",
            b"Content-Length:\r\n 44\r\n\r\n",
            b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"X: y\rContent-Length: 44\r\n\r\n",
            b"X: y\x00Content-Length: 44\r\n\r\n",
            b"\x0bTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding\x00: chunked\r\n\r\n0\r\n\r\n",
        ):
            self.assertRefused(GET + lines + SMUGGLED, 200, 400, 413)

    def test_a_request_behind_a_request(self) -> None:
        """Two in one piece: the second may be one that a proxy has not seen, and its answer goes to another user."""
        for page in (b"/", b"/static/call.js", b"/online", b"/healthz"):
            first = b"GET %b HTTP/1.1\r\nHost: localhost\r\n" % page
            for behind in (SMUGGLED, b"G", b"\r\n" + SMUGGLED, b"\x00", handshake(origin="https://example.com")):
                self.assertRefused(first + b"\r\n" + behind, 200)

    def test_the_second_request(self) -> None:
        """What is refused in the first request of a connection would pass in the next one."""
        page = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
        for second, status in (
            (GET + b"Content-Length: 4\r\n\r\nabcd", 413),
            (GET + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 413),
            (GET + b"X: y\r\n Content-Length: 44\r\n\r\n" + SMUGGLED, 413),
            (GET + b"X: " + b"y" * 17_000 + b"\r\n\r\n", 431),
            (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            (handshake(origin="https://evil.example"), 403),
            (page + b"\r\n" + SMUGGLED, 200),
        ):
            client = self.ask(page + b"\r\n")
            self.assertFalse(client.gone)
            before = len(client.raw)
            client.write(second)
            self.assertTrue(client.gone, second)
            self.assertEqual(client.raw[before:].count(b"HTTP/1."), 1, second)
            self.assertEqual(client.raw[before:].split()[1], b"%d" % status, second)
        self.assertEqual(self.daemon.clients, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_handshake_behind_a_request(self) -> None:
        """A proxy's connection for pages would turn into a WebSocket that it does not know of."""
        self.assertRefused(GET + b"\r\n" + handshake(origin="https://example.com"), 200)

    def test_two_readings_of_a_handshake(self) -> None:
        """The origin or host that a proxy checked would not be the one that signald goes by."""
        good = handshake(origin="https://example.com")
        for twice in (
            b"Host: evil.example",
            b"Origin: https://evil.example",
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ):
            self.assertRefused(good[:-2] + twice + b"\r\n\r\n", 400, 403)
            line, _, rest = good.partition(b"\r\n")
            self.assertRefused(line + b"\r\n" + twice + b"\r\n" + rest, 400, 403)
        evil = handshake(origin="https://evil.example")
        for trick in (
            b"\r\nX: y\nOrigin: https://example.com",
            b"\r\nX: y\rOrigin: https://example.com",
            b"\r\nX: y\r\n Origin: https://example.com",
            b"\r\nOrigin : https://example.com",
            b"\r\n Origin: https://example.com",
            b"\r\nOrigin\x00: https://example.com",
        ):
            self.assertRefused(evil.replace(b"\r\nupgrade", trick + b"\r\nupgrade"), 400, 403)
        for origin in (
            "https://example.com\x00.evil.example",
            "https://example.com https://evil.example",
            "https://example.com,",
        ):
            self.assertRefused(handshake(origin=origin), 400, 403)

    def test_handshake_with_a_body(self) -> None:
        """The body, which a proxy passes on as such, would be read as the frames of a client."""
        for header in ("content-length", "transfer-encoding"):
            request = handshake(origin="https://example.com", **{header.replace("-", "_"): "5"})
            self.assertRefused(request + b"hello", 400, 413)

    def test_paths(self) -> None:
        """A file of the machine would be shown, or a WebSocket open where a proxy's rules do not look."""
        for path in (
            *("/ws//", "/ws/../", "/ws/../ws", "//ws", "/ws%00", "/%77s", "/ws;x", "/WS", "/./ws", "/x/../ws", "\\ws"),
            *("http:///ws", "http://localhost/ws/..", "*", "", "ws", "/ws\t", "/ws\x00", "/ws\xa0"),
        ):
            client = self.ask(handshake(path=path, origin="https://example.com"))
            self.assertNotEqual(client.raw[:12], b"HTTP/1.1 101", path)
        for path in (
            *(
                "/static/%2e%2e/resources.py",
                "/static/../resources.py",
                "/static/..%2fresources.py",
                "/static/%2fetc%2fpasswd",
            ),
            *("//etc/passwd", "/static//etc/passwd", "/static/..\\resources.py", "/static/%00", "/static/", "/static"),
            *(
                "/static/call.js/..",
                "/static/call.js%00.html",
                "/..%c0%afetc/passwd",
                "/%2e%2e/%2e%2e/etc/passwd",
                "/%",
            ),
        ):
            client = self.ask(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
            self.assertIn(client.response.status, (400, 404, 405), path)
            self.assertTrue(client.gone)
        self.assertEqual(self.daemon.clients, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_nothing_of_a_request_is_shown(self) -> None:
        """A link to a missing page could run a script in the name of the site, or split the answer in two."""
        script = "<script>smuggled</script>"
        for path in (f"/{script}", f"/?{script}", "/%0d%0aSet-Cookie:x=1", "/ws?%0d%0aSet-Cookie:x=1"):
            client = self.ask(
                b"GET %b HTTP/1.1\r\nHost: %b\r\nX: %b\r\n\r\n" % (path.encode(), script.encode(), script.encode())
            )
            self.assertNotIn(b"smuggled", client.raw)
            self.assertNotIn(b"set-cookie", client.raw.lower())
        evil = self.ask(handshake(origin=f"https://{script}", protocols=[script]))
        self.assertNotIn(b"smuggled", evil.raw)

    def test_methods(self) -> None:
        """A method nobody thought of would change or show something."""
        for method in (b"POST", b"PUT", b"DELETE", b"TRACE", b"OPTIONS", b"CONNECT", b"PRI", b"get", b"G" * 2000):
            client = self.ask(method + b" /healthz HTTP/1.1\r\nHost: localhost\r\nX-Secret: 1\r\n\r\n")
            self.assertIn(client.response.status, (400, 404, 405, 501), method)
            self.assertNotIn(b"X-Secret", client.raw)
            self.assertTrue(client.gone)

    def test_tls_on_a_plain_port(self) -> None:
        """Whoever types https:// waits until a time-out, and is not told why."""
        client = self.ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500)
        self.assertTrue(client.gone)
        self.assertEqual(client.raw, b"\x15\x03\x01\x00\x02\x02\x28", "an alert: handshake_failure (RFC 8446 6)")

    def test_not_http(self) -> None:
        """What speaks another protocol would hang or fill the memory."""
        for data in (
            b"SSH-2.0-x\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\r\n\r\n",
            b"\x00" * 100,
            b"GET  /ws  HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
        ):
            self.assertRefused(data, 200, 400, 404, 505)


class RequestsByAutobahn(Requests):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

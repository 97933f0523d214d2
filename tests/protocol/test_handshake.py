"""The first bytes of a connection, through the real front: who becomes a client, and what others are told."""

from signald.core.messages import MAX_MESSAGE_BYTES
from signald.network.head import MAX_HEAD_BYTES
from tests.support.frames import ACCEPT, TEXT, client_frame, handshake
from tests.support.memory import MemoryClient, MemoryTest


class Handshakes(MemoryTest):
    """Without a list of origins."""

    def setUp(self) -> None:
        self.daemon = self.start()

    def ask(self, data: bytes) -> MemoryClient:
        client = self.daemon.connect()
        client.write(data)
        return client

    def test_good(self) -> None:
        """No browser could connect."""
        client = self.ask(handshake())
        self.assertEqual(client.response.status, 101)
        self.assertEqual(client.response.headers["sec-websocket-accept"], ACCEPT)
        self.assertEqual(client.types(), ["ready"])
        self.assertEqual(self.daemon.clients, 1)

    def test_byte_by_byte(self) -> None:
        """A handshake that arrives in small pieces would fail."""
        client = self.daemon.connect()
        for byte in handshake():
            client.write(bytes([byte]))
        self.assertEqual(client.types(), ["ready"])

    def test_any_origin(self) -> None:
        """Without a list, apps and pages opened from a file could not connect; the old server let them."""
        for origin in ("https://example.com", "null", "file://", "capacitor://localhost"):
            self.assertEqual(self.ask(handshake(origin=origin)).response.status, 101, origin)

    def test_query_is_allowed(self) -> None:
        """Clients of the old server that add a query (a cache breaker, an id) would be refused."""
        self.assertEqual(self.ask(handshake(path="/ws?v=2")).types(), ["ready"])

    def test_other_ways_of_saying_the_same(self) -> None:
        """What HTTP allows, and some client, proxy or balancer does, is refused or gets a web page."""
        good = handshake(connection="keep-alive, Upgrade", sec_websocket_extensions="permessage-deflate")
        protocols = handshake(protocols=["signald.v1", "other"])
        for what, data in {
            "an absolute target": handshake(path="http://localhost/ws"),
            "one with a query": handshake(path="HTTPS://user@localhost:8080/ws?v=2"),
            "a slash at the end": handshake(path="/ws/"),
            "a slash and a query": handshake(path="/ws/?v=2"),
            "an absolute target with a slash": handshake(path="http://localhost/ws/"),
            "an empty line before it": b"\r\n" + handshake(),
            "two Sec-WebSocket-Extensions": good.replace(b"\r\n\r\n", b"\r\nSEC-WebSocket-Extensions: x-old\r\n\r\n"),
            "two Connection": good.replace(b"keep-alive, Upgrade", b"keep-alive\r\nconnection: Upgrade"),
            "two Sec-WebSocket-Protocol": protocols.replace(b"1, other", b"1\r\nSec-WebSocket-Protocol: other"),
        }.items():
            client = self.ask(data)
            self.assertEqual((client.response.status, client.types()), (101, ["ready"]), what)
            if "Protocol" in what:
                self.assertEqual(client.response.headers["sec-websocket-protocol"], "signald.v1")

    def test_pages_by_an_absolute_target(self) -> None:
        """A health check that names the host in its request line, as HTTP allows, sees a daemon that is ill."""
        client = self.ask(b"GET http://localhost/readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(client.response.status, 200)

    def test_what_is_not_the_same(self) -> None:
        """A path below the endpoint, or a header that may stand there once, is taken for another."""
        self.assertEqual(self.ask(handshake(path="/ws/x")).response.status, 404)
        for header in (
            b"Host: elsewhere",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            b"Sec-WebSocket-Version: 13",
        ):
            twice = handshake().replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n\r\n")
            self.assertEqual(self.ask(twice).response.status, 400, header)

    def test_header_names_in_any_case(self) -> None:
        """Browsers, whose header names are capitalised, would get the web page."""
        shouted = handshake().replace(b"upgrade:", b"UPGRADE:").replace(b"sec-websocket-key:", b"Sec-WebSocket-Key:")
        self.assertEqual(self.ask(shouted).types(), ["ready"])

    def test_frames_right_behind_the_handshake(self) -> None:
        """A client that does not wait for the answer would lose its first messages."""
        frames = client_frame(TEXT, b'{"type":"ping"}') + client_frame(TEXT, b'{"type":"available"}')
        early = self.ask(handshake() + frames)
        self.assertEqual(early.types(), ["ready", "pong"])
        other = self.daemon.client()
        other.send("available")
        self.assertEqual((early.types(), other.types()), (["matched"], ["matched"]))

    def test_wrong_version(self) -> None:
        """A client of a draft would be spoken to in frames that it misreads (RFC 6455 4.4)."""
        client = self.ask(handshake(sec_websocket_version="8"))
        self.assertIn(client.response.status, (400, 426))
        self.assertEqual(client.response.headers.get("sec-websocket-version"), "13")
        self.assertTrue(client.gone)

    def test_broken_handshakes(self) -> None:
        """What is no handshake by RFC 6455 4.2.1 would become a client."""
        for broken in (
            handshake(without=["sec-websocket-key"]),
            handshake(sec_websocket_key="short"),
            handshake(without=["sec-websocket-version"]),
            handshake(without=["host"]),
            handshake(connection="close"),
            handshake(upgrade="h2c"),
            handshake().replace(b"HTTP/1.1", b"HTTP/1.0"),
        ):
            client = self.ask(broken)
            self.assertIn(client.response.status, (400, 505), broken)
            self.assertTrue(client.gone)
        self.assertEqual(self.daemon.clients, 0)

    def test_refusals_quote_nothing(self) -> None:
        """A token that came with a handshake is in the status line, and so in the log of every proxy on the way."""
        token = "c2VjcmV0"
        for refused, words in (
            (handshake(sec_websocket_protocol=f"bearer.{token}, bearer.{token}"), "Sec-WebSocket-Protocol"),
            (handshake(sec_websocket_key=token), "Sec-WebSocket-Key"),
            (handshake(sec_websocket_key=f"!{token}{token[:4]}xxxxxxxxx=="), "Sec-WebSocket-Key"),
            (handshake(sec_websocket_version=token), "Sec-WebSocket-Version"),
            (handshake(sec_websocket_version="12"), "Sec-WebSocket-Version"),
            (handshake(host=f"localhost:{token}"), "Host"),
            (handshake(upgrade=token), "Upgrade"),
            (handshake(connection=token), "Connection"),
            (handshake(path=f"/ws?x#{token}"), "Bad Request"),
            (handshake(path=f"/ws {token}"), "Bad Request"),
            (handshake().replace(b"HTTP/1.1", b"HTTP/" + token.encode()), "HTTP Version Not Supported"),
        ):
            client = self.ask(refused)
            self.assertNotIn(token.encode(), client.raw)
            self.assertIn(words.encode(), client.raw.partition(b"\r\n")[0], refused)
            self.assertTrue(client.gone)

    def test_no_upgrade(self) -> None:
        """Who opens /ws in a browser would wait for ever."""
        client = self.ask(b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(client.response.status, 426)
        self.assertEqual(client.response.headers["upgrade"], "websocket")
        self.assertIn(b"WebSocket", client.response.rest)
        self.assertTrue(client.gone)

    def test_other_paths_and_methods(self) -> None:
        """A WebSocket would open where there is none."""
        self.assertEqual(self.ask(handshake(path="/chat")).response.status, 404)
        self.assertEqual(self.ask(handshake(path="/wsx")).response.status, 404)
        self.assertNotEqual(self.ask(handshake().replace(b"GET", b"PUT")).response.status, 101)
        self.assertEqual(self.daemon.clients, 0)

    def test_too_large_head(self) -> None:
        """One connection could fill the memory with a head that never ends."""
        for pieces in (1, 64):
            client = self.daemon.connect()
            data = b"GET /ws HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES + 1024)
            size = len(data) // pieces
            for start in range(0, len(data), size):
                client.write(data[start : start + size])
            self.assertEqual(client.response.status, 431)
            self.assertEqual(client.raw.count(b"HTTP/1.1"), 1)
            self.assertTrue(client.gone)

    def test_too_large_but_whole_head(self) -> None:
        """The limit would hold only for heads that come in pieces."""
        client = self.ask(handshake(cookie="x" * MAX_HEAD_BYTES))
        self.assertEqual(client.response.status, 431)

    def test_large_head_that_fits(self) -> None:
        """A browser with many cookies for the site could not connect."""
        self.assertEqual(self.ask(handshake(cookie="x" * (MAX_HEAD_BYTES - 1024))).types(), ["ready"])

    def test_body(self) -> None:
        """Uploads to a server that has no use for them would fill its memory."""
        for header in (b"Content-Length: 5", b"content-length:5", b"Transfer-Encoding: chunked"):
            client = self.ask(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\nhello")
            self.assertEqual(client.response.status, 413, header)
            self.assertTrue(client.gone)

    def test_empty_body(self) -> None:
        """Health checkers that say Content-Length: 0 would be refused."""
        client = self.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(client.response.status, 200)

    def test_one_request_for_each_connection(self) -> None:
        """A proxy could send a client's handshake down a connection that speaks plain HTTP by then."""
        get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client = self.ask(get + get)
        self.assertEqual(client.raw.count(b"HTTP/1.1 200"), 1)
        self.assertEqual(client.response.headers["connection"].lower(), "close")
        self.assertTrue(client.gone)

    def test_subprotocol(self) -> None:
        """A client that knows newer message types could not ask for them, or others would get them unasked."""
        self.assertNotIn("sec-websocket-protocol", self.ask(handshake()).response.headers)
        chosen = self.ask(handshake(protocols=["x", "signald.v1"]))
        self.assertEqual(chosen.response.headers["sec-websocket-protocol"], "signald.v1")
        unknown = self.ask(handshake(protocols=["signald.v2"]))
        self.assertEqual(unknown.response.status, 101)
        self.assertNotIn("sec-websocket-protocol", unknown.response.headers)
        self.assertEqual(unknown.types(), ["ready"])

    def test_no_compression(self) -> None:
        """An extension that was agreed on by accident would make every frame of the fast path wrong."""
        client = self.ask(handshake(sec_websocket_extensions="permessage-deflate"))
        self.assertNotIn("sec-websocket-extensions", client.response.headers)

    def test_timeout(self) -> None:
        """Connections that never say what they want would fill the table of open files."""
        silent, slow = self.daemon.connect(), self.daemon.connect()
        slow.write(handshake()[:-2])
        for _ in range(8):
            self.daemon.advance(1)
            slow.write(b"x")
        self.assertFalse(silent.gone or slow.gone)
        self.daemon.advance(3.5)
        self.assertTrue(silent.gone)
        self.assertTrue(slow.gone)

    def test_timeout_ends_with_the_handshake(self) -> None:
        """Every client would be dropped after ten seconds."""
        client = self.daemon.client()
        self.daemon.advance(25)
        self.assertFalse(client.gone)

    def test_http_client_that_sends_half_a_request_line(self) -> None:
        """The same for what was taken for HTTP: it must end too."""
        client = self.ask(b"GET / HTTP/1.1\r\nHost")
        self.daemon.advance(12)
        self.assertTrue(client.gone)

    def test_gone_before_it_said_anything(self) -> None:
        """Port scanners and health checks of balancers would leave memory or errors behind."""
        client = self.daemon.connect()
        client.vanish()
        self.daemon.advance(15)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(self.daemon.clients, 0)

    def test_largest_message_after_handshake(self) -> None:
        """The two limits, of the head and of messages, would be mixed up."""
        sdp = b'{"type":"ping","x":"' + b"x" * (MAX_MESSAGE_BYTES - 22) + b'"}'
        client = self.ask(handshake() + client_frame(TEXT, sdp))
        self.assertEqual(len(sdp), MAX_MESSAGE_BYTES)
        self.assertEqual(client.types(), ["ready", "pong"])


class Origins(MemoryTest):
    """With a list of origins."""

    def setUp(self) -> None:
        self.daemon = self.start(ALLOWED_ORIGIN="https://example.com, http://localhost:3000")

    def status(self, origin: str | None) -> int:
        client = self.daemon.connect()
        client.write(handshake(origin=origin))
        if client.response.status != 101:
            self.assertTrue(client.gone)
        return client.response.status

    def test_listed(self) -> None:
        """The operator's own page could not connect."""
        for origin in ("https://example.com", "https://EXAMPLE.com:443", "http://localhost:3000"):
            self.assertEqual(self.status(origin), 101, origin)

    def test_elsewhere(self) -> None:
        """Any page of the web could use the operator's server."""
        for origin in (
            "https://evil.example",
            "http://example.com",
            "https://example.com:8443",
            "https://example.com.evil.example",
            "https://sub.example.com",
            "http://localhost",
            "http://localhost:30000",
            "https://evil.example/https://example.com",
        ):
            self.assertEqual(self.status(origin), 403, origin)
        self.assertEqual(self.daemon.clients, 0)

    def test_without_origin(self) -> None:
        """A list would not keep out what is no browser."""
        self.assertEqual(self.status(None), 403)

    def test_opaque_origin(self) -> None:
        """A sandboxed frame or a file could use the operator's server."""
        self.assertEqual(self.status("null"), 403)

    def test_nonsense(self) -> None:
        """A header made to confuse the parser would let someone in, or be taken for a bug."""
        for origin in ("https://", "example.com", "https://[::1", "https://example.com:99999", "https://a@example.com"):
            self.assertIn(self.status(origin), (400, 403), origin)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_origin_does_not_matter_to_web_pages(self) -> None:
        """Monitoring would fail as soon as a list is set."""
        client = self.daemon.connect()
        client.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n")
        self.assertEqual(client.response.status, 200)


class HandshakesByAutobahn(Handshakes):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False


class OriginsByAutobahn(Origins):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

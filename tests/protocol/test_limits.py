"""What a client and an address may use: connections, handshakes, bytes, matches, sizes, patience."""

from tests.support.frames import PING, TEXT, client_frame, handshake
from tests.support.memory import STARTED_AT, MemoryClient, MemoryDaemon, MemoryTest
from tests.support.tokens import SECRET, sign


class Limits(MemoryTest):
    """Each by its setting."""

    def ask(self, daemon: MemoryDaemon, host: str = "192.0.2.1", forwarded: str = "") -> MemoryClient:
        client = daemon.connect(host)
        client.write(handshake(**({"x_forwarded_for": forwarded} if forwarded else {})))
        return client

    def status(self, daemon: MemoryDaemon, host: str = "192.0.2.1", forwarded: str = "") -> int:
        client = self.ask(daemon, host, forwarded)
        self.assertEqual(client.gone, client.response.status != 101)
        return client.response.status

    def test_connections_in_all(self) -> None:
        """A process that takes more than it has files for stops listening, for everybody."""
        daemon = self.start(MAX_CONNECTIONS="2")
        first = self.ask(daemon)
        self.assertEqual([self.status(daemon), self.status(daemon)], [101, 503])
        first.close()
        self.assertEqual([self.status(daemon), self.status(daemon)], [101, 503])
        self.assertEqual(daemon.clients, 2)

    def test_every_end_gives_its_place_back(self) -> None:
        """The limit would fill up by itself, until nobody may connect."""
        daemon = self.start(MAX_CONNECTIONS="1", MAX_CONNECTIONS_PER_ADDRESS="1", ALLOWED_ORIGIN="https://a.example")
        for end in range(5):
            client = daemon.connect()
            client.write(handshake(origin="https://a.example" if end else "https://evil.example"))
            self.assertEqual(client.response.status, 101 if end else 403, end)
            if end == 1:
                client.vanish()
            elif end == 2:
                client.close()
            elif end == 3:
                client.write(client_frame(TEXT, b"", fin=False))  # by Autobahn from here on
                client.vanish()
            elif end == 4:
                client.write(client_frame(3))
            daemon.advance(5)
            self.assertEqual(daemon.clients, 0, end)

    def test_connections_of_an_address(self) -> None:
        """One machine could take all places, or its neighbour would be shut out with it."""
        daemon = self.start(MAX_CONNECTIONS_PER_ADDRESS="2")
        self.assertEqual([self.status(daemon) for _ in range(3)], [101, 101, 429])
        self.assertEqual(self.status(daemon, "192.0.2.2"), 101)

    def test_ipv6_counts_by_64(self) -> None:
        """Whoever has IPv6 has 2**64 addresses, so no limit at all."""
        daemon = self.start(MAX_CONNECTIONS_PER_ADDRESS="1")
        self.assertEqual(self.status(daemon, "2001:db8::1"), 101)
        self.assertEqual(self.status(daemon, "2001:db8::ffff:2"), 429)
        self.assertEqual(self.status(daemon, "2001:db8:0:1::1"), 101)

    def test_behind_a_proxy(self) -> None:
        """All clients would count as one, the proxy; or anybody could say to be somebody else."""
        daemon = self.start(MAX_CONNECTIONS_PER_ADDRESS="1", TRUSTED_PROXIES="10.0.0.0/8")
        self.assertEqual(self.status(daemon, "10.0.0.1", "198.51.100.1"), 101)
        self.assertEqual(self.status(daemon, "10.0.0.2", "203.0.113.9, 198.51.100.1"), 429)
        self.assertEqual(self.status(daemon, "10.0.0.1", "198.51.100.2"), 101)
        self.assertEqual(self.status(daemon, "192.0.2.1", "198.51.100.3"), 101)
        self.assertEqual(self.status(daemon, "192.0.2.1", "198.51.100.4"), 429)

    def test_handshakes_of_an_address(self) -> None:
        """Connecting over and over costs the daemon more than the attacker."""
        daemon = self.start(HANDSHAKES_PER_ADDRESS_PER_SECOND="3")
        self.assertEqual([self.status(daemon) for _ in range(4)], [101, 101, 101, 429])
        self.assertEqual(self.status(daemon, "192.0.2.2"), 101)
        daemon.advance(1)
        self.assertEqual(self.status(daemon), 101)

    def test_half_open(self) -> None:
        """Connections that say nothing would keep out those that do: the oldest goes, and the newest is served."""
        daemon = self.start(MAX_HALF_OPEN="3")
        silent = [daemon.connect() for _ in range(5)]
        daemon.advance(1.5)
        self.assertEqual(self.status(daemon), 101)
        self.assertFalse(any(each.gone for each in silent), "what they want may be under way")
        daemon.advance(1.5)
        self.assertEqual(self.status(daemon), 101)
        self.assertEqual([each.gone for each in silent], [True, True, True, False, False])

    def test_a_flood_of_half_open(self) -> None:
        """Thousands that come within a second and say nothing would take all open files."""
        daemon = self.start(MAX_HALF_OPEN="3")
        silent = [daemon.connect() for _ in range(1_005)]
        self.assertEqual([each.gone for each in silent[:3]], [True, True, False])
        self.assertEqual(self.status(daemon), 101)

    def test_bytes(self) -> None:
        """One client could take all of the network; or one on a bad line that sends much at once would lose some."""
        daemon = self.start(MAX_BYTES_PER_SECOND="10000")
        client, partner = daemon.pair()
        for _ in range(10):
            client.send("offer", sdp="x" * 5000)
        self.assertLess(len(partner.types()), 4)
        daemon.advance(1)
        client.write(client_frame(PING, b"behind them"))
        daemon.advance(1)
        self.assertEqual(client.pongs, [])
        daemon.advance(6)
        self.assertEqual(client.pongs, [b"behind them"])
        self.assertFalse(client.gone)

    def test_bytes_are_delivered_later(self) -> None:
        """What is above the limit would be lost."""
        daemon = self.start(MAX_BYTES_PER_SECOND="1000")
        client, partner = daemon.pair()
        for _ in range(10):
            client.send("offer", sdp="x" * 900)
        partner.send("answer", sdp="")
        daemon.advance(15)
        self.assertEqual(partner.types(), ["offer"] * 10)

    def test_sizes(self) -> None:
        """A candidate of 64 KiB is nothing that a browser makes; an operator could not forbid it."""
        daemon = self.start(MAX_SDP_BYTES="1000", MAX_CANDIDATE_BYTES="100")
        client, partner = daemon.pair()
        for type, field, most in (("offer", "sdp", 1000), ("answer", "sdp", 1000), ("ice", "candidate", 100)):
            value = {"c": "x" * (most - 9)} if type == "ice" else "x" * (most - 2)
            client.send(type, **{field: value})
            self.assertEqual((partner.types(), client.types()), ([type], []))
            value = {"c": "x" * (most - 8)} if type == "ice" else "x" * (most - 1)
            client.send(type, **{field: value})
            (error,) = client.take()
            self.assertEqual(error["code"], "INVALID_FORMAT")
            self.assertIn(str(most), error["message"])
            self.assertEqual(partner.types(), [])

    def go_to_next(self, client: MemoryClient) -> bool:
        """Leave for the next one; whether there is one at once."""
        client.send("next")
        return client.types() == ["matched"]

    def test_matches(self) -> None:
        """Somebody could leaf through everybody, and spoil it for them."""
        daemon = self.start(MATCHES_PER_MINUTE="3", REMATCH_DELAY_SECONDS="0", REQUEUE_ON_PARTNER_LEAVE="true")
        spammer, _ = daemon.pair()
        self.assertEqual([self.go_to_next(spammer) for _ in range(3)], [True] * 3)
        self.assertFalse(self.go_to_next(spammer))
        daemon.advance(18)
        self.assertEqual(spammer.types(), [])
        daemon.advance(4)
        self.assertEqual(spammer.types(), ["matched"])

    def test_matches_of_a_user(self) -> None:
        """Somebody leafs through everybody all the same: with a new connection for each."""
        daemon = self.start(
            MATCHES_PER_MINUTE="3",
            REMATCH_DELAY_SECONDS="0",
            AUTH_MODE="optional",
            JWT_SECRET=SECRET,
            JWT_LEEWAY_SECONDS="0",
        )
        waiting = []
        for number in range(4):
            spammer = daemon.client()
            spammer.send("auth", token=sign({"sub": "mallory", "exp": STARTED_AT + 3600}))
            spammer.send("available")
            partner = daemon.client()
            partner.send("available")
            waiting.append(spammer.types())
            if number % 2:
                spammer.send("leave")
            spammer.vanish()
            partner.vanish()
        self.assertEqual(waiting, [["matched"]] * 4)
        last = daemon.client()
        last.send("auth", token=sign({"sub": "mallory", "exp": STARTED_AT + 3600}))
        last.send("available")
        partner = daemon.client()
        partner.send("available")
        self.assertEqual(last.types(), [])
        daemon.advance(22)
        self.assertEqual(last.types(), ["matched"])

    def test_who_is_left_does_not_wait(self) -> None:
        """The victims of somebody who skips would have to wait for it."""
        daemon = self.start(MATCHES_PER_MINUTE="1", REMATCH_DELAY_SECONDS="0")
        victim = daemon.client()
        victim.send("available")
        for _ in range(5):
            other = daemon.client()
            other.send("available")
            self.assertEqual(victim.types()[-1], "matched")
            other.vanish()
            self.assertEqual(victim.types(), ["partner-left"])

    def test_leaving_while_waiting_for_a_match(self) -> None:
        """A client that gave up, or is gone, would be matched when its wait is over: a ghost."""
        daemon = self.start(MATCHES_PER_MINUTE="1", REMATCH_DELAY_SECONDS="0", REQUEUE_ON_PARTNER_LEAVE="false")
        for last in ("leave", "vanish"):
            spammer, partner = daemon.pair()
            spammer.send("leave")
            partner.send("available")
            spammer.send("available")
            self.assertEqual((spammer.types(), partner.types()), (["matched"], ["partner-left", "matched"]))
            spammer.send("next")
            partner.send("available")
            if last == "leave":
                spammer.send("leave")
            else:
                spammer.vanish()
            daemon.advance(150)
            self.assertEqual(partner.types(), ["partner-left"])
            partner.vanish()

    def test_violations(self) -> None:
        """Who never stops would be answered for ever; and come back at once."""
        daemon = self.start(VIOLATIONS_PER_MINUTE="50", BAN_SECONDS="30", REQUEUE_ON_PARTNER_LEAVE="false")
        client, partner = daemon.pair()
        client.write(client_frame(TEXT, b"{}") * 89)
        self.assertFalse(client.gone)
        client.write(client_frame(TEXT, b"{}"))
        self.assertEqual(client.close_code, 1008)
        self.assertEqual(partner.types(), ["partner-left"])
        self.assertEqual(self.status(daemon), 403)
        self.assertEqual(self.status(daemon, "192.0.2.2"), 101)
        self.assertFalse(partner.gone, "who is here already stays")
        daemon.advance(31)
        self.assertEqual(self.status(daemon), 101)

    def test_reports_too_many_are_no_violation(self) -> None:
        """All who share an address are thrown out, and stay out, because one of them reports too often."""
        daemon = self.start(VIOLATIONS_PER_MINUTE="1", BAN_SECONDS="30")
        client, _ = daemon.pair()
        for _ in range(20):
            client.send("report", reason="spam")
        self.assertEqual([error["code"] for error in client.take()], ["RATE_LIMIT"] * 19)
        self.assertFalse(client.gone)
        self.assertEqual(self.status(daemon), 101)

    def test_blocks_of_an_address(self) -> None:
        """A few connections of one machine fill the store with whom they never want to meet again."""
        daemon = self.start()
        client, _ = daemon.pair()
        for _ in range(70):
            client.send("block")
            daemon.advance(0.1)
        self.assertEqual([error["code"] for error in client.take()], ["RATE_LIMIT"] * 10)
        daemon.advance(60)
        client.send("block")
        self.assertEqual(client.types(), [])

    def test_by_default_nobody_is_closed_or_banned(self) -> None:
        """Clients of the old server, which stayed connected whatever they sent, would be thrown out."""
        daemon = self.start(REMATCH_DELAY_SECONDS="0")
        client, partner = daemon.pair()
        for _ in range(5):
            client.write(client_frame(TEXT, b"{}") * 900)
            daemon.advance(1)
        partner.send("ping")
        self.assertEqual(partner.types(), ["pong"])
        self.assertFalse(client.gone)
        self.assertEqual([self.status(daemon) for _ in range(300)], [101] * 300)
        skipper, _ = daemon.pair()
        for _ in range(100):
            self.assertTrue(self.go_to_next(skipper))
            daemon.advance(0.2)  # faster than anybody looks at people


class LimitsByAutobahn(Limits):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

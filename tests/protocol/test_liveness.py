"""Who is still there: the heartbeat, clients that do not read, and what a client's fault may cost others."""

from signald.brokers.memory import MemoryBroker
from signald.websocket.base import MAX_OUTPUT_BYTES
from tests.support.frames import PING, TEXT, client_frame, handshake
from tests.support.memory import BUFFER_BYTES, MemoryClient, MemoryDaemon, MemoryTest

HEARTBEAT_S = 30


class Heartbeats(MemoryTest):
    """Spec: a ping every 30 s; one that did not answer the last is dropped, and its partner told."""

    def setUp(self) -> None:
        self.daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false")

    def test_one_ping_in_each_interval(self) -> None:
        """Proxies would close idle connections, or batteries would be drained."""
        client = self.daemon.client()
        self.daemon.advance(HEARTBEAT_S)
        self.assertEqual(len(client.pings), 1)
        self.daemon.advance(10 * HEARTBEAT_S)
        self.assertEqual(len(client.pings), 11)
        self.assertFalse(client.gone)

    def test_no_ping_at_once(self) -> None:
        """Clients that come one by one are pinged in the midst of their handshake, or all of a storm at one moment."""
        clients = []
        for _ in range(200):
            clients.append(self.daemon.client())
            self.daemon.advance(0.01)
        self.daemon.advance(HEARTBEAT_S / 2 - 2.5)
        self.assertEqual([client for client in clients if client.pings], [])
        self.daemon.advance(HEARTBEAT_S / 4)
        pinged = sum(1 for client in clients if client.pings)
        self.assertTrue(60 <= pinged <= 140, pinged)

    def test_missed(self) -> None:
        """A phone that is out of reach would stay somebody's partner for ever."""
        client, partner = self.daemon.pair()
        self.daemon.advance(HEARTBEAT_S + 1)
        client.answers_pings = False
        self.daemon.advance(HEARTBEAT_S)
        self.assertFalse(client.gone, "it still has time to answer")
        self.assertEqual(partner.types(), [])
        self.daemon.advance(HEARTBEAT_S)
        self.assertTrue(client.gone)
        self.assertEqual(partner.types(), ["partner-left"])
        self.assertFalse(partner.gone)
        self.assertEqual(self.daemon.clients, 1)

    def test_missed_while_waiting(self) -> None:
        """The next one would be matched with a client that is not there any more."""
        ghost = self.daemon.client()
        ghost.answers_pings = False
        ghost.send("available")
        self.daemon.advance(2 * HEARTBEAT_S + 1)
        newcomer = self.daemon.client()
        newcomer.send("available")
        self.assertEqual(newcomer.types(), [])
        self.assertEqual(self.daemon.clients, 1)

    def test_answered_late(self) -> None:
        """A slow network would be taken for a dead one."""
        client = self.daemon.client()
        client.answers_pings = False
        for _ in range(5):
            self.daemon.advance(HEARTBEAT_S - 1)
            client.write(client_frame(0xA, client.pings[-1] if client.pings else b""))
            self.daemon.advance(1)
        self.assertFalse(client.gone)

    def test_messages_are_no_answer(self) -> None:
        """A half-open connection whose other side still sends would never be noticed (spec section 5: the ping)."""
        client = self.daemon.client()
        client.answers_pings = False
        for _ in range(4):
            self.daemon.advance(HEARTBEAT_S / 2 + 1)
            if not client.gone:
                client.send("ping")
        self.assertTrue(client.gone)

    def test_many_clients_are_spread(self) -> None:
        """Thousands of pings at once would be a pause for everybody."""
        clients = []
        for _ in range(60):
            clients.append(self.daemon.client())
            self.daemon.advance(HEARTBEAT_S / 60)
        most = 0
        for _ in range(120):
            before = sum(len(client.pings) for client in clients)
            self.daemon.advance(HEARTBEAT_S / 60)
            most = max(most, sum(len(client.pings) for client in clients) - before)
        self.assertLess(most, 6)

    def test_clients_that_come_at_once_are_spread(self) -> None:
        """A server that is back has all its clients in a second, and would pause for their pings for ever after."""
        clients = [self.daemon.client() for _ in range(300)]
        most = 0
        for _ in range(300):
            before = sum(len(client.pings) for client in clients)
            self.daemon.advance(HEARTBEAT_S / 300)
            most = max(most, sum(len(client.pings) for client in clients) - before)
        self.assertEqual({len(client.pings) for client in clients}, {1})
        self.assertLess(most, 6)

    def test_setting(self) -> None:
        """Behind a proxy with a shorter idle time-out all connections would break."""
        daemon = self.start(HEARTBEAT_SECONDS="5")
        client = daemon.client()
        daemon.advance(25)
        self.assertEqual(len(client.pings), 5)


class Backpressure(MemoryTest):
    """A client that does not read: bounded output, closed with 1013, its partner told."""

    def setUp(self) -> None:
        self.daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false", MAX_MSG_PER_SECOND="1000000")
        self.deaf, self.partner = self.daemon.pair()
        self.deaf.transport.reads = False

    def flood(self, sender: MemoryClient, frame: bytes, count: int) -> None:
        for _ in range(count):
            sender.write(frame)

    def assertClosedForNotReading(self) -> None:
        self.assertLess(self.deaf.transport.peak, BUFFER_BYTES + MAX_OUTPUT_BYTES + 200_000)
        self.assertEqual(self.daemon.clients, 1)
        self.daemon.advance(10)
        self.assertTrue(self.deaf.gone, "a transport that never drains must be aborted")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_relays(self) -> None:
        """One client that stops reading could fill the memory by the hand of its partner."""
        self.flood(self.partner, client_frame(TEXT, b'{"type":"offer","sdp":"%s"}' % (b"x" * 60_000)), 20)
        types = self.partner.types()
        self.assertEqual(types[0], "partner-left")
        self.assertEqual(set(types[1:]), {"error"})
        self.assertClosedForNotReading()

    def test_code(self) -> None:
        """The client, when it reads again, would not know why it was closed."""
        self.flood(self.partner, client_frame(TEXT, b'{"type":"offer","sdp":"%s"}' % (b"x" * 60_000)), 20)
        self.deaf.transport.read_again()
        self.daemon.settle()
        self.assertEqual(self.deaf.close_code, 1013)
        self.assertTrue(self.deaf.gone)

    def test_own_pongs_and_errors(self) -> None:
        """A client could fill the memory by asking and not reading."""
        for text in (b'{"type":"ping"}', b'{"type":"x"}', b"x"):
            self.daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false", MAX_MSG_PER_SECOND="1000000")
            self.deaf, self.partner = self.daemon.pair()
            self.deaf.transport.reads = False
            self.flood(self.deaf, client_frame(TEXT, text) * 100, 100)
            self.daemon.advance(4)  # it is read from slowly
            self.assertEqual(self.partner.types(), ["partner-left"])
            self.assertClosedForNotReading()

    def test_refusals_of_the_rate_limit(self) -> None:
        """The very limit that is to protect the memory would fill it."""
        self.daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false", MAX_MSG_PER_SECOND="1")
        self.deaf, self.partner = self.daemon.pair()
        self.deaf.transport.reads = False
        self.flood(self.deaf, client_frame(TEXT, b"{}") * 100, 100)
        self.daemon.advance(4)  # it is read from slowly
        self.assertEqual(self.partner.types(), ["partner-left"])
        self.assertClosedForNotReading()

    def test_control_pongs(self) -> None:
        """A client could fill the memory with the answers to WebSocket pings, which no rate limit counts."""
        self.flood(self.deaf, client_frame(PING, b"x" * 125) * 100, 100)
        self.daemon.advance(4)  # it is read from slowly
        self.assertEqual(self.partner.types(), ["partner-left"])
        self.assertClosedForNotReading()

    def test_slow_but_reading(self) -> None:
        """Somebody on a bad network would be thrown out although everything arrives in the end."""
        frame = client_frame(TEXT, b'{"type":"offer","sdp":"%s"}' % (b"x" * 60_000))
        for _ in range(50):
            self.deaf.transport.reads = False
            self.flood(self.partner, frame, 4)
            self.deaf.transport.read_again()
            self.daemon.settle()
        self.assertEqual(self.deaf.types(), ["offer"] * 200)
        self.assertEqual(self.partner.types(), [])

    def test_burst_is_delivered_whole(self) -> None:
        """The candidates of a call that come in one burst would be lost while the buffer is full."""
        self.flood(self.partner, client_frame(TEXT, b'{"type":"ice","candidate":{"x":"%s"}}' % (b"x" * 2000)), 100)
        self.deaf.transport.read_again()
        self.daemon.settle()
        self.assertEqual(self.deaf.types(), ["ice"] * 100)


class Brink(MemoryTest):
    """A client whose buffer is full to the last byte: any next message is the one too many, and closes it."""

    def fill(self, last: int) -> tuple[MemoryDaemon, MemoryClient, MemoryClient]:
        """A daemon with a client that does not read and has this much more in its buffer, and its partner."""
        daemon = self.start(MAX_MSG_PER_SECOND="1000000")
        deaf, partner = daemon.pair()
        deaf.transport.reads = False
        while deaf.transport.buffered <= BUFFER_BYTES:
            partner.send("offer", sdp="x" * 60_000)
        for size in (60_000, 60_000, 60_000, 60_000, last):
            partner.send("offer", sdp="x" * size)
        return daemon, deaf, partner

    def brink(self, *then: str) -> tuple[MemoryDaemon, MemoryClient, MemoryClient]:
        """As `fill`, with as much as lets the client survive what its partner says in `then`, and not a byte more."""
        fits, too_much = 0, 65_000
        while too_much - fits > 1:
            size = (fits + too_much) // 2
            daemon, _, partner = self.fill(size)
            for message in then:
                partner.send(message)
            if daemon.clients == 2:
                fits = size
            else:
                too_much = size
        self.assertTrue(0 < fits < 60_000)
        return self.fill(fits)

    def test_closed_while_queued_again(self) -> None:
        """The oldest waiting client would become the partner of a ghost, for ever."""
        daemon, _, partner = self.brink()
        waiting = daemon.client()
        waiting.send("available")
        partner.send("leave")
        self.assertEqual(daemon.clients, 2, "`partner-left` closes it")
        self.assertEqual(waiting.types(), [])
        partner.send("available")
        self.assertEqual((waiting.types(), partner.types()), (["matched"], ["matched"]))

    def test_closed_by_being_matched(self) -> None:
        """Its partner would wait for an offer from a ghost, for ever."""
        daemon, _, partner = self.brink()
        waiting = daemon.client()
        waiting.send("available")
        partner.send("next")
        self.assertEqual(partner.types(), ["matched"])
        self.assertEqual(waiting.types(), ["matched"])
        self.assertEqual(daemon.clients, 2)

    def test_closed_by_the_rematch(self) -> None:
        """The same, where the match comes from the timer that lets two meet again."""
        daemon, _, partner = self.brink("next")
        partner.send("next")
        self.assertEqual(daemon.clients, 2, "`partner-left` just fits")
        daemon.advance(4)
        self.assertEqual(daemon.clients, 1, "`matched` does not")
        self.assertIn(partner.types(), ([], ["matched", "partner-left"]))
        newcomer = daemon.client()
        newcomer.send("available")
        self.assertEqual((newcomer.types(), partner.types()), (["matched"], ["matched"]))


class Limits(MemoryTest):
    """MAX_MSG_PER_SECOND."""

    def test_over_it(self) -> None:
        """One client could take the whole processor."""
        daemon = self.start(MAX_MSG_PER_SECOND="10")
        client, partner = daemon.pair()
        client.write(client_frame(TEXT, b'{"type":"ice","candidate":null}') * 100)
        self.assertEqual(len(partner.types()), 9, "ten less the one that it was matched by")
        errors = client.take()
        self.assertEqual([error["code"] for error in errors], ["RATE_LIMIT"] * 91)
        daemon.advance(0.5)
        client.write(client_frame(TEXT, b'{"type":"ice","candidate":null}') * 100)
        self.assertEqual(len(partner.types()), 5)
        self.assertEqual(partner.types(), [], "others are not disturbed")
        partner.send("ping")
        self.assertEqual(partner.types(), ["pong"])

    def test_everything_counts(self) -> None:
        """The limit could be gone round by sending nonsense."""
        for frame in (client_frame(TEXT, b"x"), client_frame(2, b"x"), client_frame(TEXT, b'{"type":"x"}')):
            daemon = self.start(MAX_MSG_PER_SECOND="10")
            client = daemon.client()
            client.write(frame * 15)
            codes = [error["code"] for error in client.take()]
            self.assertEqual(codes[10:], ["RATE_LIMIT"] * 5)
            self.assertNotIn("RATE_LIMIT", codes[:10])
            self.assertFalse(client.gone)

    def test_default_lets_a_call_set_up_pass(self) -> None:
        """A browser that finds many candidates at once would lose some of them."""
        daemon = self.start()
        client, partner = daemon.pair()
        client.send("offer", sdp="v=0")
        client.write(client_frame(TEXT, b'{"type":"ice","candidate":{}}') * 35)
        self.assertEqual(len(partner.types()), 36)
        self.assertEqual(client.types(), [])


class Pauses(MemoryTest):
    """The process is stopped, swapped out or busy for a while: nobody pays for it but by waiting."""

    def test_messages_of_a_pause_are_taken(self) -> None:
        """Candidates and offers that came while the machine was suspended are dropped, and calls never connect."""
        daemon = self.start()
        client, partner = daemon.pair()
        daemon.advance(3)
        daemon.clock.advance(12)
        for _ in range(12):  # as many as are allowed in that time, as they come out of the kernel's buffer
            client.write(client_frame(TEXT, b'{"type":"ice","candidate":null}') * 40)
        self.assertEqual(partner.types(), ["ice"] * 480)
        self.assertEqual(client.types(), [])

    def test_of_who_is_heard_before_any_timer_runs(self) -> None:
        """The same, where the reactor reads before it looks at the time."""
        daemon = self.start()
        client, partner = daemon.pair()
        daemon.advance(3)
        daemon.clock.rightNow += 12
        for _ in range(12):
            client.transport.arrive(client_frame(TEXT, b'{"type":"ice","candidate":null}') * 40)
        daemon.settle()
        self.assertEqual(partner.types(), ["ice"] * 480)
        self.assertEqual(client.types(), [])

    def test_no_more_than_that(self) -> None:
        """Whoever floods is let through after each pause, and makes the next one."""
        daemon = self.start()
        client, partner = daemon.pair()
        daemon.advance(3)
        for _ in range(3):
            daemon.clock.advance(12)
            client.write(client_frame(TEXT, b'{"type":"ice","candidate":null}') * 900)
            self.assertLessEqual(len(partner.types()), 12.5 * 40)
            daemon.advance(10)
        newcomer = daemon.client()
        newcomer.write(client_frame(TEXT, b"{}") * 50)
        self.assertEqual([error["code"] for error in newcomer.take()].count("RATE_LIMIT"), 10)

    def test_a_pong_that_could_not_come_is_awaited(self) -> None:
        """After a pause longer than the heartbeat all clients far away are dropped, and their partners told so."""
        daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false")
        client, partner = daemon.pair()
        client.answers_pings = False
        while not client.pings:
            daemon.advance(0.25)
        daemon.clock.advance(HEARTBEAT_S + 1)
        daemon.settle()
        self.assertFalse(client.gone)
        client.write(client_frame(0xA, client.pings[-1]))
        daemon.advance(HEARTBEAT_S)
        self.assertFalse(client.gone)
        daemon.advance(2 * HEARTBEAT_S)
        self.assertTrue(client.gone, "it is gone, and nobody is told")
        self.assertEqual(partner.types(), ["partner-left"])

    def test_the_same_where_pings_are_frequent(self) -> None:
        """A pause soon after a ping drops everybody, though all have answered and nobody has read it yet."""
        daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false", HEARTBEAT_SECONDS="2")
        client, partner = daemon.pair()
        client.answers_pings = False
        while not client.pings:
            daemon.advance(0.01)
        daemon.advance(0.6)
        daemon.clock.advance(2.5)
        daemon.settle()
        self.assertFalse(client.gone)
        client.write(client_frame(0xA, client.pings[-1]))
        daemon.advance(2)
        self.assertFalse(client.gone)
        daemon.advance(4)
        self.assertTrue(client.gone, "it is gone, and nobody is told")
        self.assertEqual(partner.types(), ["partner-left"])

    def test_a_session_waits_for_its_client_after_it(self) -> None:
        """A call ends though its client is back: nobody let it in while the process stood still."""
        daemon = self.start(RESUME_SECONDS="30")
        client, partner = daemon.pair(modern=True)
        daemon.advance(1)
        client.vanish()
        daemon.advance(5)
        daemon.clock.advance(60)
        daemon.settle()
        back = daemon.resume(client)
        self.assertEqual(back.types()[:1], ["resumed"])
        self.assertNotIn("partner-left", partner.types())
        back.vanish()
        daemon.advance(31)
        self.assertIn("partner-left", partner.types())

    def test_a_handshake_goes_on_after_it(self) -> None:
        """All who connect while the machine is suspended, over TLS from far away, say, are thrown out."""
        daemon = self.start(HANDSHAKE_TIMEOUT_SECONDS="10")
        client, silent = daemon.connect(), daemon.connect()
        head = handshake()
        client.write(head[:-10])
        daemon.clock.advance(12)
        daemon.settle()
        client.write(head[-10:])
        self.assertEqual(client.response.status, 101)
        self.assertFalse(silent.gone)
        daemon.advance(11)
        self.assertTrue(silent.gone)


class Prices(MemoryTest):
    """What makes work counts for more than a relay: `signald.limits.prices`."""

    def test_dear_messages(self) -> None:
        """Sixty connections that wait and leave, or show tokens, at the rate of candidates take a whole core."""
        daemon = self.start()
        client = daemon.client()
        allowed = 0
        for _ in range(100):
            client.write((client_frame(TEXT, b'{"type":"available"}') + client_frame(TEXT, b'{"type":"leave"}')) * 2)
            allowed += 4 - len(client.types())
            daemon.advance(0.1)
        self.assertTrue(0.5 * 10 * 10 < allowed < 2.5 * 10 * 10, allowed)

    def test_one_that_changes_nothing_is_cheap(self) -> None:
        """Clients of the old server that say again and again what is so already are told RATE_LIMIT."""
        daemon = self.start()
        client = daemon.client()
        for text in (b'{"type":"available"}', b'{"type":"auth","token":"x"}', b'{"type":"ping"}'):
            daemon.advance(2)
            client.write(client_frame(TEXT, text) * 38)
            self.assertNotIn("error", client.types())

    def test_a_call_after_the_other(self) -> None:
        """Who goes through ten partners in a row loses the candidates of the eleventh."""
        daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false")
        client = daemon.client()
        client.send("available")
        for _ in range(9):
            daemon.client().send("available")
            client.send("next")
        other = daemon.client()
        other.send("available")
        client.write(client_frame(TEXT, b'{"type":"ice","candidate":{}}') * 30)
        self.assertEqual(client.types(), ["matched"] * 10)
        self.assertEqual(other.types(), ["matched"] + ["ice"] * 30)


class Bugs(MemoryTest):
    """An exception that nobody expected."""

    def test_closes_one_client_with_1011(self) -> None:
        """A bug that one client meets would leave it in an unknown state, or end others' calls."""
        daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false")
        client, partner = daemon.pair()
        others = daemon.pair()

        def broken(*arguments: object) -> None:
            raise ZeroDivisionError

        self.patch(MemoryBroker, "relay", broken)
        client.send("ice", candidate=None)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(client.close_code, 1011)
        self.assertTrue(client.gone)
        self.assertEqual(partner.types(), ["partner-left"])
        for other in others:
            other.send("ping")
            self.assertEqual(other.types(), ["pong"])

    def test_when_a_client_comes(self) -> None:
        """Autobahn swallows an exception in onOpen: the client would wait for `ready` for ever."""
        daemon = self.start()
        self.patch(daemon.daemon._clients, "_new_client_id", lambda: 1 // 0)
        client = daemon.connect()
        client.write(handshake())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(client.close_code, 1011)
        self.assertEqual(daemon.clients, 0)


class HeartbeatsByAutobahn(Heartbeats):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False


class BackpressureByAutobahn(Backpressure):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False


class BrinkByAutobahn(Brink):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False


class PausesByAutobahn(Pauses):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False


class LimitsByAutobahn(Limits):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False


class BugsByAutobahn(Bugs):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

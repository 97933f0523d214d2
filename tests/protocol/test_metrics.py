"""``/metrics``: an operator sees what clients experience."""

from prometheus_client.parser import text_string_to_metric_families

from tests.support.frames import TEXT, client_frame, handshake
from tests.support.memory import MemoryDaemon, MemoryTest


def scrape(daemon: MemoryDaemon) -> dict[str, float]:
    """Samples by name, with their labels as in the text."""
    client = daemon.connect()
    client.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    daemon.settle()
    assert client.response.status == 200, client.response
    samples = {}
    for family in text_string_to_metric_families(client.raw.partition(b"\r\n\r\n")[2].decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


class Scrapes(MemoryTest):
    """What is counted is what happened."""

    def test_a_call_is_counted(self) -> None:
        """An operator would see nothing of the traffic, or a wrong picture of it."""
        daemon = self.start(PUBLIC_METRICS="true")
        one, other = daemon.pair()
        one.send("offer", sdp="v=0")
        other.send("answer", sdp="v=0")
        for _ in range(3):
            one.send("ice", candidate={})
        one.send("available")
        one.text("{")
        before = scrape(daemon)
        self.assertEqual(before["signald_connected"], 2)
        self.assertEqual(before["signald_rooms"], 1)
        self.assertEqual(before["signald_waiting{pool=}"], 0)
        self.assertEqual(before["signald_relayed_total{type=offer}"], 1)
        self.assertEqual(before["signald_relayed_total{type=answer}"], 1)
        self.assertEqual(before["signald_relayed_total{type=ice}"], 3)
        self.assertEqual(before["signald_errors_total{code=ALREADY_PAIRED}"], 1)
        self.assertEqual(before["signald_errors_total{code=INVALID_FORMAT}"], 1)
        self.assertEqual(before["signald_match_wait_seconds_count{pool=}"], 2)
        self.assertGreater(before["signald_received_bytes_total"], 200)
        self.assertGreater(before["signald_sent_bytes_total"], 200)
        one.close(1000)
        daemon.settle()
        after = scrape(daemon)
        self.assertEqual(after["signald_connected"], 1)
        self.assertEqual(after["signald_closes_total{code=1000}"], 1)
        self.assertEqual(after["signald_waiting{pool=}"], 1)
        self.assertEqual(after["signald_clients_total"], 2)

    def test_pools_that_the_operator_names(self) -> None:
        """Nobody sees that people wait for long in one pool; or whoever makes up pools fills the monitoring."""
        daemon = self.start(PUBLIC_METRICS="true", METRICS_POOLS="Video, chess")
        for pool in ("VIDEO", "video", "chess", "made up", "another", "another"):
            daemon.modern().send("available", pool=pool)
            daemon.advance(3.0)
        daemon.pair()
        after = scrape(daemon)
        waiting = {pool: after[f"signald_waiting{{pool={pool}}}"] for pool in ("", "video", "chess", "other")}
        self.assertEqual(waiting, {"": 0, "video": 0, "chess": 1, "other": 1})
        matched = {name: after[f"signald_match_wait_seconds_count{{pool={name}}}"] for name in waiting}
        self.assertEqual(matched, {"": 2, "video": 2, "chess": 0, "other": 2})
        self.assertEqual(after["signald_match_wait_seconds_sum{pool=video}"], 3.0)
        self.assertEqual(len([name for name in after if name.startswith("signald_waiting{")]), 4)

    def test_labels_are_bounded(self) -> None:
        """A client that closes with codes of its own would fill the memory of the monitoring."""
        daemon = self.start(PUBLIC_METRICS="true")
        for code in (3000, 3999, 4000, 4999):
            daemon.client().close(code)
        daemon.settle()
        closed = {name: value for name, value in scrape(daemon).items() if name.startswith("signald_closes_total")}
        closes = {name: value for name, value in closed.items() if value}
        self.assertEqual(closes, {"signald_closes_total{code=other}": 4})

    def test_who_is_dropped_and_why(self) -> None:
        """Clients that vanish, bad networks and attacks would all look the same to an operator."""
        daemon = self.start(PUBLIC_METRICS="true", HEARTBEAT_SECONDS="60", HANDSHAKE_TIMEOUT_SECONDS="10")
        daemon.connect().write(b"GET /ws HTTP/1.1\r\n")
        daemon.client().close()
        daemon.advance(12)
        deaf, partner = daemon.pair()
        deaf.transport.reads = False
        for _ in range(20):
            partner.write(client_frame(TEXT, b'{"type":"offer","sdp":"%s"}' % (b"x" * 60_000)))
        daemon.advance(5)
        silent = daemon.client()
        silent.answers_pings = False
        daemon.advance(121)
        after = scrape(daemon)
        self.assertEqual(after["signald_drops_total{reason=handshake_timeout}"], 1)
        self.assertEqual(after["signald_drops_total{reason=slow_reader}"], 1)
        self.assertEqual(after["signald_drops_total{reason=closing_timeout}"], 1)
        self.assertEqual(after["signald_drops_total{reason=heartbeat}"], 1)

    def test_refused_handshakes(self) -> None:
        """A page whose origin was forgotten in the settings would be seen by its users alone."""
        daemon = self.start(PUBLIC_METRICS="true", ALLOWED_ORIGIN="https://good.example")
        daemon.connect().write(handshake(origin="https://bad.example"))
        daemon.connect().write(handshake(origin="https://good.example", sec_websocket_version="12"))
        after = scrape(daemon)
        self.assertEqual(after["signald_handshakes_refused_total{status=403}"], 1)
        self.assertEqual(after["signald_handshakes_refused_total{status=400}"], 1)
        self.assertEqual(after["signald_handshakes_refused_total{status=503}"], 0)
        self.assertEqual(after["signald_half_open"], 0)

    def test_private_by_default(self) -> None:
        """The public port would tell everybody how the business goes."""
        client = self.start().connect()
        client.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(client.response.status, 404)


class SlowScrapes(Scrapes):
    """The same where Autobahn reads all frames."""

    fast_path = False

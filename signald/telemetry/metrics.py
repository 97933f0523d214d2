"""Makes ``/metrics``: what this process has done and holds, in the text format of Prometheus.

Counters are plain numbers (`counts`), gauges are read when somebody scrapes (`gauges`). Labels come from fixed sets.
"""

import platform
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from signald import __version__
from signald.brokers.interface import Broker
from signald.telemetry.counts import Counts
from signald.telemetry.gauges import Gauges
from signald.telemetry.histogram import Histogram


class Metrics(Collector):
    """Collects all metrics of one process.

    Args:
        counts: Of this process.
        broker: Waiting clients, rooms, the store.
        gauges: What else to ask.
        frames: What reads them.
        webhooks: Gives how many reports came to which end at the webhook.
        call_webhooks: The same of events of rooms.
        challenges: How many challenges of guests were made, proven and failed.
    """

    def __init__(
        self,
        counts: Counts,
        broker: Broker,
        gauges: Gauges,
        frames: str,
        webhooks: Callable[[], Mapping[str, int]] = dict,
        call_webhooks: Callable[[], Mapping[str, int]] = dict,
        challenges: Mapping[str, int] | None = None,
    ) -> None:
        self._challenges = challenges or {}
        self._webhooks = webhooks
        self._call_webhooks = call_webhooks
        self._counts = counts
        self._broker = broker
        self._gauges = gauges
        self._frames = frames
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All metrics, as Prometheus reads them."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """See `Collector.collect`."""
        counts = self._counts
        yield InfoMetricFamily(
            "signald_build",
            "What runs here.",
            value={
                "version": __version__,
                "python": platform.python_version(),
                "frames": self._frames,
                "instance_id": self._broker.instance,
            },
        )
        for name, meaning, value in self._gauges.read():
            yield GaugeMetricFamily(f"signald_{name}", meaning, value=value)
        yield self._waiting()
        yield GaugeMetricFamily("signald_rooms", "Rooms with a client of this instance.", value=self._broker.rooms)
        yield from self._store()
        yield _counter("clients", "Clients that have connected.", counts.clients)
        yield _counter("received_bytes", "Bytes read from clients.", counts.received_bytes)
        yield _counter("sent_bytes", "Bytes written to clients.", counts.sent_bytes)
        yield _counter("floods", "Seconds for which a client that flooded was not read from.", counts.floods)
        yield _counter("reads_put_off", "Reads that waited for the turn of their address.", counts.put_off)
        yield _counter("reports", "Reports of clients about each other.", counts.reports)
        yield _counter("blocks", "Times that a client blocked another.", counts.blocks)
        yield _counter("matches_delayed", "Clients above MATCHES_PER_MINUTE that had to wait.", counts.matches_delayed)
        yield _counter(
            "matches_relaxed", "Clients matched when some wish did not bind any more.", counts.matches_relaxed
        )
        yield _counter("silent", "Clients that were matched and said nothing for MATCH_ANSWER_SECONDS.", counts.silent)
        yield _counter("log_lines_dropped", "Lines of the log that nobody read in time.", counts.log_lines_dropped)
        yield _counter("violators_closed", "Clients closed for VIOLATIONS_PER_MINUTE.", counts.violators)
        yield _counters("webhooks", "Reports that were posted to the operator.", "result", self._webhooks())
        rooms = "Events of rooms that were posted to the operator."
        yield _counters("call_webhooks", rooms, "result", self._call_webhooks())
        yield _counters("challenges", "Challenges to guests, and what came of them.", "result", self._challenges)
        yield _counters("drops", "Connections that were ended here.", "reason", counts.drops)
        yield _counters("handshakes_refused", "Handshakes refused.", "status", counts.handshakes_refused)
        yield _counters("turned_away", "Clients told why they are not let in.", "code", counts.turned_away)
        yield _counters("relayed", "Messages relayed to partners.", "type", counts.relayed_by_type())
        yield _counters("errors", "Error messages sent to clients.", "code", counts.errors)
        closes = {str(code) if code else "other": count for code, count in counts.closes.items()}
        yield _counters("closes", "Clients that went, by close code; 1006: without one.", "code", closes)
        yield _counters("resumes", "Clients that wished to go on with a session.", "result", counts.resumptions)
        yield _counter("resumes_lost", "Sessions that went on without something.", counts.resumed_lost)
        yield _counter("replayed", "Messages sent again to clients that were away.", counts.replayed)
        yield _counter("crossed", "Messages dropped since they crossed a change of partner.", counts.crossed)
        yield _histogram("away_seconds", "How long clients that came back had been away.", counts.absences)
        meaning = "How long matched clients had waited, by pool."
        waits = HistogramMetricFamily("signald_match_wait_seconds", meaning, labels=["pool"])
        for pool, seconds in counts.waits.items():
            waits.add_metric([pool], _buckets(seconds), seconds.total)
        yield waits
        yield from self._outcomes()

    def _outcomes(self) -> Iterable[Metric]:
        outcomes = self._counts.outcomes
        calls = CounterMetricFamily(
            "signald_calls", "Calls that clients told the outcome of.", labels=["result", "path", "release"]
        )
        for labels, count in outcomes.calls.items():
            calls.add_metric(labels, count)
        yield calls
        yield _counters("call_candidates", "Calls by the candidate that was used.", "type", outcomes.candidates)
        yield _histogram("call_setup_seconds", "Time from the match to the connection.", outcomes.setups)
        yield _histogram("call_duration_seconds", "How long calls lasted.", outcomes.durations)
        yield _histogram("call_round_trip_seconds", "Time to the partner and back.", outcomes.trips)
        yield _histogram("call_loss_ratio", "Share of the partner's packets that were lost.", outcomes.losses)

    def _waiting(self) -> Metric:
        waiting = dict.fromkeys(self._counts.waits, 0)
        for pool, tickets in self._broker.crowds().tickets.items():
            waiting[self._counts.pool(pool)] += tickets
        family = GaugeMetricFamily("signald_waiting", "Clients of this instance that wait, by pool.", labels=["pool"])
        for pool, tickets in waiting.items():
            family.add_metric([pool], tickets)
        return family

    def _store(self) -> Iterable[Metric]:
        reachable, held = self._broker.store_reachable, self._broker.held_bytes
        if reachable is None:
            return
        yield GaugeMetricFamily("signald_store_up", "Whether the store answers.", value=float(reachable))
        yield GaugeMetricFamily(
            "signald_held_relay_bytes", "Relays that have not left for other instances.", value=held
        )
        near = "Instances on this machine that messages reach by a socket."
        yield GaugeMetricFamily("signald_neighbours", near, value=self._broker.neighbours)
        calls = HistogramMetricFamily("signald_store_call_seconds", "Time to the store's answer.", labels=["call"])
        for kind, answers in self._counts.store_calls.items():
            calls.add_metric([kind], _buckets(answers), answers.total)
        yield calls
        failures = self._counts.store_failures
        yield _counters("store_call_failures", "Calls that the store did not answer, or refused.", "call", failures)
        problems = self._counts.store_problems
        yield _counters("store_problems", "Times that the store could not be used, by reason.", "problem", problems)


def _buckets(values: Histogram) -> list[tuple[str, float]]:
    """Buckets as Prometheus has them: upper bound, and how many were not above it."""
    bounds = (*(str(float(bound)) for bound in values.bounds), "+Inf")
    return list(zip(bounds, accumulate(values.buckets), strict=True))


def _histogram(name: str, meaning: str, values: Histogram) -> Metric:
    family = HistogramMetricFamily(f"signald_{name}", meaning)
    family.add_metric([], _buckets(values), values.total)
    return family


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"signald_{name}", meaning, value=value)


def _counters(name: str, meaning: str, label: str, values: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(f"signald_{name}", meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family

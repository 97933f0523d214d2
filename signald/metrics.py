"""``/metrics``: what this process has done and holds, in the text format of Prometheus.

Counters are plain numbers (`signald.counts`), gauges are asked when somebody scrapes. Labels are of fixed sets.
"""

import platform
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from signald import __version__
from signald.brokers.interface import Broker
from signald.counts import WAIT_BUCKETS_S, Counts

LAG_S: Final = 0.5
"""Between two looks at how late the event loop is."""

Gauges = Mapping[str, tuple[str, Callable[[], float]]]


class LoopLag(Service):
    """How late a timed call comes: what a client's message may wait behind other work.

    Args:
        clock: Calls it.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._due = 0.0
        self._worst = 0.0
        self._calls = LoopingCall(self._look)
        self._calls.clock = clock

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._due = self._clock.seconds() + LAG_S
        self._calls.start(LAG_S, now=False).addErrback(lambda failure: self._log.failure("lag", failure))

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        if self._calls.running:
            self._calls.stop()

    def worst(self) -> float:
        """Seconds; the worst since it was last asked."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _look(self) -> None:
        now = self._clock.seconds()
        self._worst = max(self._worst, now - self._due)
        self._due = now + LAG_S


class Metrics(Collector):
    """All metrics of one process.

    Args:
        counts: Of this process.
        broker: Waiting clients, rooms, the store.
        instance: How this process is called.
        gauges: Name without prefix to help text and how to ask.
    """

    def __init__(self, counts: Counts, broker: Broker, gauges: Gauges) -> None:
        self._counts = counts
        self._broker = broker
        self._gauges = gauges
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All metrics, as Prometheus reads them."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """See `Collector.collect`."""
        counts = self._counts
        yield InfoMetricFamily(
            "signald_build",
            "What runs here.",
            value={"version": __version__, "python": platform.python_version(), "instance": self._broker.instance},
        )
        for name, (meaning, ask) in self._gauges.items():
            yield GaugeMetricFamily(f"signald_{name}", meaning, value=ask())
        yield GaugeMetricFamily("signald_waiting", "Clients of this instance that wait.", value=self._broker.waiting)
        yield GaugeMetricFamily("signald_rooms", "Rooms with a client of this instance.", value=self._broker.rooms)
        reachable = self._broker.store_reachable
        if reachable is not None:
            yield GaugeMetricFamily("signald_store_up", "Whether the store answers.", value=float(reachable))
        yield _counter("clients", "Clients that have connected.", counts.clients)
        yield _counter("received_bytes", "Bytes read from clients.", counts.received_bytes)
        yield _counter("sent_bytes", "Bytes written to clients.", counts.sent_bytes)
        yield _counter("floods", "Seconds for which a client that flooded was not read from.", counts.floods)
        yield _counter("heartbeat_drops", "Clients dropped for a ping without answer.", counts.heartbeat_drops)
        yield _counter("origins_refused", "Handshakes refused for their Origin.", counts.origins_refused)
        yield _counters("relayed", "Messages relayed to partners.", "type", counts.relayed_by_type())
        yield _counters("errors", "Error messages sent to clients.", "code", counts.errors)
        closes = {str(code) if code else "other": count for code, count in counts.closes.items()}
        yield _counters("closes", "Clients that went, by close code; 1006: without one.", "code", closes)
        yield self._waits()

    def _waits(self) -> Metric:
        waits = self._counts.waits
        total, buckets = 0, []
        for bound, count in zip((*map(str, map(float, WAIT_BUCKETS_S)), "+Inf"), waits.buckets, strict=True):
            total += count
            buckets.append((bound, total))
        meaning = "How long matched clients had waited."
        return HistogramMetricFamily("signald_match_wait_seconds", meaning, buckets=buckets, sum_value=waits.seconds)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(f"signald_{name}", meaning, value=value)


def _counters(name: str, meaning: str, label: str, values: Mapping[Any, float]) -> Metric:
    family = CounterMetricFamily(f"signald_{name}", meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family

"""Keeps how an instance did over the last hour, for charts: a sample each 10 s.

An hour is 0.26 MB with one pool and 0.96 MB with ten, and 41 to 153 kB of the answer to a page that opens.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec
from twisted.internet.interfaces import IReactorTime

from signald.brokers.interface import Broker
from signald.periodic import PeriodicService
from signald.telemetry.counts import OTHER_POOLS, Counts
from signald.telemetry.lag import LoopLag

SAMPLED_S: Final = 10.0
"""Seconds between two samples: a chart as wide as a phone has a dot for each."""

SAMPLES_KEPT: Final = 361
"""An hour of them, and one from which it began."""

POOLS_TOLD: Final = 10
"""Pools in a sample; an operator may name many, and others are in `other`."""


class PoolSample(msgspec.Struct, array_like=True, frozen=True):
    """One pool in a sample: who waits there now; clients that were matched, and seconds that these had waited."""

    pool: str
    waiting: int
    matched: int
    waited_s: float


class Sample(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """How an instance does at one time. What is counted is counted since its start.

    Attributes:
        at: Seconds since 1970.
        clients: That are connected.
        away: Sessions without a connection.
        waiting: Clients that wait.
        rooms: With a client of this instance.
        matched: Clients that were matched.
        waited_s: Seconds that these had waited.
        connected: Calls that connected, as clients tell.
        failed: Those that did not.
        errors: Messages about mistakes to clients.
        reports: Of clients about each other.
        lag_s: How late the event loop was at worst since the sample before.
        pools: The same by pool.
    """

    at: float
    clients: int
    away: int
    waiting: int
    rooms: int
    matched: int
    waited_s: float
    connected: int
    failed: int
    errors: int
    reports: int
    lag_s: float
    pools: tuple[PoolSample, ...] = ()


FIELDS: Final = Sample.__struct_fields__
"""What stands where in a sample."""


class Hour(PeriodicService):
    """Takes samples of one instance.

    Args:
        clock: Takes one now and then.
        connected: Gives how many clients are connected.
        away: Gives how many sessions have no connection.
        broker: Knows who waits.
        counts: What has happened.
        lag: Of the event loop.
        unix_time: Seconds since 1970.
    """

    def __init__(
        self,
        clock: IReactorTime,
        *,
        connected: Callable[[], int],
        away: Callable[[], int],
        broker: Broker,
        counts: Counts,
        lag: LoopLag,
        unix_time: Callable[[], float],
    ) -> None:
        super().__init__(clock, SAMPLED_S, "the sample for the console")
        self._connected = connected
        self._away = away
        self._broker = broker
        self._counts = counts
        self._lag = lag
        self._unix_time = unix_time
        self._kept: deque[Sample] = deque(maxlen=SAMPLES_KEPT)
        self._told = tuple(counts.waits)[: POOLS_TOLD - 1]

    def now(self) -> Sample:
        """How it does now."""
        counts = self._counts
        calls = {"connected": 0, "failed": 0, "untried": 0}
        for (result, _, _), number in counts.outcomes.calls.items():
            calls[result] += number
        return Sample(
            at=round(self._unix_time(), 1),
            clients=self._connected(),
            away=self._away(),
            waiting=self._broker.waiting,
            rooms=self._broker.rooms,
            matched=sum(sum(waits.buckets) for waits in counts.waits.values()),
            waited_s=round(sum(waits.total for waits in counts.waits.values()), 2),
            connected=calls["connected"],
            failed=calls["failed"],
            errors=sum(counts.errors.values()),
            reports=counts.reports,
            lag_s=round(self._lag.peak, 4),
            pools=self._pools(),
        )

    def samples(self) -> list[Sample]:
        """Those of the last hour, the oldest first, and how it does now."""
        return [*self._kept, self.now()]

    def _pools(self) -> tuple[PoolSample, ...]:
        told: dict[str, list[float]] = {}
        for pool, waits in self._counts.waits.items():
            numbers = told.setdefault(self._name(pool), [0, 0, 0.0])
            numbers[1] += sum(waits.buckets)
            numbers[2] += waits.total
        for pool, tickets in self._broker.crowds().tickets.items():
            told[self._name(self._counts.pool(pool))][0] += tickets
        return tuple(
            PoolSample(pool, int(waiting), int(matched), round(waited_s, 2))
            for pool, (waiting, matched, waited_s) in told.items()
        )

    def _name(self, pool: str) -> str:
        return pool if pool in self._told else OTHER_POOLS

    def _beat(self) -> None:
        self._kept.append(self.now())
        self._lag.forget_peak()

"""Ends what takes too long: handshakes that are never finished, pages that are not taken, closings without an answer.

One sweep a second serves all; a client costs no timer of its own.
"""

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from signald.periodic import PeriodicService
from signald.telemetry.counts import Counts, Drop

SWEEP_S = 1.0
"""Seconds between two sweeps: a deadline is kept to within this."""


class Overdue(Protocol):
    """Can be ended when its time is over."""

    def drop(self) -> None:
        """Abort the transport; called once, when the time is over."""
        ...


class Deadlines(PeriodicService):
    """Drops whatever is not done within one common time.

    Args:
        clock: Tells the time and calls the sweep.
        seconds: How long each may take.
        counts: Where to count what took longer.
        why: What to count it as; None if it is no fault.
        running: Seconds for which this process has not stood still; see `signald.telemetry.lag`.

    Attributes:
        due: When the time of each is over, the oldest first; for others to look at.
    """

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, seconds: float, counts: Counts, why: Drop | None, running: Callable[[], float]
    ) -> None:
        super().__init__(clock, SWEEP_S, "the sweep of deadlines")
        self._running = running
        self._counts = counts
        self._why = why
        self._seconds = seconds
        self.due: OrderedDict[Overdue, float] = OrderedDict()

    def begin(self, what: Overdue) -> None:
        """Start the time of `what` now."""
        self.due[what] = self._running() + self._seconds

    def done(self, what: Overdue) -> bool:
        """Stop watching `what`: it was done in time; gives whether it was watched."""
        return self.due.pop(what, None) is not None

    def oldest_s(self) -> float:
        """For how many seconds the oldest has been watched; 0 if there is none."""
        due = next(iter(self.due.values()), None)
        return 0.0 if due is None else self._running() + self._seconds - due

    def drop_oldest(self) -> None:
        """Drop what has taken longest so far."""
        if self._why is not None:
            self._counts.drops[Drop.CROWDED] += 1
        self._drop(list(islice(self.due, 1)))

    def expire(self) -> None:
        """Drop everything that is not done yet, now."""
        self._drop(list(self.due))

    def _beat(self) -> None:
        now = self._running()
        overdue = []
        for what, due in self.due.items():
            if due > now:
                break
            overdue.append(what)
        if self._why is not None:
            self._counts.drops[self._why] += len(overdue)
        self._drop(overdue)

    def _drop(self, overdue: list[Overdue]) -> None:
        for what in overdue:
            del self.due[what]
            try:
                what.drop()
            except Exception:
                self._log.failure("could not drop what was overdue")

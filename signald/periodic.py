"""Calls something over and over, or ends things in time: the timers of everything that looks, sweeps, beats or waits.

A body that fails once must not end for the life of the process, in silence, what it was there for. So a failure is
logged, and the body runs again at the next beat. Nothing else here makes a `LoopingCall`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")

LOGGED_S: Final = 60.0
"""Between two failures of one timer that are logged: what fails five times a second is to fill no disk."""


class Periodic:
    """Calls a body at each beat, whatever became of the last call.

    Beats that pass while a body takes its time are left out: never two bodies at once, and no burst afterwards.

    Args:
        clock: Tells the time and calls the beats.
        interval_s: Seconds from one beat to the next.
        body: What to call. It may give a Deferred or a coroutine; no beat comes until that is done.
        name: What the log calls it, as in "the heartbeat".
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, interval_s: float, body: Callable[[], object], name: str) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._body = body
        self._name = name
        self._failures = 0
        self._logged_at = float("-inf")
        self._calls = LoopingCall(self._call)
        self._calls.clock = clock

    @property
    def running(self) -> bool:
        """Whether there will be another beat."""
        return self._calls.running

    def start(self, *, now: bool = False) -> None:
        """Begin to beat.

        Args:
            now: Whether the first beat comes at once; else after an interval.
        """
        self._calls.start(self._interval_s, now=now)

    def stop(self) -> None:
        """Beat no more. Harmless when it does not run; a body that takes its time goes on to its end."""
        if self._calls.running:
            self._calls.stop()

    def _call(self) -> "Deferred[object]":
        return maybeDeferred(self._body).addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        self._failures += 1
        now = self._clock.seconds()
        if now - self._logged_at >= LOGGED_S:
            self._log.failure(
                "{name} failed, and goes on ({failures} times in all)",
                failure,
                name=self._name,
                failures=self._failures,
            )
            self._logged_at = now


class Countdown(Generic[T]):
    """Ends each of many things after the same time, to the moment, with one timer for all of them.

    Args:
        clock: Tells the time and calls.
        seconds: How long each has.
        over: Called with one whose time is over; it counts no more.
        name: What the log calls it, as in "the heartbeat".
        now: The time that they have, if it may pass more slowly than the clock's.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        over: Callable[[T], None],
        name: str,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._now = clock.seconds if now is None else now
        self.seconds = seconds
        self._over = over
        self._name = name
        self._until: OrderedDict[T, float] = OrderedDict()
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._until)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._until))

    def __contains__(self, what: T) -> bool:
        return what in self._until

    def begin(self, what: T) -> None:
        """The time of `what` begins, or begins anew."""
        self._until.pop(what, None)
        self._until[what] = self._now() + self.seconds
        self._schedule()

    def end(self, what: T) -> bool:
        """It counts no more; gives whether it did."""
        return self._until.pop(what, None) is not None

    def spent(self, what: T) -> float | None:
        """How long it has counted, in seconds; None if it does not."""
        until = self._until.get(what)
        return None if until is None else self.seconds - (until - self._now())

    def stop(self) -> None:
        """End nothing any more."""
        self._until.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        if self._timer is None and self._until:
            first = next(iter(self._until.values()))
            self._timer = self._clock.callLater(max(0.0, first - self._now()), self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._now()
        while self._until:
            what, until = next(iter(self._until.items()))
            if until > now:
                break
            del self._until[what]
            try:
                self._over(what)
            except Exception:
                self._log.failure("{name} could not end one", name=self._name)
        self._schedule()


class PeriodicService(Service):
    """A service that does one thing over and over, from its start to its stop: `_beat`, which its children define.

    Args:
        clock: Tells the time and calls the beats.
        interval_s: Seconds from one beat to the next.
        name: What the log calls it.
        at_once: Whether the first beat comes with the start; else after an interval.
    """

    def __init__(self, clock: IReactorTime, interval_s: float, name: str, *, at_once: bool = False) -> None:
        self._clock = clock
        self._beats = Periodic(clock, interval_s, self._beat, name)
        self._at_once = at_once

    def startService(self) -> None:
        """Begin to beat."""
        super().startService()
        self._beats.start(now=self._at_once)

    def stopService(self) -> Any:
        """Beat no more."""
        stopped = super().stopService()
        self._beats.stop()
        return stopped

    def _beat(self) -> object:
        raise NotImplementedError

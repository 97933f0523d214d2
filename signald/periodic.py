"""Calls something over and over: the one timer of everything here that looks, sweeps or beats.

A body that fails once must not end for the life of the process, in silence, what it was there for. So a failure is
logged, and the body runs again at the next beat. Nothing else here makes a `LoopingCall`.
"""

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

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

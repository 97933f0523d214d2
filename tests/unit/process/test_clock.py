"""The reactor's clock is one that nobody sets, or the log says that it is not."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from twisted.application.reactors import getReactorTypes
from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from signald.process.clock import measure_steadily
from tests.support.waiting import PATIENCE_S

YEARS_S = 1.8e9
"""How far the wall clock is from the monotonic one, about."""


class Reactor(Clock):
    """A reactor in memory whose clock can be replaced, as Twisted's: timers are set and run by `seconds`."""

    def seconds(self) -> float:
        """The wall clock."""
        return YEARS_S + self.rightNow

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> DelayedCall:
        """See `IReactorTime.callLater`."""
        call = super().callLater(delay, callable, *args, **kw)
        assert isinstance(call, DelayedCall)
        return call

    def iterate(self, delay: float = 0.0) -> None:
        """See `IReactorCore.iterate`."""
        self.advance(0)


class SetByAnother(Reactor):
    """Sets timers by the wall clock, whatever its `seconds` is."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> DelayedCall:
        """See `IReactorTime.callLater`."""
        call = super().callLater(delay, callable, *args, **kw)
        call.time = YEARS_S + delay
        return call


class RunByAnother(Reactor):
    """Runs timers by the wall clock, whatever its `seconds` is: too early."""

    def iterate(self, delay: float = 0.0) -> None:
        """See `IReactorCore.iterate`."""
        kept, self.seconds = self.seconds, lambda: YEARS_S  # type: ignore[method-assign]
        self.advance(0)
        self.seconds = kept  # type: ignore[method-assign]


class RunsNothing(Reactor):
    """Never looks at its timers."""

    def iterate(self, delay: float = 0.0) -> None:
        """See `IReactorCore.iterate`."""


class Fixed(Reactor):
    """Does not let its clock be replaced."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        if name == "seconds":
            raise AttributeError("its clock is fixed")
        super().__setattr__(name, value)


def said(reactor: Any) -> str:
    """What the log says of this reactor."""
    events: list[Any] = []
    observer: Any = events.append
    globalLogPublisher.addObserver(observer)
    try:
        measure_steadily(reactor)
    finally:
        globalLogPublisher.removeObserver(observer)
    return " ".join(event["why"] for event in events)


def test_timers_go_by_the_monotonic_clock() -> None:
    """A wall clock that is set back stops every timer, and with them pings, leases and the watchdog."""
    reactor = Reactor()
    assert said(reactor) == ""
    assert reactor.seconds is time.monotonic
    assert reactor.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (SetByAnother, "set by another clock"),
        (RunByAnother, "comes too early"),
        (RunsNothing, "does not come"),
        (Fixed, "its clock is fixed"),
    ],
)
def test_a_reactor_that_does_not_obey_is_noticed(kind: type[Reactor], why: str) -> None:
    """A new Twisted that ignores the clock makes timers stand still, or spin, and nobody learns of it before."""
    reactor = kind()
    assert why in said(reactor)
    assert reactor.seconds() == YEARS_S
    assert reactor.getDelayedCalls() == []


def test_what_is_scheduled_already_keeps_its_clock() -> None:
    """The timers of a program that embeds signald never come, or all at once."""
    reactor = Reactor()
    timer = reactor.callLater(5, lambda: None)
    assert "before signald" in said(reactor)
    assert reactor.seconds() == YEARS_S
    assert timer.getTime() == YEARS_S + 5


STEPPED = """
import sys, time
from twisted.python import runtime
ahead_s, ticks = 0, []
runtime.seconds = lambda: time.time() + ahead_s  # what the reactor takes for its clock, if nobody gives it another
from twisted.application.reactors import installReactor
try:
    reactor = installReactor(sys.argv[1])
except Exception:
    sys.exit("not on this machine")
from signald.process.clock import measure_steadily
measure_steadily(reactor)
def tick():
    global ahead_s
    ticks.append(time.monotonic())
    reactor.callLater(0.05, tick) if len(ticks) < 5 else reactor.stop()
    ahead_s = 3600 if len(ticks) % 2 else -3600
reactor.callWhenRunning(tick)
reactor.run()
assert all(later - earlier >= 0.05 for earlier, later in zip(ticks, ticks[1:])), ticks
"""


def test_every_reactor_obeys() -> None:
    """With `twistd --reactor=...` the daemon stands still when the clock is set back."""
    obeyed = set()
    for kind in getReactorTypes():
        command = [sys.executable, "-c", STEPPED, kind.shortName]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        if "not on this machine" not in done.stderr:
            assert done.returncode == 0, (kind.shortName, done.stderr)
            obeyed.add(kind.shortName)
    assert {"asyncio", "default", "poll", "select"} <= obeyed

"""Lets the reactor measure durations by a clock that nobody sets.

Twisted's own is the wall clock (`twisted.python.runtime.seconds`). When that is set back, by NTP, `date` or a machine
that is resumed, every timer stands still until the old time is reached again; when it is set forward, all are due at
once. What `IReactorTime.seconds` counts from is left open by its documentation, and a reactor asks its own attribute
`seconds` for all that it does about time, so another clock may take its place before the first timer is set.

The clock is CLOCK_MONOTONIC: it stands still while the machine is suspended, so durations are those in which the
process could have done something. See docs/operations.md, "The clock".
"""

import time
from typing import Any, Final

from twisted.logger import Logger

_FAR_S: Final = 3600.0
"""A timer that is not due while it is looked at."""

_NEAR_S: Final = 60.0
"""Two clocks that differ by less tell the same time, for all that can be seen in a moment."""

_log = Logger()


def measure_steadily(reactor: Any) -> None:
    """Give the reactor the monotonic clock, and see that all its timers go by it.

    To be called before anything is scheduled. If that is too late, or this Twisted does not let its clock be replaced,
    the reactor stays as it is and the log says so.
    """
    why = _replace_clock(reactor)
    if why:
        _log.error("timers go by the wall clock, and will be wrong when it is set: {why}", why=why)


def _replace_clock(reactor: Any) -> str:
    """Empty if it was replaced, else why not."""
    if reactor.seconds is time.monotonic:
        return ""
    if reactor.getDelayedCalls():
        return "something was scheduled before signald"
    before = reactor.seconds
    try:
        reactor.seconds = time.monotonic
    except AttributeError as error:
        return str(error)
    why = _disobedience(reactor)
    if why:
        reactor.seconds = before
    return why


def _disobedience(reactor: Any) -> str:
    """How the reactor's timers differ from its clock; empty if they do not."""
    far = reactor.callLater(_FAR_S, lambda: None)
    near = reactor.callLater(0, lambda: None)
    try:
        if abs(far.getTime() - _FAR_S - time.monotonic()) > _NEAR_S:
            return "a timer of this reactor is set by another clock"
        reactor.iterate(0)
        if not far.active():
            return "a timer of this reactor comes too early"
        if near.active():
            return "a timer of this reactor does not come"
        return ""
    finally:
        for call in (far, near):
            if call.active():
                call.cancel()

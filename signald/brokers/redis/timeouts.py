"""Gives up what is not answered in time, with one timer for all of it.

`Deferred.addTimeout` makes a timer for each call and takes it back: an eighth of what a call of the store costs.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred


class Timeouts:
    """Watches calls until they are answered.

    Args:
        clock: For the timer.
        late: Called with each call that is late, and the seconds that it had.
    """

    def __init__(self, clock: Any, late: Callable[["Deferred[Any]", float], None]) -> None:
        self._clock = clock
        self._late = late
        self._watched: deque[tuple[Deferred[Any], float, float]] = deque()
        self._overdue: deque[tuple[Deferred[Any], float, float]] = deque()
        self._timer: Any = None
        self._due = 0.0

    def watch(self, called: "Deferred[Any]", within_s: float) -> None:
        """Watch a call that has so many seconds from now on."""
        watched = self._watched
        while watched and watched[0][0].called:
            watched.popleft()
        until = self._clock.seconds() + within_s
        watched.append((called, until, within_s))
        if self._timer is None or until < self._due:
            self._look_at(until, within_s)

    def stop(self) -> None:
        """Watch nothing any more."""
        self._watched.clear()
        self._overdue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at(self, due: float, in_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = due, self._clock.callLater(in_s, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        waiting = [entry for entry in self._watched if not entry[0].called]
        self._watched = deque(entry for entry in waiting if entry[1] > now)
        self._overdue = deque(entry for entry in waiting if entry[1] <= now)
        if self._watched:
            due = min(until for _, until, _ in self._watched)
            self._look_at(due, due - now)
        while self._overdue:  # until one of them ends it all
            called, _, within_s = self._overdue.popleft()
            if not called.called:
                self._late(called, within_s)

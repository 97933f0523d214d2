"""Measures how late the event loop is."""

from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

LAG_S: Final = 0.5
"""Between two looks at how late the event loop is."""


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

"""Measures how late the event loop is."""

from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.periodic import PeriodicService

LAG_S: Final = 0.5
"""Seconds between two looks at how late the event loop is."""


class LoopLag(PeriodicService):
    """Measures how late timed calls are: how long a client's message may wait behind other work.

    Args:
        clock: Runs the timed calls.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(clock, LAG_S, "the look at the loop's lag")
        self._due = 0.0
        self._worst = 0.0

    def startService(self) -> None:
        """Begin to look."""
        self._due = self._clock.seconds() + LAG_S
        super().startService()

    def worst(self) -> float:
        """The worst delay in seconds since this was last asked."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _beat(self) -> None:
        now = self._clock.seconds()
        self._worst = max(self._worst, now - self._due)
        self._due = now + LAG_S

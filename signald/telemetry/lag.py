"""Measures how late the event loop is, and for how long it stood still.

A process that is stopped, swapped out or busy hears nobody meanwhile. That is not its clients' fault: what they have
said has come all the same, and what they would have answered has not. Who measures them asks here how much time was
lost.
"""

from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.periodic import PeriodicService

LAG_S: Final = 0.5
"""Seconds between two looks at how late the event loop is."""

PAUSE_S: Final = 1.0
"""What is longer between two looks is a pause. A second at once is what the limits on messages allow anyway."""


class LoopLag(PeriodicService):
    """Measures how late timed calls are: how long a client's message may wait behind other work.

    Args:
        clock: Runs the timed calls.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(clock, LAG_S, "the look at the loop's lag")
        self._looked_at = 0.0
        self._latest = 0.0
        self._worst = 0.0
        self.peak = 0.0
        """The worst delay in seconds since `forget_peak`."""
        self._lost_s = 0.0

    def startService(self) -> None:
        """Begin to look."""
        self._looked_at = self._clock.seconds()
        super().startService()

    def latest(self) -> float:
        """The delay in seconds of the last look."""
        return self._latest

    def worst(self) -> float:
        """The worst delay in seconds since this was last asked."""
        worst, self._worst = self._worst, 0.0
        return worst

    def forget_peak(self) -> None:
        """Let `peak` begin anew."""
        self.peak = 0.0

    def lost_s(self, now: float) -> float:
        """Seconds for which the loop has stood still until now, in all pauses beyond the first PAUSE_S of each.

        A pause counts while it is still going on: who asks may be the first to run after it.
        """
        pause_s = now - self._looked_at - PAUSE_S
        return self._lost_s + pause_s if pause_s > 0.0 and self.running else self._lost_s

    def running_s(self) -> float:
        """The time without those: it passes only while the loop could have heard somebody."""
        now = self._clock.seconds()
        pause_s = now - self._looked_at - PAUSE_S
        return now - self._lost_s if pause_s <= 0.0 else now - self.lost_s(now)

    def _beat(self) -> None:
        now = self._clock.seconds()
        lost_s = self.lost_s(now)
        self._latest = now - self._looked_at - LAG_S
        self._worst = max(self._worst, self._latest)
        self.peak = max(self.peak, self._latest)
        self._looked_at, self._lost_s = now, lost_s

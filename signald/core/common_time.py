"""The time of day that all instances agree about, though the clocks of their machines differ, and are set."""

from collections.abc import Callable


class CommonTime:
    """Seconds since 1970, as the store has them; until it has said so, as this machine had them at the start.

    In between it goes on evenly: a clock of the machine that is set does not move it.

    Args:
        now: Seconds, monotonic.
        unix_time: Seconds since 1970, now, by the machine's clock.
    """

    __slots__ = ("_began_at", "_now")

    def __init__(self, now: Callable[[], float], unix_time: float) -> None:
        self._now = now
        self._began_at = unix_time - now()

    def __call__(self) -> float:
        """It is now."""
        return self._began_at + self._now()

    def learn(self, unix_time: float, asked_at: float, answered_at: float) -> float:
        """The store was asked for the time.

        Args:
            unix_time: What it said.
            asked_at: When it was asked, by `now`.
            answered_at: When the answer was here.

        Returns:
            By how much the time was corrected: 0 if what was taken for it fits the answer.
        """
        first, last = unix_time - answered_at, unix_time - asked_at
        if first <= self._began_at <= last:
            return 0.0
        correction = (first + last) / 2 - self._began_at
        self._began_at += correction
        return correction

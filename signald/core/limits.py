"""Limits on what clients may do."""

from enum import StrEnum


class MessageRate:
    """A token bucket: a burst of one second's worth, refilled evenly.

    Args:
        per_second: Messages per second, at least 1; also the size of the burst.
        now: Seconds, monotonic.
    """

    __slots__ = ("_at", "_per_second", "_tokens")

    def __init__(self, per_second: int, now: float) -> None:
        self._per_second = per_second
        self._tokens = float(per_second)
        self._at = now

    def allows(self, now: float) -> bool:
        """Take one token for a message that came at `now` (seconds, monotonic); false if there is none."""
        tokens = self._tokens + (now - self._at) * self._per_second
        self._at = now
        if tokens > self._per_second:
            tokens = float(self._per_second)
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True


class Overflow(StrEnum):
    """What happens when a user has one connection too many."""

    REFUSE = "refuse"
    REPLACE = "replace"

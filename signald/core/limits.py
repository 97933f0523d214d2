"""Limits what a client, a user or an address may use."""

from collections.abc import Hashable
from enum import StrEnum

MINUTE_S = 60.0

FREE_AT_ONCE = 10
"""Dear messages of one client that cost no more than others: whoever holds a button down, or comes back and says all
again."""

FREE_PER_SECOND = 2
"""The same in each second from then on; nobody looks at people faster."""

AT_ONCE_S = 1.0 + 1e-6
"""Of what one client may send: what it may send at once. Shares of a second add up to one but for their rounding."""


class MessageRate:
    """Limits messages to so many in a second, of which a whole second's worth may come at once.

    That is the generic cell rate algorithm (ITU-T I.371): each message takes an even share of a second, one after the
    other, and none is allowed whose share would end more than a second from now.

    Args:
        per_second: Messages per second, at least 1.
        now: Seconds, monotonic.
        lost_s: How long this process has stood still so far; seconds.
    """

    __slots__ = ("_free", "_free_at", "_lost_s", "_per_second", "_saved", "_taken_until")

    def __init__(self, per_second: int, now: float, lost_s: float = 0.0) -> None:
        self._per_second = per_second
        self._taken_until = now
        self._free: float = FREE_AT_ONCE
        self._free_at = now
        self._saved = 0.0
        self._lost_s = lost_s

    def allows(self, now: float) -> bool:
        """Take the next share for a message that came at `now` (seconds, monotonic); false if there is none."""
        until = self._taken_until
        if until < now:
            until = now
        until += 1.0 / self._per_second
        if until > now + AT_ONCE_S:
            return False
        self._taken_until = until
        return True

    def excuses(self, lost_s: float) -> bool:
        """Take a message that there was no share for if it may have waited while this process stood still.

        What nobody could take in a pause was saved: no client is allowed more in all than in any other time.

        Args:
            lost_s: How long this process has stood still so far, in pauses beyond their first second.
        """
        self._saved += (lost_s - self._lost_s) * self._per_second
        self._lost_s = lost_s
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True

    def charge(self, price: float, now: float) -> None:
        """Let a message that was taken cost more than one share: later ones wait for the rest.

        The first FREE_AT_ONCE cost nothing more, nor do FREE_PER_SECOND later.
        """
        free = self._free + (now - self._free_at) * FREE_PER_SECOND
        self._free_at = now
        if free > FREE_AT_ONCE:
            free = FREE_AT_ONCE
        if free >= 1.0:
            self._free = free - 1.0
        else:
            self._free = free
            self._taken_until += (price - 1.0) / self._per_second


class Overflow(StrEnum):
    """Says what happens when a user has one connection too many."""

    REFUSE = "refuse"
    REPLACE = "replace"


class Window:
    """Limits how often each key comes in a span of time. Spans are the same for all keys, and then all are forgotten.

    Args:
        limit: How often in a span; 0 allows everything.
        span_s: Seconds.
    """

    def __init__(self, limit: int, span_s: float) -> None:
        self.limit = limit
        self._span_s = span_s
        self._ends = 0.0
        self._counts: dict[Hashable, int] = {}

    def has_room(self, key: Hashable, now: float) -> bool:
        """Whether one more would be allowed; it is not counted."""
        return not self.limit or now >= self._ends or self._counts.get(key, 0) < self.limit

    def allows(self, key: Hashable, now: float) -> bool:
        """Count one; false if it is one too many."""
        if not self.limit:
            return True
        if now >= self._ends:
            self._ends = now + self._span_s
            self._counts.clear()
        count = self._counts[key] = self._counts.get(key, 0) + 1
        return count <= self.limit


class Skips:
    """Says how long whoever leaves many partners has to wait for the next; a minute's worth may be left at once.

    Args:
        per_minute: Partners that one client may leave; 0 never makes it wait.
    """

    def __init__(self, per_minute: int) -> None:
        self.limited = per_minute > 0
        """Whether anybody ever has to wait."""
        self._interval_s = MINUTE_S / per_minute if per_minute else 0.0
        self._paid: dict[Hashable, float] = {}

    def left(self, key: Hashable, now: float) -> None:
        """Note that somebody left a partner."""
        if self.limited:
            self._paid[key] = max(self._paid.get(key, now), now) + self._interval_s

    def wait(self, key: Hashable, now: float) -> float:
        """Seconds until somebody may have the next partner."""
        return max(0.0, self._paid.get(key, now) - now - MINUTE_S)

    def sweep(self, now: float) -> None:
        """Forget all who need not wait any more."""
        self._paid = {key: paid for key, paid in self._paid.items() if paid > now}

    def forget(self, key: Hashable) -> None:
        """Forget somebody who is gone."""
        self._paid.pop(key, None)

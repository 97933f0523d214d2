"""Counts values in buckets, as Prometheus has them."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts values in buckets.

    Args:
        bounds: Upper bounds of the buckets, ascending; whatever is above the last has a bucket of its own.
    """

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one more, seconds where it is a time."""
        self.total += value
        self.buckets[bisect_left(self.bounds, value)] += 1

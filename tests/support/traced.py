"""How much memory something keeps that gives all of it back."""

import tracemalloc
from collections.abc import Callable


def kept(work: Callable[[], object], times: int) -> int:
    """Bytes of Python's memory that are in use after so many calls and were not before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            work()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

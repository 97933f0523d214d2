"""Tunes the garbage collector for many objects that live long."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_OLDEST: Final = 2
"""The generation that a full garbage collection looks at."""


@contextmanager
def nothing_to_collect() -> Iterator[None]:
    """Loads modules without looking for garbage among them, then or later: a fifth of the CPU of a start.

    They live as long as the process. Of 74,000 objects 1,400 are garbage; they stay until `LongLived` looks at all.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class LongLived:
    """Takes what has survived a full garbage collection out of the next ones.

    Looking at everything stops the daemon for 40 ms with 10,000 clients, each time that some thousands have come and
    gone. So collections look at new objects only, and come more often. What lives long, above all a client, mostly goes
    by its reference count; only when old objects have become more may there be garbage among them, and everything is
    looked at.
    """

    THRESHOLDS: Final = (700, 10, 2)
    """See `gc.set_threshold`: a full collection after 20,000 new objects, or 2,500 clients."""

    GROWTH: Final = 1.25
    """By what factor old objects grow from one look at everything to the next; the same as Python's own."""

    def __init__(self) -> None:
        self._old = 0
        self._at_everything = True

    def start(self) -> None:
        """Begin; call this when all modules are loaded, as those live as long as the process."""
        gc.callbacks.append(self._collected)
        gc.set_threshold(*self.THRESHOLDS)
        gc.collect()

    def _collected(self, phase: str, info: Mapping[str, int]) -> None:
        if phase != "stop" or info["generation"] != _OLDEST:
            return
        gc.freeze()
        old = gc.get_freeze_count()
        if self._at_everything:
            self._old = old
            self._at_everything = False
        elif old > self._old * self.GROWTH:
            gc.unfreeze()
            self._at_everything = True

"""Tunes the garbage collector for many objects that live long."""

import gc
from collections.abc import Mapping
from typing import Final

_OLDEST: Final = 2
"""The generation that a full garbage collection is of."""


class LongLived:
    """Takes what has survived a full garbage collection out of the next ones.

    Looking at everything stops the daemon for 40 ms with 10,000 clients, each time that some thousands have come and
    gone. So it looks at what is new only, and the more often. What lives long, above all a client, mostly goes by its
    reference count; only if old objects become more there may be garbage among them, and everything is looked at.
    """

    THRESHOLDS: Final = (700, 10, 2)
    """See `gc.set_threshold`: a full collection after 20,000 new objects, or 2,500 clients."""

    GROWTH: Final = 1.25
    """How many times as many old objects as after the last look at everything make the next one; as Python's own."""

    def __init__(self) -> None:
        self._old = 0
        self._at_everything = True

    def start(self) -> None:
        """To be called when all modules are loaded, which live as long as the process."""
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

"""Ends a process that was told to end and does not, whatever holds it up."""

import os
import threading
from collections.abc import Callable

from twisted.logger import Logger


class LastResort:
    """Ends the process with status 0, as it was told, when its time is over.

    Args:
        flush: Writes what is still to be logged, in bounded time.
    """

    _log = Logger()

    def __init__(self, flush: Callable[[], None] = lambda: None) -> None:
        self._flush = flush
        self._turn = 0

    def in_at_most(self, seconds: float) -> None:
        """End in so many seconds, and no more at the time that was said before."""
        self._turn += 1
        timer = threading.Timer(seconds, self._end, (self._turn, seconds))
        timer.daemon = True
        timer.start()

    def _end(self, turn: int, seconds: float) -> None:
        if turn == self._turn:
            self._log.error("not everything ended within {seconds} s: this process is cut off", seconds=seconds)
            self._flush()
            os._exit(0)

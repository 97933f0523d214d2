"""Watches whether workers answer: one whose event loop stands still serves nobody, but the kernel gives it clients."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.periodic import PeriodicService

SIGN_S: Final = 1.0
"""Seconds between two signs of life of a worker, and between two looks at who gave none."""

SILENT_S: Final = 10.0
"""Seconds without a sign of life after which a worker counts as hung; a pause of its garbage collector is below one."""

START_WITHIN_S: Final = 60.0
"""Seconds until the first sign of life, on a machine that is busy."""


class Attention(PeriodicService):
    """Notices workers that do not answer any more.

    Args:
        clock: Tells the time.
        hung: Called with the number of a worker that is silent, once.
    """

    def __init__(self, clock: IReactorTime, hung: Callable[[int], None]) -> None:
        super().__init__(clock, SIGN_S, "the look at the workers")
        self._hung = hung
        self._due: dict[int, float] = {}
        self._silent: set[int] = set()
        self._looked_at = clock.seconds()

    def begin(self, number: int) -> None:
        """Expect signs of life of a worker that was started."""
        self._due[number] = self._clock.seconds() + START_WITHIN_S

    def hear(self, number: int) -> None:
        """Take note of a sign of life."""
        if number in self._due:
            self._due[number] = self._clock.seconds() + SILENT_S

    def end(self, number: int) -> None:
        """Expect nothing more of a worker: it has ended."""
        self._due.pop(number, None)
        self._silent.discard(number)

    def all_answer(self) -> bool:
        """Whether there is no worker that is silent and still there."""
        return not self._silent

    def _beat(self) -> None:
        now = self._clock.seconds()
        paused_s, self._looked_at = now - self._looked_at - SIGN_S, now
        if paused_s > SIGN_S:  # it was this process that stood still: signs of life are still to be read
            self._due = {number: due + paused_s for number, due in self._due.items()}
        for number, due in list(self._due.items()):
            if now > due and number not in self._silent:
                self._silent.add(number)
                self._hung(number)


class SignsOfLife(PeriodicService):
    """Tells the parent, in a worker, that it listens, and from then on that it lives.

    Args:
        clock: Calls the beats.
        pipe: A file descriptor that the parent reads.
    """

    def __init__(self, clock: IReactorTime, pipe: int) -> None:
        super().__init__(clock, SIGN_S, "the signs of life for the parent", at_once=True)
        self._pipe = pipe
        os.set_blocking(pipe, False)

    def _beat(self) -> None:
        with suppress(OSError):  # the parent has not read for hours, or is gone
            os.write(self._pipe, b".")

"""Collects what is sent within one turn of the reactor into one write for each connection, and for each instance.

The reason: a write is a system call, which costs as much as all else that is done for a message; what one poll brings
for one client is often several messages.
"""

from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

_log = Logger()


class Writer(Protocol):
    """Has something to write."""

    def flush(self) -> None:
        """Write it."""
        ...


class Output:
    """Writes for all connections, when a turn is over.

    Args:
        clock: Ends the turn, for what is sent while nobody holds it.

    Attributes:
        held: Whether somebody will call `release` soon.
        waiting: Who has something to write.
    """

    __slots__ = ("_clock", "held", "waiting")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.waiting: list[Writer] = []
        self.held = False

    def add(self, writer: Writer) -> None:
        """Let this connection write when the turn is over."""
        self.waiting.append(writer)
        if not self.held:
            self.held = True
            self._clock.callLater(0, self.release)

    def release(self) -> None:
        """Write everything that was kept, and hold no longer."""
        self.held = False
        self.write()

    def write(self) -> None:
        """Write everything that was kept, and what that brings about."""
        while self.waiting:
            waiting, self.waiting = self.waiting, []
            for writer in waiting:
                try:
                    writer.flush()
                except Exception:  # the others wait for theirs
                    _log.failure("could not write what was kept for a turn's end")

"""Keeps sockets open for a moment that have said their last: who reads them must not be cut off by what it says itself.

To close a socket at once answers the next byte that comes by a reset, at which some systems drop what their program has
not read yet (RFC 2525 2.17). Here stands no more of a connection than its file descriptor: nobody reads it any more.
"""

import os
from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.periodic import PeriodicService

PARTING_S: Final = 1.0
"""Seconds that a client has to read its last message; twice as long at most."""

AT_MOST: Final = 32
"""Sockets that are kept at one time. In a flood most have to do without; the message is one packet, and mostly read."""


class Parting(PeriodicService):
    """Closes them.

    Args:
        clock: Tells the time and calls the sweep.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(clock, PARTING_S, "the wait for last words to be read")
        self._now: list[int] = []
        self._before: list[int] = []  # that were here at the last beat

    def __len__(self) -> int:
        return len(self._now) + len(self._before)

    @property
    def has_room(self) -> bool:
        """Whether another one may be kept."""
        return len(self) < AT_MOST

    def keep(self, descriptor: int) -> None:
        """Keep a file descriptor, and close it in a moment."""
        self._now.append(descriptor)

    def drop_oldest(self) -> None:
        """Close the one that has been here for longest."""
        os.close((self._before or self._now).pop(0))

    def stopService(self) -> None:
        """Close them all."""
        super().stopService()
        self._beat()
        self._beat()

    def _beat(self) -> None:
        for descriptor in self._before:
            os.close(descriptor)
        self._now, self._before = [], self._now

"""Keeps sockets open for a moment that have said their last: who reads them must not be cut off by what it says itself.

To close a socket at once answers the next byte that comes by a reset, at which some systems drop what their program has
not read yet (RFC 2525 2.17). Here stands no more of a connection than its file descriptor: nobody reads it any more.
"""

import os
from collections import deque
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

    Attributes:
        descriptors: What is kept, the oldest first; for others to look at.
    """

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__(clock, PARTING_S, "the wait for last words to be read")
        self.descriptors: deque[int] = deque()
        self._before = 0  # so many of them were here at the last beat

    @property
    def has_room(self) -> bool:
        """Whether another one may be kept."""
        return len(self.descriptors) < AT_MOST

    def keep(self, descriptor: int) -> None:
        """Keep a file descriptor, and close it in a moment."""
        self.descriptors.append(descriptor)

    def drop_oldest(self) -> None:
        """Close the one that has been here for longest."""
        self._before = max(0, self._before - 1)
        os.close(self.descriptors.popleft())

    def stopService(self) -> None:
        """Close them all."""
        super().stopService()
        self._beat()
        self._beat()

    def _beat(self) -> None:
        for _ in range(self._before):
            os.close(self.descriptors.popleft())
        self._before = len(self.descriptors)

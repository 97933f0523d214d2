"""Throttles clients that flood: whoever sends too many useless frames is read from more slowly.

Pings, pongs, fragments and messages above the rate limit cost a moment each, and nothing else bounds how many come.
A client that sends too many is not read from for the rest of the second: TCP holds it up, nothing is lost, and one that
only had a bad moment notices no more than a short delay. Useful messages never come here, and cost nothing.
"""

from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from signald.periodic import PeriodicService
from signald.telemetry.counts import Counts

PER_SECOND = 1000
"""Useless frames of one client in a second, at a cost of 1 to 20 ms of the processor. A browser sends none."""

SECOND_S = 1.0


class Flooder(Protocol):
    """Can be slowed down: a connection."""

    def hold(self) -> None:
        """Stop reading."""
        ...

    def go_on(self) -> None:
        """Read again."""
        ...


class Throttle(PeriodicService):
    """Stops reading from clients that sent too much in this second.

    It counts in whole seconds, for all connections together: a quiet one costs nothing.

    Args:
        clock: Calls the end of each second.
        counts: Where to count what happens.
        max_bytes: Bytes of one client in a second, for those that `read` is told of; 0 for any number.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, counts: Counts, max_bytes: int = 0) -> None:
        super().__init__(clock, SECOND_S, "the watch on floods")
        self.max_bytes = max_bytes
        self._counts = counts
        self._useless: dict[Flooder, int] = {}
        self._bytes: dict[Flooder, int] = {}
        self._held: set[Flooder] = set()

    def stopService(self) -> None:
        """Stop counting, and let everybody go on."""
        super().stopService()
        self._beat()

    def useless(self, who: Flooder) -> None:
        """Count a frame that is of no use to anybody."""
        count = self._useless[who] = self._useless.get(who, 0) + 1
        if count >= PER_SECOND:
            self._hold(who)

    def read(self, who: Flooder, size: int) -> None:
        """Count bytes that were read."""
        left = self._bytes.get(who, self.max_bytes) - size
        self._bytes[who] = left
        if left < 0:
            self._hold(who)

    def forget(self, who: Flooder) -> None:
        """Forget a connection that is held, and is gone or replaced. All others are forgotten with this second."""
        self._held.discard(who)
        self._useless.pop(who, None)
        self._bytes.pop(who, None)

    def _hold(self, who: Flooder) -> None:
        if who not in self._held:
            self._held.add(who)
            self._counts.floods += 1
            who.hold()

    def _beat(self) -> None:
        self._useless.clear()
        # What was read beyond the limit is owed in the next seconds.
        self._bytes = {who: left + self.max_bytes for who, left in self._bytes.items() if left < 0}
        going, self._held = self._held, set()
        for who in going:
            if self._bytes.get(who, 0) < 0:
                self._held.add(who)
                continue
            try:
                who.go_on()
            except Exception:
                self._log.failure("could not go on")

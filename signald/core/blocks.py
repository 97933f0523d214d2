"""Keeps apart people of whom one has blocked the other. Times are in seconds."""

from collections import OrderedDict
from typing import Final

from signald.core.encounters import Party
from signald.core.ids import ClientId

BLOCKS_EACH: Final = 1_000
"""Others whom one user may block; the oldest are forgotten first."""

GUEST_BLOCKS_EACH: Final = 50
"""The same for a guest, whose blocks end with its session."""

MAX_BLOCKS: Final = 100_000
"""Blocks that this process remembers, 30 MB; the oldest are forgotten first."""

GUEST_BLOCK_S: Final = 86_400.0
"""Seconds that a block lasts if one of the two is known by its connection alone: hardly any lasts longer."""


def at_most(by: Party) -> int:
    """How many others somebody may block."""
    return GUEST_BLOCKS_EACH if by.user is None else BLOCKS_EACH


class Blocks:
    """Remembers who has blocked whom. Only whoever blocked can make it forgotten, by blocking many others.

    Args:
        lasting_s: How long a block of one user by another lasts.
    """

    __slots__ = ("_about", "_order", "by", "lasting_s")

    def __init__(self, lasting_s: float) -> None:
        self.lasting_s = lasting_s
        self.by: dict[str, dict[str, None]] = {}
        """Whom each has blocked; empty if nobody has blocked anybody."""
        self._about: dict[str, dict[str, None]] = {}
        self._order: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._order)

    def lasting(self, by: Party, whom: Party) -> float:
        """How long a block between these two lasts, in seconds."""
        guest = by.user is None or whom.user is None
        return min(self.lasting_s, GUEST_BLOCK_S) if guest else self.lasting_s

    def add(self, by: Party, whom: Party, now: float) -> None:
        """Block somebody for somebody, from `now` on (by any clock, the same at each call)."""
        self._forget(now)
        block = one, other = by.names()[0], whom.names()[0]
        self._order.pop(block, None)
        self._order[block] = now + self.lasting(by, whom)
        blocked = self.by.setdefault(one, {})
        blocked.pop(other, None)
        blocked[other] = None
        self._about.setdefault(other, {})[one] = None
        if len(blocked) > at_most(by):
            self._drop((one, next(iter(blocked))))

    def end(self, client: ClientId) -> bool:
        """Forget what is about the connection of a guest that is gone; gives whether it had blocked somebody."""
        if not self.by:
            return False
        (name,) = Party(client).names()
        blocked = list(self.by.get(name, ()))
        for other in blocked:
            self._drop((name, other))
        for one in list(self._about.get(name, ())):
            self._drop((one, name))
        return bool(blocked)

    def holds(self, by: Party, whom: Party) -> bool:
        """Whether one has blocked the other."""
        names = whom.names()
        return any(name in blocked for own in by.names() if (blocked := self.by.get(own)) for name in names)

    def apart(self, one: Party, other: Party) -> bool:
        """Whether either has blocked the other."""
        return bool(self.by) and (self.holds(one, other) or self.holds(other, one))

    def _forget(self, now: float) -> None:
        while self._order:
            block, until = next(iter(self._order.items()))
            if until > now and len(self._order) < MAX_BLOCKS:
                return
            self._drop(block)

    def _drop(self, block: tuple[str, str]) -> None:
        del self._order[block]
        one, other = block
        for table, name, about in ((self.by, one, other), (self._about, other, one)):
            del table[name][about]
            if not table[name]:
                del table[name]

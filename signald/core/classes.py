"""Sorts the tickets of a pool into classes: those of one class are the same to all others, but for who is behind them.

Whether two classes may meet is found out once, when the second of them comes up. There are few classes even if many
wait; those in which nobody waits are remembered, until there is no place for a new one.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from signald.core.line import Line, Stand
from signald.core.wishes import NO_WISH, Side, may_meet

CLASSES_AT_MOST: Final = 1_000
"""Classes of one pool, besides that of those who say nothing: a search looks at each of those that may meet its own,
some 0.3 µs each. Who would be in one more is refused."""

IDLE_KEPT: Final = 8
"""Classes in which nobody waits that a pool remembers, besides as many as there are others: more would be there only
for whoever makes them up, and to find out anew whom one may meet costs little more than to look at all."""


class Class:
    """The tickets of one class.

    Attributes:
        side: What they have in common.
        slot: Where the class stands in its pool.
        meets: Which others of the pool it may meet, itself maybe included: a bit for the slot of each.
        line: All its tickets.
        likes: If they prefer their likes, the tickets by what they like.
    """

    __slots__ = ("likes", "line", "meets", "side", "slot")

    def __init__(self, side: Side, slot: int) -> None:
        self.side = side
        self.slot = slot
        self.meets = 0
        self.line = Line()
        self.likes: dict[str, Line] = {}

    def add_likes(self, stand: Stand) -> None:
        """Another ticket waits, and what it likes is preferred."""
        for like in stand[2].likes:
            line = self.likes.get(like)
            if line is None:
                line = self.likes[like] = Line()
            line.add(stand)

    def remove_likes(self, stand: Stand) -> None:
        """It does so no longer."""
        for like in stand[2].likes:
            if not self.likes[like].remove(stand):
                del self.likes[like]


class Pool:
    """The classes of one pool.

    Args:
        name: As clients call it.
    """

    __slots__ = ("_classes", "_free", "_idle", "_slots", "_standing", "name", "plain", "tickets")

    def __init__(self, name: str) -> None:
        self.name = name
        self.plain = Class(NO_WISH, 0)
        """The class of those who say nothing."""
        self.plain.meets = 1
        self._classes: dict[Side, Class] = {}
        self._slots: list[Class | None] = [self.plain]
        self._free: list[int] = []  # slots without a class
        self._standing = 0  # a bit for each class in which somebody waits
        self._idle: OrderedDict[int, None] = OrderedDict()  # slots in which nobody waits
        self.tickets = 0
        """How many wait."""

    @property
    def classes(self) -> int:
        """In how many classes somebody waits."""
        return self._standing.bit_count()

    def find(self, side: Side) -> Class:
        """The class of a side; if the pool has no place for it, one that stands nowhere and knows whom it may meet."""
        found = self.place_for(side)
        if found is None:
            found = Class(side, len(self._slots))
            others = (other for other in self._slots if other is not None)
            found.meets = sum(1 << other.slot for other in others if may_meet(side, other.side))
        return found

    def place_for(self, side: Side) -> Class | None:
        """The class of a side; None if the pool has no place for it."""
        found = self.plain if side is NO_WISH or side == NO_WISH else self._classes.get(side)
        if found is not None:
            if found.slot in self._idle:  # it is needed: others are to be forgotten before it
                self._idle.move_to_end(found.slot)
            return found
        if not self._free:
            if len(self._slots) <= CLASSES_AT_MOST:
                self._free.append(len(self._slots))
                self._slots.append(None)
            elif self._idle:
                self._forget_one()
            else:
                return None
        slot = self._free.pop()
        found = self._slots[slot] = self._classes[side] = Class(side, slot)
        self._idle[slot] = None
        self._acquaint(found)
        self._forget_idle()
        return found

    def _forget_idle(self) -> None:
        while len(self._idle) > IDLE_KEPT + self.classes:
            self._forget_one()

    def _forget_one(self) -> None:
        """Forget the class in which nobody has waited for longest."""
        slot, _ = self._idle.popitem(last=False)
        gone = self._slots[slot]
        if gone is not None:
            del self._classes[gone.side]
        self._slots[slot] = None
        self._free.append(slot)

    def _acquaint(self, found: Class) -> None:
        """Find out whom a new class may meet."""
        bit = 1 << found.slot
        for other in self._slots:
            if other is None:
                continue
            if may_meet(found.side, other.side):
                found.meets |= 1 << other.slot
                other.meets |= bit
            else:
                other.meets &= ~bit

    def lines(self, of: Class, likes: Sequence[str]) -> list[Line]:
        """The lines in which those stand who may meet somebody of a class who likes this."""
        if of.meets & self._standing == 1:
            return [self.plain.line]  # nobody else is there: the rule where pages ask for nothing
        if not of.side.prefers:
            return [other.line for other in self._standing_in(of.meets)]
        lines = []
        for other in self._standing_in(of.meets):
            if other.side.prefers:
                lines += [other.likes[like] for like in likes if like in other.likes]
            else:
                lines.append(other.line)
        return lines

    def _standing_in(self, slots: int) -> Iterator[Class]:
        """Those classes of these slots in which somebody waits."""
        left = slots & self._standing
        while left:
            lowest = left & -left
            standing = self._slots[lowest.bit_length() - 1]
            if standing is not None:
                yield standing
            left ^= lowest

    def add(self, of: Class, stand: Stand) -> None:
        """Somebody waits in a class of this pool."""
        bit = 1 << of.slot
        if not self._standing & bit:
            self._standing |= bit
            self._idle.pop(of.slot, None)
        of.line.add(stand)
        if of.side.prefers:
            of.add_likes(stand)
        self.tickets += 1

    def remove(self, of: Class, stand: Stand) -> None:
        """Somebody waits there no longer."""
        if of.side.prefers:
            of.remove_likes(stand)
        self.tickets -= 1
        if not of.line.remove(stand):
            self._standing &= ~(1 << of.slot)
            if of is not self.plain:
                self._idle[of.slot] = None
                self._forget_idle()

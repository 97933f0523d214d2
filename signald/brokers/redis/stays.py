"""Remembers where the waiting tickets of one instance stand: their searches, claims, and places in the queue."""

from collections import OrderedDict, deque
from collections.abc import Iterator

import msgspec

from signald.core.ids import ClientId, RoomId
from signald.core.matching import Ticket


class Pending(msgspec.Struct, frozen=True):
    """A claim that was not answered yet."""

    room: RoomId
    instance: str
    partner: ClientId
    deadline: float


class Places:
    """Places in the queue of tickets that were withdrawn for a while.

    Args:
        seconds: How long each is remembered.
    """

    __slots__ = ("_places", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._places: OrderedDict[ClientId, tuple[int, int, float]] = OrderedDict()

    def get(self, ticket: Ticket) -> int | None:
        """The place of a ticket, if it is remembered."""
        number, place, _ = self._places.get(ticket.client, (0, 0, 0.0))
        return place if number == ticket.number else None

    def keep(self, ticket: Ticket, place: int, now: float) -> None:
        """Remember a place."""
        self._places.pop(ticket.client, None)
        self._places[ticket.client] = (ticket.number, place, now + self._seconds)

    def tick(self, now: float) -> None:
        """Time has passed: who did not come back in time is forgotten."""
        while self._places and next(iter(self._places.values()))[2] <= now:
            self._places.popitem(last=False)


class Stay:
    """One waiting ticket of this instance."""

    __slots__ = ("claim", "in_passing", "place", "reached", "seeking", "seeks", "sought_at", "ticket")

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.reached = ""  # how far the last search has come, if it was not to the end
        self.in_passing = False  # whether the search is one of those that are made each second
        self.place: int | None = None
        self.claim: Pending | None = None
        self.seeking = False
        self.sought_at = ticket.since
        self.seeks = 0

    @property
    def may_be_filed(self) -> bool:
        """Whether it may stand in the queue although it was taken out: the store was asked again meanwhile."""
        return self.seeking or self.seeks > 1

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited, of the store or of another instance."""
        return self.seeking or self.claim is not None


class Claims:
    """Claims of waiting tickets at other instances that were not answered yet, by the room that would come of each."""

    __slots__ = ("_deadlines", "_stays")

    def __init__(self) -> None:
        self._stays: dict[RoomId, Stay] = {}
        self._deadlines: deque[Pending] = deque()

    def __iter__(self) -> Iterator[Pending]:
        return iter([stay.claim for stay in self._stays.values() if stay.claim is not None])

    def get(self, room: RoomId) -> Stay | None:
        """Whose claim this is; None if there is no such claim."""
        return self._stays.get(room)

    def begin(self, stay: Stay, claim: Pending) -> None:
        """One who waits claims somebody; deadlines come in the order in which claims are made."""
        stay.claim = claim
        self._stays[claim.room] = stay
        self._deadlines.append(claim)

    def end(self, room: RoomId) -> Stay | None:
        """A claim is answered, or of no use any more; gives whose it was, None if there is no such claim."""
        stay = self._stays.pop(room, None)
        if stay is not None:
            stay.claim = None
        return stay

    def at(self, instance: str) -> list[RoomId]:
        """The rooms of the claims at one instance."""
        return [claim.room for claim in self if claim.instance == instance]

    def overdue(self, now: float) -> Iterator[Pending]:
        """Those that were not answered in time, one after the other."""
        while self._deadlines and self._deadlines[0].deadline <= now:
            claim = self._deadlines.popleft()
            if claim.room in self._stays:
                yield claim

"""Pairs waiting clients, first come, first served: the queue, and the rooms of those who are matched.

This is the reference for every broker. Each operation costs the same however many clients wait or are paired: a queue
in which each newcomer is matched at once can only hold tickets that may not meet each other, which are few: those that
`next` or `block` keeps apart, and those of one user, whose connections the operator may limit.
"""

from collections import OrderedDict
from itertools import takewhile

import msgspec

from signald.core.blocks import Blocks
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId, UserId


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """One stay of one client in the queue.

    Attributes:
        client: Who waits.
        number: Counts the stays of this client; with `client` it names the ticket.
        since: When the client became waiting; seconds, monotonic, of its own instance.
        avoid: The partner that the client left with ``next``, if it was queued by that.
        avoid_until: Seconds; up to then the two are not matched with each other again.
        user: Whose client it is; None if nobody knows.
    """

    client: ClientId
    number: int
    since: float
    avoid: ClientId | None = None
    avoid_until: float = 0.0
    user: UserId | None = None

    def party(self) -> Party:
        """The client that waits, with its user."""
        return Party(self.client, self.user)

    def avoids(self, other: "Ticket", now: float) -> bool:
        """Whether this client should not meet the other one yet."""
        return self.avoid == other.client and now < self.avoid_until


def compatible(one: Ticket, other: Ticket, now: float) -> bool:
    """Whether two tickets may be matched: never a client or a user with itself, no quick rematch after ``next``."""
    if one.client == other.client or (one.user is not None and one.user == other.user):
        return False
    return not one.avoids(other, now) and not other.avoids(one, now)


class Queue:
    """Holds waiting tickets, oldest first, at most one for each client.

    Args:
        blocks: Says who is never matched with whom.
    """

    __slots__ = ("_blocks", "_tickets")

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._tickets: OrderedDict[ClientId, Ticket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, ticket: Ticket) -> bool:
        return self._tickets.get(ticket.client) == ticket

    def oldest(self) -> list[Ticket]:
        """All tickets, in the order in which they will be served."""
        return list(self._tickets.values())

    def add(self, ticket: Ticket) -> None:
        """Put a ticket behind all that wait as long; one of the same client that stands there already is replaced."""
        tickets = self._tickets
        tickets.pop(ticket.client, None)
        # Mostly none: only who was away comes with an old place.
        younger = list(takewhile(lambda other: other.since > ticket.since, reversed(tickets.values())))
        tickets[ticket.client] = ticket
        for other in reversed(younger):
            tickets.move_to_end(other.client)

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a ticket out; false if it does not stand there (any more)."""
        if self._tickets.get(ticket.client) != ticket:
            return False
        del self._tickets[ticket.client]
        return True

    def match(self, ticket: Ticket, now: float) -> Ticket | None:
        """Take out the oldest ticket that is compatible with `ticket`, and `ticket` itself if it stands there.

        Returns:
            The partner's ticket, or None: then nothing has changed.
        """
        blocks = self._blocks
        for other in self._tickets.values():
            if compatible(ticket, other, now) and not (blocks and blocks.apart(ticket.party(), other.party())):
                del self._tickets[other.client]
                self.withdraw(ticket)
                return other
        return None


class Room(msgspec.Struct, frozen=True, gc=False):
    """Holds two matched clients, who are each other's only partner."""

    id: RoomId
    first: ClientId
    second: ClientId

    def partner_of(self, client: ClientId) -> ClientId:
        """The partner of one of the two."""
        return self.second if client == self.first else self.first


class Rooms:
    """Holds all rooms by their id."""

    __slots__ = ("_rooms", "get")

    def __init__(self) -> None:
        self._rooms: dict[RoomId, Room] = {}
        self.get = self._rooms.get
        """The room with an id, or None if it has ended."""

    def __len__(self) -> int:
        return len(self._rooms)

    def open(self, room: Room) -> None:
        """Remember a room."""
        self._rooms[room.id] = room

    def end(self, room: RoomId) -> Room | None:
        """Forget a room; None if it has ended before."""
        return self._rooms.pop(room, None)

"""Pairs waiting clients, the oldest first of those who may meet: the queue.

This is the reference for every broker. Tickets that are the same to others, since they are in one pool and have the
same facts and wants, are one class (`signald.core.classes`). A search goes through the classes that may meet its own,
in order of place: it costs by classes, and not by tickets. Two who are kept apart as persons (one user, a block, a
partner that was just left) are passed over, some at a time, and the search goes on behind them a moment later: so
nothing hides anybody.
"""

from collections.abc import Mapping
from heapq import heapify, heappop, heappush, merge
from typing import Final, NamedTuple

import msgspec

from signald.core.blocks import Blocks
from signald.core.classes import Class, Pool
from signald.core.encounters import Party
from signald.core.ids import BrowserKey, ClientId, UserId
from signald.core.line import Line, Stand
from signald.core.messages import ErrorCode, ProtocolError
from signald.core.wishes import NO_WISH, Side, Wish

CANDIDATES: Final = 32
"""Of so many, the oldest who may be met, one who prefers its likes takes the one who shares most."""

PASSED_OVER: Final = 256
"""Tickets of persons who are kept apart that one step of a search may see: some 0.2 ms."""

GO_ON_S: Final = 0.02
"""Seconds until a search goes on that has seen so many: 10,000 are seen within a second."""

FULL_S: Final = 1.0
"""Seconds until a ticket that binds less by now is tried again, if its pool has no place for its new class."""

STALE_AT_MOST: Final = 1_000
"""Changes of tickets that are gone, besides as many as wait, before they are swept."""


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """One stay of one client in the queue.

    Attributes:
        client: Who waits.
        number: Counts the stays of this client; with `client` it names the ticket.
        since: When the client became waiting; seconds, monotonic, of its own instance.
        avoid: The partners that the client met last, if it left one with ``next``; that one comes first.
        avoid_until: Seconds; up to then they are not matched with each other again, nor with clients of its browser.
        user: Whose client it is; None if nobody knows.
        wish: Whom it wants to meet; None if it is content with whoever comes.
        takes_data: Whether the client knows `data`.
        browser: Where the client runs; None if nobody knows.
    """

    client: ClientId
    number: int
    since: float
    avoid: tuple[ClientId, ...] = ()
    avoid_until: float = 0.0
    user: UserId | None = None
    wish: Wish | None = None
    takes_data: bool = False
    browser: BrowserKey | None = None

    def party(self) -> Party:
        """The client that waits, with its user."""
        return Party(self.client, self.user)

    def avoids(self, other: "Ticket", now: float) -> bool:
        """Whether this client should not meet the other one yet."""
        if now >= self.avoid_until:
            return False
        return other.client in self.avoid or (self.browser is not None and self.browser == other.browser)

    def is_choosy(self, now: float) -> bool:
        """Whether it keeps away from somebody for a while."""
        return now < self.avoid_until and (bool(self.avoid) or self.browser is not None)

    @property
    def pool(self) -> str:
        """Where it waits."""
        return "" if self.wish is None else self.wish.pool

    @property
    def likes(self) -> tuple[str, ...]:
        """What it likes."""
        return () if self.wish is None else self.wish.likes

    def side(self, now: float) -> Side:
        """What of its wish binds now."""
        return NO_WISH if self.wish is None else self.wish.side(self.since, now)

    def next_change(self, now: float) -> float | None:
        """When it may meet somebody more; None if nothing changes by itself."""
        avoids = self.avoid_until if self.is_choosy(now) else None
        relaxes = None if self.wish is None else self.wish.next_change(self.since, now)
        if avoids is None or relaxes is None:
            return relaxes if avoids is None else avoids
        return min(avoids, relaxes)


def compatible(one: Ticket, other: Ticket, now: float) -> bool:
    """Whether two may be matched as persons: never a client or a user with itself, no quick rematch after ``next``.

    Two of one browser meet if nobody else came while the later of them waited that long.
    """
    if one.client == other.client or (one.user is not None and one.user == other.user):
        return False
    if now >= one.avoid_until and now >= other.avoid_until:
        return True
    return not one.avoids(other, now) and not other.avoids(one, now)


CROWDED: Final = ProtocolError(ErrorCode.CROWDED, "too many different wishes in this pool: you do not wait")
"""What a client is told for whose class its pool has no place."""

TOO_MANY: Final = ProtocolError(ErrorCode.CROWDED, "you wait with too many connections already")
"""What a user is told who waits with as many connections as it may."""


class Crowded(Exception):
    """There is no place for a ticket.

    Attributes:
        problem: What its client is told.
    """

    def __init__(self, problem: ProtocolError) -> None:
        super().__init__(problem)
        self.problem = problem


class Crowds(NamedTuple):
    """How many wait.

    Attributes:
        tickets: In each pool where somebody waits.
        classes: In how many classes, of all pools together.
    """

    tickets: Mapping[str, int]
    classes: int


Position = tuple[Stand, Class, Pool]
"""Where a ticket stands: in the lines of its class, which class that is, and in which pool."""


class Queue:
    """Holds waiting tickets, oldest first, at most one for each client.

    Args:
        blocks: Says who is never matched with whom.
        passed_over: See PASSED_OVER.
        per_user: Tickets of one user that stand here at most; 0 for any number.
    """

    __slots__ = (
        "_blocks",
        "_number",
        "_of_user",
        "_passed_over",
        "_per_user",
        "_places",
        "_pools",
        "_reached",
        "_stopped",
        "changes",
    )

    def __init__(self, blocks: Blocks, passed_over: int = PASSED_OVER, per_user: int = 0) -> None:
        self._blocks = blocks
        self._per_user = per_user
        self._of_user: dict[UserId, int] = {}
        self._passed_over = passed_over
        self._places: dict[ClientId, Position] = {}
        self._pools: dict[str, Pool] = {}
        self._number = 0
        self.changes: list[tuple[float, int, ClientId]] = []
        """A heap of when tickets may meet somebody more, with the numbers of their stands: old ones are of nobody."""
        self._reached: dict[ClientId, Stand] = {}  # how far searches came that are to go on
        self._stopped: tuple[Ticket, Stand] | None = None  # the same of the last ticket that does not stand here yet

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, ticket: Ticket) -> bool:
        place = self._places.get(ticket.client)
        return place is not None and place[0][2] == ticket

    def oldest(self) -> list[Ticket]:
        """All tickets, in order of place."""
        return [stand[2] for stand in sorted(place[0] for place in self._places.values())]

    def crowds(self) -> Crowds:
        """How many wait where."""
        standing = {name: pool for name, pool in self._pools.items() if pool.tickets}
        tickets = {name: pool.tickets for name, pool in standing.items()}
        return Crowds(tickets, sum(pool.classes for pool in standing.values()))

    def add(self, ticket: Ticket, now: float) -> None:
        """Put a ticket behind all that wait as long; one of the same client that stands there already is replaced.

        Raises:
            Crowded: There is no place for its class, or for another one of its user. Nothing of the client stands
                in the queue then.
        """
        before = self._places.get(ticket.client)
        if before is not None:
            self._take_out(before)
        user = ticket.user
        if user is not None and 0 < self._per_user <= self._of_user.get(user, 0):
            raise Crowded(TOO_MANY)
        wish = ticket.wish
        name = "" if wish is None else wish.pool
        pool = self._pools.get(name)
        if pool is None:
            pool = self._pools[name] = Pool(name)
        of = pool.plain if wish is None else pool.place_for(ticket.side(now))
        if of is None:
            raise Crowded(CROWDED)
        if user is not None:
            self._of_user[user] = self._of_user.get(user, 0) + 1
        self._number += 1
        stand = (ticket.since, self._number, ticket)
        self._places[ticket.client] = (stand, of, pool)
        pool.add(of, stand)
        if wish is not None or ticket.avoid or ticket.browser is not None:
            self._await(ticket.next_change(now), stand)
        if self._stopped is not None and self._stopped[0] is ticket:
            self._go_on_later(ticket, self._stopped[1], now)
            self._stopped = None

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a ticket out; false if it does not stand there (any more)."""
        place = self._places.get(ticket.client)
        if place is None or place[0][2] != ticket:
            return False
        self._take_out(place)
        return True

    def match(self, ticket: Ticket, now: float) -> Ticket | None:
        """Take out whom `ticket` meets, and `ticket` itself if it stands there.

        Returns:
            The partner's ticket, or None: then nothing has changed.
        """
        wish = ticket.wish
        pool = self._pools.get("" if wish is None else wish.pool)
        if pool is None or not pool.tickets:
            return None
        if wish is None:
            of, lines = pool.plain, pool.lines(pool.plain, ())
        else:
            of = pool.find(ticket.side(now))
            lines = pool.lines(of, wish.likes)
        other = self._find(ticket, of, lines, now)
        if other is not None:
            self._take_out(self._places[other.client])
            if ticket.client in self._places:
                self.withdraw(ticket)
        return other

    # --- the time -----------------------------------------------------------------------------------------------------

    def next_change(self) -> float | None:
        """When the first of the tickets may meet somebody more. It may be gone by then."""
        return self.changes[0][0] if self.changes else None

    def changed(self, now: float) -> list[Ticket]:
        """Let the time have passed: gives the tickets that may meet somebody more than before, or have to look on.

        Each of them is to be matched, in this order, if it still stands there then.
        """
        changed: dict[int, Stand] = {}
        while self.changes and self.changes[0][0] <= now:
            place = self._standing(heappop(self.changes))
            if place is not None:
                stand = place[0]
                changed[stand[1]] = stand
                self._relax(place, now)
                self._await(stand[2].next_change(now), stand)
        return [stand[2] for stand in sorted(changed.values())]

    def _await(self, change: float | None, stand: Stand) -> None:
        """Remember when a ticket may meet somebody more."""
        if change is None:
            return
        if len(self.changes) > 2 * len(self._places) + STALE_AT_MOST:
            self.changes = [each for each in self.changes if self._standing(each) is not None]
            heapify(self.changes)
        heappush(self.changes, (change, stand[1], stand[2].client))

    def _standing(self, change: tuple[float, int, ClientId]) -> Position | None:
        """Where the ticket stands that is to change; None if it is gone."""
        _, number, client = change
        place = self._places.get(client)
        return place if place is not None and place[0][1] == number else None

    def _relax(self, place: Position, now: float) -> None:
        """Move a ticket to the class in which it is by now, if there is a place for that."""
        stand, of, pool = place
        side = stand[2].side(now)
        if side == of.side:
            return
        other = pool.place_for(side)
        if other is None:
            self._await(now + FULL_S, stand)
            return
        self._reached.pop(stand[2].client, None)
        pool.remove(of, stand)
        pool.add(other, stand)
        self._places[stand[2].client] = (stand, other, pool)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _take_out(self, place: Position) -> None:
        stand, of, pool = place
        client = stand[2].client
        del self._places[client]
        self._reached.pop(client, None)
        pool.remove(of, stand)
        if not pool.tickets and pool.name:
            del self._pools[pool.name]
        user = stand[2].user
        if user is not None:
            self._of_user[user] -= 1
            if not self._of_user[user]:
                del self._of_user[user]

    def _find(self, ticket: Ticket, of: Class, lines: list[Line], now: float) -> Ticket | None:
        """Whom a ticket meets of those that stand in lines."""
        if not lines:
            return None
        prefers = of.side.prefers
        reached = self._reached.pop(ticket.client, None)
        if reached is None and not prefers:
            first: Ticket = (lines[0].first if len(lines) == 1 else min(line.first for line in lines))[2]
            if self._may_meet(ticket, first, now):
                return first
        behind = [line.behind(reached) for line in lines]
        best: Ticket | None = None
        most, seen, passed_over, last = -1, 0, 0, None
        for stand in merge(*behind) if len(behind) > 1 else behind[0]:
            other: Ticket = stand[2]
            if stand is last or other.client == ticket.client:
                continue  # one who shares two likes stands in two lines
            last = stand
            if self._may_meet(ticket, other, now):
                if not prefers:
                    return other
                shared = self._shared(ticket, other)
                if shared > most:
                    best, most = other, shared
                seen += 1
                if seen == CANDIDATES:
                    break
                continue
            passed_over += 1
            if passed_over == self._passed_over:
                if best is None:
                    self._go_on_later(ticket, stand, now)
                break
        return best

    def _go_on_later(self, ticket: Ticket, reached: Stand, now: float) -> None:
        """Let a search go on from where it stopped, when its ticket stands here."""
        place = self._places.get(ticket.client)
        if place is None or place[0][2] != ticket:
            self._stopped = ticket, reached
            return
        self._reached[ticket.client] = reached
        self._await(now + GO_ON_S, place[0])

    def _may_meet(self, one: Ticket, other: Ticket, now: float) -> bool:
        blocks = self._blocks
        return compatible(one, other, now) and not (blocks.by and blocks.apart(one.party(), other.party()))

    def _shared(self, one: Ticket, other: Ticket) -> int:
        """How many likes two share who both prefer them."""
        return len(set(one.likes).intersection(other.likes)) if self._places[other.client][1].side.prefers else 0

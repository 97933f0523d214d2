"""Pairs the clients of one instance among many, by match and confirm: tickets and claims.

The store's queue gives a ticket to one instance only, but it cannot know whether the client behind it is still there.
So a ticket of another instance is only *claimed*: its owner confirms or refuses. Whatever is lost on the way ends as a
refusal, or as a room that both sides leave: no ghost, no double match, no one-sided room.

Pure: time is passed in, what goes out goes to `Outside`, and outcomes of the store come in by `sought`.
"""

from collections.abc import Callable, Mapping
from heapq import nsmallest
from typing import Any, Final

from signald.brokers.interface import BrokerEvents
from signald.brokers.redis.letters import Claim, Confirm, Deny, Left, Letter, Released, Stops, Sync
from signald.brokers.redis.outside import Crowd, Filed, Outcome, Outside, Taken, Wanted
from signald.brokers.redis.relaying import Relaying
from signald.brokers.redis.rooms import RemoteRoom
from signald.brokers.redis.stays import Claims, Pending, Places, Stay
from signald.core.blocks import Blocks
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import PartnerFound
from signald.core.matching import CROWDED, Crowded, Crowds, Queue, Ticket
from signald.core.messages import Parting
from signald.core.rooms import Room

CLAIM_TIMEOUT_S: Final = 2.0
"""How long the owner of a ticket may take to answer a claim, beside the way there and back."""

CLAIM_TRIPS: Final = 3
"""So many times to the store and back takes an answer: the claim is written and read, and so is the answer, and each of
the two may come just after a read has begun."""

ALONE_AFTER_S: Final = 2.0
"""Seconds for which the store must be away before waiting clients of this instance are paired with each other."""

LOOK_AGAIN_S: Final = 1.0
"""Seconds between two looks at a waiting ticket, which mend what a crash elsewhere or a lost answer left behind."""

LOOK_AGAIN_AT_MOST: Final = 16
"""Tickets that are looked at at once, in turn. In a healthy service few wait at all."""


class Pairing:
    """The state of one instance.

    Args:
        instance: This instance's name in the store.
        outside: Where wishes go.
        events: Who is told of matches, relays and partners that left.
        new_room_id: Makes an id that was never used.
        blocks: Who is kept apart, as far as this process knows; what the store knows counts besides.
        relaying: Has the rooms of those who met.
        resume_s: How long the place of one whose connection is gone is remembered; seconds.
        waiting_per_user: Clients of one user that wait here at most; 0 for any number.
    """

    def __init__(
        self,
        instance: str,
        outside: Outside,
        events: BrokerEvents,
        new_room_id: Callable[[], RoomId],
        blocks: Blocks,
        relaying: Relaying,
        resume_s: float = 0.0,
        waiting_per_user: int = 0,
    ) -> None:
        self.instance = instance
        self._outside = outside
        self._events = events
        self._new_room_id = new_room_id
        self._stays: dict[ClientId, Stay] = {}
        self._blocks = blocks
        # The same tickets, oldest first: for the time without a store, and to look after them.
        self._queue = Queue(blocks, per_user=waiting_per_user)
        self._claims = Claims()
        self._relaying = relaying
        self.places = Places(resume_s)
        """Places in the queue of those who may come back."""
        self._away_since: float | None = None
        self._alone = False
        self._looked_at = 0.0
        self.trip_s = 0.0
        """How long the way to the store and back takes of late; seconds."""

    @property
    def waiting(self) -> int:
        """How many clients of this instance wait."""
        return len(self._stays)

    def crowds(self) -> Crowds:
        """How many clients of this instance wait where."""
        return self._queue.crowds()

    def tickets(self) -> list[Ticket]:
        """The waiting tickets, oldest first."""
        return self._queue.oldest()

    def instances(self) -> set[str]:
        """Every instance with which this one has a room or a claim."""
        return self._relaying.instances() | {claim.instance for claim in self._claims}

    # --- calls of the broker interface --------------------------------------------------------------------------------

    def enqueue(self, ticket: Ticket, now: float) -> None:
        """A client waits."""
        stay = self._stays.get(ticket.client)
        if stay is not None:
            if stay.ticket == ticket:
                return
            self.withdraw(stay.ticket, now)
        try:
            self._queue.add(ticket, now)
        except Crowded as crowded:
            self._events.refused(ticket, crowded.problem)
            return
        stay = self._stays[ticket.client] = Stay(ticket)
        stay.place = self.places.get(ticket)
        self._seek(stay, now)

    def withdraw(self, ticket: Ticket, now: float) -> None:
        """A client waits no longer, or not for now."""
        stay = self._stay(ticket.client, ticket.number)
        if stay is None:
            return
        if stay.place is not None and self._events.resumes(ticket.client):
            self.places.keep(ticket, stay.place, now)
        self._forget(stay)
        self._outside.unfile(ticket)
        if (claim := stay.claim) is not None:
            self._claims.end(claim.room)
            self._outside.send(claim.instance, Left(claim.room))

    # --- the store and the time ---------------------------------------------------------------------------------------

    def store_back(self, now: float) -> None:
        """The store answers (again): whatever it knew of our tickets may be gone, so each is filed anew."""
        self._away_since = None
        self._alone = False
        for ticket in self._queue.oldest():
            stay = self._stays[ticket.client]
            stay.seeking = False
            self._seek(stay, now)

    def store_away(self, since: float) -> None:
        """The store does not answer, since that time."""
        if self._away_since is None:
            self._away_since = since

    def tick(self, now: float) -> None:
        """Time has passed: claims run out, two who were kept apart may meet, tickets are looked after."""
        self._relaying.halves.tick(now)
        self.places.tick(now)
        for claim in self._claims.overdue(now):
            self._outside.suspect(claim.instance)
            self._give_up(claim.instance, claim.room, now)
        if self._away_since is not None and not self._alone and now - self._away_since >= ALONE_AFTER_S:
            self._go_on_alone(now)
        for ticket in self._queue.changed(now):
            self._seek_for(ticket.client, ticket.number, now)
        if now - self._looked_at >= LOOK_AGAIN_S:
            self._looked_at = now
            self._look_again(now)

    def sought(self, ticket: Ticket, outcome: Outcome, now: float) -> None:
        """The store's answer to `Outside.seek`."""
        stay = self._stay(ticket.client, ticket.number)
        if stay is not None:
            stay.seeking = False
            stay.place = outcome.place
            stay.reached = outcome.reached if isinstance(outcome, Filed) else ""
        if isinstance(outcome, Filed | Crowd):
            self._go_on(stay, outcome, now)
            return
        if stay is None or stay.claim is not None or self._alone:
            self._release(outcome, now)
        elif outcome.instance == self.instance:
            other = self._stay(outcome.client, outcome.number)
            if other is None or other.claim is not None:
                self._seek(stay, now)
            else:
                self._pair(other, stay, now)
        elif self._must_not_meet(ticket.party(), Party(outcome.client)):
            self._release(outcome, now)
            self._seek(stay, now)
        else:
            deadline = now + CLAIM_TIMEOUT_S + CLAIM_TRIPS * self.trip_s
            claim = Pending(self._new_room_id(), outcome.instance, outcome.client, deadline)
            self._claims.begin(stay, claim)
            resumes = self._events.resumes(ticket.client)
            taken = claim.room, ticket.client, outcome.client, outcome.number
            self._outside.send(claim.instance, Claim(*taken, ticket.user, resumes, ticket.likes, ticket.takes_data))

    def _go_on(self, stay: Stay | None, outcome: Filed | Crowd, now: float) -> None:
        """Nobody was found, among those that were looked at."""
        if stay is None:
            return
        if isinstance(outcome, Crowd) and not stay.may_be_filed:
            self._forget(stay)
            self._events.refused(stay.ticket, CROWDED)
        elif stay.reached and not stay.in_passing:
            self._seek(stay, now, reached=stay.reached)

    # --- other instances ----------------------------------------------------------------------------------------------

    def read(self, instance: str, letter: Letter, now: float) -> None:
        """A letter of another instance."""
        if not self._relaying.read(instance, letter):
            _READ[type(letter)](self, instance, letter, now)

    def lost(self, instance: str, now: float) -> None:
        """Letters of this instance were lost: so may be answers to our claims, and what was said in rooms."""
        self._relaying.lost(instance)
        self.unanswered(instance, now)

    def gone(self, instance: str, now: float, why: Parting = "gone") -> None:
        """This instance is dead, or another process under its name."""
        self._relaying.gone(instance, now, why)
        self.unanswered(instance, now)

    def unanswered(self, instance: str, now: float) -> None:
        """Claims at this instance will not be answered: look for somebody else."""
        for room in self._claims.at(instance):
            self._give_up(instance, room, now)

    def check(self, instance: str) -> None:
        """Let the other side compare the rooms that both have, or will have if it has confirmed our claims."""
        self._relaying.check(instance, self._claims.at(instance))

    def _claimed(self, instance: str, claim: Claim, now: float) -> None:
        stay = self._stay(claim.client, claim.number)
        # While the store is away a confirmation would come too late: the room would be one-sided until then.
        if stay is None or stay.claim is not None or self._away_since is not None:
            self._outside.send(instance, Deny(claim.room))
            return
        if self._must_not_meet(stay.ticket.party(), Party(claim.claimant, claim.user)):
            self._outside.send(instance, Deny(claim.room))
            self._seek(stay, now)
            return
        self._met(stay)
        self._relaying.open(RemoteRoom(claim.room, claim.client, claim.claimant, instance, resumes=claim.resumes))
        # Who waited longer offers: it is the first to know.
        found = PartnerFound(stay.ticket, claim.room, claim.claimant, True, claim.user, claim.likes, claim.takes_data)
        if self._events.matched(found):
            ticket, resumes = stay.ticket, self._events.resumes(claim.client)
            self._outside.send(instance, Confirm(claim.room, ticket.user, resumes, ticket.likes, ticket.takes_data))
        else:
            self._relaying.take_back(claim.room)
            self._outside.send(instance, Deny(claim.room))

    def _confirmed(self, instance: str, confirm: Confirm, now: float) -> None:
        stay = self._claims.get(confirm.room)
        if stay is None or stay.claim is None:
            if confirm.room not in self._relaying:
                self._outside.send(instance, Left(confirm.room))
            return
        partner = stay.claim.partner
        self._claims.end(confirm.room)
        if self._must_not_meet(stay.ticket.party(), Party(partner, confirm.user)):
            self._outside.send(instance, Left(confirm.room))
            self._seek(stay, now)
            return
        self._met(stay)
        self._relaying.open(RemoteRoom(confirm.room, stay.ticket.client, partner, instance, resumes=confirm.resumes))
        found = PartnerFound(stay.ticket, confirm.room, partner, False, confirm.user, confirm.likes, confirm.takes_data)
        if not self._events.matched(found):
            self._relaying.take_back(confirm.room)
            self._outside.send(instance, Left(confirm.room))

    def _left(self, instance: str, left: Left, now: float) -> None:
        if not self._relaying.left(instance, left):
            self._unclaim(left.room, now)

    def _released(self, instance: str, released: Released, now: float) -> None:
        self._seek_for(released.client, released.number, now)

    def _stops(self, instance: str, stops: Stops, now: float) -> None:
        self.gone(instance, now, "stopping")

    def _nothing(self, instance: str, sync: Sync, now: float) -> None:
        pass

    # --- inside -------------------------------------------------------------------------------------------------------

    def _stay(self, client: ClientId, number: int) -> Stay | None:
        stay = self._stays.get(client)
        return stay if stay is not None and stay.ticket.number == number else None

    def _forget(self, stay: Stay) -> None:
        del self._stays[stay.ticket.client]
        self._queue.withdraw(stay.ticket)

    def _met(self, stay: Stay) -> None:
        self._forget(stay)
        if stay.may_be_filed or self._alone:
            self._outside.unfile(stay.ticket)

    def _seek(self, stay: Stay, now: float, *, reached: str = "", in_passing: bool = False) -> None:
        """Look for a partner of one who waits, if nothing is on its way for it.

        Args:
            stay: Who waits.
            now: Seconds.
            reached: Where the search is to go on.
            in_passing: Whether one look will do, however many there are.
        """
        if self._alone:
            self._match_alone(stay, now)
            return
        if self._away_since is not None or stay.busy:
            return
        stay.seeking = True
        stay.seeks += 1
        stay.sought_at = now
        ticket = stay.ticket
        stay.in_passing = in_passing
        avoiding = ticket.is_choosy(now)
        waited_s = max(0.0, now - ticket.since)
        self._outside.seek(ticket, Wanted(stay.place, waited_s, ticket.side(now), avoiding, reached))

    def _look_again(self, now: float) -> None:
        stays = self._stays.values()
        due = (stay for stay in stays if not stay.busy and now - stay.sought_at >= LOOK_AGAIN_S)
        # Those first that were left alone for longest: else some that may meet nobody would keep all others from it.
        for stay in nsmallest(LOOK_AGAIN_AT_MOST, due, key=lambda stay: stay.sought_at):
            self._seek(stay, now, reached=stay.reached, in_passing=True)

    def _seek_for(self, client: ClientId, number: int, now: float) -> None:
        stay = self._stay(client, number)
        if stay is not None:
            self._seek(stay, now)

    def _release(self, taken: Taken, now: float) -> None:
        if taken.instance == self.instance:
            self._seek_for(taken.client, taken.number, now)
        else:
            self._outside.send(taken.instance, Released(taken.client, taken.number))

    def _give_up(self, instance: str, room: RoomId, now: float) -> None:
        self._outside.send(instance, Left(room))
        self._unclaim(room, now)

    def _unclaim(self, room: RoomId, now: float) -> None:
        stay = self._claims.end(room)
        if stay is not None:
            self._seek(stay, now)

    def _go_on_alone(self, now: float) -> None:
        self._alone = True
        for claim in self._claims:
            self._outside.send(claim.instance, Left(claim.room))
            self._claims.end(claim.room)
        for ticket in self._queue.oldest():
            if ticket in self._queue:
                self._match_alone(self._stays[ticket.client], now)

    def _match_alone(self, stay: Stay, now: float) -> None:
        other = self._queue.match(stay.ticket, now)
        if other is not None:
            self._pair(self._stays[other.client], stay, now)

    def _must_not_meet(self, one: Party, other: Party) -> bool:
        """Whether there is a block that the store did not know, or not yet; then it is told."""
        if not self._blocks.apart(one, other):
            return False
        for by, whom in ((one, other), (other, one)):
            if self._blocks.holds(by, whom):
                self._outside.block(by, whom)
        return True

    def _pair(self, older: Stay, newer: Stay, now: float) -> None:
        if self._must_not_meet(older.ticket.party(), newer.ticket.party()):
            self._seek(older, now)
            self._seek(newer, now)
            return
        for stay in (older, newer):
            self._met(stay)
        room = Room(self._new_room_id(), older.ticket.client, newer.ticket.client)
        self._relaying.open(room)
        told = self._events.matched(PartnerFound.of(older.ticket, newer.ticket, room.id, initiator=True))
        if told and self._events.matched(PartnerFound.of(newer.ticket, older.ticket, room.id, initiator=False)):
            return
        self._relaying.take_back(room.id)
        if told:
            self._events.partner_left(room.first, room.id)
        else:
            self.enqueue(newer.ticket, now)


_READ: Final[Mapping[type[Any], Callable[[Pairing, str, Any, float], None]]] = {
    Claim: Pairing._claimed,
    Confirm: Pairing._confirmed,
    Deny: lambda pairing, instance, deny, now: pairing._unclaim(deny.room, now),
    Left: Pairing._left,
    Released: Pairing._released,
    Sync: Pairing._nothing,
    Stops: Pairing._stops,
}

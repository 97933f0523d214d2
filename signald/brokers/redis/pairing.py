"""Pairs the clients of one instance among many, by match and confirm: tickets, claims, rooms.

The store's queue gives a ticket to one instance only, but it cannot know whether the client behind it is still there.
So a ticket of another instance is only *claimed*: its owner confirms or refuses. Whatever is lost on the way ends as a
refusal, or as a room that both sides leave: no ghost, no double match, no one-sided room.

Pure: time is passed in, what goes out goes to `Outside`, and outcomes of the store come in by `sought`.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from heapq import nsmallest
from typing import Any, Final

import msgspec

from signald.brokers.interface import BrokerEvents
from signald.brokers.redis.halves import Halves
from signald.brokers.redis.letters import (
    Away,
    Back,
    Check,
    Claim,
    Confirm,
    Deny,
    Left,
    Letter,
    Moved,
    Relayed,
    Released,
    Stops,
    Sync,
)
from signald.brokers.redis.outside import Crowd, Filed, Outcome, Outside, Taken, Wanted
from signald.brokers.redis.rooms import RemoteRoom, RemoteRooms
from signald.core.blocks import Blocks
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import PartnerFound
from signald.core.matching import CROWDED, Crowded, Crowds, Queue, Ticket
from signald.core.messages import Parting, parting
from signald.core.passes import Attempt
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


class Pairing:
    """The state of one instance.

    Args:
        instance: This instance's name in the store.
        outside: Where wishes go.
        events: Who is told of matches, relays and partners that left.
        new_room_id: Makes an id that was never used.
        blocks: Who is kept apart, as far as this process knows; what the store knows counts besides.
        boot: This process's boot id.
        resume_s: How long a room waits for one whose home is gone; seconds.
        waiting_per_user: Clients of one user that wait here at most; 0 for any number.
    """

    def __init__(
        self,
        instance: str,
        outside: Outside,
        events: BrokerEvents,
        new_room_id: Callable[[], RoomId],
        blocks: Blocks,
        boot: str = "",
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
        self._claims: dict[RoomId, Stay] = {}
        self._deadlines: deque[Pending] = deque()
        self._local: dict[RoomId, Room] = {}
        self._remote = RemoteRooms()
        self.halves = Halves(self._remote, self._local, outside, events, boot, resume_s)
        """Rooms that wait for one of the two."""
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

    @property
    def rooms(self) -> int:
        """How many rooms have a client of this instance."""
        return len(self._local) + len(self._remote)

    @property
    def held_bytes(self) -> int:
        """Bytes of relays that are on their way to the store."""
        return self._remote.held_bytes

    def tickets(self) -> list[Ticket]:
        """The waiting tickets, oldest first."""
        return self._queue.oldest()

    def instances(self) -> set[str]:
        """Every instance with which this one has a room or a claim."""
        return self._remote.instances() | {stay.claim.instance for stay in self._claims.values() if stay.claim}

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
        if stay.claim is not None:
            del self._claims[stay.claim.room]
            self._outside.send(stay.claim.instance, Left(stay.claim.room))

    def leave(self, room: RoomId, client: ClientId, why: Parting = "gone") -> None:
        """A client left its room."""
        local = self._local.pop(room, None)
        if local is not None:
            self._events.partner_left(local.partner_of(client), room, why)
            return
        remote = self._remote.get(room)
        if remote is not None:
            self.halves.end(remote, why)

    def client_away(self, room: RoomId, client: ClientId, seconds: float) -> None:
        """A client of this instance has no connection for now."""
        local, remote = self._local.get(room), self._remote.get(room)
        if local is not None:
            self._events.partner_away(local.partner_of(client), room, seconds)
        elif remote is not None and remote.instance:
            self._outside.send(remote.instance, Away(room, seconds))

    def client_back(self, room: RoomId, client: ClientId, *, lost: bool, epoch: int, attempt: Attempt) -> None:
        """A client of this instance goes on."""
        local, remote = self._local.get(room), self._remote.get(room)
        if local is not None:
            self._events.partner_back(local.partner_of(client), room, lost)
        elif remote is not None and remote.instance:
            self._outside.send(remote.instance, Back(room, lost, epoch, attempt))
        elif remote is not None:  # its partner hears of it when it comes
            remote.lost = remote.lost or lost

    def partner_instance(self, room: RoomId) -> str:
        """Where the partner in a room is; empty for nowhere."""
        return self.instance if room in self._local else self.halves.instance_of(room)

    def relay(self, room: RoomId, sender: ClientId, text: bytes) -> None:
        """Carry a message to the sender's partner."""
        local = self._local.get(room)
        if local is not None:
            self._events.relayed(local.partner_of(sender), room, text)
        else:
            self._relay_to_another(Relayed(room, text))

    def relay_offer(self, room: RoomId, sender: ClientId, text: bytes) -> None:
        """The same for an offer."""
        local = self._local.get(room)
        if local is not None:
            partner = local.partner_of(sender)
            self._events.relayed(partner, room, text)
            self._events.offered(partner, room)
        else:
            self._relay_to_another(Relayed(room, text, is_offer=True))

    def _relay_to_another(self, relayed: Relayed) -> None:
        """Carry a message to a partner on another instance, or keep it for one that has no home."""
        remote = self._remote.get(relayed.room)
        if remote is None:
            return
        if remote.held is not None:
            self.halves.keep(remote, relayed.text)
        elif self._remote.hold(remote, relayed.text):
            self._outside.send(remote.instance, relayed)
        else:
            self._end(remote)

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
        self.halves.tick(now)
        self.places.tick(now)
        while self._deadlines and self._deadlines[0].deadline <= now:
            self._run_out(self._deadlines.popleft(), now)
        if self._away_since is not None and not self._alone and now - self._away_since >= ALONE_AFTER_S:
            self._go_on_alone(now)
        for ticket in self._queue.changed(now):
            stay = self._stay(ticket.client, ticket.number)
            if stay is not None:
                self._seek(stay, now)
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
            stay.claim = claim
            self._claims[claim.room] = stay
            self._deadlines.append(claim)
            resumes = self._events.resumes(ticket.client)
            taken = claim.room, ticket.client, outcome.client, outcome.number
            letter = Claim(*taken, ticket.user, resumes, ticket.likes, ticket.takes_data)
            self._outside.send(claim.instance, letter)

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
        _READ[type(letter)](self, instance, letter, now)

    def delivered(self, relayed: Relayed) -> None:
        """A relay is in the store, or will never be: it is no longer held."""
        self._remote.delivered(relayed)

    def lost(self, instance: str, now: float) -> None:
        """Letters of this instance were lost: rooms that may have missed something begin anew, or else end."""
        for room in self._remote.of(instance):
            if not room.resumes or not self._events.resumes(room.client):
                self._end(room)
            elif room.held is not None:
                room.lost = True
            else:
                self._outside.send(instance, Back(room.id, lost=True))
                self._events.partner_back(room.client, room.id, True)
        self.unanswered(instance, now)

    def gone(self, instance: str, now: float, why: Parting = "gone") -> None:
        """This instance is dead, or another process under its name."""
        for room in self._remote.of(instance):
            # What the events of one room bring about may have closed another.
            if room.resumes and room.id in self._remote:
                self._remote.move(room, "")
                self.halves.wait(room, now)
            elif self._remote.close(room.id) is not None:
                self._events.partner_left(room.client, room.id, why)
        self.unanswered(instance, now)

    def unanswered(self, instance: str, now: float) -> None:
        """Claims at this instance will not be answered: look for somebody else."""
        for room, stay in list(self._claims.items()):
            if stay.claim is not None and stay.claim.instance == instance:
                self._outside.send(instance, Left(room))
                self._unclaim(room, now)

    def check(self, instance: str) -> None:
        """Let the other side compare the rooms that both have, or will have if it has confirmed our claims."""
        claimed = {room for room, stay in self._claims.items() if stay.claim and stay.claim.instance == instance}
        rooms = sorted(claimed.union(room.id for room in self._remote.of(instance)))
        self._outside.send(instance, Check(rooms, [room.id for room in self.halves.waiting()]))

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
        self._forget(stay)
        if stay.may_be_filed:
            self._outside.unfile(stay.ticket)
        self._remote.open(RemoteRoom(claim.room, claim.client, claim.claimant, instance, resumes=claim.resumes))
        # Who waited longer offers: it is the first to know.
        found = PartnerFound(stay.ticket, claim.room, claim.claimant, True, claim.user, claim.likes, claim.takes_data)
        if self._events.matched(found):
            resumes = self._events.resumes(claim.client)
            ticket = stay.ticket
            confirm = Confirm(claim.room, ticket.user, resumes, ticket.likes, ticket.takes_data)
            self._outside.send(instance, confirm)
        else:
            self._remote.close(claim.room)
            self._outside.send(instance, Deny(claim.room))

    def _confirmed(self, instance: str, confirm: Confirm, now: float) -> None:
        stay = self._claims.pop(confirm.room, None)
        if stay is None or stay.claim is None:
            if confirm.room not in self._remote:
                self._outside.send(instance, Left(confirm.room))
            return
        partner = stay.claim.partner
        if self._must_not_meet(stay.ticket.party(), Party(partner, confirm.user)):
            self._outside.send(instance, Left(confirm.room))
            stay.claim = None
            self._seek(stay, now)
            return
        self._forget(stay)
        if stay.may_be_filed:
            self._outside.unfile(stay.ticket)
        opened = RemoteRoom(confirm.room, stay.ticket.client, partner, instance, resumes=confirm.resumes)
        self._remote.open(opened)
        found = PartnerFound(stay.ticket, confirm.room, partner, False, confirm.user, confirm.likes, confirm.takes_data)
        if not self._events.matched(found):
            self._remote.close(confirm.room)
            self._outside.send(instance, Left(confirm.room))

    def _denied(self, instance: str, deny: Deny, now: float) -> None:
        self._unclaim(deny.room, now)

    def _left(self, instance: str, left: Left, now: float) -> None:
        remote, by = self._remote.get(left.room), left.by or instance
        if remote is not None:
            passed_on = remote.held is not None and remote.last_instance == instance
            if passed_on or remote.last_instance == by or self._of(left.room, by):
                self.halves.close(remote)
                self._events.partner_left(remote.client, left.room, parting(left.why))
        elif not self.halves.pass_on(left, by=by, instance=instance):
            self._unclaim(left.room, now)

    def _relayed(self, instance: str, relayed: Relayed, now: float) -> None:
        remote = self._of(relayed.room, instance)
        if remote is not None:
            self._events.relayed(remote.client, relayed.room, relayed.text)
            if relayed.is_offer:
                self._events.offered(remote.client, relayed.room)
        elif not self._knows(relayed.room):
            self._outside.send(instance, Left(relayed.room))

    def _partner_away(self, instance: str, away: Away, now: float) -> None:
        remote = self._of(away.room, instance)
        if remote is not None:
            self._events.partner_away(remote.client, away.room, away.seconds)

    def _partner_back(self, instance: str, back: Back, now: float) -> None:
        remote = self._of(back.room, instance)
        if remote is not None:
            remote.goes_on(back.epoch, back.attempt)
            self._events.partner_back(remote.client, back.room, back.lost)

    def _released(self, instance: str, released: Released, now: float) -> None:
        stay = self._stay(released.client, released.number)
        if stay is not None:
            self._seek(stay, now)

    def _checked(self, instance: str, check: Check, now: float) -> None:
        theirs = set(check.rooms)
        ours = {room.id: room for room in self._remote.of(instance)}
        for room in theirs - set(ours):
            if self._of(room, instance) is None and not self._knows(room):
                self._outside.send(instance, Left(room))
        for room in set(ours) - theirs - set(check.waiting):
            if ours[room].held is None:
                self._end(ours[room])

    def _stops(self, instance: str, stops: Stops, now: float) -> None:
        self.gone(instance, now, "stopping")

    def _nothing(self, instance: str, sync: Sync, now: float) -> None:
        pass

    # --- inside -------------------------------------------------------------------------------------------------------

    def _of(self, room: RoomId, instance: str) -> RemoteRoom | None:
        """The room that there is with an instance; one whose client has another home is told so."""
        remote = self._remote.get(room)
        if remote is None or remote.instance == instance:
            return remote
        if remote.epoch:
            self._outside.send(instance, Moved(remote.partner, remote.epoch, False, room, remote.attempt.counted))
        return None

    def _knows(self, room: RoomId) -> bool:
        """Whether there is such a room, or a client has gone elsewhere with it."""
        return room in self._remote or room in self._local or self.halves.has_parted(room)

    def _stay(self, client: ClientId, number: int) -> Stay | None:
        stay = self._stays.get(client)
        return stay if stay is not None and stay.ticket.number == number else None

    def _forget(self, stay: Stay) -> None:
        del self._stays[stay.ticket.client]
        self._queue.withdraw(stay.ticket)

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

    def _release(self, taken: Taken, now: float) -> None:
        if taken.instance != self.instance:
            self._outside.send(taken.instance, Released(taken.client, taken.number))
            return
        stay = self._stay(taken.client, taken.number)
        if stay is not None:
            self._seek(stay, now)

    def _run_out(self, claim: Pending, now: float) -> None:
        if claim.room in self._claims:
            self._outside.suspect(claim.instance)
            self._outside.send(claim.instance, Left(claim.room))
            self._unclaim(claim.room, now)

    def _unclaim(self, room: RoomId, now: float) -> None:
        stay = self._claims.pop(room, None)
        if stay is not None:
            stay.claim = None
            self._seek(stay, now)

    def _go_on_alone(self, now: float) -> None:
        self._alone = True
        for room, stay in self._claims.items():
            if stay.claim is not None:
                self._outside.send(stay.claim.instance, Left(room))
                stay.claim = None
        self._claims.clear()
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
            self._forget(stay)
            if stay.may_be_filed or self._alone:
                self._outside.unfile(stay.ticket)
        room = Room(self._new_room_id(), older.ticket.client, newer.ticket.client)
        self._local[room.id] = room
        told = self._events.matched(PartnerFound.of(older.ticket, newer.ticket, room.id, initiator=True))
        if told and self._events.matched(PartnerFound.of(newer.ticket, older.ticket, room.id, initiator=False)):
            return
        del self._local[room.id]
        if told:
            self._events.partner_left(room.first, room.id)
        else:
            self.enqueue(newer.ticket, now)

    def _end(self, remote: RemoteRoom) -> None:
        self.halves.close(remote)
        self._outside.send(remote.instance, Left(remote.id))
        self._events.partner_left(remote.client, remote.id)


_READ: Final[Mapping[type[Any], Callable[[Pairing, str, Any, float], None]]] = {
    Claim: Pairing._claimed,
    Confirm: Pairing._confirmed,
    Deny: Pairing._denied,
    Left: Pairing._left,
    Relayed: Pairing._relayed,
    Released: Pairing._released,
    Check: Pairing._checked,
    Away: Pairing._partner_away,
    Back: Pairing._partner_back,
    Sync: Pairing._nothing,
    Stops: Pairing._stops,
}

"""Pairs and routes within a single process: the core's queue and rooms, and nothing else."""

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from signald.brokers.inbox import MemoryInbox
from signald.brokers.interface import (
    Answers,
    Broker,
    BrokerEvents,
    Fetched,
    Half,
    ModerationEvents,
    Origin,
    ParkedAll,
    Partner,
    SessionEvents,
)
from signald.core.bans import Ban
from signald.core.blocks import Blocks
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import PartnerFound
from signald.core.matching import Crowded, Crowds, Queue, Ticket
from signald.core.messages import Parting
from signald.core.parcel import Parcel
from signald.core.passes import Attempt, Pass
from signald.core.reports import USUAL, ReportBounds
from signald.core.rooms import Room
from signald.periodic import Countdown


class MemoryBroker:
    """Pairs and routes within this process. Outcomes come within the call.

    Args:
        clock: Tells the time, and when somebody who waits may meet more than before.
        new_room_id: Makes an id that was never used.
        instance: The name of this process.
        block_s: Seconds that a block between users lasts.
        resume_s: How long a room waits for one of its two; seconds.
        waiting_per_user: Clients of one user that wait at most; 0 for any number.
        reports: How many are kept, and how long.
    """

    store_reachable: bool | None = None
    store_problem: str | None = None
    held_bytes: int = 0
    neighbours: int = 0

    def __init__(
        self,
        clock: IReactorTime,
        new_room_id: Callable[[], RoomId],
        instance: str,
        block_s: float,
        resume_s: float = 0.0,
        waiting_per_user: int = 0,
        reports: ReportBounds = USUAL,
    ) -> None:
        self.instance = instance
        self.inbox = MemoryInbox(reports, clock.seconds)
        self._clock = clock
        self._new_room_id = new_room_id
        self._blocks = Blocks(block_s)
        self._queue = Queue(self._blocks, per_user=waiting_per_user)
        self._rooms: dict[RoomId, Room] = {}
        self._stopped = False
        self._timer: IDelayedCall | None = None  # for the next who may meet somebody more
        # Rooms of the process before this one: those that wait for one of the two, and those that have ended since.
        self._missing: dict[RoomId, ClientId] = {}
        self._halves = Countdown(clock, resume_s, self._give_up, "the wait for partners")
        self._over: Countdown[RoomId] = Countdown(clock, resume_s, lambda room: None, "the memory of rooms")

    def start(self, events: BrokerEvents, moderation: ModerationEvents, sessions: SessionEvents | None = None) -> None:
        """See `Broker.start`."""
        self._events = events
        self._moderation = moderation

    async def stop(self) -> None:
        """See `Broker.stop`."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._halves.stop()
        self._over.stop()

    def enqueue(self, ticket: Ticket) -> None:
        """See `Broker.enqueue`."""
        if not self._match(ticket):
            self._wait(ticket)
        if self._timer is not None or self._queue.changes:
            self._schedule()

    def withdraw(self, ticket: Ticket) -> None:
        """See `Broker.withdraw`."""
        self._queue.withdraw(ticket)

    def place(self, ticket: Ticket) -> int | None:
        """See `Broker.place`. The queue goes by `since`."""
        return None

    def keep_place(self, ticket: Ticket, place: int) -> None:
        """See `Broker.keep_place`. Nothing comes from another instance."""

    def relay(self, room: RoomId, sender: ClientId, text: bytes, is_offer: bool = False) -> None:
        """See `Broker.relay`."""
        opened = self._rooms.get(room)
        if opened is not None:
            self._events.relayed(opened.partner_of(sender), room, text, is_offer)

    def leave(self, room: RoomId, client: ClientId, why: Parting = "gone") -> None:
        """See `Broker.leave`."""
        ended = self._rooms.pop(room, None)
        if ended is not None:
            if self._missing and self._missing.pop(room, None) is not None and self._halves.end(room):
                self._over.begin(room)
            self._events.partner_left(ended.partner_of(client), room, why)

    def away(self, room: RoomId, client: ClientId, seconds: float) -> None:
        """See `Broker.away`."""
        opened = self._rooms.get(room)
        if opened is not None:
            self._events.partner_away(opened.partner_of(client), room, seconds)

    def back(self, room: RoomId, client: ClientId, *, lost: bool, epoch: int, attempt: Attempt) -> None:
        """See `Broker.back`."""
        opened = self._rooms.get(room)
        if opened is not None and room not in self._halves:
            self._events.partner_back(opened.partner_of(client), room, lost)

    def partner_instance(self, room: RoomId) -> str:
        """See `Broker.partner_instance`."""
        return ""

    async def know_key(self) -> bool:
        """See `Broker.know_key`. There is nobody to agree with."""
        return False

    async def fetch(self, said: Pass, received: int, attempt: Attempt, wanted: Callable[[], bool]) -> Fetched:
        """See `Broker.fetch`. Whoever had it is the process before this one."""
        return Fetched(Origin.RESTARTED)

    parks: bool = False

    async def park_all(self, within_s: float) -> ParkedAll:
        """See `Broker.park_all`. There is nowhere to park."""
        return ParkedAll(0, "there is no store")

    def settled(self, client: ClientId, found: Fetched) -> None:
        """See `Broker.settled`. There is nobody to tell."""

    def overtaken(self, said: Pass) -> None:
        """See `Broker.overtaken`. There is no other home."""

    def put_back(self, packed: Parcel) -> None:
        """See `Broker.put_back`. Nothing is ever fetched whole."""

    async def rejoin(self, half: Half) -> Partner:
        """See `Broker.rejoin`. The first of the two opens the room anew."""
        if half.room in self._over:
            return Partner.GONE
        if self._rooms.get(half.room) is None:
            self._rooms[half.room] = Room(half.room, half.client, half.partner)
            self._missing[half.room] = half.partner
            self._halves.begin(half.room)
            return Partner.AWAY
        if self._missing.get(half.room) != half.client:
            return Partner.STALE
        del self._missing[half.room]
        self._halves.end(half.room)
        return Partner.HERE if self._events.is_here(half.partner) else Partner.AWAY

    def block(self, by: Party, whom: Party) -> None:
        """See `Broker.block`."""
        self._blocks.add(by, whom, self._clock.seconds())

    def ended(self, client: ClientId, *, moved: bool) -> None:
        """See `Broker.ended`."""
        self._blocks.end(client)

    def share(self, bans: Sequence[Ban]) -> None:
        """See `Broker.share`. There is nobody else."""

    async def ask(self, question: bytes) -> Answers:
        """See `Broker.ask`."""
        return Answers({self.instance: self._moderation.asked(question)})

    @property
    def waiting(self) -> int:
        """How many clients wait."""
        return len(self._queue)

    def crowds(self) -> Crowds:
        """See `Broker.crowds`."""
        return self._queue.crowds()

    @property
    def rooms(self) -> int:
        """How many rooms there are."""
        return len(self._rooms)

    def _match(self, ticket: Ticket) -> bool:
        """Let a ticket meet whom it may meet; gives whether there was anybody."""
        now = self._clock.seconds()
        while (other := self._queue.match(ticket, now)) is not None:
            room = Room(self._new_room_id(), other.client, ticket.client)
            self._rooms[room.id] = room
            # Who waited longer is told first and offers: with a store between the two it is the first to know.
            found = PartnerFound.of(other, ticket, room.id, initiator=True)
            if self._events.matched(found):
                found = PartnerFound.of(ticket, other, room.id, initiator=False)
                if not self._events.matched(found):
                    self.leave(room.id, ticket.client)
                return True
            # It went in the same turn: its room was none, and the next one is asked.
            self._rooms.pop(room.id, None)
        return False

    def _wait(self, ticket: Ticket) -> None:
        try:
            self._queue.add(ticket, self._clock.seconds())
        except Crowded as crowded:
            self._events.refused(ticket, crowded.problem)

    def _give_up(self, room: RoomId) -> None:
        """Who was missing in a room did not come back."""
        missing = self._missing.get(room)
        if missing is not None:
            self.leave(room, missing)

    def _schedule(self) -> None:
        """Wake up when the next of those who wait may meet somebody more."""
        due = None if self._stopped else self._queue.next_change()
        if self._timer is not None:
            if due is not None and due >= self._timer.getTime():
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._clock.callLater(max(0.0, due - self._clock.seconds()), self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        for ticket in self._queue.changed(self._clock.seconds()):
            if ticket in self._queue and not self._match(ticket) and ticket not in self._queue:
                self._wait(ticket)
        self._schedule()


def _conforms(broker: MemoryBroker) -> Broker:
    return broker

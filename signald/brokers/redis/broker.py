"""Pairs and routes over Redis or Valkey: joins pairing, post and store, and keeps the time.

The store is only a meeting place. While it is away, rooms go on, letters wait, and clients of this instance are paired
with each other. What happens in each fault stands in docs/scaling.md.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater

from signald.brokers.interface import (
    Answers,
    Broker,
    BrokerEvents,
    Fetched,
    Half,
    ModerationEvents,
    ParkedAll,
    Partner,
    SessionEvents,
)
from signald.brokers.redis.access import Observe, unobserved
from signald.brokers.redis.connection import Primary
from signald.brokers.redis.delivery import Delivery
from signald.brokers.redis.errands import Errands
from signald.brokers.redis.inbox import SharedInbox
from signald.brokers.redis.keys import Keys
from signald.brokers.redis.letters import Envelope, Stops
from signald.brokers.redis.membership import Membership
from signald.brokers.redis.moderation import SharedModeration
from signald.brokers.redis.moving import Moving
from signald.brokers.redis.neighbours import Neighbours
from signald.brokers.redis.no_sessions import NoSessions
from signald.brokers.redis.pairing import Pairing
from signald.brokers.redis.parked import ParkedSessions
from signald.brokers.redis.post import Post
from signald.brokers.redis.problems import Problem, StoreUnavailable
from signald.brokers.redis.protocol import AtTurnsEnd
from signald.brokers.redis.questions import SharedQuestions
from signald.brokers.redis.relaying import Relaying
from signald.brokers.redis.store import Store
from signald.brokers.redis.url import StoreAddress
from signald.core.bans import Ban
from signald.core.blocks import Blocks
from signald.core.common_time import CommonTime
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.matching import Crowds, Ticket
from signald.core.messages import Parting
from signald.core.parcel import Parcel
from signald.core.passes import Attempt, Pass, Passes
from signald.core.reports import USUAL, ReportBounds
from signald.periodic import Periodic

TICK_S: Final = 0.25
"""Seconds between two looks at timeouts."""

RENEW_S: Final = 2.0
"""Seconds between two renewals of the lease, at which the leases of other instances are looked at too."""

LAST_WORDS_S: Final = 1.0
"""Seconds that the letters that tell of the end may take."""


class RedisBroker:
    """Pairs and routes between all instances on one store.

    Args:
        instance: The name of this process; another one is taken if a living process has it.
        boot: A random name of this process.
        primary: Knows where to connect.
        address: With user, password and database.
        keys: Names in the store.
        clock: A reactor.
        new_room_id: Makes an id that was never used.
        jitter: A random number from 0 to 1 at each call.
        common_time: Seconds since 1970; it learns the store's.
        block_s: How long a block of users lasts; seconds.
        resume_s: How long a session without a connection is kept; seconds.
        waiting_per_user: Clients of one user that wait on this instance at most; 0 for any number.
        reports: How many are kept, and how long.
        passes: Tokens whose key is to be the same on all instances; None if it is already.
        letters_dir: Folder of the sockets of instances on this machine; empty for none.
        listens: Called with the port on which these connect.
        at_turns_end: Has letters and commands written when the reactor's turn is over; None: letters in the next one,
            and commands at once.
        observe: Told of each call of the store; see `store.Observe`.
        trouble: Told of each problem with the store.
    """

    def __init__(
        self,
        *,
        instance: str,
        boot: str,
        primary: Primary,
        address: StoreAddress,
        keys: Keys,
        clock: Any,
        new_room_id: Callable[[], RoomId],
        jitter: Callable[[], float],
        common_time: CommonTime,
        block_s: float,
        resume_s: float = 0.0,
        waiting_per_user: int = 0,
        passes: Passes | None = None,
        reports: ReportBounds = USUAL,
        letters_dir: str = "",
        listens: Callable[[IListeningPort], None] = lambda port: None,
        at_turns_end: AtTurnsEnd | None = None,
        observe: Observe = unobserved,
        trouble: Callable[[Problem], None] = lambda problem: None,
    ) -> None:
        self._at_turns_end = at_turns_end or (lambda post: clock.callLater(0, post.flush))
        self._common_time, self._blocks = common_time, Blocks(block_s)
        self._resume_s, self._waiting_per_user = resume_s, waiting_per_user
        self._passes, self._keys, self._label = passes, keys, instance
        self._boot, self._clock, self._new_room_id, self._stopping = boot, clock, new_room_id, False
        self._store = Store(
            primary,
            address,
            keys,
            instance,
            boot,
            clock,
            jitter,
            lambda: self._membership.up(),
            lambda: self._membership.catch_up(),
            lambda since: self._pairing.store_away(since),
            self._arrived,
            observe,
            trouble,
            common_time,
            at_turns_end,
        )
        self._neighbours = Neighbours(
            folder=letters_dir,
            service=f"{address}|{keys.waiting}",
            reactor=clock,
            read=lambda envelopes: self._delivery.read(envelopes),
            is_early=lambda envelope: self._post.is_early(envelope),
            listens=listens,
        )
        self.inbox = SharedInbox(self._store.access, keys, reports, clock.seconds, common_time)
        self._ticks = Periodic(clock, TICK_S, self._tick, "the store's tick")
        self._renewals = Periodic(clock, RENEW_S, self._renew, "the renewal of the lease")

    # --- Broker -------------------------------------------------------------------------------------------------------

    @property
    def instance(self) -> str:
        """How this process is called."""
        return self._store.instance

    @property
    def store_reachable(self) -> bool | None:
        """See `Broker.store_reachable`."""
        return self._store.reachable

    @property
    def store_problem(self) -> str | None:
        """See `Broker.store_problem`."""
        return None if (problem := self._store.problem) is None else problem.word

    @property
    def waiting(self) -> int:
        """How many clients of this instance wait."""
        return self._pairing.waiting

    def crowds(self) -> Crowds:
        """See `Broker.crowds`."""
        return self._pairing.crowds()

    @property
    def rooms(self) -> int:
        """How many rooms have a client of this instance."""
        return len(self._relaying)

    @property
    def neighbours(self) -> int:
        """See `Broker.neighbours`."""
        return len(self._neighbours)

    @property
    def held_bytes(self) -> int:
        """See `Broker.held_bytes`."""
        return self._relaying.held_bytes

    def start(self, events: BrokerEvents, moderation: ModerationEvents, sessions: SessionEvents | None = None) -> None:
        """See `Broker.start`."""
        self._post = Post(
            self._store,
            self._neighbours,
            self._boot,
            self._at_turns_end,
            lambda letters: self._relaying.hold(letters),
            lambda letters: self._relaying.release(letters),
            lambda instance: self._pairing.unanswered(instance, self._clock.seconds()),
        )
        send = self._post.send
        self._errands = errands = Errands(
            store=self._store,
            clock=self._clock,
            sought=lambda ticket, outcome, now: self._pairing.sought(ticket, outcome, now),
            send=send,
            block=self.block,
            fence=lambda client, epoch, attempt: self._moving.rivals.fence(client, epoch, attempt),
        )
        self._relaying = Relaying(errands, events, self._boot, self._resume_s)
        rest = self._blocks, self._relaying, self._resume_s, self._waiting_per_user
        self._pairing = Pairing(self.instance, errands, events, self._new_room_id, *rest)
        self._moving = Moving(
            store=self._store,
            parked=ParkedSessions(self._store, self._keys, self._resume_s, self._boot),
            halves=self._relaying.halves,
            send=send,
            sessions=NoSessions() if sessions is None else sessions,
            seat=self._seat,
            boot=self._boot,
            clock=self._clock,
            seconds=self._resume_s,
        )
        self._moderation = SharedModeration(
            self._store, send, moderation, self._blocks, self._clock.seconds, self._common_time, self.inbox
        )
        self._questions = SharedQuestions(self._store, send, moderation.asked, self._clock.seconds)
        self._membership = Membership(
            store=self._store,
            pairing=self._pairing,
            post=self._post,
            neighbours=self._neighbours,
            moving=self._moving,
            moderation=self._moderation,
            passes=self._passes,
            label=self._label,
            boot=self._boot,
            clock=self._clock,
        )
        self._delivery = Delivery(
            post=self._post,
            membership=self._membership,
            moderation=self._moderation,
            questions=self._questions,
            moving=self._moving,
            relaying=self._relaying,
            pairing=self._pairing,
            clock=self._clock,
            stopping=lambda: self._stopping,
        )
        self._pairing.store_away(self._clock.seconds())
        self._store.start()
        self._ticks.start()
        self._renewals.start()

    async def stop(self) -> None:
        """See `Broker.stop`."""
        await self._moderation.stop()
        self._stopping = True
        self._renewals.stop()
        for instance in self._post.instances():
            self._post.send(instance, Stops())
        until = self._clock.seconds() + LAST_WORDS_S
        while self._store.reachable and self._post and self._clock.seconds() < until:
            self._post.flush()
            await deferLater(self._clock, 0.01)
        self._ticks.stop()
        self._moving.given_up.stop()
        self._post.stop()
        self._neighbours.stop()
        try:
            if self._store.reachable:
                await self._store.say_goodbye()
                await self._moving.forget_secret()
        finally:
            self._store.stop()

    def enqueue(self, ticket: Ticket) -> None:
        """See `Broker.enqueue`."""
        self._pairing.enqueue(ticket, self._clock.seconds())

    def withdraw(self, ticket: Ticket) -> None:
        """See `Broker.withdraw`."""
        self._pairing.withdraw(ticket, self._clock.seconds())

    def place(self, ticket: Ticket) -> int | None:
        """See `Broker.place`."""
        return self._pairing.places.get(ticket)

    def keep_place(self, ticket: Ticket, place: int) -> None:
        """See `Broker.keep_place`."""
        self._pairing.places.keep(ticket, place, self._clock.seconds())

    def relay(self, room: RoomId, sender: ClientId, text: bytes, is_offer: bool = False) -> None:
        """See `Broker.relay`."""
        self._relaying.relay(room, sender, text, is_offer)

    def leave(self, room: RoomId, client: ClientId, why: Parting = "gone") -> None:
        """See `Broker.leave`."""
        self._relaying.leave(room, client, why)

    def away(self, room: RoomId, client: ClientId, seconds: float) -> None:
        """See `Broker.away`."""
        self._relaying.client_away(room, client, seconds)

    def back(self, room: RoomId, client: ClientId, *, lost: bool, epoch: int, attempt: Attempt) -> None:
        """See `Broker.back`."""
        self._relaying.client_back(room, client, lost=lost, epoch=epoch, attempt=attempt)

    def partner_instance(self, room: RoomId) -> str:
        """See `Broker.partner_instance`."""
        return self._seat(self._relaying.where_is_partner(room, self.instance)) or self._relaying.halves.seat_of(room)

    def _seat(self, instance: str) -> str:
        boot = self._boot if instance == self.instance else self._membership.peers.boot(instance)
        return f"{instance}/{boot}" if instance else ""

    async def know_key(self) -> bool:
        """See `Broker.know_key`."""
        if self._membership.knows_key:
            return False
        return await self._moving.reachable() and self._membership.knows_key

    async def fetch(self, said: Pass, received: int, attempt: Attempt, wanted: Callable[[], bool]) -> Fetched:
        """See `Broker.fetch`."""
        try:
            return await self._moving.fetch(said, received, attempt, wanted)
        except StoreUnavailable:
            return self._moving.unseen(said)

    @property
    def parks(self) -> bool:
        """See `Broker.parks`."""
        return self._store.reachable

    async def park_all(self, within_s: float) -> ParkedAll:
        """See `Broker.park_all`."""
        return await self._moving.park_all(within_s)

    def settled(self, client: ClientId, found: Fetched) -> None:
        """See `Broker.settled`."""
        self._moving.settled(client, found)

    def overtaken(self, said: Pass) -> None:
        """See `Broker.overtaken`."""
        self._moving.rivals.give_up(said.client, said.epoch + 1, Attempt(), home=said.instance)

    def put_back(self, packed: Parcel) -> None:
        """See `Broker.put_back`."""
        self._moving.put_back(packed)

    async def rejoin(self, half: Half) -> Partner:
        """See `Broker.rejoin`."""
        try:
            return await self._moving.partners.rejoin(half)
        except StoreUnavailable:
            return Partner.AWAY

    def block(self, by: Party, whom: Party) -> None:
        """See `Broker.block`."""
        self._moderation.block(by, whom)

    def ended(self, client: ClientId, *, moved: bool) -> None:
        """See `Broker.ended`."""
        self._moderation.ended(client, moved=moved)

    def share(self, bans: Sequence[Ban]) -> None:
        """See `Broker.share`."""
        self._moderation.share(bans)

    async def ask(self, question: bytes) -> Answers:
        """See `Broker.ask`."""
        return await self._questions.ask(question)

    # --- the store and the time ---------------------------------------------------------------------------------------

    def _renew(self) -> "Deferred[None] | None":
        return self._membership.renew()

    def _tick(self) -> None:
        now = self._clock.seconds()
        self._pairing.tick(now)
        self._moderation.tick()
        self._questions.tick()
        self._errands.tick()
        self._membership.tick(now)
        if self._store.reachable:
            self._neighbours.go_on(ticks=1)

    def _arrived(self, envelopes: list[Envelope]) -> None:
        self._delivery.read(envelopes)
        self._neighbours.go_on()


def _conforms(broker: RedisBroker) -> Broker:
    return broker

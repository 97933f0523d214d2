"""Sessions that change their home: asked for, given up, parked, taken, and joined with their partners again.

The pure half, what becomes of their rooms, is in `signald.brokers.redis.halves`; what stands in the store meanwhile, in
`signald.brokers.redis.parked`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import Logger

from signald.brokers.interface import Fetched, Half, Origin, Partner, SessionEvents
from signald.brokers.redis.halves import ELSEWHERE, Halves
from signald.brokers.redis.letters import Demand, Given, Held, Hold, Letter, Moved, Rejoin, Rejoined
from signald.brokers.redis.parked import ParkedSessions, Turn
from signald.brokers.redis.rooms import RemoteRoom
from signald.brokers.redis.store import Store
from signald.core.ids import ClientId, RoomId
from signald.core.parcel import Parcel
from signald.core.passes import Pass

ANSWER_S: Final = 2.0
"""How long another instance may take to answer: one that takes longer counts as dead, and the epoch keeps it out."""

STORE_S: Final = 2.0
"""How long a session is not looked for since the store cannot be reached; then its token must do."""

LOOK_S: Final = 0.1
"""How often it is looked whether the store can be reached."""

T = TypeVar("T")


class Moving:
    """Sessions on their way from or to this instance.

    Args:
        store: Knows which instances live.
        parked: Sessions in the store.
        halves: Rooms that wait.
        send: Sends a letter to another instance.
        sessions: The sessions of this instance.
        seat: An instance with its boot id, as far as that is known.
        boot: This process's boot id.
        clock: A reactor.
        seconds: How long a session without a connection is kept.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        store: Store,
        parked: ParkedSessions,
        halves: Halves,
        send: Callable[[str, Letter], None],
        sessions: SessionEvents,
        seat: Callable[[str], str],
        boot: str,
        clock: Any,
        seconds: float,
    ) -> None:
        self._store = store
        self._parked = parked
        self._halves = halves
        self._send = send
        self._sessions = sessions
        self.seat = seat
        self._boot = boot
        self._clock = clock
        self._seconds = seconds
        self._number = 0
        self._demands: dict[int, Deferred[bool]] = {}
        self._joins: dict[tuple[RoomId, ClientId], Deferred[str]] = {}
        self._holds: dict[RoomId, Deferred[bool]] = {}
        self._all: Deferred[None] | None = None  # fires when all are parked; from then on nobody is at home here
        self._read: Mapping[type[Any], Callable[[str, Any, float], None]] = {
            Hold: self._hold,
            Held: self._held,
            Demand: self._demanded,
            Given: self._given,
            Rejoin: self._rejoin,
            Rejoined: self._rejoined,
            Moved: self._moved,
        }
        self.letters = frozenset(self._read)
        """The letters that are for this."""

    def read(self, instance: str, letter: Letter) -> None:
        """A letter of another instance; one of `letters`."""
        self._read[type(letter)](instance, letter, self._clock.seconds())

    # --- coming -------------------------------------------------------------------------------------------------------

    async def fetch(self, said: Pass, received: int, nonce: str) -> Fetched:
        """See `Broker.fetch`."""
        if not await self.reachable():
            return Fetched(Origin.DEAD)
        turn = await self._parked.take(said.client, said.epoch)
        if turn.taken:
            return self._taken(said, turn)
        # Who has taken it may give it to a client that did not hear of it, and asks again.
        home = turn.holder or said.instance
        if turn.holder == "-" or (turn.holder and not nonce):
            return Fetched(Origin.GONE)
        if home == self._store.instance and (turn.holder or said.boot == self._boot):
            return Fetched(Origin.GONE)
        boot = await self._parked.boot_of(home)
        if boot and (turn.holder or boot == said.boot):
            given = await self._demand(home, said, received, nonce)
            if given is False:
                return Fetched(Origin.GONE)
            if given:
                epoch = said.epoch + bool(turn.holder)
                return await self._take_given(said.client, epoch)
        if turn.holder:
            return Fetched(Origin.GONE)
        turn = await self._parked.take(said.client, said.epoch, dead=True)
        return self._taken(said, turn) if turn.taken else Fetched(Origin.GONE)

    def _taken(self, said: Pass, turn: Turn) -> Fetched:
        if turn.holder not in ("", self._store.instance):  # it had the session in an earlier epoch, and may have it yet
            self._send(turn.holder, Moved(said.client, said.epoch + 1))
        return Fetched(Origin.STOPPED if turn.parcel else Origin.DEAD, turn.parcel)

    async def _take_given(self, client: ClientId, epoch: int) -> Fetched:
        turn = await self._parked.take(client, epoch)
        return Fetched(Origin.MOVED, turn.parcel) if turn.parcel else Fetched(Origin.GONE)

    def put_back(self, packed: Parcel) -> None:
        """See `Broker.put_back`."""
        Deferred.fromCoroutine(self._parked.put_back(packed)).addErrback(self._store.failed)

    async def rejoin(self, half: Half) -> Partner:
        """See `Broker.rejoin`."""
        partner = self._halves.open(half, self._clock.seconds())
        if partner is not None:
            return partner
        if not self._store.reachable:
            return Partner.AWAY
        note = await self._parked.note(half.room, half.client, half.epoch, half.partner)
        instance, _, boot = half.partner_instance.partition("/")
        if note is not None:
            instance, boot = note[1], ""
        if not instance or instance == self._store.instance or not await self._parked.boot_of(instance):
            return Partner.AWAY
        joined = self._joins[half.room, half.client] = Deferred()
        self._send(instance, Rejoin(half.room, half.partner, half.epoch, half.client, boot))
        answer = await self._wait(joined, ELSEWHERE)
        self._joins.pop((half.room, half.client), None)
        if answer in (Partner.GONE, Partner.STALE):
            self._halves.drop(half.room, half.client)
            return Partner(answer)
        return Partner.HERE if answer == Partner.HERE else Partner.AWAY

    def look_for_partners(self) -> None:
        """Somebody may have come to another instance while nobody could say so."""
        for room in self._halves.waiting():
            Deferred.fromCoroutine(self._look_for(room)).addErrback(self._store.failed)

    async def _look_for(self, room: RemoteRoom) -> None:
        epoch = self._sessions.epoch(room.client)
        note = await self._parked.note(room.id, room.client, epoch, room.partner)
        if note is not None and note[1] != self._store.instance and room.held is not None:
            self._send(note[1], Rejoin(room.id, room.partner, epoch, room.client, ""))

    # --- going --------------------------------------------------------------------------------------------------------

    async def park_all(self) -> int:
        """Park all sessions of this instance; gives how many."""
        self._all = Deferred()
        try:
            return await self._park_all()
        finally:
            self._all.callback(None)

    async def _park_all(self) -> int:
        sessions = [(client, self._sessions.room(client)) for client, _ in self._sessions.epochs()]
        rooms = [(room, instance) for _, room in sessions if room and (instance := self._halves.instance_of(room))]
        lost = await self.hold(rooms)
        packed = [self._sessions.pack(client, lost=room in lost) for client, room in sessions]
        parcels = [each for each in packed if each is not None]
        await self.park(parcels)
        return len(parcels)

    async def hold(self, rooms: Collection[tuple[RoomId, str]]) -> set[RoomId]:
        """Let partners on other instances keep what they say, and wait until nothing of it is under way.

        Args:
            rooms: Each with the partner's instance.

        Returns:
            Those of which that is not known.
        """
        waits = {}
        for room, instance in rooms:
            waits[room] = self._holds[room] = Deferred()
            self._send(instance, Hold(room, self._seconds))
        until = self._clock.seconds() + ANSWER_S
        lost = set()
        for room, held in waits.items():
            if not await self._wait(held, False, max(0.0, until - self._clock.seconds())):
                lost.add(room)
            self._holds.pop(room, None)
        return lost

    async def park(self, parcels: Sequence[Parcel]) -> None:
        """Park sessions that were packed; their rooms are no longer here."""
        await self._parked.park([self._without_room(packed) for packed in parcels])

    def _without_room(self, packed: Parcel) -> Parcel:
        """A session takes along what it has said that nobody has heard; the partner's half stays, if it is here."""
        now = self._clock.seconds()
        if packed.room is None:
            return packed
        instance, parted = self._halves.instance_of(packed.room), None
        if packed.partner is not None and self._sessions.room(packed.partner) == packed.room:
            parted = self._halves.part(packed.room, packed.client, now)
        if parted is not None:
            return msgspec.structs.replace(packed, partner_instance=self.seat(self._store.instance))
        unheard = self._halves.forget(packed.room, packed.client, now)
        return msgspec.structs.replace(packed, unheard=unheard, partner_instance=instance and self.seat(instance))

    async def give_up_moved(self) -> None:
        """This instance was not heard of for a while: find out which of its sessions have another home."""
        epochs = dict(self._sessions.epochs())
        for client in await self._parked.taken(list(epochs.items())):
            self.fence(client, epochs[client] + 1)

    async def secret(self, own: str) -> str:
        """See `ParkedSessions.secret`."""
        return await self._parked.secret(own)

    async def forget_secret(self) -> None:
        """See `ParkedSessions.forget_secret`."""
        await self._parked.forget_secret()

    def fence(self, client: ClientId, epoch: int) -> None:
        """A session has a home of this epoch: if that is later than its epoch here, it is given up."""
        room = self._sessions.moved(client, epoch)
        if room is not None:
            now = self._clock.seconds()
            if self._halves.part(room, client, now) is None:
                self._halves.forget(room, client, now)

    # --- letters ------------------------------------------------------------------------------------------------------

    def _hold(self, instance: str, letter: Hold, now: float) -> None:
        self._halves.hold(instance, letter, now)

    def _held(self, instance: str, letter: Held, now: float) -> None:
        _fire(self._holds.pop(letter.room, None), True)

    def _demanded(self, instance: str, letter: Demand, now: float) -> None:
        Deferred.fromCoroutine(self._give(instance, letter)).addErrback(self._store.failed)

    def _given(self, instance: str, letter: Given, now: float) -> None:
        _fire(self._demands.pop(letter.number, None), letter.parked)

    def _rejoin(self, instance: str, letter: Rejoin, now: float) -> None:
        self._halves.rejoin(instance, letter, now)

    def _rejoined(self, instance: str, letter: Rejoined, now: float) -> None:
        self._halves.rejoined(instance, letter)
        _fire(self._joins.get((letter.room, letter.client)), letter.partner)

    def _moved(self, instance: str, letter: Moved, now: float) -> None:
        self.fence(letter.client, letter.epoch)

    async def _give(self, instance: str, wish: Demand) -> None:
        """Give a session up, if it is at home here and the token is its last."""
        if self._all is not None:  # whoever takes it from the store looks at the token
            if not self._all.called:
                await self._all_parked(self._all)
            self._send(instance, Given(wish.number, parked=True))
        elif self._sessions.demanded(wish.client, wish.epoch, wish.sent, wish.received, wish.nonce):
            await self._park_one(wish.client)
            self._send(instance, Given(wish.number, parked=True))
        else:
            self._send(instance, Given(wish.number, parked=False))

    @staticmethod
    async def _all_parked(parked: "Deferred[None]") -> None:
        waiting: Deferred[None] = Deferred()
        parked.addCallback(waiting.callback)
        await waiting

    async def _park_one(self, client: ClientId) -> None:
        room = self._sessions.room(client)
        instance = "" if room is None else self._halves.instance_of(room)
        lost = bool(instance and room and await self.hold([(room, instance)]))
        packed = self._sessions.pack(client, lost=lost)
        if packed is not None:
            await self.park([packed])

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _demand(self, home: str, said: Pass, received: int, nonce: str) -> bool | None:
        """Ask a home for a session; None if it does not answer."""
        self._number += 1
        number = self._number
        answer: Deferred[bool | None] = Deferred()
        self._demands[number] = answer  # type: ignore[assignment]
        self._send(home, Demand(number, said.client, said.epoch, said.sent, received, nonce))
        given = await self._wait(answer, None)
        self._demands.pop(number, None)
        return given

    async def _wait(self, answer: "Deferred[T]", otherwise: T, within_s: float = ANSWER_S) -> T:
        answer.addTimeout(within_s, self._clock)
        try:
            return await answer
        except TimeoutError:
            return otherwise

    async def reachable(self) -> bool:
        """Whether the store can be reached; waits for it a little."""
        until = self._clock.seconds() + STORE_S
        while not self._store.reachable:
            if self._clock.seconds() >= until:
                return False
            await deferLater(self._clock, LOOK_S)
        return True


class NoSessions:
    """The sessions of an instance that has none that may change their home."""

    def epochs(self) -> Sequence[tuple[ClientId, int]]:
        """See `SessionEvents.epochs`."""
        return ()

    def epoch(self, client: ClientId) -> int:
        """See `SessionEvents.epoch`."""
        return 0

    def room(self, client: ClientId) -> RoomId | None:
        """See `SessionEvents.room`."""
        return None

    def demanded(self, client: ClientId, epoch: int, sent: int, received: int, nonce: str) -> bool:
        """See `SessionEvents.demanded`."""
        return False

    def pack(self, client: ClientId, *, lost: bool) -> Parcel | None:
        """See `SessionEvents.pack`."""
        return None

    def moved(self, client: ClientId, epoch: int) -> RoomId | None:
        """See `SessionEvents.moved`."""
        return None


def _fire(waiting: "Deferred[T] | None", answer: T) -> None:
    if waiting is not None and not waiting.called:
        waiting.callback(answer)

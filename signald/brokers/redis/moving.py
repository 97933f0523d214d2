"""Sessions that change their home: asked for, given up, parked, taken, and joined with their partners again.

The pure half, what becomes of their rooms, is in `signald.brokers.redis.halves`; what stands in the store meanwhile, in
`signald.brokers.redis.parked`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

import msgspec
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import Logger

from signald.brokers.interface import Fetched, Half, Origin, Partner, SessionEvents
from signald.brokers.redis.connection import StoreUnavailable
from signald.brokers.redis.halves import ELSEWHERE, Halves
from signald.brokers.redis.letters import Demand, Given, Held, Hold, Letter, Moved, Rejoin, Rejoined
from signald.brokers.redis.parked import NOBODY, ParkedSessions, Turn
from signald.brokers.redis.rooms import RemoteRoom
from signald.brokers.redis.store import Store
from signald.core.ids import ClientId, RoomId
from signald.core.parcel import Parcel
from signald.core.passes import Pass
from signald.periodic import Countdown

ANSWER_S: Final = 2.0
"""How long another instance may take to answer: one that takes longer counts as dead, and the epoch keeps it out."""

STORE_S: Final = 2.0
"""How long a session is not looked for since the store cannot be reached; then its token must do."""

LOOK_S: Final = 0.1
"""How often it is looked whether what is waited for has come."""

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
        self.secret, self.forget_secret = parked.secret, parked.forget_secret
        self._halves = halves
        self._send = send
        self._sessions = sessions
        self.seat = seat
        self._boot = boot
        self._clock = clock
        self._seconds = seconds
        self._number = 0
        self._fetching: Counter[ClientId] = Counter()
        self._unparked: dict[ClientId, Parcel] = {}  # given up, when the store was lost
        self.given_up: Countdown[ClientId] = Countdown(clock, seconds, lambda client: None, "the memory of sessions")
        """Whom another instance has asked for: if nobody has it then, its token is good here, too."""
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

    async def fetch(self, said: Pass, received: int, nonce: str, wanted: Callable[[], bool]) -> Fetched:
        """See `Broker.fetch`."""
        self._fetching[said.client] += 1
        try:
            return await self._fetch(said, received, nonce, wanted)
        finally:
            self._fetching[said.client] -= 1
            self._fetching += Counter()  # drops those that are over

    async def _fetch(self, said: Pass, received: int, nonce: str, wanted: Callable[[], bool]) -> Fetched:
        reachable = await self.reachable()
        if not wanted():
            return Fetched(Origin.GONE)
        unparked = self._unparked.pop(said.client, None)
        if unparked is not None:
            return Fetched(Origin.STOPPED, unparked, claimed=True)
        if not reachable:
            return self.unseen(said)
        turn = await self._parked.take(said.client, said.epoch, nonce)
        if turn.taken:
            return self._taken(said, turn)
        if turn.holder == NOBODY:
            return Fetched(Origin.GONE)
        # Who has taken it for the same wish may give it to a client that did not hear of it, and asks again.
        home, _, boot = (turn.holder or f"{said.instance}/{said.boot}").partition("/")
        if boot == self._boot:
            await self._settles(said.client, besides=1)
            if self._sessions.epoch(said.client) or not (turn.holder or said.client in self.given_up):
                return Fetched(Origin.GONE)
        elif await self._parked.boot_of(home) == boot:
            given = await self._demand(home, said, received, nonce) if wanted() else False
            if given:
                held = await self._take_parked(said, nonce)
                if held.taken:
                    return Fetched(Origin.MOVED, held.parcel, claimed=True)
            if given is False and (not turn.holder or not wanted()):
                return Fetched(Origin.GONE)
        if not wanted():
            return Fetched(Origin.GONE)
        former = turn.holder
        turn = await self._take_parked(said, nonce)
        if not turn.taken:
            turn = await self._parked.take(said.client, said.epoch, nonce, from_dead=former)
        return self._taken(said, turn) if turn.taken else Fetched(Origin.GONE)

    def _taken(self, said: Pass, turn: Turn) -> Fetched:
        origin = Origin.STOPPED if turn.parcel else Origin.DEAD
        former = turn.holder.partition("/")[0] or said.instance
        return Fetched(origin, turn.parcel, claimed=True, shadow=self._shadow(said, former))

    def _shadow(self, said: Pass, former: str) -> tuple[str, int] | None:
        """Who had a session before us, or has given it back to its client in the same epoch, and did not say so."""
        return None if former == self._store.instance else (former, said.epoch + 1)

    async def _take_parked(self, said: Pass, nonce: str) -> Turn:
        """Take a session that is parked; maybe it has gone on before, and its client did not hear of that."""
        turn = await self._parked.take(said.client, said.epoch, nonce)
        return turn if turn.taken or not nonce else await self._parked.take(said.client, said.epoch + 1, nonce)

    async def _settles(self, client: ClientId, besides: int = 0) -> None:
        """Wait a little for a session that is being fetched."""
        until = self._clock.seconds() + ANSWER_S
        while self._fetching[client] > besides and self._clock.seconds() < until:
            await deferLater(self._clock, LOOK_S)

    def unseen(self, said: Pass) -> Fetched:
        """What a session is while the store cannot be asked: if its home lives, it will hear of this one."""
        if said.boot == self._boot and said.client not in self.given_up:
            return Fetched(Origin.GONE)
        return Fetched(Origin.DEAD, shadow=self._shadow(said, said.instance))

    def settled(self, client: ClientId, found: Fetched) -> None:
        """See `Broker.settled`."""
        if found.shadow is not None:
            instance, epoch = found.shadow
            self._send(instance, Moved(client, epoch, True, self._sessions.room(client) or ""))

    def put_back(self, packed: Parcel) -> None:
        """See `Broker.put_back`."""
        Deferred.fromCoroutine(self._park_surely([packed])).addErrback(self._store.failed)

    async def rejoin(self, half: Half) -> Partner:
        """See `Broker.rejoin`."""
        partner = self._halves.open(half, self._clock.seconds())
        if partner is not None:
            return partner
        if not self._store.reachable:
            return Partner.AWAY
        seat = await self._parked.note(half.room, half.client, half.epoch, half.partner)
        instance, _, boot = (seat or half.partner_instance).partition("/")
        if instance in ("", self._store.instance):
            return Partner.AWAY
        lives = await self._parked.boot_of(instance)
        if lives and boot and boot != lives:
            return Partner.AWAY
        # One whose lease is missing may be about to renew it, in a store that was emptied.
        self._send(instance, Rejoin(half.room, half.partner, half.epoch, half.client, boot, half.nonce))
        if not lives:
            return Partner.AWAY
        joined = self._joins[half.room, half.client] = Deferred()
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
        seat = await self._parked.note(room.id, room.client, self._sessions.epoch(room.client), room.partner)
        instance, _, boot = (seat or room.was).partition("/")
        if instance and boot != self._boot and room.held is not None:
            self._ask_for(room, instance, boot)

    def _ask_for(self, room: RemoteRoom, instance: str, boot: str) -> None:
        self._send(instance, Rejoin(room.id, room.partner, self._sessions.epoch(room.client), room.client, boot))

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
        await self._parked.park([self._without_room(packed) for packed in parcels])
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

    def _without_room(self, packed: Parcel, to: str = "") -> Parcel:
        """A session takes along what it has said that nobody has heard; the partner's half stays, if it is here."""
        now = self._clock.seconds()
        if packed.room is None:
            return packed
        instance, parted = self._halves.instance_of(packed.room), None
        seat = self.seat(instance) or self._halves.seat_of(packed.room)
        if packed.partner is not None and self._sessions.room(packed.partner) == packed.room:
            parted = self._halves.part(packed.room, packed.client, now)
        if parted is not None:
            return msgspec.structs.replace(packed, partner_instance=self.seat(self._store.instance))
        unheard, lost = self._halves.forget(packed.room, packed.client, now, to)
        return msgspec.structs.replace(packed, unheard=unheard, partner_instance=seat, lost=packed.lost or lost)

    async def give_up_moved(self) -> None:
        """This instance was not heard of for a while: find out which of its sessions have another home."""
        unparked, self._unparked = self._unparked, {}
        await self._park_surely(unparked.values())
        epochs = dict(self._sessions.epochs())
        for client in await self._parked.taken(list(epochs.items())):
            self.fence(client, epochs[client] + 1)

    def fence(self, client: ClientId, epoch: int, nonce: str = "", home: str = "", room: str | None = None) -> bool:
        """See `Outside.fence`; `home` is that home, and `room` where the client is there, each if it is known."""
        was = self._sessions.moved(client, epoch, nonce)
        if was is not None and room not in (None, was):
            self._halves.leave(was, client)
        elif was is not None:
            now = self._clock.seconds()
            parted = self._halves.part(was, client, now)
            if parted is None:
                if instance := self._halves.instance_of(was):  # it waits for whoever has it now
                    self._send(instance, Hold(was, self._seconds))
                self._halves.forget(was, client, now, home)
            elif home:
                parted.was = self.seat(home)
                Deferred.fromCoroutine(self._look_for(parted)).addErrback(self._store.failed)
        return self._sessions.epoch(client) == 0

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
        room = self._halves.waiting_in(letter.room, letter.client)
        if room is not None and letter.to not in ("", self._store.instance):
            self._ask_for(room, letter.to, "")
            return
        _fire(self._joins.get((letter.room, letter.client)), letter.partner)

    def _moved(self, instance: str, letter: Moved, now: float) -> None:
        self.fence(letter.client, letter.epoch + letter.rival, home=instance, room=letter.room)
        here, is_first = self._sessions.epoch(letter.client), self._store.instance < instance
        if here > letter.epoch or (here == letter.epoch and is_first):  # it has gone on here since
            self._send(instance, Moved(letter.client, here, is_first, self._sessions.room(letter.client) or ""))

    async def _give(self, instance: str, wish: Demand) -> None:
        """Give a session up, if it is at home here and the token is its last."""
        if self._all is not None:  # whoever takes it from the store looks at the token
            while not self._all.called:
                await deferLater(self._clock, LOOK_S)
            self._send(instance, Given(wish.number, parked=True))
            return
        await self._settles(wish.client)
        good = self._sessions.demanded(wish.client, wish.epoch, wish.sent, wish.received, wish.nonce)
        if good:
            await self._park_one(wish.client, instance)
        self._send(instance, Given(wish.number, parked=good))

    async def _park_one(self, client: ClientId, to: str) -> None:
        room = self._sessions.room(client)
        instance = "" if room is None else self._halves.instance_of(room)
        lost = bool(instance and room and await self.hold([(room, instance)]))
        packed = self._sessions.pack(client, lost=lost)
        if packed is not None:
            self.given_up.begin(client)
            await self._park_surely([self._without_room(packed, to)])

    async def _park_surely(self, parcels: Collection[Parcel]) -> None:
        """Park sessions now, or when the store is back."""
        try:
            await self._parked.park(list(parcels))
        except StoreUnavailable:
            self._unparked |= {packed.client: packed for packed in parcels}
            raise

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


def _fire(waiting: "Deferred[T] | None", answer: T) -> None:
    if waiting is not None and not waiting.called:
        waiting.callback(answer)

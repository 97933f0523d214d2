"""Sessions that change their home: asked for, given up, parked and taken.

What becomes of their rooms is in `signald.brokers.redis.halves` and `partners`, of what is said there meanwhile in
`holds`; what if two have one session, in `rivals`; what stands in the store meanwhile, in `parked`.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import Logger

from signald.brokers.interface import Fetched, Origin, ParkedAll, SessionEvents
from signald.brokers.redis.answers import ANSWER_S, all_of, fire, within
from signald.brokers.redis.halves import Halves
from signald.brokers.redis.holds import Holds
from signald.brokers.redis.letters import Demand, Given, Held, Hold, Letter, Moved, Rejoin, Rejoined
from signald.brokers.redis.parked import NOBODY, PARKED_AT_ONCE, ParkedSessions, Turn
from signald.brokers.redis.partners import Partners
from signald.brokers.redis.problems import StoreRefused, StoreUnavailable
from signald.brokers.redis.rivals import Rivals
from signald.brokers.redis.store import Store
from signald.core.ids import ClientId
from signald.core.parcel import Parcel
from signald.core.passes import Attempt, Pass
from signald.periodic import Countdown

STORE_S: Final = 2.0
"""How long a session is not looked for since the store cannot be reached; then its token must do."""

PARKS_AT_ONCE: Final = 3
"""Calls under way that park sessions: one that the store answers, one on its way there, and one on its way back."""

LOOK_S: Final = 0.1
"""How often it is looked whether what is waited for has come."""

MOVES_FOLLOWED: Final = 3
"""How many homes are asked, each of which says to where the session has gone: more are not met in one absence."""


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
        self._seat = seat
        self._boot = boot
        self._clock = clock
        self._seconds = seconds
        self._number = 0
        self._fetching: Counter[ClientId] = Counter()
        self._unparked: dict[ClientId, Parcel] = {}  # given up, when the store was lost
        self._went: dict[ClientId, str] = {}
        self.given_up: Countdown[ClientId] = Countdown(clock, seconds, self._forget, "the memory of sessions")
        """Whom another instance has, or has asked for: if nobody has it then, its token is good here, too."""
        self._demands: dict[int, tuple[str, Deferred[Given | None]]] = {}
        self._parked_now = 0
        self._all: Deferred[None] | None = None  # fires when all are parked; from then on nobody is at home here
        self.partners = Partners(
            store=store, parked=parked, halves=halves, send=send, sessions=sessions, boot=boot, clock=clock
        )
        self.rivals = Rivals(
            store=store,
            halves=halves,
            partners=self.partners,
            send=send,
            sessions=sessions,
            seat=seat,
            went=self._remember,
            clock=clock,
            seconds=seconds,
        )
        self.holds = Holds(halves=halves, send=send, sessions=sessions, clock=clock, seconds=seconds)
        self._read: Mapping[type[Any], Callable[[str, Any, float], None]] = {
            Hold: self._hold,
            Held: self.holds.held,
            Demand: self._demanded,
            Given: self._given,
            Rejoin: self.partners.asked,
            Rejoined: self.partners.answered,
            Moved: self.rivals.told,
        }
        self.letters = frozenset(self._read)
        """The letters that are for this."""

    def farewell(self, instance: str, boot: str) -> None:
        """An instance has stopped: it has parked its sessions, and answers nothing any more."""
        self._parked.stops(boot)
        self.holds.farewell(instance)
        self.partners.farewell(instance)
        for home, asked in list(self._demands.values()):
            if home == instance:
                fire(asked, None)

    def read(self, instance: str, letter: Letter) -> None:
        """A letter of another instance; one of `letters`."""
        self._read[type(letter)](instance, letter, self._clock.seconds())

    # --- coming -------------------------------------------------------------------------------------------------------

    async def fetch(self, said: Pass, received: int, attempt: Attempt, wanted: Callable[[], bool]) -> Fetched:
        """See `Broker.fetch`."""
        self._fetching[said.client] += 1
        try:
            return await self._fetch(said, received, attempt, wanted)
        finally:
            self._fetching[said.client] -= 1
            self._fetching += Counter()  # drops those that are over

    async def _fetch(self, said: Pass, received: int, attempt: Attempt, wanted: Callable[[], bool]) -> Fetched:
        reachable = await self.reachable()
        if not wanted():
            return Fetched(Origin.GONE, why="its connection is gone")
        unparked = self._unparked.pop(said.client, None)
        if unparked is not None and unparked.epoch >= said.epoch:  # else it has gone on since, by its token
            return Fetched(Origin.STOPPED, unparked, claimed=True)
        if not reachable:
            return self.unseen(said)
        turn = await self._parked.take(said, attempt)
        if turn.taken:
            return self._taken(said, turn)
        if turn.holder == NOBODY:
            return Fetched(Origin.GONE, why="another instance has taken it")
        found = await self._ask_homes(said, received, attempt, wanted, turn.holder)
        if found is not None or not wanted():
            return found or Fetched(Origin.GONE, why="its connection is gone")
        turn = await self._parked.take(said, attempt, from_dead=turn.holder)
        return self._taken(said, turn) if turn.taken else Fetched(Origin.GONE, why="another instance has taken it")

    async def _ask_homes(
        self, said: Pass, received: int, attempt: Attempt, wanted: Callable[[], bool], holder: str
    ) -> Fetched | None:
        """Ask for a session where it was last; None if nobody has it.

        Args:
            said: See `Broker.fetch`.
            received: See there.
            attempt: See there.
            wanted: See there.
            holder: Who has taken it by an earlier attempt, of which its client did not hear; empty for nobody.
        """
        home = holder or f"{said.instance}/{said.boot}"
        for moves in range(MOVES_FOLLOWED):
            name, _, boot = home.partition("/")
            if boot == self._boot:
                await self._settles(said.client, besides=1)
                # One that was given to us, and that nobody took from the store, has never come.
                if self._sessions.epoch(said.client) or not (holder or moves or said.client in self.given_up):
                    return Fetched(Origin.GONE, why="it has ended here")
                home = self._went.get(said.client, "")
            else:
                lives = await self._parked.boot_of(name)
                if not lives or boot not in ("", lives):
                    return None
                given = await self._demand(name, said, received, attempt) if wanted() else None
                if given is None or not wanted():  # then it stays in the store for the next attempt
                    return None
                if given.parked:
                    turn = await self._parked.take(said, attempt)
                    if turn.taken:
                        return Fetched(Origin.MOVED, turn.parcel, claimed=True)
                    home = "" if turn.holder == NOBODY else turn.holder  # who may just put it back
                elif holder or given.to:
                    home = given.to
                elif self._seat(name) != f"{name}/{lives}":  # the process after it has read what was meant for it
                    return None
                else:
                    return Fetched(Origin.GONE, why="it has ended at home, or its token is not the last")
            if not home:
                break
        return None

    def _taken(self, said: Pass, turn: Turn) -> Fetched:
        origin = Origin.STOPPED if turn.parcel else Origin.DEAD
        former = turn.holder.partition("/")[0] or said.instance
        return Fetched(origin, turn.parcel, claimed=True, shadow=self._shadow(said, former))

    def _shadow(self, said: Pass, former: str) -> tuple[str, int] | None:
        """Who had a session before us, or has given it back to its client in the same epoch, and did not say so."""
        return None if former == self._store.instance else (former, said.epoch + 1)

    async def _settles(self, client: ClientId, besides: int = 0) -> None:
        """Wait a little for a session that is being fetched."""
        until = self._clock.seconds() + ANSWER_S
        while self._fetching[client] > besides and self._clock.seconds() < until:
            await deferLater(self._clock, LOOK_S)

    def unseen(self, said: Pass) -> Fetched:
        """What a session is while the store cannot be asked: if its home lives, it will hear of this one."""
        if said.boot == self._boot and said.client not in self.given_up:
            return Fetched(Origin.GONE, why="it has ended here")
        return Fetched(Origin.DEAD, shadow=self._shadow(said, said.instance))

    def settled(self, client: ClientId, found: Fetched) -> None:
        """See `Broker.settled`. If it ends here, nobody is to look for it where it was meanwhile."""
        self.given_up.end(client)
        self._went.pop(client, None)
        self.rivals.settled(client, found)

    def put_back(self, packed: Parcel) -> None:
        """See `Broker.put_back`."""
        Deferred.fromCoroutine(self._park([packed])).addErrback(self._store.failed)

    # --- going --------------------------------------------------------------------------------------------------------

    async def park_all(self, within_s: float) -> ParkedAll:
        """See `Broker.park_all`."""
        self._all = Deferred()
        self._parked_now, why = 0, ""
        try:
            await Deferred.fromCoroutine(self._park_all()).addTimeout(within_s, self._clock)
        except TimeoutError:
            why = f"not within {within_s:g} s"
        except StoreUnavailable as error:
            why = str(error)
        finally:
            self._all.callback(None)
        return ParkedAll(self._parked_now, why)

    async def _park_all(self) -> None:
        lost = await self.holds.quieten(lambda: [client for client, _ in self._sessions.epochs()])
        packed = [
            self._sessions.pack(client, lost=self._sessions.room(client) in lost)
            for client, _ in self._sessions.epochs()
        ]
        parcels = [self._without_room(each) for each in packed if each is not None]
        while parcels:
            try:
                await self._park(parcels)
            except StoreRefused:
                raise
            except StoreUnavailable:  # what was not parked is tried again, while there is time
                await deferLater(self._clock, LOOK_S)
                while not self._store.reachable:
                    await deferLater(self._clock, LOOK_S)
            parcels, self._unparked = list(self._unparked.values()), {}

    def _without_room(self, packed: Parcel, to: str = "") -> Parcel:
        """A session takes along what it has said that nobody has heard; the partner's half stays, if it is here."""
        now = self._clock.seconds()
        if packed.room is None:
            return packed
        instance, parted = self._halves.instance_of(packed.room), None
        seat = self._seat(instance) or self._halves.seat_of(packed.room)
        if packed.partner is not None and self._sessions.room(packed.partner) == packed.room:
            # Without a boot id nobody there takes it for gone, while it is on its way.
            parted = self._halves.part(packed.room, packed.client, now, f"{to}/" if to else "")
        if parted is not None:
            return msgspec.structs.replace(packed, partner_instance=self._seat(self._store.instance))
        unheard, lost = self._halves.forget(packed.room, packed.client, now, to)
        return msgspec.structs.replace(packed, unheard=unheard, partner_instance=seat, lost=packed.lost or lost)

    async def give_up_moved(self) -> None:
        """This instance was not heard of for a while: find out which of its sessions have another home."""
        if self._all is None:  # else `park_all` parks them
            unparked, self._unparked = self._unparked, {}
            await self._park(unparked.values())
        sessions = [(client, epoch, self._sessions.attempt(client)) for client, epoch in self._sessions.epochs()]
        for client, epoch in await self._parked.taken(sessions):
            self.rivals.give_up(client, epoch + 1, Attempt())

    # --- letters ------------------------------------------------------------------------------------------------------

    def _hold(self, instance: str, letter: Hold, now: float) -> None:
        self._halves.hold(instance, letter, now)

    def _demanded(self, instance: str, letter: Demand, now: float) -> None:
        Deferred.fromCoroutine(self._give(instance, letter)).addErrback(self._store.failed)

    def _given(self, instance: str, letter: Given, now: float) -> None:
        _, asked = self._demands.pop(letter.number, ("", None))
        fire(asked, letter)
        if asked is None and letter.parked:  # too late, and yet it has parted rooms from which we have taken somebody
            self.partners.look_for_all_at(instance)

    async def _give(self, instance: str, wish: Demand) -> None:
        """Give a session up, if it is at home here and the token is its last."""
        if self._all is not None:  # whoever takes it from the store looks at the token
            while not self._all.called:
                await deferLater(self._clock, LOOK_S)
            await self._settles(wish.client)
            self._send(instance, Given(wish.number, parked=True))
            return
        await self._settles(wish.client)
        good = self._sessions.demanded(wish.client, wish.epoch, wish.sent, wish.received, wish.attempt)
        parked = good and await self._park_one(wish.client, instance)
        self._send(instance, Given(wish.number, parked=parked, to="" if parked else self._went.get(wish.client, "")))

    async def _park_one(self, client: ClientId, to: str) -> bool:
        """Park a session for another instance; false if its client has come back here meanwhile."""
        which = self._which(client)
        lost = bool(await self.holds.quieten(lambda: [client] if self._which(client) == which else []))
        packed = self._sessions.pack(client, lost=lost) if self._which(client) == which else None
        if packed is None:
            return False
        self._remember(client, self._seat(to))
        await self._park([self._without_room(packed, to)])
        return True

    def _which(self, client: ClientId) -> tuple[int, Attempt]:
        """Tells a session from the one of the same client that comes after it."""
        return self._sessions.epoch(client), self._sessions.attempt(client)

    async def _park(self, parcels: Collection[Parcel]) -> None:
        """Park sessions now, some at a time, or when the store is back."""
        left = iter(parcels)
        problems: list[StoreUnavailable] = []

        async def park_some() -> None:
            while some := list(islice(left, PARKED_AT_ONCE)):
                try:
                    await self._parked.park(some)
                    self._parked_now += len(some)
                except StoreUnavailable as problem:
                    self._unparked |= {packed.client: packed for packed in some}
                    problems.append(problem)

        await all_of(Deferred.fromCoroutine(park_some()) for _ in range(PARKS_AT_ONCE))
        if problems:
            raise problems[0]

    def _remember(self, client: ClientId, seat: str) -> None:
        """A session has gone from here, to there if that is known."""
        self._went[client] = seat
        self.given_up.begin(client)

    def _forget(self, client: ClientId) -> None:
        self._went.pop(client, None)

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _demand(self, home: str, said: Pass, received: int, attempt: Attempt) -> Given | None:
        """Ask a home for a session; None if it does not answer."""
        self._number += 1
        number = self._number
        answer: Deferred[Given | None] = Deferred()
        self._demands[number] = home, answer
        self._send(home, Demand(number, said.client, said.epoch, said.sent, received, attempt))
        given = await within(self._clock, answer, None)
        self._demands.pop(number, None)
        return given

    async def reachable(self) -> bool:
        """Whether the store can be reached; waits for it a little."""
        until = self._clock.seconds() + STORE_S
        while not self._store.reachable:
            if self._clock.seconds() >= until:
                return False
            await deferLater(self._clock, LOOK_S)
        return True

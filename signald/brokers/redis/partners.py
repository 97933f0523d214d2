"""Finds the partner again of a session that has changed its home: in the store's notes, by asking where it was.

The pure half, what becomes of the room, is in `signald.brokers.redis.halves`.
"""

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred

from signald.brokers.interface import Half, Partner, SessionEvents
from signald.brokers.redis.answers import fire, within
from signald.brokers.redis.halves import ELSEWHERE, Halves
from signald.brokers.redis.letters import Check, Letter, Rejoin, Rejoined
from signald.brokers.redis.parked import ParkedSessions
from signald.brokers.redis.rooms import RemoteRoom
from signald.brokers.redis.store import Store
from signald.core.ids import ClientId, RoomId

EVERYWHERE_AFTER_S: Final = 4.0
"""How long a room waits for somebody until all instances are asked: longer than who is found is looked for."""


class Partners:
    """Brings the two halves of rooms together.

    Args:
        store: Whether it can be asked.
        parked: Notes of where clients are.
        halves: Rooms that wait.
        send: Sends a letter to another instance.
        sessions: The sessions of this instance.
        boot: This process's boot id.
        clock: A reactor.
    """

    def __init__(
        self,
        *,
        store: Store,
        parked: ParkedSessions,
        halves: Halves,
        send: Callable[[str, Letter], None],
        sessions: SessionEvents,
        boot: str,
        clock: Any,
    ) -> None:
        self._store = store
        self._parked = parked
        self._halves = halves
        self._send = send
        self._sessions = sessions
        self._boot = boot
        self._clock = clock
        self._joins: dict[tuple[RoomId, ClientId], Deferred[str]] = {}
        self._asked: dict[tuple[RoomId, ClientId], str] = {}  # of whom an answer is awaited

    async def rejoin(self, half: Half) -> Partner:
        """See `Broker.rejoin`."""
        partner = self._halves.open(half, self._clock.seconds())
        if not self._store.reachable:
            return Partner.AWAY if partner is None else partner
        if partner is not None:  # the partner here may be one that has gone on elsewhere, and looks for this one
            note = self._parked.note(half.room, half.client, half.epoch, half.partner)
            Deferred.fromCoroutine(note).addErrback(self._store.failed)
            return partner
        seat = await self._parked.note(half.room, half.client, half.epoch, half.partner)
        instance, _, boot = (seat or half.partner_instance).partition("/")
        if instance in ("", self._store.instance):
            return Partner.AWAY
        lives = await self._parked.boot_of(instance)
        if lives and boot and boot != lives:
            return Partner.AWAY
        # One whose lease is missing may be about to renew it, in a store that was emptied.
        self._send(instance, Rejoin(half.room, half.partner, half.epoch, half.client, boot, half.attempt))
        if not lives:
            return Partner.AWAY
        join = half.room, half.client
        joined = self._joins[join] = Deferred()
        self._asked[join] = instance
        answer = await within(self._clock, joined, ELSEWHERE)
        self._joins.pop(join, None)
        self._asked.pop(join, None)
        if answer == Partner.STALE or (answer == Partner.GONE and not self._halves.goes_on(half.room, half.client)):
            self._halves.drop(half.room, half.client)
            return Partner(answer)
        return Partner.HERE if answer == Partner.HERE else Partner.AWAY

    def look_for_all(self) -> None:
        """Somebody may have come to another instance while nobody could say so."""
        for room in self._halves.waiting():
            self.look_for(room)

    def look_for(self, room: RemoteRoom) -> None:
        """The other half of a room may be elsewhere by now."""
        Deferred.fromCoroutine(self._look_for(room)).addErrback(self._store.failed)

    async def _look_for(self, room: RemoteRoom) -> None:
        seat = await self._parked.note(room.id, room.client, self._sessions.epoch(room.client), room.partner)
        instance, _, boot = (seat or room.was).partition("/")
        if instance and boot != self._boot and room.held is not None:
            self._ask(room, instance, boot)

    def checked(self, instance: str, check: Check) -> None:
        """An instance tells its rooms: if one side alone has found the two of one of them, a letter was lost."""
        here = [self._halves.settled_with(instance, id) for id in check.waiting]
        there = [self._halves.waits(id) for id in check.rooms]
        for room in here + there:
            if room is not None:
                self._ask(room, instance, "")

    async def ask_everywhere(self) -> None:
        """Whoever waits in vain may have a partner of whom neither the store nor its last home can tell any more."""
        late = self._halves.waiting_for(EVERYWHERE_AFTER_S, self._clock.seconds())
        if not late:
            return
        others = await self._store.others()
        for room in late:
            for instance in others - room.asked:
                self._ask(room, instance, "")
            room.asked |= others

    def look_for_all_at(self, instance: str) -> None:
        """A partner may have come back while that instance had not given up the one who was there yet."""
        for room in self._halves.waiting():
            if room.last_instance == instance:
                self.look_for(room)

    def _ask(self, room: RemoteRoom, instance: str, boot: str) -> None:
        epoch, attempt = self._sessions.epoch(room.client), self._sessions.attempt(room.client).counted
        self._send(instance, Rejoin(room.id, room.partner, epoch, room.client, boot, attempt))

    def asked(self, instance: str, letter: Rejoin, now: float) -> None:
        """Another instance has a client whose partner may be here."""
        epoch, attempt = self._sessions.epoch(letter.client), self._sessions.attempt(letter.client).counted
        self._halves.rejoin(instance, letter, epoch, attempt, now)

    def answered(self, instance: str, letter: Rejoined, now: float) -> None:
        """An instance that was asked says how it is."""
        is_there = self._halves.rejoined(instance, letter)
        room = self._halves.waiting_in(letter.room, letter.client)
        if room is not None and letter.to not in ("", self._store.instance, *room.asked):
            room.asked |= {letter.to}
            self._ask(room, letter.to, "")
            if (letter.room, letter.client) in self._asked:
                self._asked[letter.room, letter.client] = letter.to
            return
        partner = letter.partner if is_there else Partner.AWAY  # where it is now says so, or will
        fire(self._joins.get((letter.room, letter.client)), partner)

    def farewell(self, instance: str) -> None:
        """An instance has stopped, maybe before it has read what it was asked: nobody is there any more."""
        for join in [join for join, asked in self._asked.items() if asked == instance]:
            fire(self._joins.get(join), ELSEWHERE)

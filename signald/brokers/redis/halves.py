"""Rooms of which one of the two has no home for a while, or has just got another one.

Such a room waits here for as long as sessions are kept, and keeps what is said to the one who is missing. Whoever
brings that session to life asks with a later epoch (`Rejoin`); a home that hears of a later epoch gives up its own.

Pure, as `signald.brokers.redis.relaying`, whose rooms these are.
"""

from collections import OrderedDict
from typing import Final

from signald.brokers.interface import BrokerEvents, Half, Partner
from signald.brokers.redis.letters import Back, Held, Hold, Left, Moved, Rejoin, Rejoined, Relayed
from signald.brokers.redis.outside import Outside
from signald.brokers.redis.rooms import RemoteRoom, RemoteRooms
from signald.core.ids import ClientId, RoomId
from signald.core.messages import Parting
from signald.core.passes import Attempt
from signald.core.rooms import Room

ELSEWHERE: Final = "elsewhere"


class Halves:
    """The rooms of one instance that wait for somebody.

    Args:
        remote: Rooms with a client of another instance, or of none.
        local: Rooms of two clients of this one.
        outside: Where letters go.
        events: Who is told of partners.
        boot: This process's boot id.
        seconds: How long a room waits.
    """

    def __init__(
        self,
        remote: RemoteRooms,
        local: dict[RoomId, Room],
        outside: Outside,
        events: BrokerEvents,
        boot: str,
        seconds: float,
    ) -> None:
        self._remote = remote
        self._local = local
        self._outside = outside
        self._events = events
        self._boot = boot
        self._seconds = seconds
        self._until: OrderedDict[RoomId, float] = OrderedDict()
        self._now = 0.0
        self._gone: OrderedDict[RoomId, tuple[float, dict[ClientId, str | None]]] = OrderedDict()
        # Rooms whose clients have gone from here, and to which instance; empty if nobody knows, None if for good.

    def waiting_in(self, id: RoomId, client: ClientId) -> RemoteRoom | None:
        """A client's room, if it waits for the other half; else None."""
        room = self._remote.get(id)
        return room if room is not None and room.client == client and room.held is not None else None

    def goes_on(self, id: RoomId, client: ClientId) -> bool:
        """Whether a client's room has both halves: its partner may have found it first."""
        room = self._remote.get(id)
        return room is not None and room.client == client and room.held is None

    def waits(self, id: RoomId) -> RemoteRoom | None:
        """The room, if its other half has no home that is known; else None."""
        room = self._remote.get(id)
        return room if room is not None and room.held is not None and not room.instance else None

    def settled_with(self, instance: str, id: RoomId) -> RemoteRoom | None:
        """The room that there is with an instance, if it waits for nobody here; else None."""
        room = self._remote.get(id)
        return room if room is not None and room.instance == instance and room.held is None else None

    def waiting(self) -> list[RemoteRoom]:
        """The rooms whose other half has no home that is known."""
        return [room for id in self._until if (room := self._remote.get(id)) is not None and not room.instance]

    def waiting_for(self, seconds: float, now: float) -> list[RemoteRoom]:
        """Those of them that have waited for so long."""
        began = now - seconds
        return [room for room in self.waiting() if self._until[room.id] - self._seconds <= began]

    # --- waiting ------------------------------------------------------------------------------------------------------

    def wait(self, room: RemoteRoom, now: float) -> None:
        """The partner has no home from now on, as far as is known."""
        if room.held is None:
            room.held = []
            self._until.pop(room.id, None)
            self._until[room.id] = now + self._seconds
            self._events.partner_away(room.client, room.id, self._seconds)

    def keep(self, room: RemoteRoom, text: bytes) -> None:
        """Keep what is said to a partner without a home."""
        if room.held is not None and self._remote.keep(room, text):
            room.held.append(text)
        else:
            room.lost = True

    def tick(self, now: float) -> None:
        """Time has passed: who did not come back in time is gone."""
        self._now = now
        while self._until:
            id, until = next(iter(self._until.items()))
            if until > now:
                break
            del self._until[id]
            room = self._remote.get(id)
            if room is not None and room.held is not None:
                self.give_up(room)
        while self._gone and next(iter(self._gone.values()))[0] <= now:
            self._gone.popitem(last=False)

    def give_up(self, room: RemoteRoom) -> None:
        """End a room that neither of the two has left."""
        self.end(room)
        self._events.partner_left(room.client, room.id)

    def end(self, room: RemoteRoom, why: Parting = "gone") -> None:
        """A client of this instance is in a room no longer; its partner may be on its way."""
        if room.held is not None:
            self._note(room.id, room.client, None, self._now)
        self.close(room)
        if room.last_instance:
            self._outside.send(room.last_instance, Left(room.id, why=why))

    def close(self, room: RemoteRoom) -> None:
        """Forget a room, and what it has kept."""
        self._remote.close(room.id)
        self._until.pop(room.id, None)
        self._release(room)

    # --- a client of this instance goes to another home ---------------------------------------------------------------

    def part(self, id: RoomId, client: ClientId, now: float, seat: str = "") -> RemoteRoom | None:
        """Make a room of two clients of this instance one that waits for a client that goes; None if it is none.

        Args:
            id: The room.
            client: Who goes.
            now: Seconds.
            seat: To where, as ``instance/boot``, if that is known.
        """
        local = self._local.pop(id, None)
        if local is None:
            return None
        room = RemoteRoom(id, local.partner_of(client), client, "", resumes=True)
        room.was = seat
        self._remote.open(room)
        self.wait(room, now)
        return room

    def forget(self, id: RoomId, client: ClientId, now: float, to: str = "") -> tuple[tuple[bytes, ...], bool]:
        """A client is gone from here with its half of a room, to another instance if that is known.

        Returns:
            What it has said that nobody has heard, and whether its partner has yet to hear that something was lost.
        """
        self._note(id, client, to, now)
        self._local.pop(id, None)
        room = self._remote.get(id)
        if room is None or room.client != client:
            return (), False
        was, _, boot = room.was.partition("/")
        if room.instance or (was and boot != self._boot):
            self._note(id, room.partner, room.instance or was, now)
        unheard = tuple(room.held or ())
        self.close(room)
        return unheard, room.lost

    def drop(self, id: RoomId, client: ClientId) -> None:
        """A client that came here has no such room."""
        room = self._remote.get(id)
        if room is not None and room.client == client:
            self.close(room)

    def _note(self, id: RoomId, client: ClientId, to: str | None, now: float) -> None:
        _, went = self._gone.pop(id, (0.0, {}))
        went[client] = to
        self._gone[id] = now + self._seconds, went

    def has_parted(self, id: RoomId) -> bool:
        """Whether a client of this instance has gone with this room."""
        return id in self._gone

    def pass_on(self, letter: Left, *, by: str, instance: str) -> bool:
        """Tell those who have gone from here that their room has ended; false if it is not known where they are.

        Args:
            letter: Which room.
            by: Who says so.
            instance: From whom this instance has heard it.
        """
        _, went = self._gone.pop(letter.room, (0.0, {}))
        there = {to for to in went.values() if to} - {by, instance}
        for to in there:
            self._outside.send(to, Left(letter.room, by, letter.why))
        return bool(there)

    def leave(self, id: RoomId, client: ClientId) -> None:
        """A client has left a room elsewhere, which knew nothing of it."""
        local, room = self._local.pop(id, None), self._remote.get(id)
        if local is not None:
            self._events.partner_left(local.partner_of(client), id)
        elif room is not None and room.client == client:
            self.end(room)

    def instance_of(self, id: RoomId) -> str:
        """Where the partner in a room is; empty for nowhere, and here."""
        room = self._remote.get(id)
        return "" if room is None else room.instance

    def seat_of(self, id: RoomId) -> str:
        """Where a partner was, as ``instance/boot``, that a client here has not found again; else empty."""
        room = self._remote.get(id)
        return "" if room is None or room.instance else room.was

    def hold(self, instance: str, letter: Hold, now: float) -> None:
        """A partner is about to have no home."""
        room = self._remote.get(letter.room)
        if room is not None and room.instance == instance:
            room.resumes = True
            self.wait(room, now)
        self._outside.send(instance, Held(letter.room))

    # --- one comes from elsewhere -------------------------------------------------------------------------------------

    def open(self, half: Half, now: float) -> Partner | None:
        """A client of this instance has come with its half of a room.

        Returns:
            How its partner is, if that one is here too; None if it has to be looked for: until then the room waits.
        """
        room = self._remote.get(half.room)
        if room is not None and room.client == half.partner:
            return Partner.STALE if _is_stale(room, half.epoch, half.attempt) else self._meet(room, half)
        opened = RemoteRoom(half.room, half.client, half.partner, "", resumes=True)
        opened.was = half.partner_instance
        opened.held = []
        self._remote.open(opened)
        for text in half.unheard:
            self.keep(opened, text)
        self._until.pop(half.room, None)
        self._until[half.room] = now + self._seconds
        self._gone.pop(half.room, None)
        return None

    def rejoin(self, instance: str, letter: Rejoin, epoch: int, attempt: Attempt, now: float) -> None:
        """The partner of a client of this instance has come to another one.

        Args:
            instance: To which one.
            letter: What that one says.
            epoch: Of this instance's client.
            attempt: The one by which it has come here.
            now: Seconds.
        """
        room = self._remote.get(letter.room)
        is_rival = room is not None and room.client == letter.partner
        if is_rival or letter.room in self._local:
            # The session that has come there is, or was, one of this instance, which was too slow.
            if self._outside.fence(letter.partner, letter.epoch, letter.attempt):
                self.part(letter.room, letter.partner, now)
            room = self._remote.get(letter.room)
        if room is None and letter.room not in self._local:
            self._outside.send(instance, self._where_is(letter))
            return
        if room is None or room.partner != letter.partner or _is_stale(room, letter.epoch, letter.attempt, instance):
            self._outside.send(instance, Rejoined(letter.room, letter.partner, Partner.STALE))
            return
        before, rival = room.instance, room.epoch == letter.epoch
        if before not in ("", instance) and rival and room.held is None:
            room.lost = (
                True  # what was said to the one before; who comes in a later epoch without a parcel says so itself
            )
        room.epoch, room.attempt, room.resumes = letter.epoch, letter.attempt, True
        if before and before != instance:
            self._outside.send(before, Moved(letter.partner, letter.epoch, rival, room.id, letter.attempt.counted))
        partner = Partner.HERE if self._events.is_here(room.client) else Partner.AWAY
        self._outside.send(instance, Rejoined(letter.room, letter.partner, partner.value, "", epoch, attempt))
        self._go_on(room, instance)

    def _where_is(self, letter: Rejoin) -> Rejoined:
        """What has become of a client that is not in this room here, if it ever was."""
        _, went = self._gone.get(letter.room, (0.0, {}))
        to = went.get(letter.client, "")
        is_over = to is None or (not went and letter.boot == self._boot)
        return Rejoined(letter.room, letter.partner, Partner.GONE if is_over else ELSEWHERE, to or "")

    def rejoined(self, instance: str, letter: Rejoined) -> bool:
        """Another instance has the partner of one that came here; false if that one has gone on elsewhere since."""
        room = self._remote.get(letter.room)
        if room is None or room.client != letter.client:
            return True
        if letter.partner in (Partner.HERE, Partner.AWAY):
            if _is_over(room, letter, instance):
                return False
            room.epoch, room.attempt = letter.epoch, letter.attempt
            self._go_on(room, instance)
            if self._events.is_here(room.client):  # it did not wait for the answer
                self._outside.send(instance, Back(room.id, lost=False))
                if letter.partner == Partner.HERE:
                    self._events.partner_back(room.client, room.id, False)
        elif letter.partner == Partner.GONE and room.held is not None:
            self.close(room)
            self._events.partner_left(room.client, room.id)
        return True

    def _go_on(self, room: RemoteRoom, instance: str) -> None:
        self._remote.move(room, instance)
        room.was = ""  # who had it before, or comes by that name, forgets the room, and would say that it is over
        self._until.pop(room.id, None)
        for relayed in self._release(room):
            self._outside.send(instance, relayed)
        if room.lost:
            room.lost = False
            self._outside.send(instance, Back(room.id, lost=True))
            self._events.partner_back(room.client, room.id, True)

    def _release(self, room: RemoteRoom) -> list[Relayed]:
        """Keep nothing more in a room; returns what was kept."""
        kept = [Relayed(room.id, text) for text in room.held or ()]
        room.held = None
        self._remote.release(kept)
        return kept

    def _meet(self, room: RemoteRoom, half: Half) -> Partner:
        """Both are here now."""
        held, lost = room.held or [], room.lost
        if room.instance:
            rival, attempt = room.epoch == half.epoch, half.attempt.counted
            self._outside.send(room.instance, Moved(half.client, half.epoch, rival, room.id, attempt))
        self.close(room)
        self._local[room.id] = Room(room.id, half.partner, half.client)
        for text in held:
            self._events.relayed(half.client, room.id, text)
        for text in half.unheard:
            self._events.relayed(half.partner, room.id, text)
        if lost:
            self._events.partner_back(half.client, room.id, True)
            self._events.partner_back(half.partner, room.id, True)
        return Partner.HERE if self._events.is_here(half.partner) else Partner.AWAY


def _is_stale(room: RemoteRoom, epoch: int, attempt: Attempt, instance: str | None = None) -> bool:
    """Whether the partner in a room has gone on elsewhere in a later epoch, or in this one by a later attempt."""
    if room.epoch != epoch or room.instance == instance:
        return room.epoch > epoch
    return not attempt.follows(room.attempt)


def _is_over(room: RemoteRoom, letter: Rejoined, instance: str) -> bool:
    """Whether a partner that was found there has gone on elsewhere since."""
    if room.held is not None:
        return room.epoch > letter.epoch
    return _is_stale(room, letter.epoch, letter.attempt, instance)

"""Relays between the two of each room of one instance, of whom one may be on another, until the room ends.

Two of this instance have a local room. One with a client of another instance is remote; while that client has no home
it waits (`signald.brokers.redis.halves`).

Pure, as `signald.brokers.redis.pairing`, which opens these rooms.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from signald.brokers.interface import BrokerEvents
from signald.brokers.redis.halves import Halves
from signald.brokers.redis.letters import Away, Back, Check, Left, Letter, Moved, Relayed
from signald.brokers.redis.outside import Outside
from signald.brokers.redis.rooms import RemoteRoom, RemoteRooms
from signald.core.ids import ClientId, RoomId
from signald.core.messages import Parting, parting
from signald.core.passes import Attempt
from signald.core.rooms import Room


class Relaying:
    """The rooms of one instance.

    Args:
        outside: Where letters go.
        events: Who is told of relays and partners that left.
        boot: This process's boot id.
        resume_s: How long a room waits for one whose home is gone; seconds.
    """

    def __init__(self, outside: Outside, events: BrokerEvents, boot: str = "", resume_s: float = 0.0) -> None:
        self._outside = outside
        self._events = events
        self._local: dict[RoomId, Room] = {}
        self._remote = RemoteRooms()
        self.halves = Halves(self._remote, self._local, outside, events, boot, resume_s)
        """Rooms that wait for one of the two."""

    def __len__(self) -> int:
        return len(self._local) + len(self._remote)

    def __contains__(self, room: RoomId) -> bool:
        return room in self._local or room in self._remote

    @property
    def held_bytes(self) -> int:
        """Bytes of relays that are on their way, or kept; those that leave within their turn never count."""
        return self._remote.held_bytes

    def instances(self) -> set[str]:
        """Every instance with which there is a room."""
        return self._remote.instances()

    def where_is_partner(self, room: RoomId, here: str) -> str:
        """The instance of the partner in a room, for a client of the one named `here`; empty for nowhere."""
        return here if room in self._local else self.halves.instance_of(room)

    # --- the pairing calls --------------------------------------------------------------------------------------------

    def open(self, room: Room | RemoteRoom) -> None:
        """Two have met: both are here, or one of them."""
        if isinstance(room, Room):
            self._local[room.id] = room
        else:
            self._remote.open(room)

    def take_back(self, room: RoomId) -> None:
        """They have not: one of them went in this very moment. Nobody is told."""
        if self._local.pop(room, None) is None:
            self._remote.close(room)

    # --- calls of the broker interface --------------------------------------------------------------------------------

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

    def relay(self, room: RoomId, sender: ClientId, text: bytes, is_offer: bool = False) -> None:
        """Carry a message to the sender's partner."""
        local = self._local.get(room)
        if local is not None:
            self._events.relayed(local.partner_of(sender), room, text, is_offer)
            return
        remote = self._remote.get(room)
        if remote is None:
            return
        if remote.held is None:
            self._outside.send(remote.instance, Relayed(room, text, is_offer))
        else:  # the partner has no home
            self.halves.keep(remote, text)

    # --- other instances ----------------------------------------------------------------------------------------------

    def read(self, instance: str, letter: Letter) -> bool:
        """Take a letter of another instance if it is about rooms (for `Relayed` see `relayed`); gives whether it is."""
        read = _READ.get(type(letter))
        if read is None:
            return False
        read(self, instance, letter)
        return True

    def left(self, instance: str, left: Left) -> bool:
        """A client of another instance left; gives whether there is such a room, or has been."""
        remote, by = self._remote.get(left.room), left.by or instance
        if remote is None:
            return self.halves.pass_on(left, by=by, instance=instance)
        passed_on = remote.held is not None and remote.last_instance == instance
        if passed_on or remote.last_instance == by or self._of(left.room, by):
            self.halves.close(remote)
            self._events.partner_left(remote.client, left.room, parting(left.why))
        return True

    def relayed(self, instance: str, relayed: Relayed) -> None:
        """A client of another instance said something to its partner here."""
        room = relayed.room
        remote = self._remote.get(room)
        if remote is not None and remote.instance == instance:
            self._events.relayed(remote.client, room, relayed.text, relayed.is_offer)
        elif self._of(room, instance) is None and not self._knows(room):
            self._outside.send(instance, Left(room))

    def hold(self, letters: Iterable[Letter]) -> None:
        """Count letters that have not arrived by the end of a turn; rooms for whose relays there is no place end."""
        for room in self._remote.hold(letters):
            if room.id in self._remote:  # what the end of one brings about may have closed another
                self.halves.give_up(room)  # its partner may have no home by now

    def release(self, letters: Iterable[Letter]) -> None:
        """Count letters no more: they have arrived, or never will."""
        self._remote.release(letters)

    def lost(self, instance: str) -> None:
        """Letters of this instance were lost: rooms that may have missed something begin anew, or else end."""
        for room in self._remote.of(instance):
            if not room.resumes or not self._events.resumes(room.client):
                self._end(room)
            elif room.held is not None:
                room.lost = True
            else:
                self._outside.send(instance, Back(room.id, lost=True))
                self._events.partner_back(room.client, room.id, True)

    def gone(self, instance: str, now: float, why: Parting = "gone") -> None:
        """This instance is dead, or another process under its name."""
        for room in self._remote.of(instance):
            # What the events of one room bring about may have closed another.
            if room.resumes and room.id in self._remote:
                self._remote.move(room, "")
                self.halves.wait(room, now)
            elif self._remote.close(room.id) is not None:
                self._events.partner_left(room.client, room.id, why)

    def check(self, instance: str, claimed: Iterable[RoomId]) -> None:
        """Let the other side compare the rooms that both have, or will have if it has confirmed our claims."""
        rooms = sorted({*claimed, *(room.id for room in self._remote.of(instance))})
        self._outside.send(instance, Check(rooms, [room.id for room in self.halves.waiting()]))

    def _partner_away(self, instance: str, away: Away) -> None:
        remote = self._of(away.room, instance)
        if remote is not None:
            self._events.partner_away(remote.client, away.room, away.seconds)

    def _partner_back(self, instance: str, back: Back) -> None:
        remote = self._of(back.room, instance)
        if remote is not None:
            remote.goes_on(back.epoch, back.attempt)
            self._events.partner_back(remote.client, back.room, back.lost)

    def _checked(self, instance: str, check: Check) -> None:
        theirs = set(check.rooms)
        ours = {room.id: room for room in self._remote.of(instance)}
        for room in theirs - set(ours):
            if self._of(room, instance) is None and not self._knows(room):
                self._outside.send(instance, Left(room))
        for room in set(ours) - theirs - set(check.waiting):
            if ours[room].held is None:
                self._end(ours[room])

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
        return room in self or self.halves.has_parted(room)

    def _end(self, remote: RemoteRoom) -> None:
        self.halves.close(remote)
        self._outside.send(remote.instance, Left(remote.id))
        self._events.partner_left(remote.client, remote.id)


_READ: Final[Mapping[type[Any], Callable[[Relaying, str, Any], None]]] = {
    Check: Relaying._checked,
    Away: Relaying._partner_away,
    Back: Relaying._partner_back,
}

"""Remembers the rooms between a client of this instance and one of another, and what they hold."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from signald.brokers.redis.letters import Letter, Relayed
from signald.core.ids import ClientId, RoomId
from signald.core.passes import Attempt

MAX_HELD_ROOM_BYTES: Final = 256 * 1024
"""Relays of one room that are on their way or kept: 1,000 candidates. Beyond it the room ends for both."""

MAX_HELD_BYTES: Final = 64 * 1024 * 1024
"""The same for all rooms of this instance."""


class RemoteRoom:
    """A room with a client of another instance."""

    __slots__ = (
        "asked",
        "attempt",
        "client",
        "epoch",
        "held",
        "held_bytes",
        "id",
        "instance",
        "lost",
        "partner",
        "resumes",
        "was",
    )

    def __init__(
        self, id: RoomId, client: ClientId, partner: ClientId, instance: str, *, resumes: bool = False
    ) -> None:
        self.resumes = resumes
        """Whether the partner's session outlives its connection."""
        self.epoch = 0
        """Of the partner's session, as far as it has gone on in this room."""
        self.attempt = Attempt()
        """The one by which it last has."""
        self.was = ""
        """Where the partner was, as ``instance/boot``, when this room came here."""
        self.asked: frozenset[str] = frozenset()
        """Instances that others have named as where it went, so that none is asked twice."""
        self.held: list[bytes] | None = None
        """Relays that are kept while the partner has no home; None if it has one."""
        self.lost = False
        """Whether there was no place for one of them."""
        self.id = id
        self.client = client
        self.partner = partner
        self.instance = instance
        self.held_bytes = 0

    def goes_on(self, epoch: int, attempt: Attempt) -> None:
        """The partner's session does, on the same instance."""
        if epoch > self.epoch or (epoch == self.epoch and attempt.follows(self.attempt)):
            self.epoch, self.attempt = epoch, attempt

    @property
    def last_instance(self) -> str:
        """Where the partner is, or was when it was last heard of; empty if nobody knows."""
        return self.instance or self.was.partition("/")[0]


class RemoteRooms:
    """All of them, by id and by instance."""

    __slots__ = ("_by_instance", "_rooms", "get", "held_bytes")

    def __init__(self) -> None:
        self._rooms: dict[RoomId, RemoteRoom] = {}
        self.get: Callable[[RoomId], RemoteRoom | None] = self._rooms.get
        """Gives the room with an id, or None if it is unknown."""
        self._by_instance: dict[str, set[RoomId]] = {}
        self.held_bytes = 0
        """Bytes of relays that are on their way, or kept."""

    def __len__(self) -> int:
        return len(self._rooms)

    def __contains__(self, room: RoomId) -> bool:
        return room in self._rooms

    def __iter__(self) -> Iterator[RemoteRoom]:
        return iter(self._rooms.values())

    def instances(self) -> set[str]:
        """Every instance with which there is a room."""
        return self._by_instance.keys() - {""}

    def of(self, instance: str) -> list[RemoteRoom]:
        """The rooms with one instance."""
        return [self._rooms[room] for room in self._by_instance.get(instance, ())]

    def open(self, room: RemoteRoom) -> None:
        """Remember a room."""
        self._rooms[room.id] = room
        self._by_instance.setdefault(room.instance, set()).add(room.id)

    def close(self, room: RoomId) -> RemoteRoom | None:
        """Forget a room; None if it is unknown."""
        closed = self._rooms.pop(room, None)
        if closed is not None:
            rooms = self._by_instance[closed.instance]
            rooms.discard(room)
            if not rooms:
                del self._by_instance[closed.instance]
        return closed

    def move(self, room: RemoteRoom, instance: str) -> None:
        """The partner is on another instance, or on none (empty)."""
        if self.close(room.id) is room:
            room.instance = instance
            self.open(room)

    def keep(self, room: RemoteRoom, text: bytes) -> bool:
        """Count a relay that is kept; false if there is no place for it."""
        size = len(text)
        of_room, of_all = room.held_bytes + size, self.held_bytes + size
        if of_room > MAX_HELD_ROOM_BYTES or of_all > MAX_HELD_BYTES:
            return False
        room.held_bytes, self.held_bytes = of_room, of_all
        return True

    def hold(self, letters: Iterable[Letter]) -> list[RemoteRoom]:
        """Count the relays among letters that are on their way; gives the rooms that there was no place for."""
        get, full = self.get, {}
        for letter in letters:
            if type(letter) is Relayed:
                size = len(letter.text)
                self.held_bytes += size
                room = get(letter.room)
                if room is not None:
                    room.held_bytes += size
                    if room.held_bytes > MAX_HELD_ROOM_BYTES or self.held_bytes > MAX_HELD_BYTES:
                        full[room.id] = room
        return list(full.values())

    def release(self, letters: Iterable[Letter]) -> None:
        """Count the relays among letters no more: they have arrived, or never will."""
        get = self.get
        for letter in letters:
            if type(letter) is Relayed:
                size = len(letter.text)
                self.held_bytes -= size
                room = get(letter.room)
                if room is not None:
                    room.held_bytes -= size

"""Holds the rooms of those who are matched."""

import msgspec

from signald.core.ids import ClientId, RoomId


class Room(msgspec.Struct, frozen=True, gc=False):
    """Holds two matched clients, who are each other's only partner."""

    id: RoomId
    first: ClientId
    second: ClientId

    def partner_of(self, client: ClientId) -> ClientId:
        """The partner of one of the two."""
        return self.second if client == self.first else self.first


class Rooms:
    """Holds all rooms by their id."""

    __slots__ = ("_rooms", "get")

    def __init__(self) -> None:
        self._rooms: dict[RoomId, Room] = {}
        self.get = self._rooms.get
        """The room with an id, or None if it has ended."""

    def __len__(self) -> int:
        return len(self._rooms)

    def open(self, room: Room) -> None:
        """Remember a room."""
        self._rooms[room.id] = room

    def end(self, room: RoomId) -> Room | None:
        """Forget a room; None if it has ended before."""
        return self._rooms.pop(room, None)

"""Describes the room of two who are matched."""

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

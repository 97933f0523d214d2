"""Names who met whom, for reports and blocks."""

import msgspec

from signald.core.ids import ClientId, RoomId, UserId


class Party(msgspec.Struct, frozen=True, gc=False):
    """One of two who met.

    Attributes:
        client: Its connection.
        user: Who it is, if it has proved it.
    """

    client: ClientId
    user: UserId | None = None

    def names(self) -> tuple[str, ...]:
        """The names under which it can be kept apart from others; the one that lasts longest comes first."""
        return (_of_client(self.client),) if self.user is None else (_of_user(self.user), _of_client(self.client))


def _of_client(client: ClientId) -> str:
    return f"c:{client}"


def _of_user(user: UserId) -> str:
    return f"u:{user}"


class Encounter(msgspec.Struct, frozen=True, gc=False):
    """Whom a client has met, and where."""

    room: RoomId
    partner: Party

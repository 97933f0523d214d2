"""Names what a session receives besides the client's messages."""

import msgspec

from signald.core.ids import ClientId, RoomId, UserId
from signald.core.matching import Ticket
from signald.core.messages import ClientMessage, ProtocolError
from signald.core.wishes import Facts


class PartnerFound(msgspec.Struct, frozen=True, gc=False):
    """The broker matched this client's ticket; `user` is the partner's, if it has proved it, `likes` what it likes."""

    ticket: Ticket
    room: RoomId
    partner: ClientId
    initiator: bool
    user: UserId | None = None
    likes: tuple[str, ...] = ()


class TicketRefused(msgspec.Struct, frozen=True, gc=False):
    """The broker has no place for this client's ticket."""

    ticket: Ticket
    problem: ProtocolError


class PartnerGone(msgspec.Struct, frozen=True, gc=False):
    """The broker says that a room has ended."""

    room: RoomId


class Identified(msgspec.Struct, frozen=True, gc=False):
    """The client's token is good: it is this user until then (seconds, monotonic), and has these facts."""

    user: UserId
    until: float
    facts: Facts = ()


class TokenRefused(msgspec.Struct, frozen=True, gc=False):
    """The client's token is not accepted; `blame` if it is the client's fault."""

    why: str
    blame: bool = True


class TokenExpired(msgspec.Struct, frozen=True, gc=False):
    """The time has come to look whether the client's token is still good."""


class Disconnected(msgspec.Struct, frozen=True, gc=False):
    """The connection is gone, or will be in a moment: nothing more is sent to this client."""


class Interrupted(msgspec.Struct, frozen=True, gc=False):
    """The connection is gone, and the client may come back on another one."""


class Returned(msgspec.Struct, frozen=True, gc=False):
    """The client is back; `lost` if it or its partner may have missed something."""

    lost: bool


class ResumeFailed(msgspec.Struct, frozen=True, gc=False):
    """The session that this client wanted to go on with is not to be had."""


class PartnerInterrupted(msgspec.Struct, frozen=True, gc=False):
    """The partner's connection is gone, and it may come back within so many seconds."""

    room: RoomId
    seconds: float


class PartnerReturned(msgspec.Struct, frozen=True, gc=False):
    """The partner is back; `lost` if either may have missed something."""

    room: RoomId
    lost: bool


Input = (
    ClientMessage
    | PartnerFound
    | TicketRefused
    | PartnerGone
    | PartnerInterrupted
    | PartnerReturned
    | Identified
    | TokenRefused
    | TokenExpired
    | Interrupted
    | Returned
    | ResumeFailed
    | Disconnected
)

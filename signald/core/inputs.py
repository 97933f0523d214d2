"""Names what a session receives besides the client's messages."""

import msgspec

from signald.core.ids import ClientId, RoomId, UserId
from signald.core.matching import Ticket
from signald.core.messages import ClientMessage, Parting, ProtocolError
from signald.core.refusals import Refusal
from signald.core.wishes import Facts


class PartnerFound(msgspec.Struct, frozen=True, gc=False):
    """The broker matched this client's ticket.

    Attributes:
        ticket: Which one.
        room: Where the two are.
        partner: Who it is.
        initiator: Whether this client offers.
        user: The partner's, if it has proved it.
        likes: What the partner likes.
        takes_data: Whether the partner's client knows `data`.
    """

    ticket: Ticket
    room: RoomId
    partner: ClientId
    initiator: bool
    user: UserId | None = None
    likes: tuple[str, ...] = ()
    takes_data: bool = False

    @classmethod
    def of(cls, ticket: Ticket, partner: Ticket, room: RoomId, *, initiator: bool) -> "PartnerFound":
        """The two tickets that were matched, as the client of the first one hears of it."""
        wish = partner.wish
        likes = () if wish is None else wish.likes
        return cls(ticket, room, partner.client, initiator, partner.user, likes, partner.takes_data)


class TicketRefused(msgspec.Struct, frozen=True, gc=False):
    """The broker has no place for this client's ticket."""

    ticket: Ticket
    problem: ProtocolError


class PartnerGone(msgspec.Struct, frozen=True, gc=False):
    """The broker says that a room has ended, and why."""

    room: RoomId
    why: Parting = "gone"


class FellSilent(msgspec.Struct, frozen=True, gc=False):
    """The client has said nothing in this room of what it owes; see `signald.core.silence`."""

    room: RoomId


class Spoke(msgspec.Struct, frozen=True, gc=False):
    """A client that fell silent has said something."""


class Identified(msgspec.Struct, frozen=True, gc=False):
    """The client's token is good: it is this user until then (seconds, monotonic), and has these facts."""

    user: UserId
    until: float
    facts: Facts = ()


class TokenRefused(msgspec.Struct, frozen=True, gc=False):
    """The client's token is not accepted.

    Attributes:
        why: For people.
        blame: Whether it is the client's fault.
        refusal: What that is for a newcomer; None if it may come in all the same.
        rest_s: For how long its user is banned yet, if that is the reason; seconds.
    """

    why: str
    blame: bool = True
    refusal: Refusal | None = None
    rest_s: float = 0.0


class TokenExpired(msgspec.Struct, frozen=True, gc=False):
    """The time has come to look whether the client's token is still good."""


class ProofMissing(msgspec.Struct, frozen=True, gc=False):
    """The time is over that the client had for a proof of its work; see `signald.core.guests`."""


class Disconnected(msgspec.Struct, frozen=True, gc=False):
    """The connection is gone, or will be in a moment: nothing more is sent to this client.

    `why` is for its partner.
    """

    why: Parting = "gone"


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
    | FellSilent
    | Spoke
    | PartnerInterrupted
    | PartnerReturned
    | Identified
    | TokenRefused
    | TokenExpired
    | ProofMissing
    | Interrupted
    | Returned
    | ResumeFailed
    | Disconnected
)

"""Names what a session asks for; whoever feeds the session runs these in order."""

from typing import Final

import msgspec

from signald.core.encounters import Encounter, Party
from signald.core.farewells import Farewell
from signald.core.ids import ClientId, RequestId, RoomId
from signald.core.matching import Ticket
from signald.core.messages import ClientMessage, Common, Outcome, Parting, ProtocolError, Resume

POLICY_VIOLATION: Final = 1008
"""Close code for a client that does not keep to the rules (RFC 6455 7.4.1)."""


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send this JSON text to the client itself."""

    text: bytes


class TellMatched(msgspec.Struct, frozen=True, gc=False):
    """Tell the client of its partner, with the ICE servers of the moment.

    Attributes:
        room: Where the two are.
        partner: Who it is.
        initiator: Whether the client offers.
        common: What its wishes came to, if it has any.
        takes_data: Whether the partner's client knows `data`; None for a client that does not know it itself.
    """

    room: RoomId
    partner: ClientId
    initiator: bool
    common: Common | None = None
    takes_data: bool | None = None


class Refuse(msgspec.Struct, frozen=True, gc=False):
    """Tell the client of its mistake."""

    problem: ProtocolError


class AwaitProof(msgspec.Struct, frozen=True, gc=False):
    """Wait so long for the client's proof of work, and no longer; see `signald.core.guests`."""


class TellDone(msgspec.Struct, frozen=True, gc=False):
    """Tell the client that what it asked for is done, unless it was refused meanwhile; after all that came of it."""

    id: RequestId


class VerifyToken(msgspec.Struct, frozen=True, gc=False):
    """Check this token; the answer is `Identified` or `TokenRefused`."""

    token: str


class Close(msgspec.Struct, frozen=True, gc=False):
    """Close the connection, after what the client is still to be told.

    Attributes:
        code: As on the wire (RFC 6455 7.4).
        reason: At most 123 bytes.
        farewell: What the client is to do then.
    """

    code: int
    reason: str
    farewell: Farewell


class Enqueue(msgspec.Struct, frozen=True, gc=False):
    """Ask the broker for a partner."""

    ticket: Ticket


class Withdraw(msgspec.Struct, frozen=True, gc=False):
    """Tell the broker that this ticket no longer waits."""

    ticket: Ticket


class Relay(msgspec.Struct, frozen=True, gc=False):
    """Carry this JSON text to the partner in this room; to an offer it owes an answer from then on."""

    room: RoomId
    text: bytes
    is_offer: bool = False


class LeaveRoom(msgspec.Struct, frozen=True, gc=False):
    """End this room; the broker tells the partner why."""

    room: RoomId
    why: Parting


class FileReport(msgspec.Struct, frozen=True, gc=False):
    """Let the operator know of a partner.

    Attributes:
        by: Who reports.
        about: Whom it met.
        reason: A word that the page chose.
        text: The client's own words, maybe empty.
    """

    by: Party
    about: Encounter
    reason: str
    text: str


class CountOutcome(msgspec.Struct, frozen=True, gc=False):
    """Count what became of a call."""

    outcome: Outcome


class KeepApart(msgspec.Struct, frozen=True, gc=False):
    """The first has blocked the second: they are never to meet again."""

    by: Party
    whom: Party


class TakeUp(msgspec.Struct, frozen=True, gc=False):
    """Look for the session that this token names; the answer is `ResumeFailed`, or this client is no more."""

    wish: Resume


class Postpone(msgspec.Struct, frozen=True, gc=False):
    """Keep this message until it is known which session it is for."""

    message: ClientMessage


class TellAway(msgspec.Struct, frozen=True, gc=False):
    """Tell the partner in this room that the client has no connection for now."""

    room: RoomId


class TellBack(msgspec.Struct, frozen=True, gc=False):
    """Tell the partner in this room that the client goes on, and whether something may be lost."""

    room: RoomId
    lost: bool


Effect = (
    Send
    | TellMatched
    | Refuse
    | TellDone
    | AwaitProof
    | VerifyToken
    | Close
    | Enqueue
    | Withdraw
    | Relay
    | LeaveRoom
    | FileReport
    | CountOutcome
    | KeepApart
    | TakeUp
    | Postpone
    | TellAway
    | TellBack
)
Effects = tuple[Effect, ...]

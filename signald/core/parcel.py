"""A session without a connection, packed to travel from one process to another."""

from typing import Any, Final

import msgspec

from signald.core import guests
from signald.core.encounters import Encounter, Party
from signald.core.ids import BrowserKey, ClientId, RoomId, UserId
from signald.core.inputs import Identified
from signald.core.matching import Ticket
from signald.core.messages import ProtocolError, Wishes
from signald.core.passes import Attempt, Pass
from signald.core.session import Session
from signald.core.standing import AVOIDED_AT_MOST, Policy, State
from signald.core.wishes import Facts


class Parcel(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """All that is known of a session. Times are seconds before or after the packing: clocks of instances differ.

    Attributes:
        client: Its id.
        epoch: Of the home that has packed it.
        stands: The state in which it returns, as `State` has it.
        received: Messages of the client.
        sent: Messages to the client.
        texts: The last of them, which may not have arrived.
        tokens: See `signald.core.outbox.Outbox`.
        attempt: The one by which it has come to its last home.
        lost: Whether something may be missing already.
        lost_before: The same of its last return, for a client that did not hear of that one.
        room: Its room, if it has one.
        partner: Who is there with it.
        partner_instance: Where the partner is.
        partner_away: Whether the partner has no connection.
        unheard: What it has said to a partner who had no home.
        tickets: How often it has waited.
        waited_s: How long ago it became waiting, if it waits.
        place: Its place in the store's queue, if it waits and has one.
        avoid: Whom its ticket avoids.
        avoid_s: For how long.
        user: Who it is, if it has proved it.
        user_s: For how long that is good.
        bad_tokens: How often it has failed to prove it.
        met: Its last partners, newest first.
        address: From where it came.
        age_s: How long ago.
        away_since: When it lost its connection; seconds since 1970, for people.
        said: Whom it wants to meet, if it says so.
        facts: What its token tells of it.
        lately: Its last partners, newest first; of these its ticket avoids as many as it would now.
        partner_takes_data: Whether the partner's client knows `data`.
        browser: Where it runs; None if it did not say.
        rooms: Its last rooms, newest first.
        judged: Those of which it has said what became of them.
        paired_s: How long ago it was matched last; None if that is not known.
        owes: Whether it stood at the door, and has to prove its work here if all have to; see `signald.core.guests`.
    """

    client: ClientId
    epoch: int
    stands: str
    received: int
    sent: int
    texts: tuple[bytes, ...] = ()
    tokens: tuple[int, ...] = ()
    attempt: Attempt = Attempt()
    lost: bool = False
    lost_before: bool = False
    room: RoomId | None = None
    partner: ClientId | None = None
    partner_instance: str = ""
    partner_away: bool = False
    unheard: tuple[bytes, ...] = ()
    tickets: int = 0
    waited_s: float = 0.0
    place: int | None = None
    avoid: ClientId | None = None
    avoid_s: float = 0.0
    user: UserId | None = None
    user_s: float = 0.0
    bad_tokens: int = 0
    met: tuple[Encounter, ...] = ()
    address: str = ""
    age_s: float = 0.0
    away_since: float = 0.0
    said: Wishes | None = None
    facts: Facts = ()
    lately: tuple[ClientId, ...] = ()
    partner_takes_data: bool = False
    browser: BrowserKey | None = None
    rooms: tuple[RoomId, ...] = ()
    judged: tuple[RoomId, ...] = ()
    paired_s: float | None = None
    owes: bool = False


def is_last(packed: Parcel, epoch: int, sent: int, received: int, attempt: Attempt) -> bool:
    """Whether a token, which says epoch and number, is the last that the client of a packed session can have."""
    if epoch != packed.epoch:
        return epoch == packed.epoch - 1 and attempt.follows(packed.attempt)
    known = max(received, packed.sent - len(packed.texts))
    return sent in packed.tokens and not any(sent < later <= known for later in packed.tokens)


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Parcel).decode


def pack(session: Session, now: float, **more: Any) -> Parcel:
    """Pack a session that is away.

    Args:
        session: Which one.
        now: Seconds, monotonic.
        more: Fields of `Parcel` that the session does not know.
    """
    ticket, identity = session.shelved, session.identity
    return Parcel(
        client=session.client,
        stands=session.stands.value,
        room=session.room,
        partner=session.partner,
        partner_away=session.partner_away,
        tickets=session.tickets,
        waited_s=0.0 if ticket is None else now - ticket.since,
        avoid=ticket.avoid[0] if ticket is not None and ticket.avoid else None,
        avoid_s=0.0 if ticket is None else ticket.avoid_until - now,
        user=session.user,
        user_s=0.0 if identity is None else identity.until - now,
        bad_tokens=session.bad_tokens,
        met=session.met,
        said=session.said,
        facts=() if identity is None else identity.facts,
        lately=session.lately,
        partner_takes_data=session.partner_takes_data,
        browser=session.browser,
        rooms=session.rooms,
        judged=session.judged,
        paired_s=None if session.paired is None else now - session.paired,
        owes=session.owes,
        **more,
    )


def unpack(parcel: Parcel, policy: Policy, now: float) -> Session:
    """Unpack a session, which is away.

    Args:
        parcel: What was packed.
        policy: How sessions behave here.
        now: Seconds, monotonic.
    """
    session = Session(parcel.client, policy, v1=True)
    session.state = State.AWAY
    session.stands = State(parcel.stands)
    session.room, session.partner = parcel.room, parcel.partner
    session.partner_away, session.partner_takes_data = parcel.partner_away, parcel.partner_takes_data
    if parcel.user is not None:
        session.identity = Identified(parcel.user, now + parcel.user_s, parcel.facts)
    session.bad_tokens, session.tickets, session.met = parcel.bad_tokens, parcel.tickets, parcel.met
    session.browser, session.since = parcel.browser, now
    session.rooms, session.judged = parcel.rooms, parcel.judged
    session.paired = None if parcel.paired_s is None else now - parcel.paired_s
    session.lately = parcel.lately or (() if parcel.partner is None else (parcel.partner,))
    _want(session, parcel.said)
    if session.stands is State.WAITING:
        since, until = now - parcel.waited_s, now + parcel.avoid_s
        avoid = () if parcel.avoid is None else (parcel.avoid, *_others(parcel))
        who = session.user, session.wish, True, session.browser
        session.shelved = Ticket(parcel.client, parcel.tickets, since, avoid, until, *who)
        session.owes = parcel.owes and guests.is_to_pay(session, now)
    return session


def _others(parcel: Parcel) -> tuple[ClientId, ...]:
    """Whom a ticket avoids besides the last one."""
    if parcel.said is None:
        return ()
    return tuple(other for other in parcel.lately if other != parcel.avoid)[: AVOIDED_AT_MOST - 1]


def _want(session: Session, said: Wishes | None) -> None:
    """Let a session want what it wanted. An instance with other keys than the one before knows no such wish."""
    try:
        session.want(said)
    except ProtocolError:
        session.want(None)


def from_pass(
    said: Pass, unix_time: float, received: int, waited_s: float | None, wishes: Wishes | None = None
) -> Parcel:
    """What a token alone tells of a session whose home is no more.

    Args:
        said: The token.
        unix_time: Seconds since 1970.
        received: How many messages the client says that it has had: what it is sent from now on comes after these.
        waited_s: How long the client says that it has waited, if it says that; believed as far as the token is old.
        wishes: Whom the client says that it wants to meet.
    """
    waits = said.room is None and waited_s is not None
    return Parcel(
        client=said.client,
        epoch=said.epoch,
        stands=(State.WAITING if waits else State.IDLE if said.room is None else State.PAIRED).value,
        received=said.received,
        sent=max(said.sent, received),
        tokens=(said.sent,),
        lost=True,
        room=said.room,
        partner=said.partner,
        partner_instance=said.partner_instance,
        met=() if said.room is None or said.partner is None else (Encounter(said.room, Party(said.partner)),),
        tickets=TICKETS_APART,
        waited_s=min(waited_s or 0.0, max(0.0, unix_time - said.issued)),
        user=said.user,
        user_s=said.user_until - unix_time,
        said=wishes,
        partner_takes_data=said.partner_takes_data,
        rooms=() if said.room is None else (said.room,),
        owes=waits,  # nobody but the client says that it was in the queue
    )


TICKETS_APART: Final = 1_000_000
"""Where tickets of a session begin of which it is not known how many it had: an old one may stand in the queue yet."""

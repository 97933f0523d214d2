"""One client's state machine: what a client and the broker say goes in, what is to be done comes out.

::

    IDLE ──available──► WAITING ──partner found──► PAIRED ──leave──────────► IDLE
                           ▲ │                       │ └────next───────────► WAITING
                           │ └──leave──► IDLE        └──partner gone───────► WAITING, or IDLE without requeue
    any ──disconnected──► CLOSED
    any ──interrupted───► AWAY ──returned──► as before, or what became of it meanwhile (`signald.core.absence`)
    IDLE ──resume──► RESUMING ──failed──► IDLE, or the client is no more: its connection serves another session

A token goes to whoever can check it, and what it proves comes back; then the client's tickets carry the user. An
operator may want that before anybody waits (`Policy.auth`).

The rules stand in `TRANSITIONS`, every state with every input. The session never guesses: that it is paired it knows
from the broker alone, and what is said about an older ticket or room is recognised by its id and ignored.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import UNSET, Raw

from signald.core import absence, complaints, guests, messages, outcomes, proof, silence
from signald.core.browsers import recognise
from signald.core.effects import (
    Effects,
    LeaveRoom,
    Refuse,
    Relay,
    Send,
    TellMatched,
)
from signald.core.encounters import Encounter, Party
from signald.core.inputs import (
    Disconnected,
    FellSilent,
    Identified,
    Input,
    Interrupted,
    PartnerFound,
    PartnerGone,
    PartnerInterrupted,
    PartnerReturned,
    ProofMissing,
    ResumeFailed,
    Returned,
    Spoke,
    TicketRefused,
    TokenExpired,
    TokenRefused,
)
from signald.core.messages import (
    Answer,
    Auth,
    Available,
    Block,
    Crossed,
    Data,
    ErrorCode,
    Ice,
    Leave,
    Next,
    Offer,
    Outcome,
    Ping,
    Proof,
    ProtocolError,
    Report,
    Resume,
    Signal,
    Wishes,
)
from signald.core.outcomes import ROOMS_KNOWN
from signald.core.standing import AVOIDED_AT_MOST, EXPIRED, AuthMode, Standing, State
from signald.core.tickets import enqueue, file_anew, withdraw

_NOTHING: Final[Effects] = ()
_PONG: Final[Effects] = (Send(messages.PONG),)


class Session(Standing, eq=False, gc=False):
    """The state of one client. `receive` is its only door."""

    def receive(self, given: Input, now: float) -> Effects:
        """Take one input, change the state, and say what is to be done.

        Args:
            given: What the client or the broker said.
            now: Seconds, monotonic.

        Returns:
            Effects in the order in which they must be run; the state is whole before the first of them.

        Raises:
            ProtocolError: The client may not say this now. Nothing has changed.
            Crossed: It is about a room that is over. Nothing has changed.
        """
        return TRANSITIONS[self.state][type(given)](self, given, now)

    def _need_identity(self, now: float) -> None:
        if self.policy.auth is AuthMode.REQUIRED and not self.may_wait(now):
            raise ProtocolError(ErrorCode.AUTH_REQUIRED, "send auth with a good token first")
        if self.policy.toll is not None and (problem := guests.why_not(self, now)) is not None:
            raise problem

    # Each of these is a cell of the table. None is called from outside.

    def _available(self, given: Available, now: float) -> Effects:
        self._need_identity(now)
        self._want(given, None)
        return enqueue(self, now)

    def _want_else(self, given: Available, now: float) -> Effects:
        """Who waits already wants to meet somebody else from now on; it has waited no shorter for that."""
        self._want(given, self.said)
        return file_anew(self)

    def _want(self, given: Available | Next, otherwise: Wishes | None) -> None:
        """Take whom a client wants to meet, and its browser."""
        browser = recognise(given.browser) if self.v1 and isinstance(given.browser, Raw) else self.browser
        said = given.wishes() or otherwise
        if said is not None or self.wish is not None or self.identity is not None:
            self.want(said)
        self.browser = browser

    def _mean(self, given: Offer | Answer | Ice | Data | Next | Leave) -> None:
        """Let a message through that is about the room of the moment; old clients name none."""
        room = given.roomId
        if self.v1 and isinstance(room, Raw) and not messages.names(room, self.room):
            raise Crossed

    def _pair(self, given: PartnerFound, now: float) -> Effects:
        if given.ticket != self.ticket:
            return _NOTHING
        common = None if self.said is None else self.common(given.ticket, given.likes, now)
        self.ticket = None
        self.since, self.paired = given.ticket.since, now
        self.room = given.room
        self.rooms = (given.room, *self.rooms)[:ROOMS_KNOWN]
        self.partner, self.partner_takes_data = given.partner, given.takes_data
        self.met = (Encounter(given.room, Party(given.partner, given.user)), *self.met[:1])
        self.lately = (given.partner,) if self.wish is None else (given.partner, *self.lately)[:AVOIDED_AT_MOST]
        self.state = State.PAIRED
        takes_data = given.takes_data if self.v1 else None
        return (TellMatched(given.room, given.partner, given.initiator, common, takes_data),)

    def _refused_ticket(self, given: TicketRefused, now: float) -> Effects:
        if given.ticket != self.ticket:
            return _NOTHING
        self.ticket = None
        self.state = State.IDLE
        return (Refuse(given.problem),)

    def _leave_queue(self, given: Leave, now: float) -> Effects:
        self._mean(given)
        return withdraw(self)

    def _relay(self, given: Signal, now: float) -> Effects:
        if given.roomId is not UNSET:
            self._mean(given)
        heads = self.heads
        if heads is None:
            heads = self.heads = messages.relay_heads(self.client)
        return (Relay(self.room, messages.relayed(heads, given), type(given) is Offer),)  # type: ignore[arg-type]

    def _relay_data(self, given: Data, now: float) -> Effects:
        self._mean(given)
        if not self.partner_takes_data:
            raise ProtocolError(ErrorCode.PARTNER_CANNOT, "the partner's client does not know data")
        return (Relay(self.room, messages.relayed_data(self.client, given)),)  # type: ignore[arg-type]

    def _leave(self, given: Leave, now: float) -> Effects:
        if given.roomId is not UNSET:
            self._mean(given)
        self.state = State.IDLE
        return (LeaveRoom(self.forget_room(), "leave"),)  # type: ignore[arg-type]

    def _next(self, given: Next, now: float) -> Effects:
        self._mean(given)
        self._need_identity(now)
        self._want(given, self.said)
        left = LeaveRoom(self.forget_room(), "next")  # type: ignore[arg-type]
        return (left, *enqueue(self, now, avoiding=True))

    def _partner_gone(self, given: PartnerGone, now: float) -> Effects:
        if given.room != self.room:
            return _NOTHING
        self.forget_room()
        self.state = State.IDLE
        told: Effects = (Send(messages.partner_left(given.why) if self.v1 else messages.PARTNER_LEFT),)
        if not self.policy.requeue_on_partner_leave:
            return told
        if not self.may_wait(now):
            return (*told, Refuse(EXPIRED))
        if (problem := guests.why_not(self, now)) is not None:
            return (*told, Refuse(problem))
        return told + enqueue(self, now, since=self.since if given.why == "silent" else None)

    def _end(self, given: Disconnected | Interrupted, now: float) -> Effects:
        self.state = State.CLOSED
        return _NOTHING

    def _break_off(self, given: Disconnected, now: float) -> Effects:
        """It waits, or is in a room, or did so when its connection was lost."""
        self.shelved = None
        withdrawn, room = withdraw(self), self.forget_room()
        self.state = State.CLOSED
        return withdrawn if room is None else (*withdrawn, LeaveRoom(room, given.why))

    def _pong(self, given: Input, now: float) -> Effects:
        return _PONG

    def _ignore(self, given: Input, now: float) -> Effects:
        return _NOTHING

    def _not_paired(self, given: Offer | Answer | Ice | Data | Next, now: float) -> Effects:
        self._mean(given)
        raise ProtocolError(ErrorCode.NOT_PAIRED, "there is no partner")

    def _already_paired(self, given: Input, now: float) -> Effects:
        raise ProtocolError(ErrorCode.ALREADY_PAIRED, "there is a partner already: send next or leave first")


_FROM_ELSEWHERE: Final[tuple[type[Any], ...]] = (
    PartnerFound,
    TicketRefused,
    PartnerGone,
    FellSilent,
    Spoke,
    PartnerInterrupted,
    PartnerReturned,
    Identified,
    TokenRefused,
    TokenExpired,
    ProofMissing,
    Interrupted,
    Returned,
    ResumeFailed,
    Disconnected,
)
"""What a session receives besides the client's messages."""

_Rule = Callable[[Session, Any, float], Effects]
_S = Session

TRANSITIONS: Final[Mapping[State, Mapping[type[Any], _Rule]]] = {
    State.IDLE: {
        Auth: proof.show,
        Available: _S._available,
        Offer: _S._not_paired,
        Answer: _S._not_paired,
        Ice: _S._not_paired,
        Data: _S._not_paired,
        Next: _S._not_paired,
        Leave: _S._leave_queue,
        Ping: _S._pong,
        Report: complaints.report,
        Block: complaints.block,
        Outcome: outcomes.outcome,
        Proof: guests.prove,
        Resume: absence.resume,
        PartnerFound: _S._ignore,
        TicketRefused: _S._ignore,
        PartnerGone: _S._ignore,
        FellSilent: _S._ignore,
        Spoke: silence.spoke,
        PartnerInterrupted: _S._ignore,
        PartnerReturned: _S._ignore,
        Identified: proof.identified,
        TokenRefused: proof.refused,
        TokenExpired: _S._ignore,
        ProofMissing: _S._ignore,
        Interrupted: absence.interrupted,
        Returned: absence.replaced,
        ResumeFailed: _S._ignore,
        Disconnected: _S._end,
    },
    State.WAITING: {
        Auth: proof.show,
        Available: _S._want_else,
        Offer: _S._not_paired,
        Answer: _S._not_paired,
        Ice: _S._not_paired,
        Data: _S._not_paired,
        Next: _S._not_paired,
        Leave: _S._leave_queue,
        Ping: _S._pong,
        Report: complaints.report,
        Block: complaints.block,
        Outcome: outcomes.outcome,
        Proof: guests.prove,
        Resume: absence.resume_too_late,
        PartnerFound: _S._pair,
        TicketRefused: _S._refused_ticket,
        PartnerGone: _S._ignore,
        FellSilent: _S._ignore,
        Spoke: _S._ignore,
        PartnerInterrupted: _S._ignore,
        PartnerReturned: _S._ignore,
        Identified: proof.identified_waiting,
        TokenRefused: proof.refused,
        TokenExpired: proof.expired,
        ProofMissing: guests.missing,
        Interrupted: absence.interrupted,
        Returned: absence.replaced,
        ResumeFailed: _S._ignore,
        Disconnected: _S._break_off,
    },
    State.PAIRED: {
        Auth: proof.show,
        Available: _S._already_paired,
        Offer: _S._relay,
        Answer: _S._relay,
        Ice: _S._relay,
        Data: _S._relay_data,
        Next: _S._next,
        Leave: _S._leave,
        Ping: _S._pong,
        Report: complaints.report,
        Block: complaints.block,
        Outcome: outcomes.outcome,
        Proof: guests.prove,
        Resume: absence.resume_too_late,
        PartnerFound: _S._ignore,
        TicketRefused: _S._ignore,
        PartnerGone: _S._partner_gone,
        FellSilent: silence.fell_silent,
        Spoke: _S._ignore,
        PartnerInterrupted: absence.partner_interrupted,
        PartnerReturned: absence.partner_returned,
        Identified: proof.identified,
        TokenRefused: proof.refused,
        TokenExpired: _S._ignore,
        ProofMissing: _S._ignore,
        Interrupted: absence.interrupted,
        Returned: absence.replaced,
        ResumeFailed: _S._ignore,
        Disconnected: _S._break_off,
    },
    State.RESUMING: {
        **dict.fromkeys(messages.CLIENT_MESSAGES, absence.postpone),
        Resume: absence.resume_too_late,
        **dict.fromkeys(_FROM_ELSEWHERE, _S._ignore),
        Identified: proof.identified,
        TokenRefused: proof.refused,
        Interrupted: _S._end,
        ResumeFailed: absence.failed,
        Disconnected: _S._end,
    },
    State.AWAY: {
        **dict.fromkeys((*messages.CLIENT_MESSAGES, *_FROM_ELSEWHERE), _S._ignore),
        PartnerGone: absence.partner_gone,
        PartnerInterrupted: absence.partner_interrupted,
        PartnerReturned: absence.partner_returned,
        TokenExpired: absence.token_expired,
        Returned: absence.returned,
        Disconnected: _S._break_off,
    },
    State.CLOSED: dict.fromkeys((*messages.CLIENT_MESSAGES, *_FROM_ELSEWHERE), _S._ignore),
}

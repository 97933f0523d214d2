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

import msgspec
from msgspec import UNSET, Raw

from signald.core import absence, complaints, messages
from signald.core.effects import (
    POLICY_VIOLATION,
    Close,
    Effects,
    Enqueue,
    LeaveRoom,
    Refuse,
    Relay,
    Send,
    TellMatched,
    VerifyToken,
    Withdraw,
)
from signald.core.encounters import Encounter, Party
from signald.core.farewells import BAD_TOKENS
from signald.core.ids import ClientId
from signald.core.inputs import (
    Disconnected,
    Identified,
    Input,
    Interrupted,
    PartnerFound,
    PartnerGone,
    PartnerInterrupted,
    PartnerReturned,
    ResumeFailed,
    Returned,
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
    Parting,
    Ping,
    ProtocolError,
    Report,
    Resume,
    Signal,
)
from signald.core.standing import AVOIDED_AT_MOST, EXPIRED, AuthMode, Policy, Standing, State

_NOTHING: Final[Effects] = ()
_PONG: Final[Effects] = (Send(messages.PONG),)


BAD_TOKENS_AT_MOST: Final = 3
"""In a row; then the connection is closed: a client that has no good token must not go on trying."""


class Session(Standing):
    """The state of one client. `receive` is its only door."""

    __slots__ = ("_heads",)

    def __init__(self, client: ClientId, policy: Policy, *, v1: bool = False) -> None:
        super().__init__(client, policy, v1=v1)
        self._heads: dict[type[Any], bytes] | None = None

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
        if not self.may_wait(now):
            raise ProtocolError(ErrorCode.AUTH_REQUIRED, "send auth with a good token first")

    # Each of these is a cell of the table. None is called from outside.

    def _available(self, given: Available, now: float) -> Effects:
        self._need_identity(now)
        self.want(given.wishes())
        return self._enqueue(given, now)

    def _want_else(self, given: Available, now: float) -> Effects:
        """Who waits already wants to meet somebody else from now on; it has waited no shorter for that."""
        said = given.wishes()
        if said is None:
            return _NOTHING
        self.want(said)
        return self._file_anew()

    def _file_anew(self) -> Effects:
        """Wait on with other wishes, in the same place."""
        waits = self.ticket
        if waits is None or waits.wish == self.wish:
            return _NOTHING
        self.tickets += 1
        self.ticket = msgspec.structs.replace(waits, number=self.tickets, wish=self.wish)
        return Withdraw(waits), Enqueue(self.ticket)

    def _mean(self, given: Offer | Answer | Ice | Data | Next | Leave) -> None:
        """Let a message through that is about the room of the moment; old clients name none."""
        room = given.roomId
        if self.v1 and isinstance(room, Raw) and not messages.names(room, self.room):
            raise Crossed

    def _enqueue(self, given: Input, now: float, *, avoiding: bool = False) -> Effects:
        self.ticket = self.new_ticket(now, avoiding=avoiding)
        self.state = State.WAITING
        return (Enqueue(self.ticket),)

    def _withdraw(self, given: Input, now: float) -> Effects:
        ticket, self.ticket = self.ticket, None
        self.state = State.IDLE
        return (Withdraw(ticket),) if ticket else _NOTHING

    def _pair(self, given: PartnerFound, now: float) -> Effects:
        if given.ticket != self.ticket:
            return _NOTHING
        common = self.common(given.ticket, given.likes, now)
        self.ticket = None
        self.room = given.room
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
        return self._withdraw(given, now)

    def _relay(self, given: Signal, now: float) -> Effects:
        if given.roomId is not UNSET:
            self._mean(given)
        heads = self._heads
        if heads is None:
            heads = self._heads = messages.relay_heads(self.client)
        return (Relay(self.room, messages.relayed(heads, given)),)  # type: ignore[arg-type]

    def _relay_data(self, given: Data, now: float) -> Effects:
        self._mean(given)
        if not self.partner_takes_data:
            raise ProtocolError(ErrorCode.PARTNER_CANNOT, "the partner's client does not know data")
        return (Relay(self.room, messages.relayed_data(self.client, given)),)  # type: ignore[arg-type]

    def _leave(self, given: Leave, now: float) -> Effects:
        self._mean(given)
        return self._part("leave")

    def _part(self, why: Parting) -> Effects:
        room = self.room
        self.forget_room()
        self.state = State.IDLE
        return (LeaveRoom(room, why),) if room else _NOTHING

    def _next(self, given: Next, now: float) -> Effects:
        self._mean(given)
        self._need_identity(now)
        said = given.wishes()
        if said is not None:
            self.want(said)
        return self._part("next") + self._enqueue(given, now, avoiding=True)

    def _partner_gone(self, given: PartnerGone, now: float) -> Effects:
        if given.room != self.room:
            return _NOTHING
        self._part(given.why)
        told: Effects = (Send(messages.partner_left(given.why) if self.v1 else messages.PARTNER_LEFT),)
        if not self.policy.requeue_on_partner_leave:
            return told
        return told + (self._enqueue(given, now) if self.may_wait(now) else (Refuse(EXPIRED),))

    def _close(self, given: Disconnected | Interrupted, now: float) -> Effects:
        self.shelved = None
        why: Parting = given.why if isinstance(given, Disconnected) else "gone"
        left = self._withdraw(given, now) + self._part(why)
        self.state = State.CLOSED
        return left

    def _auth(self, given: Auth, now: float) -> Effects:
        if self.policy.auth is AuthMode.OFF or not given.token:
            return _NOTHING
        return (VerifyToken(given.token),)

    def _identify(self, given: Identified, now: float) -> Effects:
        facts = () if self.identity is None else self.identity.facts
        self.identity = given
        self.bad_tokens = 0
        if given.facts != facts:
            self.want(self.said)
        return _NOTHING

    def _identify_waiting(self, given: Identified, now: float) -> Effects:
        self._identify(given, now)
        if self.ticket is None or self.ticket.user == given.user:
            return self._file_anew()
        # The ticket names somebody else, or nobody: a new one, at the tail.
        return self._withdraw(given, now) + self._enqueue(given, now)

    def _token_refused(self, given: TokenRefused, now: float) -> Effects:
        self.bad_tokens += given.blame
        told = Refuse(ProtocolError(ErrorCode.AUTH_FAILED, given.why))
        if self.bad_tokens < BAD_TOKENS_AT_MOST:
            return (told,)
        return told, Close(POLICY_VIOLATION, "too many bad tokens", BAD_TOKENS)

    def _expire_waiting(self, given: Input, now: float) -> Effects:
        if self.identity is None or now < self.identity.until:
            return _NOTHING
        return (*self._withdraw(given, now), Refuse(EXPIRED))

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
    PartnerInterrupted,
    PartnerReturned,
    Identified,
    TokenRefused,
    TokenExpired,
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
        Auth: _S._auth,
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
        Resume: absence.resume,
        PartnerFound: _S._ignore,
        TicketRefused: _S._ignore,
        PartnerGone: _S._ignore,
        PartnerInterrupted: _S._ignore,
        PartnerReturned: _S._ignore,
        Identified: _S._identify,
        TokenRefused: _S._token_refused,
        TokenExpired: _S._ignore,
        Interrupted: absence.interrupted,
        Returned: absence.replaced,
        ResumeFailed: _S._ignore,
        Disconnected: _S._close,
    },
    State.WAITING: {
        Auth: _S._auth,
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
        Resume: absence.resume_too_late,
        PartnerFound: _S._pair,
        TicketRefused: _S._refused_ticket,
        PartnerGone: _S._ignore,
        PartnerInterrupted: _S._ignore,
        PartnerReturned: _S._ignore,
        Identified: _S._identify_waiting,
        TokenRefused: _S._token_refused,
        TokenExpired: _S._expire_waiting,
        Interrupted: absence.interrupted,
        Returned: absence.replaced,
        ResumeFailed: _S._ignore,
        Disconnected: _S._close,
    },
    State.PAIRED: {
        Auth: _S._auth,
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
        Resume: absence.resume_too_late,
        PartnerFound: _S._ignore,
        TicketRefused: _S._ignore,
        PartnerGone: _S._partner_gone,
        PartnerInterrupted: absence.partner_interrupted,
        PartnerReturned: absence.partner_returned,
        Identified: _S._identify,
        TokenRefused: _S._token_refused,
        TokenExpired: _S._ignore,
        Interrupted: absence.interrupted,
        Returned: absence.replaced,
        ResumeFailed: _S._ignore,
        Disconnected: _S._close,
    },
    State.RESUMING: {
        **dict.fromkeys(messages.CLIENT_MESSAGES, absence.postpone),
        Resume: absence.resume_too_late,
        **dict.fromkeys(_FROM_ELSEWHERE, _S._ignore),
        Identified: _S._identify,
        TokenRefused: _S._token_refused,
        Interrupted: _S._close,
        ResumeFailed: absence.failed,
        Disconnected: _S._close,
    },
    State.AWAY: {
        **dict.fromkeys((*messages.CLIENT_MESSAGES, *_FROM_ELSEWHERE), _S._ignore),
        PartnerGone: absence.partner_gone,
        PartnerInterrupted: absence.partner_interrupted,
        PartnerReturned: absence.partner_returned,
        TokenExpired: absence.token_expired,
        Returned: absence.returned,
        Disconnected: _S._close,
    },
    State.CLOSED: dict.fromkeys((*messages.CLIENT_MESSAGES, *_FROM_ELSEWHERE), _S._ignore),
}

"""One client's state machine: what a client and the broker say goes in, what is to be done comes out.

::

    IDLE ──available──► WAITING ──partner found──► PAIRED ──leave──────────► IDLE
                           ▲ │                       │ └────next───────────► WAITING
                           │ └──leave──► IDLE        └──partner gone───────► WAITING, or IDLE without requeue
    any ──disconnected──► CLOSED

A token goes to whoever can check it, and what it proves comes back; then the client's tickets carry the user. An
operator may want that before anybody waits (`Policy.auth`).

The rules stand in `TRANSITIONS`, every state with every input. The session never guesses: that it is paired it knows
from the broker alone, and what is said about an older ticket or room is recognised by its id and ignored.
"""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from typing import Any, Final

import msgspec
from msgspec import UnsetType

from signald.core import messages
from signald.core.effects import (
    POLICY_VIOLATION,
    Close,
    Effects,
    Enqueue,
    FileReport,
    KeepApart,
    LeaveRoom,
    Refuse,
    Relay,
    Send,
    TellMatched,
    VerifyToken,
    Withdraw,
)
from signald.core.encounters import Encounter, Party
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.inputs import Disconnected, Identified, Input, PartnerFound, PartnerGone, TokenExpired, TokenRefused
from signald.core.matching import Ticket
from signald.core.messages import (
    Answer,
    Auth,
    Available,
    Block,
    ErrorCode,
    Ice,
    Leave,
    Next,
    Offer,
    Ping,
    ProtocolError,
    Report,
    Signal,
)


class State(Enum):
    """Where a client stands."""

    IDLE = "idle"
    WAITING = "waiting"
    PAIRED = "paired"
    CLOSED = "closed"

    # Enum's own hash is a Python call for each message; there is one object for each state.
    __hash__ = object.__hash__


_NOTHING: Final[Effects] = ()
_PONG: Final[Effects] = (Send(messages.PONG),)


BAD_TOKENS_AT_MOST: Final = 3
"""In a row; then the connection is closed: a client that has no good token must not go on trying."""

_EXPIRED: Final = ProtocolError(ErrorCode.AUTH_REQUIRED, "your token has expired: you wait no longer")


class AuthMode(StrEnum):
    """What a token is for."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Policy(msgspec.Struct, frozen=True):
    """How the operator wants sessions to behave.

    Attributes:
        requeue_on_partner_leave: Whether a client whose partner left waits again at once.
        rematch_delay_s: How long after ``next`` the two are kept apart.
        auth: Whether tokens are looked at, and whether nobody waits without one.
    """

    requeue_on_partner_leave: bool = True
    rematch_delay_s: float = 3.0
    auth: AuthMode = AuthMode.OFF


class Session:
    """The state of one client. `receive` is its only door."""

    __slots__ = (
        "_bad_tokens",
        "_heads",
        "_met",
        "_tickets",
        "client",
        "identity",
        "partner",
        "policy",
        "room",
        "state",
        "ticket",
    )

    def __init__(self, client: ClientId, policy: Policy) -> None:
        self.client = client
        self.policy = policy
        self.state = State.IDLE
        self.ticket: Ticket | None = None
        self.room: RoomId | None = None
        self.partner: ClientId | None = None
        self.identity: Identified | None = None
        self._bad_tokens = 0
        self._tickets = 0
        self._met: tuple[Encounter, ...] = ()  # the last two, newest first
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
        """
        return TRANSITIONS[self.state][type(given)](self, given, now)

    @property
    def user(self) -> UserId | None:
        """Whose client this is; None if it has not proved it. A token that has ended does not make it another's."""
        return None if self.identity is None else self.identity.user

    def _may_wait(self, now: float) -> bool:
        identity = self.identity
        return self.policy.auth is not AuthMode.REQUIRED or (identity is not None and now < identity.until)

    def _need_identity(self, now: float) -> None:
        if not self._may_wait(now):
            raise ProtocolError(ErrorCode.AUTH_REQUIRED, "send auth with a good token first")

    # Each of these is a cell of the table. None is called from outside.

    def _available(self, given: Input, now: float) -> Effects:
        self._need_identity(now)
        return self._enqueue(given, now)

    def _enqueue(self, given: Input, now: float, avoid: ClientId | None = None) -> Effects:
        self._tickets += 1
        delay = self.policy.rematch_delay_s if avoid is not None else 0.0
        self.ticket = Ticket(self.client, self._tickets, now, avoid, now + delay, self.user)
        self.state = State.WAITING
        return (Enqueue(self.ticket),)

    def _withdraw(self, given: Input, now: float) -> Effects:
        ticket, self.ticket = self.ticket, None
        self.state = State.IDLE
        return (Withdraw(ticket),) if ticket else _NOTHING

    def _pair(self, given: PartnerFound, now: float) -> Effects:
        if given.ticket != self.ticket:
            return _NOTHING
        self.ticket = None
        self.room = given.room
        self.partner = given.partner
        self._met = (Encounter(given.room, Party(given.partner, given.user)), *self._met[:1])
        self.state = State.PAIRED
        return (TellMatched(given.room, given.partner, given.initiator),)

    def _relay(self, given: Signal, now: float) -> Effects:
        heads = self._heads
        if heads is None:
            heads = self._heads = messages.relay_heads(self.client)
        return (Relay(self.room, messages.relayed(heads, given)),)  # type: ignore[arg-type]

    def _leave(self, given: Input, now: float) -> Effects:
        room, self.room, self.partner = self.room, None, None
        self.state = State.IDLE
        return (LeaveRoom(room),) if room else _NOTHING

    def _next(self, given: Input, now: float) -> Effects:
        self._need_identity(now)
        partner = self.partner
        return self._leave(given, now) + self._enqueue(given, now, avoid=partner)

    def _partner_gone(self, given: PartnerGone, now: float) -> Effects:
        if given.room != self.room:
            return _NOTHING
        self._leave(given, now)
        told: Effects = (Send(messages.PARTNER_LEFT),)
        if not self.policy.requeue_on_partner_leave:
            return told
        return told + (self._enqueue(given, now) if self._may_wait(now) else (Refuse(_EXPIRED),))

    def _close(self, given: Input, now: float) -> Effects:
        left = self._withdraw(given, now) + self._leave(given, now)
        self.state = State.CLOSED
        return left

    def _auth(self, given: Auth, now: float) -> Effects:
        if self.policy.auth is AuthMode.OFF or not given.token:
            return _NOTHING
        return (VerifyToken(given.token),)

    def _identify(self, given: Identified, now: float) -> Effects:
        self.identity = given
        self._bad_tokens = 0
        return _NOTHING

    def _identify_waiting(self, given: Identified, now: float) -> Effects:
        self._identify(given, now)
        if self.ticket is None or self.ticket.user == given.user:
            return _NOTHING
        # The ticket names somebody else, or nobody: a new one, at the tail.
        return self._withdraw(given, now) + self._enqueue(given, now)

    def _token_refused(self, given: TokenRefused, now: float) -> Effects:
        self._bad_tokens += given.blame
        told = Refuse(ProtocolError(ErrorCode.AUTH_FAILED, given.why))
        if self._bad_tokens < BAD_TOKENS_AT_MOST:
            return (told,)
        return told, Close(POLICY_VIOLATION, "too many bad tokens")

    def _expire_waiting(self, given: Input, now: float) -> Effects:
        if self.identity is None or now < self.identity.until:
            return _NOTHING
        return (*self._withdraw(given, now), Refuse(_EXPIRED))

    def _party(self) -> Party:
        return Party(self.client, self.user)

    def _find(self, partner: str | UnsetType | None) -> Encounter:
        for met in self._met:
            if not partner or met.partner.client == partner:
                return met
        raise ProtocolError(
            ErrorCode.NOT_PAIRED,
            "`partnerId` is neither the partner nor the last one" if partner else "there was no partner yet",
        )

    def _report(self, given: Report, now: float) -> Effects:
        return (FileReport(self._party(), self._find(given.partnerId), given.reason, given.text or ""),)

    def _block(self, given: Block, now: float) -> Effects:
        return (KeepApart(self._party(), self._find(given.partnerId).partner),)

    def _pong(self, given: Input, now: float) -> Effects:
        return _PONG

    def _ignore(self, given: Input, now: float) -> Effects:
        return _NOTHING

    def _not_paired(self, given: Input, now: float) -> Effects:
        raise ProtocolError(ErrorCode.NOT_PAIRED, "there is no partner")

    def _already_paired(self, given: Input, now: float) -> Effects:
        raise ProtocolError(ErrorCode.ALREADY_PAIRED, "there is a partner already: send next or leave first")


_Rule = Callable[[Session, Any, float], Effects]
_S = Session

TRANSITIONS: Final[Mapping[State, Mapping[type[Any], _Rule]]] = {
    State.IDLE: {
        Auth: _S._auth,
        Available: _S._available,
        Offer: _S._not_paired,
        Answer: _S._not_paired,
        Ice: _S._not_paired,
        Next: _S._not_paired,
        Leave: _S._ignore,
        Ping: _S._pong,
        Report: _S._report,
        Block: _S._block,
        PartnerFound: _S._ignore,
        PartnerGone: _S._ignore,
        Identified: _S._identify,
        TokenRefused: _S._token_refused,
        TokenExpired: _S._ignore,
        Disconnected: _S._close,
    },
    State.WAITING: {
        Auth: _S._auth,
        Available: _S._ignore,
        Offer: _S._not_paired,
        Answer: _S._not_paired,
        Ice: _S._not_paired,
        Next: _S._not_paired,
        Leave: _S._withdraw,
        Ping: _S._pong,
        Report: _S._report,
        Block: _S._block,
        PartnerFound: _S._pair,
        PartnerGone: _S._ignore,
        Identified: _S._identify_waiting,
        TokenRefused: _S._token_refused,
        TokenExpired: _S._expire_waiting,
        Disconnected: _S._close,
    },
    State.PAIRED: {
        Auth: _S._auth,
        Available: _S._already_paired,
        Offer: _S._relay,
        Answer: _S._relay,
        Ice: _S._relay,
        Next: _S._next,
        Leave: _S._leave,
        Ping: _S._pong,
        Report: _S._report,
        Block: _S._block,
        PartnerFound: _S._ignore,
        PartnerGone: _S._partner_gone,
        Identified: _S._identify,
        TokenRefused: _S._token_refused,
        TokenExpired: _S._ignore,
        Disconnected: _S._close,
    },
    State.CLOSED: {
        given: _S._ignore
        for given in (
            Auth,
            Available,
            Offer,
            Answer,
            Ice,
            Next,
            Leave,
            Ping,
            Report,
            Block,
            PartnerFound,
            PartnerGone,
            Identified,
            TokenRefused,
            TokenExpired,
            Disconnected,
        )
    },
}

"""What is known of one client: where it stands, with whom, and how the operator wants it to behave.

The rules by which it changes are in `signald.core.session` and `signald.core.absence`.
"""

import math
from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Any, Final

import msgspec

from signald.core.encounters import Encounter
from signald.core.ids import BrowserKey, ClientId, RoomId, UserId
from signald.core.inputs import Identified
from signald.core.matching import Ticket
from signald.core.messages import Common, ErrorCode, ProtocolError, Wishes
from signald.core.toll import Toll
from signald.core.wishes import Vocabulary, Wish, fold, make_wish

AVOIDED_AT_MOST: Final = 8
"""Partners from whom one who has wishes keeps away for a while after ``next``; all others from the last one alone."""

CHALLENGED: Final = ProtocolError(
    ErrorCode.CHALLENGE_REQUIRED, "guests have to prove work at the moment: ask for signald.v1, or come later"
)

UNPROVEN: Final = ProtocolError(
    ErrorCode.CHALLENGE_REQUIRED, "no proof of your work has come, so you do not wait: answer challenge by proof"
)

EXPIRED: Final = ProtocolError(ErrorCode.AUTH_REQUIRED, "your token has expired: you wait no longer")


class State(Enum):
    """Where a client stands."""

    IDLE = "idle"
    WAITING = "waiting"
    PAIRED = "paired"
    RESUMING = "resuming"
    AWAY = "away"
    CLOSED = "closed"

    # Enum's own hash is a Python call for each message; there is one object for each state.
    __hash__ = object.__hash__


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
        vocabulary: What clients may say of whom they want to meet.
        toll: What guests pay before they wait; None for nothing.
    """

    requeue_on_partner_leave: bool = True
    rematch_delay_s: float = 3.0
    auth: AuthMode = AuthMode.OFF
    vocabulary: Vocabulary = Vocabulary()
    toll: Toll | None = None


class Standing(msgspec.Struct, eq=False, gc=False):
    """The data of a session.

    Attributes:
        client: Its id.
        policy: How the operator wants it to behave.
        v1: Whether the client speaks the protocol of today, and not only the first one.
        state: Where it stands.
        stands: The same for one that is away: where it will stand when it returns.
        ticket: With which it waits.
        since: Since when it had waited when it was matched; seconds, monotonic.
        paired: Since when it was matched last; None if that is not known.
        silent: Whether it does not wait, although it believes so, until it says something.
        shelved: The ticket of one who waits and is away: it stands in no queue.
        tickets: How often it has waited.
        room: Where it is paired.
        partner: With whom.
        partner_away: Whether the partner has no connection for now.
        partner_takes_data: Whether the partner's client knows `data`.
        identity: Who it is, if it has proved it.
        bad_tokens: How often in a row it has failed to prove it.
        met: The last two partners, newest first.
        said: Whom it wants to meet, in its words; None if it did not say.
        wish: The same, comparable; None for whoever comes.
        lately: The last partners, newest first, of one who says whom it wants to meet.
        browser: Where it runs; None if it did not say.
        rooms: Its last rooms, newest first.
        judged: Those of which it has said what became of them.
        turn: Of its last challenge, and of no other client; see `signald.core.toll`.
        challenged: When it was last, if it has not proven its work since; seconds, monotonic.
        paid: Whether it has a proof in hand, for the next time that it waits.
        knocked: When it was last counted as one that is not let in; seconds, monotonic.
        owes: Whether it stands at the door with its ticket, and in no queue, until it has proven its work.
        heads: What stands before the payload of what it relays; None if it has relayed nothing.
    """

    client: ClientId
    policy: Policy
    v1: bool = False
    state: State = State.IDLE
    stands: State = State.IDLE
    ticket: Ticket | None = None
    since: float = 0.0
    paired: float | None = None
    silent: bool = False
    shelved: Ticket | None = None
    tickets: int = 0
    room: RoomId | None = None
    partner: ClientId | None = None
    partner_away: bool = False
    partner_takes_data: bool = False
    identity: Identified | None = None
    bad_tokens: int = 0
    met: tuple[Encounter, ...] = ()
    said: Wishes | None = None
    wish: Wish | None = None
    lately: tuple[ClientId, ...] = ()
    browser: BrowserKey | None = None
    rooms: tuple[RoomId, ...] = ()
    judged: tuple[RoomId, ...] = ()
    turn: int = 0
    challenged: float | None = None
    paid: bool = False
    knocked: float = -math.inf
    owes: bool = False
    heads: Mapping[type[Any], bytes] | None = None

    @property
    def user(self) -> UserId | None:
        """Whose client this is; None if it has not proved it. A token that has ended does not make it another's."""
        return None if self.identity is None else self.identity.user

    def may_wait(self, now: float) -> bool:
        """Whether the operator lets this client wait."""
        return self.policy.auth is not AuthMode.REQUIRED or self.is_known(now)

    def is_known(self, now: float) -> bool:
        """Whether it has proved who it is, and the proof is still good."""
        identity = self.identity
        return identity is not None and now < identity.until

    def new_ticket(self, now: float, *, avoiding: bool = False, since: float | None = None) -> Ticket:
        """A ticket for this client's next stay in the queue.

        Args:
            now: Seconds, monotonic.
            avoiding: Whether it is to keep away for a while from whom it has met last.
            since: Since when it waits; None for since now.
        """
        self.tickets += 1
        self.silent = False
        avoid: tuple[ClientId, ...] = ()
        if avoiding:
            avoid = self.lately if self.wish is not None else self.lately[:1]
        until = now + self.policy.rematch_delay_s if avoid or self.browser else now
        waits_since = now if since is None else since
        user = None if self.identity is None else self.identity.user
        return Ticket(self.client, self.tickets, waits_since, avoid, until, user, self.wish, self.v1, self.browser)

    def want(self, said: Wishes | None) -> None:
        """Take what the client says of whom it wants to meet; None if it is content with whoever comes.

        Raises:
            ProtocolError: It names a key or a value that there is not. Nothing has changed.
        """
        known = () if self.identity is None else self.identity.facts
        if said is not None or known or self.wish is not None:
            self.wish, self.said = make_wish(said, known, self.policy.vocabulary), said

    def common(self, ticket: Ticket, likes: tuple[str, ...], now: float) -> Common | None:
        """What came of the wishes with which this client waited, for one who likes this; None without wishes."""
        if not self.v1 or self.said is None or ticket.wish is None:
            return None
        shared = [word for word in self.said.likes or () if fold(word) in likes]
        return Common(shared, list(ticket.wish.relaxed(ticket.since, now)))

    def forget_room(self) -> RoomId | None:
        """There is no partner any more; gives the room that there was."""
        room = self.room
        self.room = self.partner = None
        self.partner_away = self.partner_takes_data = False
        return room

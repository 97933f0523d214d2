"""Separates clients from the way they are paired and routed: calls go down, events come up.

Every call returns at once and never raises for what happens elsewhere: outcomes come as events, maybe within the
call (memory), maybe much later (a store). What a broker guarantees:

- **Matching.** The oldest ticket first of those who may meet (`signald.core.matching`). A ticket is matched at most
  once, with one that is alive, and only if `BrokerEvents.matched` accepts it on both sides. After a refusal the other
  side waits on in its old place, or, if it was told of the match already, gets `partner_left`.
- **Relays.** At most once, only within the room, in the order of the calls for each room and direction. One that
  cannot be delivered ends the room for both: never a silent gap.
- **Lifetime.** A room ends once for each side: by that side's `leave` or by one `partner_left`. What an instance
  keeps for others expires when the instance does.
- **Resuming.** A session has one home. It leaves it whole and once, by `fetch` of the next one; a home that hears that
  its session has another one gives it up. While one of the two in a room has no home the room waits, and keeps what the
  other says, for as long as sessions are kept.
- **Moderation.** A ban reaches every instance that lives, and those that start later, for as long as it lasts; one
  that was cut off hears of it when it is back. Two of whom one has blocked the other are matched by no instance that
  can ask the store.
- **Reports.** What is filed is kept, once, for all instances; see `signald.brokers.inbox`.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from signald.brokers.inbox import Inbox
from signald.core.bans import Ban
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import PartnerFound
from signald.core.matching import Crowds, Ticket
from signald.core.messages import Parting, ProtocolError
from signald.core.parcel import Parcel
from signald.core.passes import Attempt, Pass


class BrokerEvents(Protocol):
    """Tells the instance what happens to its clients. None of these may raise."""

    def matched(self, found: PartnerFound) -> bool:
        """A partner was found for a ticket of this instance.

        Returns:
            Whether the client still waits with this very ticket and is now paired. False: the match did not happen.
        """
        ...

    def refused(self, ticket: Ticket, problem: ProtocolError) -> None:
        """There is no place for a ticket of this instance: it does not wait."""
        ...

    def relayed(self, client: ClientId, room: RoomId, text: bytes, is_offer: bool = False) -> None:
        """The partner's message (a whole server message, JSON) for a client in a room; it owes an offer an answer."""
        ...

    def partner_left(self, client: ClientId, room: RoomId, why: Parting = "gone") -> None:
        """A client's room has ended, and not by the client itself."""
        ...

    def partner_away(self, client: ClientId, room: RoomId, seconds: float) -> None:
        """The partner of a client has no connection, and will be gone after so many seconds."""
        ...

    def partner_back(self, client: ClientId, room: RoomId, lost: bool) -> None:
        """The partner of a client has a connection again; `lost` if either may have missed something."""
        ...

    def is_here(self, client: ClientId) -> bool:
        """Whether a client of this instance has a connection."""
        ...

    def resumes(self, client: ClientId) -> bool:
        """Whether the session of a client of this instance outlives its connection."""
        ...


class SessionEvents(Protocol):
    """What a broker asks the instance about its sessions that may change their home. None of these may raise."""

    def epochs(self) -> Sequence[tuple[ClientId, int]]:
        """All of them, each with how often its connection was lost and it has gone on."""
        ...

    def epoch(self, client: ClientId) -> int:
        """The same for one of them; 0 for one that is not here."""
        ...

    def attempt(self, client: ClientId) -> Attempt:
        """The one by which one of them has last gone on."""
        ...

    def room(self, client: ClientId) -> RoomId | None:
        """The room of one of them."""
        ...

    def demanded(self, client: ClientId, epoch: int, sent: int, received: int, attempt: Attempt) -> bool:
        """A client is on another instance, and shows a token that says this.

        Returns:
            Whether it is good; then the session has no connection from now on.
        """
        ...

    def pack(self, client: ClientId, *, lost: bool) -> Parcel | None:
        """A session is no longer here, and nobody is told; None if it is not."""
        ...

    def moved(self, client: ClientId, epoch: int, attempt: Attempt, *, rival: bool) -> RoomId | None:
        """A session has a home of this epoch. If its epoch here is earlier it is no longer here, and nobody is told.

        Args:
            client: Whose session.
            epoch: Of the other home.
            attempt: The one by which it went there: in the same epoch the later one has it.
            rival: Whether the other home has it in the same epoch, if that is not known.

        Returns:
            The room that it had, empty for none; None if it is not given up, or not here.
        """
        ...


class ModerationEvents(Protocol):
    """Tells the instance of bans and questions. None of these may raise."""

    def banned(self, bans: Sequence[Ban]) -> None:
        """Bans of other instances; some may be known already."""
        ...

    def bans(self) -> Sequence[Ban]:
        """All bans that this instance knows, for a store that may have lost them."""
        ...

    def asked(self, question: bytes) -> bytes:
        """Answer a question that was put to all instances, this one included."""
        ...


class Answers(NamedTuple):
    """Holds what the instances answered.

    Attributes:
        by_instance: Each one's answer.
        silent: Instances that live and did not answer in time.
        reached_all: Whether all were asked: not while the store is away.
    """

    by_instance: Mapping[str, bytes]
    silent: Sequence[str] = ()
    reached_all: bool = True


class Origin(StrEnum):
    """Where a session was that is not at home here."""

    MOVED = "moved"
    """At home on another instance, which gave it up."""
    STOPPED = "stopped"
    """In the store: its home stopped."""
    DEAD = "dead"
    """Nowhere but in its token: its home is dead."""
    RESTARTED = "restarted"
    """The same, and its home was the process before this one."""
    GONE = "gone"
    """It has ended, or the token is not its last one."""


class Fetched(NamedTuple):
    """A session that was not at home here.

    Attributes:
        origin: Where it was.
        parcel: The session; None if there is nothing but its token, or not even that.
        claimed: Whether nobody else can fetch it any more.
        shadow: An instance that may think that it has the session, and the epoch that tells it that it has not.
        why: Why there is nothing, for the log.
    """

    origin: Origin
    parcel: Parcel | None = None
    claimed: bool = False
    shadow: tuple[str, int] | None = None
    why: str = ""


class Partner(StrEnum):
    """Whether a client has a connection."""

    HERE = "here"
    AWAY = "away"
    GONE = "gone"
    """There is no such room any more."""
    STALE = "stale"
    """The partner knows of a later epoch of the session: this one is an old one."""


class Half(NamedTuple):
    """One client's half of a room, that comes to this instance from elsewhere.

    Attributes:
        room: The room.
        client: Whose half it is.
        epoch: Of its session.
        partner: The other one.
        partner_instance: Where the other one was; empty if nobody knows.
        unheard: What this one has said that the other has not heard.
        attempt: The one by which it comes.
    """

    room: RoomId
    client: ClientId
    epoch: int
    partner: ClientId
    partner_instance: str
    unheard: tuple[bytes, ...] = ()
    attempt: Attempt = Attempt()


class ParkedAll(NamedTuple):
    """What came of the attempt to let all sessions outlive their instance.

    Attributes:
        sessions: How many do.
        why: Why the others do not; empty if all do.
    """

    sessions: int
    why: str


class Broker(Protocol):
    """Pairs waiting clients and carries messages between partners."""

    def start(self, events: BrokerEvents, moderation: ModerationEvents, sessions: SessionEvents | None = None) -> None:
        """Begin; called once, before any other call. A store that cannot be reached is no error."""
        ...

    async def stop(self) -> None:
        """Take everything of this instance out of the store, in bounded time. No events come after it."""
        ...

    def enqueue(self, ticket: Ticket) -> None:
        """Let a client wait. Harmless when done twice for a ticket."""
        ...

    def withdraw(self, ticket: Ticket) -> None:
        """Let a client wait no longer. Harmless for a ticket that is matched or unknown."""
        ...

    def place(self, ticket: Ticket) -> int | None:
        """The place of a ticket that was withdrawn a moment ago, for `keep_place`; None if its `since` says it."""
        ...

    def keep_place(self, ticket: Ticket, place: int) -> None:
        """A ticket that will come has had this place on another instance."""
        ...

    def relay(self, room: RoomId, sender: ClientId, text: bytes, is_offer: bool = False) -> None:
        """Carry a whole server message (JSON) to the sender's partner. Harmless for a room that has ended.

        Args:
            room: Where both are.
            sender: Whose message it is.
            text: The message.
            is_offer: Whether its partner is to be told that this is an offer; not if it has no home for now.
        """
        ...

    def leave(self, room: RoomId, client: ClientId, why: Parting = "gone") -> None:
        """Let a client leave its room; its partner gets `BrokerEvents.partner_left`. Harmless when done twice."""
        ...

    def away(self, room: RoomId, client: ClientId, seconds: float) -> None:
        """A client has no connection for now; its partner gets `BrokerEvents.partner_away`."""
        ...

    def back(self, room: RoomId, client: ClientId, *, lost: bool, epoch: int, attempt: Attempt) -> None:
        """A client goes on, in this epoch of its session; its partner gets `BrokerEvents.partner_back`."""
        ...

    def partner_instance(self, room: RoomId) -> str:
        """Where the partner in a room of this instance is at home, as tokens say it; empty if nobody knows."""
        ...

    async def know_key(self) -> bool:
        """Whether the key of resume tokens may be another one than a moment ago; waits for the store a little."""
        ...

    async def fetch(self, said: Pass, received: int, attempt: Attempt, wanted: Callable[[], bool]) -> Fetched:
        """Make a session that is not here one of this instance. Ends in bounded time, and never fails.

        Args:
            said: What the client's token says.
            received: How many messages the client has had.
            attempt: Which one this is.
            wanted: Whether the client still waits. One that does not may have it elsewhere: it is not taken from there.
        """
        ...

    @property
    def parks(self) -> bool:
        """Whether sessions can outlive this process, if it stops now."""
        ...

    async def park_all(self, within_s: float) -> ParkedAll:
        """Let all sessions of this instance outlive it, for so many seconds at most."""
        ...

    def put_back(self, packed: Parcel) -> None:
        """A session that was fetched and claimed was for nobody: let it be fetched again."""
        ...

    def settled(self, client: ClientId, found: Fetched) -> None:
        """A session that was fetched is at home here now: whoever may think that it has it hears of that."""
        ...

    def overtaken(self, said: Pass) -> None:
        """A token says that a session which is here has had another home since: give it up, and tell nobody."""
        ...

    async def rejoin(self, half: Half) -> Partner:
        """A session that was fetched goes on in its room. Ends in bounded time, and never fails.

        Returns:
            How the partner is; AWAY too if nobody knows: then the room waits for it.
        """
        ...

    def block(self, by: Party, whom: Party) -> None:
        """Keep two apart from now on, as one has blocked the other: as users, or else as clients."""
        ...

    def ended(self, client: ClientId, *, moved: bool) -> None:
        """The session of a client that has waited or moved has ended, and with it the blocks that are about it alone.

        Args:
            client: Which one.
            moved: Whether it may have blocked somebody on another instance.
        """
        ...

    def share(self, bans: Sequence[Ban]) -> None:
        """Let all other instances know of bans."""
        ...

    @property
    def inbox(self) -> Inbox:
        """Where reports are kept."""
        ...

    async def ask(self, question: bytes) -> Answers:
        """Put a question to all instances, this one included. Ends in bounded time, and never fails."""
        ...

    @property
    def instance(self) -> str:
        """The name of this process: INSTANCE_ID, or another name if a living process has that one."""
        ...

    @property
    def waiting(self) -> int:
        """How many clients of this instance wait."""
        ...

    def crowds(self) -> Crowds:
        """How many clients of this instance wait where."""
        ...

    @property
    def rooms(self) -> int:
        """How many rooms have a client of this instance."""
        ...

    @property
    def store_reachable(self) -> bool | None:
        """Whether the store answers; None for a broker without a store."""
        ...

    @property
    def store_problem(self) -> str | None:
        """In a word, why the store is not reachable or does not do all that it should; None if all is well."""
        ...

    @property
    def held_bytes(self) -> int:
        """Bytes of relays that have not left for another instance, or wait for a home; 0 without a store."""
        ...

    @property
    def neighbours(self) -> int:
        """Instances on this machine to which messages go by a socket, past the store."""
        ...

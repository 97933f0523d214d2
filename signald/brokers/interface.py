"""The seam between clients and the way they are paired and routed: calls go down, events come up.

Every call returns at once and never raises for what happens elsewhere: outcomes come as events, maybe within the
call (memory), maybe much later (a store). What a broker guarantees:

- **Matching.** The oldest compatible ticket first. A ticket is matched at most once, with one that is alive, and only
  if `BrokerEvents.matched` accepts it on both sides. After a refusal the other side waits on in its old place, or, if
  it was told of the match already, gets `partner_left`.
- **Relays.** At most once, only within the room, in the order of the calls for each room and direction. One that
  cannot be delivered ends the room for both: never a silent gap.
- **Lifetime.** A room ends once for each side: by that side's `leave` or by one `partner_left`. What an instance
  keeps for others expires when the instance does.
- **Moderation.** A ban reaches every instance that lives, and those that start later, for as long as it lasts; one
  that was cut off hears of it when it is back. Two of whom one has blocked the other are matched by no instance that
  can ask the store.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from signald.core.bans import Ban
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import PartnerFound
from signald.core.matching import Ticket


class BrokerEvents(Protocol):
    """What a broker tells the instance about its clients. None of these may raise."""

    def matched(self, found: PartnerFound) -> bool:
        """A partner was found for a ticket of this instance.

        Returns:
            Whether the client still waits with this very ticket and is now paired. False: the match did not happen.
        """
        ...

    def relayed(self, client: ClientId, room: RoomId, text: bytes) -> None:
        """The partner's message (a whole server message, JSON) for a client in a room."""
        ...

    def partner_left(self, client: ClientId, room: RoomId) -> None:
        """A client's room has ended, and not by the client itself."""
        ...


class ModerationEvents(Protocol):
    """What a broker tells the instance of bans and questions. None of these may raise."""

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
    """What the instances said.

    Attributes:
        by_instance: Each one's answer.
        silent: Instances that live and did not answer in time.
        reached_all: Whether all were asked: not while the store is away.
    """

    by_instance: Mapping[str, bytes]
    silent: Sequence[str] = ()
    reached_all: bool = True


class Broker(Protocol):
    """Pairs waiting clients and carries messages between partners."""

    def start(self, events: BrokerEvents, moderation: ModerationEvents) -> None:
        """Begin; called once, before any other call. A store that cannot be reached is no error."""
        ...

    async def stop(self) -> None:
        """Take everything of this instance out of the store, in bounded time. No events come after it."""
        ...

    def enqueue(self, ticket: Ticket) -> None:
        """A client waits. Doing it twice for a ticket is harmless."""
        ...

    def withdraw(self, ticket: Ticket) -> None:
        """A client waits no longer. Harmless for a ticket that is matched or unknown."""
        ...

    def relay(self, room: RoomId, sender: ClientId, text: bytes) -> None:
        """Carry a whole server message (JSON) to the sender's partner. Harmless for a room that has ended."""
        ...

    def leave(self, room: RoomId, client: ClientId) -> None:
        """A client left its room; its partner gets `BrokerEvents.partner_left`. Harmless when done twice."""
        ...

    def block(self, by: Party, whom: Party) -> None:
        """Somebody blocks somebody: the two are not to be matched any more, as users or else as clients."""
        ...

    def share(self, bans: Sequence[Ban]) -> None:
        """Let all other instances know of bans."""
        ...

    async def ask(self, question: bytes) -> Answers:
        """Put a question to all instances, this one included. Ends in bounded time, and never fails."""
        ...

    @property
    def instance(self) -> str:
        """How this process is called: INSTANCE_ID, or another name if a living process has that one."""
        ...

    @property
    def waiting(self) -> int:
        """How many clients of this instance wait."""
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
        """Bytes of relays that are on their way to the store; 0 without one."""
        ...

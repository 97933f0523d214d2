"""How sessions may go on, and what `signald.clients.resuming` needs for that of those around it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import UnsetType

from signald.clients.client import Client
from signald.core.ids import ClientId, UserId
from signald.core.inputs import Input
from signald.core.messages import ClientMessage, IceServer, Parting, ProtocolError
from signald.core.outbox import Shelf
from signald.core.passes import Passes
from signald.core.standing import Policy


class Sessions(Protocol):
    """All clients of this instance; see `signald.clients.clients.Clients`."""

    policy: Policy

    def find(self, client: ClientId) -> Client | None:
        """The client with this id, if it is here."""
        ...

    def __iter__(self) -> Iterator[Client]: ...

    def add(self, client: Client) -> None:
        """Here is another client."""
        ...

    def end(self, client: Client, why: str, parting: Parting = "gone") -> None:
        """A client's session is over; `parting` is for its partner. Harmless when done twice."""
        ...

    def dissolve(self, client: Client) -> None:
        """A client is no more: its connection serves another session."""
        ...

    def vanish(self, client: Client) -> None:
        """A client's session has another home; nobody is told."""
        ...

    def may_return(self, client: Client, instead_of: Client) -> bool:
        """Whether a user may have this connection again, in place of the newcomer's; if so it is counted."""
        ...


class Performing(Protocol):
    """Runs effects; see `signald.clients.performing.Performer`."""

    ice_servers: Callable[[ClientId], list[IceServer] | UnsetType] | None

    def refuse(self, client: Client, problem: ProtocolError) -> None:
        """Tell a client of its mistake."""
        ...

    def give(self, client: Client, given: Input) -> None:
        """Let a session receive something, and run what it asks for."""
        ...

    def say(self, client: Client, message: ClientMessage) -> None:
        """A client sent this message a moment ago."""
        ...

    def run(self, client: Client, effects: Sequence[Any]) -> None:
        """Run effects in order."""
        ...


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How sessions may go on.

    Attributes:
        seconds: How long a session without a connection is kept; 0: not at all.
        at_most: Sessions without a connection; above it the one that is away longest ends.
        shelf: What is kept of messages that may not have arrived.
        passes: Makes tokens, and reads them.
        boot: A random name of this process.
        unix_time: Seconds since 1970.
        banned: Whether a user may not come in.
    """

    seconds: float
    at_most: int
    shelf: Shelf
    passes: Passes
    boot: str
    unix_time: Callable[[], float]
    banned: Callable[[UserId], bool] = lambda user: False

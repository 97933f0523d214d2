"""Describes one client, and what it needs: a connection, and somebody who knows its user."""

from typing import Protocol

from msgspec import UNSET, UnsetType

from signald.core.ids import RequestId, RoomId
from signald.core.inputs import Identified, TokenRefused
from signald.core.limits import MessageRate
from signald.core.messages import Parting
from signald.core.outbox import Outbox
from signald.core.passes import NO_ATTEMPT
from signald.core.session import Session
from signald.core.silence import Silence


class Connection(Protocol):
    """Sends to one client, and ends it. None of these raises, not even after the end."""

    def send(self, text: bytes) -> None:
        """Send one message, UTF-8 JSON."""
        ...

    def ping(self) -> None:
        """Ask for a sign of life (RFC 6455 5.5.2)."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake with a code (RFC 6455 7.4) and a reason of at most 123 bytes."""
        ...

    def drop(self) -> None:
        """Abort the transport."""
        ...

    def useless(self) -> None:
        """Count something useless that the client sent: if it goes on, it is read from more slowly."""
        ...

    def serve(self, client: "Client | None") -> None:
        """Be another client's connection from now on, or nobody's."""
        ...


class Client:
    """One client: its session, its rate limit and its connection."""

    __slots__ = (
        "address",
        "answered",
        "asked",
        "attempt",
        "beat",
        "connection",
        "epoch",
        "id",
        "lost",
        "lost_s",
        "messages",
        "opened",
        "outbox",
        "pongs",
        "rate",
        "session",
        "silence",
    )

    def __init__(
        self, connection: Connection, session: Session, rate: MessageRate, opened: float = 0.0, address: str = ""
    ) -> None:
        self.address = address
        """Of the client itself, whatever proxies stand before it; see `signald.core.addresses`."""
        self.opened = opened
        self.messages = 0
        """How many the client has sent, whatever was in them."""
        self.outbox: Outbox | None = None
        """What it was sent; None for a client whose session ends with its connection."""
        self.epoch = 0
        """How often its connection was lost, and its session has gone on with another one."""
        self.attempt = NO_ATTEMPT
        """The one by which it last has."""
        self.lost = False
        """Whether something was missing then; who did not hear of that return has to hear it at the next."""
        self.asked: RequestId | UnsetType = UNSET
        """Of its messages the one that is being dealt with, if it is to be answered."""
        self.connection = connection
        self.id = session.client
        self.session = session
        self.rate = rate
        self.answered = True
        """Whether the last ping of the heartbeat was answered."""
        self.pongs = 0
        """How many answers to pings have come."""
        self.silence: Silence | None = None
        """What it owes its partner; None if it has said something since it was matched."""
        self.lost_s = 0.0
        """For how long the process had stood still when it was pinged last; seconds."""
        self.beat = 0
        """In which slot of the heartbeat this client stands."""

    def take_asked(self) -> RequestId | UnsetType:
        """The message that is answered by what it is told next."""
        asked, self.asked = self.asked, UNSET
        return asked


class CallEvents(Protocol):
    """Hears of rooms that begin and end, from each of its two clients that is here; an end may be told by both."""

    def began(self, client: Client, room: RoomId) -> None:
        """A client was told that it is in a room."""
        ...

    def ended(self, client: Client, room: RoomId, why: Parting) -> None:
        """A client is in a room no more; `why` is the word of whoever left."""
        ...


class Identities(Protocol):
    """Knows which user a client is."""

    def identify(self, client: Client, token: str) -> Identified | TokenRefused:
        """Check the token that a client shows."""
        ...

    def forget(self, client: Client) -> None:
        """Forget a client that is gone, for now or for ever. Harmless for one that nobody knows."""
        ...

    def returns(self, client: Client, identity: Identified, instead_of: Client) -> bool:
        """Let a client come back in place of a newcomer; false if its user has too many connections by now."""
        ...

"""Asks all instances about their clients, and answers them (`signald.brokers.interface.Broker.ask`)."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType, ValidationError
from twisted.logger import Logger

from signald.brokers.interface import Answers, Broker
from signald.core.bans import Ban, BanKind
from signald.core.farewells import KICKED, Farewell
from signald.core.ids import ClientId, UserId
from signald.telemetry.hour import Sample


class Look(msgspec.Struct, tag="look"):
    """Asks who is there: at most so many clients, oldest first, or the one client. Answered by `ClientList`.

    Attributes:
        search: What stands in the id, user, room or partner of those that are wanted, or in their address if that is.
    """

    limit: int
    addresses: bool
    client: ClientId | None = None
    search: str = ""


class ClientList(msgspec.Struct):
    """Answers `Look`: how many clients there are, and those that were asked for."""

    total: int
    clients: "list[ClientFacts]"


class ClientFacts(msgspec.Struct, rename="camel"):
    """Shows an operator one client. Times are in seconds."""

    client_id: str
    instance_id: str
    state: str
    connected_seconds: float
    messages: int
    user_id: str | UnsetType = UNSET
    room_id: str | UnsetType = UNSET
    partner_id: str | UnsetType = UNSET
    address: str | UnsetType = UNSET
    away_seconds: float | UnsetType = UNSET


class Kick(msgspec.Struct, tag="kick"):
    """Asks to close this client; `by` is who wants it, for the log. Answered by whether it was there."""

    client: ClientId
    reason: str
    farewell: Farewell = KICKED
    by: str = ""


class BanClient(msgspec.Struct, tag="ban"):
    """Asks to ban whoever is or was this client. Answered by `Bannings`.

    Attributes:
        kinds: What to ban of it; if empty, its user, or its address if the user is not known.
        by: Who wants it, for the log.
    """

    client: ClientId
    kinds: set[BanKind]
    seconds: float
    reason: str
    by: str = ""


class Bannings(msgspec.Struct):
    """Answers `BanClient`: whether the client is or was here, and what was banned of it."""

    found: bool
    bans: list[Ban]


class WhereIs(msgspec.Struct, tag="where"):
    """Asks which connections this user has. Answered by a list of `Seat`."""

    user: UserId


class Seat(msgspec.Struct, array_like=True, frozen=True):
    """One connection of a user.

    Attributes:
        came: When it showed its token, seconds since 1970 by the clock of its instance. Clocks need not agree for all
            instances to see one order, in which each connection has its place for good.
        client: Its id.
    """

    came: float
    client: ClientId


class HowMany(msgspec.Struct, tag="how-many"):
    """Asks how many clients there are, and how many of them in these pools. Answered by `Headcount`."""

    pools: list[str] = []


class Headcount(msgspec.Struct):
    """Answers `HowMany`: all clients of an instance, also those that are away, and who of them waits.

    Attributes:
        pools: The same of each pool that was asked for: who waits there or is in a call that came of it.
    """

    online: int
    waiting: int
    pools: "list[tuple[int, int]]" = []


class LookAtPools(msgspec.Struct, tag="pools"):
    """Asks which pools there are: at most so many, those first in which most wait. Answered by `PoolList`."""

    limit: int


class PoolFacts(msgspec.Struct, rename="camel"):
    """Shows an operator one pool: who waits there or is in a call that came of it, who of them waits, since when."""

    pool: str
    online: int
    waiting: int
    longest_seconds: float


class PoolList(msgspec.Struct):
    """Answers `LookAtPools`: how many pools there are, and those that were asked for."""

    total: int
    pools: list[PoolFacts]


class LookAtVitals(msgspec.Struct, tag="vitals"):
    """Asks how each instance does, or how it did over the last hour. Answered by `Vitals`."""

    hour: bool = False


class Vitals(msgspec.Struct, rename="camel", kw_only=True):
    """Shows an operator one instance.

    Attributes:
        instance_id: Its name.
        version: Of signald.
        state: `serving`, `stopping`, or `store-away`.
        problem: In a word, what is wrong with the store; empty if nothing is.
        uptime_seconds: Since its start.
        clients_limit: For how many clients there is room.
        samples: How it does, or did; the latest last.
    """

    instance_id: str
    version: str
    state: str
    problem: str
    uptime_seconds: float
    clients_limit: int
    samples: list[Sample]


Question = Look | Kick | BanClient | WhereIs | HowMany | LookAtPools | LookAtVitals

Asking = Callable[[Question], Coroutine[Any, Any, Answers]]
"""Puts a question to all instances."""

decode = msgspec.json.Decoder(Question).decode
encode = msgspec.json.Encoder().encode

NOT_UNDERSTOOD = b"null"
"""The answer to a question of a newer version, or one that nobody here can answer."""


def read(answers: Answers, kind: Any) -> Iterator[Any]:
    """Decode each instance's answer as this type; leaves out those that did not understand."""
    for text in answers.by_instance.values():
        if text != NOT_UNDERSTOOD:
            yield msgspec.json.decode(text, type=kind)


def silent(answers: Answers) -> list[str]:
    """Instances that gave no answer."""
    return [*answers.silent, *(name for name, text in answers.by_instance.items() if text == NOT_UNDERSTOOD)]


class Questions:
    """Asks all instances about their clients, and answers what they ask.

    Args:
        broker: Reaches the other instances.
    """

    _log = Logger()

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._answers: dict[type[Any], Callable[[Any], object]] = {}

    def on(self, kind: type[Question], answer: Callable[[Any], object]) -> None:
        """Set who answers a kind of question here."""
        self._answers[kind] = answer

    async def ask(self, question: Question) -> Answers:
        """Put a question to all instances, this one included."""
        return await self._broker.ask(encode(question))

    def asked(self, question: bytes) -> bytes:
        """See `ModerationEvents.asked`. What cannot be understood, of a newer version, is answered with null."""
        try:
            asked = decode(question)
        except ValidationError:
            return NOT_UNDERSTOOD
        answer = self._answers.get(type(asked))
        try:
            return NOT_UNDERSTOOD if answer is None else encode(answer(asked))
        except Exception:
            self._log.failure("a question about clients")
            return NOT_UNDERSTOOD

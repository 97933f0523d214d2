"""What one instance asks all others about clients, and what they answer (`signald.brokers.interface.Broker.ask`)."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from signald.brokers.interface import Answers
from signald.core.ids import ClientId, UserId
from signald.core.moderation import BanKind


class Look(msgspec.Struct, tag="look"):
    """Who is there? At most so many, in the order of connecting, or the one client. Answered by `ClientFacts`."""

    limit: int
    addresses: bool
    client: ClientId | None = None


class ClientFacts(msgspec.Struct, rename="camel"):
    """What an operator sees of a client. Times in seconds."""

    client_id: str
    instance_id: str
    state: str
    connected_seconds: float
    messages: int
    user_id: str | UnsetType = UNSET
    room_id: str | UnsetType = UNSET
    partner_id: str | UnsetType = UNSET
    address: str | UnsetType = UNSET


class Kick(msgspec.Struct, tag="kick"):
    """Close this client. Answered by whether it was there."""

    client: ClientId
    reason: str


class BanClient(msgspec.Struct, tag="ban"):
    """Ban whoever is or was this client. Answered by the bans.

    Attributes:
        kinds: What to ban of it; empty: its user, or if that is not known its address.
    """

    client: ClientId
    kinds: list[BanKind]
    seconds: float
    reason: str


class WhereIs(msgspec.Struct, tag="where"):
    """Which connections has this user? Answered by a list of `Seat`."""

    user: UserId


class Seat(msgspec.Struct, array_like=True, frozen=True, order=True):
    """One connection of a user; the oldest is the least.

    Attributes:
        since: When it showed its token; seconds since 1970.
        client: Its id.
    """

    since: float
    client: ClientId


Question = Look | Kick | BanClient | WhereIs

decode = msgspec.json.Decoder(Question).decode
encode = msgspec.json.Encoder().encode

NOT_UNDERSTOOD = b"null"
"""The answer to a question of another version."""


def read(answers: Answers, kind: Any) -> Iterator[Any]:
    """Each instance's answer, as this type; without those that did not understand."""
    for text in answers.by_instance.values():
        if text != NOT_UNDERSTOOD:
            yield msgspec.json.decode(text, type=kind)

"""Names everything in the store. Nobody else builds a key.

What an operator sees there, with the default prefix::

    webrtc:waiting          sorted set   every waiting ticket of all instances, by the time since when it waits
    webrtc:tickets          sorted set   the same, while the list of the old server stands in webrtc:waiting
    webrtc:moved            string       says that it stands there
    webrtc:pools            set          what the keys of pools begin with, in which somebody waits who has wishes
    webrtc:pool:<pool>:line:<class>  sorted set  tickets like those above, which all want the same and are the same
    webrtc:pool:<pool>:line:<class>:<like>  sorted set  of these those who like something
    webrtc:pool:<pool>:heads, …:heads:<like>  sorted set  the classes, by the place of the first in their line
    webrtc:pool:<pool>:sides         hash        what is in a class, as JSON
    webrtc:pool:<pool>:meets:<class>  hash       which others it may meet, as far as anybody asked
    webrtc:instances        sorted set   all instances, by the time at which each renewed its lease
    webrtc:instance:<id>    string       the lease of an instance: exists while the instance lives
    webrtc:signal:<id>      stream       letters to an instance
    webrtc:bans             hash         who may not come in: what it is about, to a JSON object
    webrtc:blocks:<name>    sorted set   whom a client (c:…) or user (u:…) has blocked, by the time until when
    webrtc:blockers         sorted set   the clients (c:…) that have blocked somebody, by the time of the last block
    webrtc:reports          stream       what clients reported of each other, as JSON objects
    webrtc:report-index     hash         report ids, to where they stand in the stream and what has become of them
    webrtc:parked:<client>:<epoch>  string   a session whose home has stopped, or gave it up
    webrtc:taken:<client>   string       `epoch|instance/boot|attempt|nonce`: who took it, with a token of that epoch
    webrtc:parked-lately    string       says that there may be such sessions
    webrtc:room:<room>      hash         where the two of a room are whose sessions changed their home
    webrtc:resume-key       string       what resume tokens are signed with, without RESUME_SECRET
    webrtc:aside:<n>:<key>  any          what stood under a key of ours and was something else
"""

import base64
import hashlib
import re
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from signald.brokers.redis.url import Kind, StoreAddress
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.matching import Ticket
from signald.core.wishes import Side

CLASSES_KNOWN: Final = 4_096
"""Classes of tickets whose names are kept, some 2 MB at the worst."""

WORDS_KNOWN: Final = 4_096
"""Pools and likes whose names in the store are kept, 1 MB: each search needs them, and most are of a few."""


class Keys:
    """Builds the keys of one service.

    Args:
        prefix: Before each key; services with different prefixes do not see each other.
        one_slot: Whether all keys must be in one slot of a cluster: then the prefix is their hash tag.
    """

    def __init__(self, prefix: str, *, one_slot: bool = False) -> None:
        if one_slot and not re.search("{[^}]+}", prefix):
            prefix = "{" + prefix + "}"
        self.waiting = f"{prefix}waiting"
        self.lease_prefix = f"{prefix}instance:"
        self.instances = f"{prefix}instances"
        self.bans = f"{prefix}bans"
        self.blocks_prefix = f"{prefix}blocks:"
        self.blockers = f"{prefix}blockers"
        self.reports = f"{prefix}reports"
        self.report_index = f"{prefix}report-index"
        self.waiting_elsewhere = f"{prefix}tickets"
        self.moved = f"{prefix}moved"
        self.pools = f"{prefix}pools"
        self.pool_prefix = f"{prefix}pool:"
        self.check = f"{prefix}check"
        self.aside_prefix = f"{prefix}aside:"
        self.secret = f"{prefix}resume-key"
        self.parked_lately = f"{prefix}parked-lately"
        self._parked_prefix = f"{prefix}parked:"
        self._taken_prefix = f"{prefix}taken:"
        self._notes_prefix = f"{prefix}room:"
        self._stream_prefix = f"{prefix}signal:"
        self._kinds = {self.waiting: "zset list", self.waiting_elsewhere: "zset", self.moved: "string"}
        self._kinds |= {self.instances: "zset", self.bans: "hash", self.pools: "set"}
        self._auxiliary = {self.blockers: "zset", self.secret: "string", self.parked_lately: "string"}
        self._auxiliary |= {self.reports: "stream", self.report_index: "hash"}

    def of(self, instance: str) -> list[str]:
        """The keys that an instance cannot do without."""
        return [*self._kinds, *self._auxiliary, self.lease(instance), self.stream(instance)]

    def kind_of(self, key: str) -> str:
        """What TYPE may say of a key of ours, words separated by spaces; empty for any other."""
        begins = {self.lease_prefix: "string", self._stream_prefix: "stream", self.blocks_prefix: "zset"}
        if key.startswith(self.pool_prefix):
            return "hash" if re.search(r":(sides$|meets:)", key) else "zset"
        begins |= {self._parked_prefix: "string", self._taken_prefix: "string", self._notes_prefix: "hash"}
        return (self._kinds | self._auxiliary).get(key) or next(
            (kind for prefix, kind in begins.items() if key.startswith(prefix)), ""
        )

    def pool(self, name: str) -> str:
        """What the keys of a pool begin with."""
        return f"{self.pool_prefix}{_digest_of_word(name)}:"

    def lease(self, instance: str) -> str:
        """The lease of an instance."""
        return self.lease_prefix + instance

    def parked(self, client: ClientId, epoch: int) -> str:
        """A session without a home."""
        return f"{self._parked_prefix}{client}:{epoch}"

    def taken(self, client: ClientId) -> str:
        """Who has taken a session from its home, and in which epoch."""
        return f"{self._taken_prefix}{client}"

    def notes(self, room: RoomId) -> str:
        """Where the two of a room are."""
        return self._notes_prefix + room

    def stream(self, instance: str) -> str:
        """The stream of letters to an instance."""
        return self._stream_prefix + instance


def keys_of(address: StoreAddress, prefix: str) -> Keys:
    """The keys of one service in the store at an address."""
    return Keys(prefix, one_slot=address.kind is Kind.CLUSTER)


class Form(NamedTuple):
    """How a ticket is filed.

    Attributes:
        class_: The name of its class; empty for those who say nothing and name no pool.
        ticket: The ticket.
    """

    class_: str
    ticket: str


def file_ticket(instance: str, ticket: Ticket, *, avoiding: bool) -> str:
    """A ticket as it stands in a line: ``instance|client|number|avoid``, and ``|user|likes|browser`` if there are any.

    A ``~`` behind the browser says that the ticket keeps away from others of it for now.
    """
    # Of those who say nothing, tickets are read by instances of earlier versions, which know of one to be avoided.
    avoided = ticket.avoid if ticket.wish is not None else ticket.avoid[:1]
    words = [instance, ticket.client, str(ticket.number), ",".join(avoided) if avoiding else ""]
    if ticket.user is not None or ticket.likes or ticket.browser is not None:
        words.append("" if ticket.user is None else _digest(ticket.user))
    if ticket.likes or ticket.browser is not None:
        words.append(",".join(map(digest_of_like, ticket.likes)))
    if ticket.browser is not None:
        words.append(ticket.browser + "~" * avoiding)
    return "|".join(words)


def forms(instance: str, ticket: Ticket) -> list[Form]:
    """All ways in which a ticket may have been filed: in each class in which it ever is, avoiding somebody or not."""
    tickets = [file_ticket(instance, ticket, avoiding=False)]
    if ticket.avoid or ticket.browser is not None:
        tickets.append(file_ticket(instance, ticket, avoiding=True))
    if ticket.wish is None:
        return [Form("", text) for text in tickets]
    return [Form(class_of(side), text) for side in ticket.wish.sides() for text in tickets]


@lru_cache(CLASSES_KNOWN)
def class_of(side: Side) -> str:
    """The name of a class; it ends in + if its tickets prefer their likes."""
    return _digest(side_as_json(side)) + ("+" if side.prefers else "")


@lru_cache(CLASSES_KNOWN)
def side_as_json(side: Side) -> str:
    """What tickets of a class are, want and avoid."""
    return msgspec.json.encode((side.is_, side.wants, side.avoids)).decode()


def digest_of_like(like: str) -> str:
    """Something that somebody likes, without separators, and not readable."""
    return _digest_of_word(like)[:8]


def _digest(text: str) -> str:
    """A user's name, or another text, for the store: of one length, without separators, and not readable there."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:15]).decode()


_digest_of_word = lru_cache(WORDS_KNOWN)(_digest)


def names(party: Party) -> list[str]:
    """A client's names in the store for blocks; the one that lasts longest comes first."""
    client = f"c:{party.client}"
    return [client] if party.user is None else [f"u:{_digest(party.user)}", client]


def parse_ticket(filed: str) -> tuple[str, str, int]:
    """Instance, client and number of a filed ticket.

    Raises:
        ValueError: It is no ticket.
    """
    match filed.split("|"):
        case [instance, client, number, _, *_]:
            return instance, client, int(number)
    raise ValueError("not a ticket")

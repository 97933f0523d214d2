"""What keeps people from each other: reports, blocks and bans, as plain values and tables.

Times here are seconds since 1970, since instances have to agree about them.
"""

from collections import OrderedDict
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from signald.core.ids import ClientId, RoomId, UserId

BLOCKS_EACH: Final = 1_000
"""Others whom one name may be kept apart from; the oldest are forgotten first."""

MAX_BLOCKED: Final = 100_000
"""Pairs that this process remembers, 30 MB; the oldest are forgotten first."""

MAX_BANS: Final = 100_000
"""Bans at one time, 30 MB; those that were said longest ago end early for more."""

LOOK_S: Final = 10.0
"""Between two looks at which bans are over: one takes as long as there are bans."""


class Party(msgspec.Struct, frozen=True, gc=False):
    """One of two who met.

    Attributes:
        client: Its connection.
        user: Who it is, if it has proved it.
    """

    client: ClientId
    user: UserId | None = None

    def names(self) -> tuple[str, ...]:
        """Under which names it may be kept apart from others; the one that lasts longest comes first."""
        return (_of_client(self.client),) if self.user is None else (_of_user(self.user), _of_client(self.client))


def _of_client(client: ClientId) -> str:
    return f"c:{client}"


def _of_user(user: UserId) -> str:
    return f"u:{user}"


class Encounter(msgspec.Struct, frozen=True, gc=False):
    """Whom a client has met, and where."""

    room: RoomId
    partner: Party


class Blocks:
    """Who is kept apart from whom.

    Args:
        lasting_s: For how long; seconds.
    """

    __slots__ = ("_lasting_s", "_of", "_order")

    def __init__(self, lasting_s: float) -> None:
        self._lasting_s = lasting_s
        self._of: dict[str, dict[str, None]] = {}
        self._order: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._order)

    def add(self, one: Party, other: Party, now: float) -> None:
        """Keep two apart from now on (seconds of any clock, the same at each call)."""
        self._forget(now)
        first, second = one.names()[0], other.names()[0]
        pair = (min(first, second), max(first, second))
        self._order[pair] = now + self._lasting_s
        self._order.move_to_end(pair)
        for name, partner in ((first, second), (second, first)):
            theirs = self._of.setdefault(name, {})
            theirs[partner] = None
            if len(theirs) > BLOCKS_EACH:
                self._drop(name, next(iter(theirs)))

    def apart(self, one: Party, other: Party) -> bool:
        """Whether two are kept apart."""
        if not self._of:
            return False
        names = other.names()
        return any(name in theirs for own in one.names() if (theirs := self._of.get(own)) for name in names)

    def _forget(self, now: float) -> None:
        while self._order:
            (one, other), until = next(iter(self._order.items()))
            if until > now and len(self._order) < MAX_BLOCKED:
                return
            self._drop(one, other)

    def _drop(self, one: str, other: str) -> None:
        self._order.pop((min(one, other), max(one, other)), None)
        for name, partner in ((one, other), (other, one)):
            theirs = self._of.get(name)
            if theirs is not None:
                theirs.pop(partner, None)
                if not theirs:
                    del self._of[name]


class BanKind(StrEnum):
    """What a ban is about."""

    USER = "user"
    ADDRESS = "address"


class Ban(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody may not come in.

    Attributes:
        kind: What `value` is.
        value: A user, or an address (see `signald.core.limits.household`).
        until: When it ends.
        at: When it was said. What was said last counts.
        reason: For the operator, and for who is banned.
        lifted: It is over before its time; kept so long that every instance hears of it.
        automatic: Nobody said it: it is about an address that sent what no client sends.
    """

    kind: BanKind
    value: str
    until: float
    at: float
    reason: str = ""
    lifted: bool = False
    automatic: bool = False

    @property
    def key(self) -> str:
        """What it is about, in one word: of two bans with the same key the later one counts."""
        return f"{self.kind}:{self.value}"


class BanTable:
    """The bans that are known, each instance's in the end the same: the last word about each key counts."""

    __slots__ = ("_bans", "_look_at")

    def __init__(self) -> None:
        self._bans: OrderedDict[str, Ban] = OrderedDict()
        self._look_at = 0.0

    def __bool__(self) -> bool:
        return bool(self._bans)

    def merge(self, bans: Iterable[Ban], now: float) -> list[Ban]:
        """Take over what is news, and forget what is over.

        Returns:
            The news.
        """
        news = [ban for ban in bans if ban.until > now and self._is_news(ban)]
        for ban in news:
            self._bans[ban.key] = ban
            self._bans.move_to_end(ban.key)
        if news:
            self._forget(now)
        return news

    def find(self, kind: BanKind, value: str, now: float) -> Ban | None:
        """The ban on somebody that is in force."""
        ban = self._bans.get(f"{kind}:{value}") if self._bans else None
        return ban if ban is not None and ban.until > now and not ban.lifted else None

    def last_word(self, kind: BanKind, value: str) -> Ban | None:
        """What was said last about somebody, in force or not."""
        return self._bans.get(f"{kind}:{value}")

    def in_force(self, now: float) -> list[Ban]:
        """All that are in force, in the order in which they were said."""
        return [ban for ban in self._bans.values() if ban.until > now and not ban.lifted]

    def all(self, now: float) -> list[Ban]:
        """All that another instance should know: those in force, and those that were lifted."""
        return [ban for ban in self._bans.values() if ban.until > now]

    def _is_news(self, ban: Ban) -> bool:
        known = self._bans.get(ban.key)
        return known is None or known.at < ban.at

    def _forget(self, now: float) -> None:
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            for key in [key for key, ban in self._bans.items() if ban.until <= now]:
                del self._bans[key]
        while len(self._bans) > MAX_BANS:
            self._bans.popitem(last=False)

"""Keeps bans of users and addresses, as plain values in a table. Times are in seconds."""

from collections import OrderedDict
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

MAX_BANS: Final = 100_000
"""Bans at one time, 30 MB, and as many automatic ones; above that, those that were said longest ago end early."""

LOOK_S: Final = 10.0
"""Seconds between two looks at which bans are over: a look takes longer the more bans there are."""


class BanKind(StrEnum):
    """What a ban is about."""

    USER = "user"
    ADDRESS = "address"


class Ban(msgspec.Struct, frozen=True, omit_defaults=True):
    """Says that somebody may not come in. Times are since 1970, as instances have to agree about them.

    Attributes:
        kind: What `value` is.
        value: A user, or an address (see `signald.core.addresses.household`).
        until: When it ends; not after `at` if this word ends an earlier ban.
        at: When it was said. What was said last counts.
        keep: When it may be forgotten: not before what was said earlier has ended, or that would count again where this
            word was not heard.
        reason: For people.
        automatic: Whether nobody said it: it is about an address that sent what no client sends.
    """

    kind: BanKind
    value: str
    until: float
    at: float
    keep: float
    reason: str = ""
    automatic: bool = False

    @property
    def key(self) -> str:
        """What it is about. Of two bans with one key the later counts; automatic ones have keys of their own."""
        return ban_key(self.kind, self.value, automatic=self.automatic)


def ban_key(kind: BanKind, value: str, *, automatic: bool = False) -> str:
    """See `Ban.key`."""
    return f"{'automatic ' if automatic else ''}{kind}:{value}"


class BanTable:
    """Holds all known bans; every instance comes to the same ones, as the last word about each key counts.

    Attributes:
        empty: Whether nobody is known to be banned, or to have been.
    """

    __slots__ = ("_look_at", "_said", "_seen", "empty")

    def __init__(self) -> None:
        self._said: OrderedDict[str, Ban] = OrderedDict()
        self._seen: OrderedDict[str, Ban] = OrderedDict()  # automatic ones: however many, they push out no other
        self._look_at = 0.0
        self.empty = True

    def merge(self, bans: Iterable[Ban], now: float) -> list[Ban]:
        """Take over what is news, and forget what is over.

        Returns:
            The news.
        """
        news = []
        for ban in bans:
            table = self._seen if ban.automatic else self._said
            known = table.get(ban.key)
            if ban.keep > now and (known is None or known.at < ban.at):
                table.pop(ban.key, None)
                table[ban.key] = ban
                news.append(ban)
        if news:
            self._forget(now)
            self.empty = not (self._said or self._seen)
        return news

    def find(self, kind: BanKind, value: str, now: float) -> Ban | None:
        """Find the ban on somebody that is in force; one that an operator said comes before an automatic one."""
        return next((ban for ban in self.words(kind, value) if ban.until > now), None)

    def words(self, kind: BanKind, value: str) -> list[Ban]:
        """What was said last about somebody, in force or not."""
        found = (self._said.get(ban_key(kind, value)), self._seen.get(ban_key(kind, value, automatic=True)))
        return [ban for ban in found if ban is not None]

    def in_force(self, now: float) -> list[Ban]:
        """All that are in force, each sort in the order in which they were said."""
        return [ban for ban in self.all(now) if ban.until > now]

    def all(self, now: float) -> list[Ban]:
        """All that another instance should know."""
        return [ban for table in (self._said, self._seen) for ban in table.values() if ban.keep > now]

    def _forget(self, now: float) -> None:
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            for table in (self._said, self._seen):
                for key in [key for key, ban in table.items() if ban.keep <= now]:
                    del table[key]
        for table in (self._said, self._seen):
            while len(table) > MAX_BANS:
                table.popitem(last=False)

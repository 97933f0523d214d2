"""Keeps out whom the operator has banned, and addresses that did what no client does, on every instance."""

from collections.abc import Callable, Sequence
from typing import Final

from signald.core.addresses import household
from signald.core.bans import Ban, BanKind, BanTable
from signald.core.ids import UserId

AUTOMATIC: Final = "too many messages above the rate limit"
"""The reason of an automatic ban."""


class Bans:
    """Holds the bans that this instance knows.

    Args:
        unix_time: Seconds since 1970, by a clock that all instances go by.
        seconds: How long an automatic ban lasts; 0: there are none.
        share: Told of bans that were said here, for the other instances.
    """

    def __init__(
        self,
        unix_time: Callable[[], float],
        seconds: float = 0.0,
        share: Callable[[Sequence[Ban]], None] = lambda bans: None,
    ) -> None:
        self._unix_time = unix_time
        self._seconds = seconds
        self._share = share
        self._table = BanTable()

    def ban_address(self, address: str) -> float:
        """Ban an address for a short time, unless it is banned already. Who is connected from there stays.

        Returns:
            For how long it is banned now; seconds, 0 if it is not.
        """
        if address and self._seconds and not self.holds_address(address):
            self._say(BanKind.ADDRESS, household(address), self._seconds, AUTOMATIC, automatic=True)
        return self.address_rest_s(address)

    def say(self, kind: BanKind, value: str, seconds: float, reason: str) -> Ban:
        """Ban somebody from now on, on every instance; this replaces an earlier ban.

        Args:
            kind: What `value` is.
            value: A user, or any address of a household.
            seconds: How long.
            reason: For people.
        """
        return self._say(kind, _key(kind, value), seconds, reason)

    def find(self, kind: BanKind, value: str) -> Ban | None:
        """The ban on somebody that is in force."""
        return self._find(kind, _key(kind, value))

    def lift(self, kind: BanKind, value: str) -> bool:
        """End a ban before its time, on every instance; false if there is none."""
        key, now = _key(kind, value), self._unix_time()
        bans = [ban for ban in self._table.words(kind, key) if ban.until > now]
        for ban in bans:
            self._say(kind, key, 0.0, ban.reason, automatic=ban.automatic)
        return bool(bans)

    def merge(self, bans: Sequence[Ban]) -> list[Ban]:
        """Take over bans of other instances; gives those that are new here and in force."""
        now = self._unix_time()
        return [ban for ban in self._table.merge(bans, now) if ban.until > now]

    def holds_address(self, address: str) -> bool:
        """Whether an address is banned now. Asked at each handshake: costs nothing while nobody is."""
        return not self._table.empty and self._find(BanKind.ADDRESS, household(address)) is not None

    def address_rest_s(self, address: str) -> float:
        """For how long an address is banned yet; seconds."""
        return self._rest_of(self._find(BanKind.ADDRESS, household(address)))

    def user_rest_s(self, user: UserId) -> float:
        """For how long a user is banned yet; seconds."""
        return self._rest_of(self._find(BanKind.USER, user))

    def holds_user(self, user: UserId) -> bool:
        """Whether a user is banned now."""
        return self._find(BanKind.USER, user) is not None

    def rest_s(self, ban: Ban) -> float:
        """For how long a ban holds yet; seconds."""
        return max(0.0, ban.until - self._unix_time())

    def in_force(self) -> list[Ban]:
        """All, each sort in the order in which they were said."""
        return self._table.in_force(self._unix_time())

    def known(self) -> list[Ban]:
        """All that another instance should know."""
        return self._table.all(self._unix_time())

    def _rest_of(self, ban: Ban | None) -> float:
        return 0.0 if ban is None else self.rest_s(ban)

    def _find(self, kind: BanKind, key: str) -> Ban | None:
        return self._table.find(kind, key, self._unix_time())

    def _say(self, kind: BanKind, key: str, seconds: float, reason: str, *, automatic: bool = False) -> Ban:
        now = at = self._unix_time()
        until = keep = now + seconds
        for before in self._table.words(kind, key):
            if before.automatic is automatic:
                # After what was said before, by whatever clock, and remembered as long as that is somewhere.
                at, keep = max(at, before.at + 0.001), max(keep, before.keep)
        ban = Ban(kind, key, until, at, keep, reason, automatic)
        self._table.merge([ban], now)
        self._share([ban])
        return ban


def _key(kind: BanKind, value: str) -> str:
    return household(value) if kind is BanKind.ADDRESS else value

"""Who may not come in: addresses that did what no client does, and whom the operator has banned, on every instance."""

from collections.abc import Callable, Sequence

from signald.core.ids import UserId
from signald.core.limits import household
from signald.core.moderation import Ban, BanKind, BanTable

AUTOMATIC = "too many messages above the rate limit"
"""The reason of a ban that nobody said."""


class Bans:
    """The bans that this instance knows.

    Args:
        unix_time: Seconds since 1970.
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

    def ban_address(self, address: str) -> None:
        """Ban an address for a short time, unless it is banned already. Who is connected from there stays."""
        if address and self._seconds and not self.holds_address(address):
            self.say(BanKind.ADDRESS, address, self._seconds, AUTOMATIC, automatic=True)

    def say(self, kind: BanKind, value: str, seconds: float, reason: str, *, automatic: bool = False) -> Ban:
        """Ban somebody from now on, on every instance.

        Args:
            kind: What `value` is.
            value: A user, or any address of a household.
            seconds: How long.
            reason: For people.
            automatic: See `Ban`.
        """
        now = self._unix_time()
        key = household(value) if kind is BanKind.ADDRESS else value
        at = self._after(kind, key, now)
        return self._spread(Ban(kind, key, now + seconds, at, reason, automatic=automatic))

    def lift(self, kind: BanKind, value: str) -> Ban | None:
        """End a ban before its time, on every instance; None if there is none."""
        now = self._unix_time()
        key = household(value) if kind is BanKind.ADDRESS else value
        ban = self._table.find(kind, key, now)
        if ban is None:
            return None
        return self._spread(Ban(kind, key, ban.until, self._after(kind, key, now), ban.reason, lifted=True))

    def merge(self, bans: Sequence[Ban]) -> list[Ban]:
        """Take over what other instances have said; gives what of it is news and in force."""
        return [ban for ban in self._table.merge(bans, self._unix_time()) if not ban.lifted]

    def holds_address(self, address: str) -> bool:
        """Whether an address is banned now. Asked at each handshake: costs nothing while nobody is."""
        return bool(self._table) and self._find(BanKind.ADDRESS, household(address)) is not None

    def holds_user(self, user: UserId) -> bool:
        """Whether a user is banned now."""
        return self._find(BanKind.USER, user) is not None

    def in_force(self) -> list[Ban]:
        """All, in the order in which they were said."""
        return self._table.in_force(self._unix_time())

    def known(self) -> list[Ban]:
        """All that another instance should know, lifted ones too."""
        return self._table.all(self._unix_time())

    def _find(self, kind: BanKind, value: str) -> Ban | None:
        return self._table.find(kind, value, self._unix_time())

    def _after(self, kind: BanKind, value: str, now: float) -> float:
        """A time for what is said now: after what was said before, by whatever clock."""
        said = self._table.last_word(kind, value)
        return now if said is None or said.at < now else said.at + 0.001

    def _spread(self, ban: Ban) -> Ban:
        self._table.merge([ban], self._unix_time())
        self._share([ban])
        return ban

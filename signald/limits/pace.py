"""Limits how many partners a client may leave, how often it may break the rate limit, and how many may be blocked."""

from collections.abc import Callable, Hashable
from operator import itemgetter

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from signald.core import messages
from signald.core.addresses import household
from signald.core.ids import ClientId, UserId
from signald.core.limits import MINUTE_S, Skips, Window
from signald.core.messages import ClientMessage
from signald.periodic import PeriodicService

BEAT_S = 0.5
"""Seconds between two looks at who may go on: how exact a wait is."""


BLOCKS_PER_MINUTE = 60
"""Blocks of one address in a minute. Some 600 people behind one, of whom each blocks somebody every ten minutes, say no
more; each takes 150 bytes of the store."""


class Pace(PeriodicService):
    """Lets clients wait that leave too many partners, and bans those that send far too much.

    Everything but the limit on blocks is off by default: clients of the old server were not limited in these ways.

    Args:
        clock: Tells the time, and when a wait is over.
        parse: Reads messages; see `signald.core.messages.parse`.
        matches_per_minute: Partners that a client, or a user on this instance, may leave in a minute before it has to
            wait for the next; 0: any.
        violations_per_minute: Messages above the rate limit after which a client is closed; 0: never.
        ban_address: Called with the addresses of those; gives for how long each is banned, in seconds.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        parse: Callable[[bytes], ClientMessage] = messages.parse,
        matches_per_minute: int = 0,
        violations_per_minute: int = 0,
        ban_address: Callable[[str], float] = lambda address: 0.0,
    ) -> None:
        super().__init__(clock, BEAT_S, "the waits for the next partner")
        self.parse = parse
        self._now = clock.seconds
        self._skips = Skips(matches_per_minute)
        self.limits_partners = self._skips.limited
        """Whether anybody ever has to wait for the next partner; else nobody need ask."""
        self._violations = Window(violations_per_minute, MINUTE_S)
        self._blocks = Window(BLOCKS_PER_MINUTE, MINUTE_S)
        self._ban_address = ban_address
        self._waiting: dict[ClientId, tuple[float, Callable[[], None]]] = {}
        self._sweep_at = 0.0

    def penalty_s(self, client: ClientId, address: str) -> float | None:
        """For how long the address of a client that sent too much is banned, in seconds; None if it may stay."""
        return None if self._violations.allows(client, self._now()) else self._ban_address(address)

    def may_block(self, client: ClientId, address: str) -> bool:
        """Whether a client may block one more."""
        return self._blocks.allows(household(address) or client, self._now())

    def left(self, client: ClientId, user: UserId | None) -> None:
        """Note that a client left its partner, by its own will."""
        now = self._now()
        for who in _who(client, user):
            self._skips.left(who, now)

    def wait_s(self, client: ClientId, user: UserId | None) -> float:
        """Seconds until a client and its user may have the next partner: mostly none."""
        now = self._now()
        return max(self._skips.wait(who, now) for who in _who(client, user))

    def hold(self, client: ClientId, wait_s: float, enqueue: Callable[[], None]) -> None:
        """Call `enqueue` in so many seconds. A client waits once: what it waited for before is forgotten."""
        self.withdraw(client)  # to be the last now
        self._waiting[client] = self._now() + wait_s, enqueue

    def withdraw(self, client: ClientId) -> None:
        """Forget that a client waits: it wants no partner now."""
        self._waiting.pop(client, None)

    def forget(self, client: ClientId) -> None:
        """Forget a client that is gone. The partners that its user has left still count."""
        self.withdraw(client)
        self._skips.forget(client)

    def _beat(self) -> None:
        now = self._now()
        if now >= self._sweep_at:
            self._sweep_at = now + MINUTE_S
            self._skips.sweep(now)
        over = [(due, client) for client, (due, _) in self._waiting.items() if due <= now]
        for _, client in sorted(over, key=itemgetter(0)):  # who asked first goes first
            waited = self._waiting.pop(client, None)
            if waited is None:  # it went because of one before it
                continue
            try:
                waited[1]()
            except Exception:
                self._log.failure("could not let a client go on")


def _who(client: ClientId, user: UserId | None) -> tuple[Hashable, ...]:
    return (client,) if user is None else (client, ("user", user))

"""Decides who may connect: so many in all, so many from one address, nobody who is banned.

An address is a household (`signald.core.addresses.household`). A client without an address, as on a UNIX socket
whose proxy names none, counts only towards the total.
"""

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from signald.core.addresses import household
from signald.core.limits import Window
from signald.core.refusals import BANNED, FULL, TOO_MANY, Refusal


class BanList(Protocol):
    """Knows who may not come in; see `signald.moderation.bans.Bans`."""

    def holds_address(self, address: str) -> bool:
        """Whether an address is banned now. Answers at once: it is asked at each handshake."""
        ...


class Admission:
    """Counts WebSocket connections, and refuses those above the limits.

    Args:
        now: Seconds, monotonic.
        bans: Who is banned.
        max_connections: WebSockets at one time.
        per_address: WebSockets of one address at one time; 0 for any number.
        handshakes_per_second: New WebSockets of one address in a second; 0 for any number.
    """

    def __init__(
        self,
        now: Callable[[], float],
        bans: BanList,
        *,
        max_connections: int,
        per_address: int = 0,
        handshakes_per_second: int = 0,
    ) -> None:
        self._now = now
        self._bans = bans
        self.max_connections = max_connections
        self._per_address = per_address
        self._handshakes = Window(handshakes_per_second, 1.0)
        self._limits_addresses = per_address > 0 or handshakes_per_second > 0
        self._addresses: Counter[str] = Counter()
        self.connected = 0

    def enter(self, address: str) -> Refusal | None:
        """Let a client of this address in, or refuse it.

        Returns:
            None if it may come in; it is counted until `leave`. Otherwise why not.
        """
        if self.connected >= self.max_connections:
            return FULL
        if address:
            if self._bans.holds_address(address):
                return BANNED
            if self._limits_addresses and not self._may_have_more(household(address)):
                return TOO_MANY
        self.connected += 1
        return None

    def leave(self, address: str) -> None:
        """Count a connection no more: it was let in, and is gone."""
        self.connected -= 1
        if self._per_address and address:
            home = household(address)
            self._addresses[home] -= 1
            if not self._addresses[home]:
                del self._addresses[home]

    def _may_have_more(self, home: str) -> bool:
        """Whether a household may have another; if so it is counted."""
        if self._handshakes.limit and not self._handshakes.allows(home, self._now()):
            return False
        if self._per_address:
            if self._addresses[home] >= self._per_address:
                return False
            self._addresses[home] += 1
        return True

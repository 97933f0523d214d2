"""Watches the other instances: which process each is, and whether it still lives.

An instance is known by its boot id; another one under the same name is another process, and the first is dead.
"""

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

DEAD_AFTER_RENEWALS: Final = 3
"""Renewals in a row that must miss a lease, or instances that come back after an outage of the store count as dead."""


class Peers:
    """The instances that this one has to do with.

    Args:
        died: Called with the name of an instance whose process is no more.
        bury: Takes what an instance left behind out of the store.
    """

    _log = Logger()

    def __init__(self, died: Callable[[str], None], bury: Callable[[str], None]) -> None:
        self._died = died
        self._bury = bury
        self._boots: dict[str, str] = {}
        self._missing: dict[str, int] = {}

    def boot(self, instance: str) -> str:
        """The boot id of an instance; empty if it is not known."""
        return self._boots.get(instance, "")

    def heard(self, instance: str, boot: str) -> None:
        """Take note of a letter, and of the process that wrote it."""
        if self._boots.setdefault(instance, boot) != boot:
            self._dead(instance, "it was started again")
            self._boots[instance] = boot

    def looked_at(self, instance: str, boot: str, *, kept: bool) -> None:
        """Take note of an instance's lease.

        Args:
            instance: Its name.
            boot: Whose lease it is; empty if there is none.
            kept: Whether this instance's own lease stood: else all may be gone.
        """
        if boot:
            self.heard(instance, boot)
            self._missing.pop(instance, None)
        elif kept:
            self._missing[instance] = self._missing.get(instance, 0) + 1
            if self._missing[instance] >= DEAD_AFTER_RENEWALS:
                self._dead(instance, "its lease has run out")
                self._bury(instance)

    def forgive(self) -> None:
        """Count anew whose leases are missing: the store was away."""
        self._missing.clear()

    def forget(self, instance: str) -> None:
        """Forget an instance, until it is heard of again."""
        self._boots.pop(instance, None)
        self._missing.pop(instance, None)

    def _dead(self, instance: str, why: str) -> None:
        self._log.warn("instance {instance} is dead: {why}", instance=instance, why=why)
        self._died(instance)

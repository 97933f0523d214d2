"""Checks the settings and the store, for ``twistd signald --check``."""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from signald.brokers.redis.keys import keys_of
from signald.brokers.redis.probe import probe
from signald.brokers.redis.problems import StoreRefused
from signald.process.root import ProcessService
from signald.settings.groups import StoreSettings

STORE_WITHIN_S: Final = 5.0
"""Seconds that the store may take to answer."""


class SettingsCheck(ProcessService):
    """Runs until the store has answered, or has not, and ends with status 0 or 1.

    Args:
        reactor: Waits.
        lines: What to say of the settings.
        look: Asks the store; fires when it answers. None if there is no store.
    """

    def __init__(self, reactor: Any, lines: Iterator[str], look: Callable[[], "Deferred[list[str]]"] | None) -> None:
        super().__init__(reactor)
        self._lines = lines
        self._look = look

    def startService(self) -> None:
        """Say what is known, and ask."""
        super().startService()
        for line in self._lines:
            print(line)  # noqa: T201 - it is what was asked for
        if self._look is None:
            self._finish("the settings are good", 0)
            return
        asked = self._look().addTimeout(STORE_WITHIN_S, self._reactor)
        asked.addCallbacks(self._answered, self._unanswered)

    def _answered(self, remarks: list[str]) -> None:
        for remark in remarks:
            print(remark)  # noqa: T201 - it is what was asked for
        self._finish("the settings are good, and the store answers", 0)

    def _unanswered(self, failure: Failure) -> None:
        refused = failure.value
        if isinstance(refused, StoreRefused):
            self._finish(f"signald: the store refuses: {refused} ({refused.problem.advice})", 1)
        else:
            self._finish(f"signald: the store does not answer within {STORE_WITHIN_S:g} s", 1)

    def _finish(self, line: str, status: int) -> None:
        print(line, file=sys.stderr if status else sys.stdout)
        self.end_with(status)


def store_probe(store: StoreSettings, reactor: Any) -> Callable[[], "Deferred[list[str]]"] | None:
    """What asks the store whether it will do; see `signald.brokers.redis.probe`. None without a store."""
    address = store.redis_url
    if address is None:
        return None
    return lambda: probe(address, store.redis_ca_file, keys_of(address, store.redis_prefix).check, reactor)

"""Remembers who has just gone, so that a report read later can still lead to a ban."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from signald.clients.client import Client
from signald.core.ids import ClientId, UserId

REMEMBERED_S: Final = 3600.0
"""Seconds for which a client that has gone can still be banned by its id: reports are read some time later."""

REMEMBERED: Final = 100_000
"""How many clients are remembered; 30 MB."""


class Traces:
    """Remembers user and address of clients that were here a short while ago, by client id.

    Args:
        now: Seconds, monotonic.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._gone: OrderedDict[ClientId, tuple[float, UserId | None, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._gone)

    def remember(self, client: Client, user: UserId | None) -> None:
        """Remember a client that has gone."""
        now = self._now()
        self._gone[client.id] = (now, user, client.address)
        while self._gone:
            when, _, _ = next(iter(self._gone.values()))
            if len(self._gone) <= REMEMBERED and now - when < REMEMBERED_S:
                return
            self._gone.popitem(last=False)

    def find(self, client: ClientId) -> tuple[UserId | None, str] | None:
        """The user and address of a client, if it is remembered."""
        found = self._gone.get(client)
        return None if found is None or self._now() - found[0] >= REMEMBERED_S else found[1:]

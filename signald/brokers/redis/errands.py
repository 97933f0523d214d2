"""Does what the pairing asks for: searches in the store, letters to other instances. Implements `Outside`."""

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred

from signald.brokers.redis.letters import Letter
from signald.brokers.redis.outside import Outcome, Outside, Wanted
from signald.brokers.redis.store import Store
from signald.core.encounters import Party
from signald.core.ids import ClientId
from signald.core.matching import Ticket
from signald.core.passes import Attempt

SHUN_S: Final = 5.0
"""Seconds for which the tickets of an instance that did not answer a claim are left alone."""


class Errands:
    """What one instance does for its pairing.

    Args:
        store: Where the queue is.
        clock: Tells the time.
        sought: Called with what a search has brought.
        send: Sends a letter to another instance.
        block: Tells the store of a block.
        fence: Lets nobody go on with an older epoch of a session.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Any,
        sought: Callable[[Ticket, Outcome, float], None],
        send: Callable[[str, Letter], None],
        block: Callable[[Party, Party], None],
        fence: Callable[[ClientId, int, Attempt], bool],
    ) -> None:
        self._store = store
        self._now = clock.seconds
        self._sought = sought
        self.send = send
        self.block = block
        self.fence = fence
        self._shunned: dict[str, float] = {}

    def seek(self, ticket: Ticket, wanted: Wanted) -> None:
        """See `Outside.seek`."""
        Deferred.fromCoroutine(self._seek(ticket, wanted)).addErrback(self._store.failed)

    async def _seek(self, ticket: Ticket, wanted: Wanted) -> None:
        now = self._now()
        shunned = [instance for instance, until in self._shunned.items() if until > now]
        outcome = await self._store.match(ticket, wanted, shunned)
        self._sought(ticket, outcome, self._now())

    def unfile(self, ticket: Ticket) -> None:
        """See `Outside.unfile`. While the store is away nothing is done: what does not wait is taken out afterwards."""
        unfiled = self._store.unfile(ticket)
        if unfiled is not None:
            unfiled.addErrback(self._store.failed)

    def suspect(self, instance: str) -> None:
        """See `Outside.suspect`."""
        self._shunned[instance] = self._now() + SHUN_S

    def tick(self) -> None:
        """Time has passed: who was shunned long enough is not any more."""
        if self._shunned:
            now = self._now()
            self._shunned = {instance: until for instance, until in self._shunned.items() if until > now}


def _conforms(errands: Errands) -> Outside:
    return errands

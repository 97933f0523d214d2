"""Shares bans, blocks and reports between all instances.

What the store was not told yet, because it was away, is kept and told when it is back.
"""

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from twisted.internet.defer import Deferred

from signald.brokers.interface import ModerationEvents
from signald.brokers.redis.inbox import SharedInbox
from signald.brokers.redis.letters import Banned, Letter
from signald.brokers.redis.store import PAGE, Store
from signald.core.bans import Ban
from signald.core.blocks import Blocks
from signald.core.encounters import Party
from signald.core.ids import ClientId

BLOCKS_KEPT: Final = 10_000
"""Blocks that are kept for the store as long as it is away; 5 MB. The oldest are forgotten first."""

COMPARE_S: Final = 600.0
"""Seconds between two comparisons with the bans of the store, which mend what a lost letter left behind."""


class SharedModeration:
    """Shares the bans and blocks of one instance with all others.

    Args:
        store: Where bans and blocks are.
        send: Sends a letter to another instance.
        events: Who is told of bans.
        blocks: What this process remembers of who has blocked whom.
        now: Seconds, monotonic.
        unix_time: Seconds since 1970, by a clock that all instances go by.
        inbox: Keeps reports; here it is told of the time.
    """

    def __init__(
        self,
        store: Store,
        send: Callable[[str, Letter], None],
        events: ModerationEvents,
        blocks: Blocks,
        now: Callable[[], float],
        unix_time: Callable[[], float],
        inbox: SharedInbox,
    ) -> None:
        self._store = store
        self._send = send
        self._events = events
        self._blocks = blocks
        self._now = now
        self._unix_time = unix_time
        self._inbox = inbox
        # What was said here and the store was not told yet.
        self._bans: OrderedDict[str, Ban] = OrderedDict()
        self._pairs: OrderedDict[tuple[Party, Party], None] = OrderedDict()
        self._comparing = False
        self._compare_at = 0.0
        self._read: Mapping[type[Any], Callable[[str, Any], None]] = {Banned: self._banned}
        self.letters = frozenset(self._read)
        """The letters that are for this."""

    # --- Broker -------------------------------------------------------------------------------------------------------

    def block(self, by: Party, whom: Party) -> None:
        """See `Broker.block`. The store is told at once: before it is asked for the next partner of either."""
        self._blocks.add(by, whom, self._now())
        self._pairs[by, whom] = None
        if len(self._pairs) > BLOCKS_KEPT:
            self._pairs.popitem(last=False)
        self._tell_pairs()

    def ended(self, client: ClientId, *, moved: bool) -> None:
        """See `Broker.ended`. What the store is not told of ends by itself (`blocks.GUEST_BLOCK_S`)."""
        if (self._blocks.end(client) or moved) and self._store.reachable:
            self._do(self._store.unblock([client]))

    def share(self, bans: Sequence[Ban]) -> None:
        """See `Broker.share`. They leave together at the next tick."""
        self._bans.update((ban.key, ban) for ban in bans)

    # --- the store and the time ---------------------------------------------------------------------------------------

    def up(self) -> None:
        """The store can be asked (again), or has lost its data: each learns what the other does not know."""
        self._compare_at = self._now()
        self.tick()

    def tick(self) -> None:
        """Tell the others what was said since the last tick."""
        now = self._now()
        self._inbox.tick()
        if self._store.reachable:
            self._tell_pairs()
            if self._bans:
                self._do(self._tell_bans())
            if now >= self._compare_at and not self._comparing:
                self._do(self._compare())

    async def stop(self) -> None:
        """Say what was not said yet."""
        while self._bans and self._store.reachable:
            await self._tell_bans()
        await self._inbox.stop()

    def read(self, instance: str, letter: Letter) -> None:
        """A letter of another instance; one of `letters`."""
        self._read[type(letter)](instance, letter)

    # --- bans ---------------------------------------------------------------------------------------------------------

    async def _compare(self) -> None:
        """Learn the bans of the store, and tell it those that it does not know."""
        self._comparing, began = True, self._now()
        try:
            known: dict[str, float] = {}
            async for bans in self._store.bans():
                now = self._unix_time()
                self._events.banned(bans)
                known.update((ban.key, ban.at) for ban in bans)
                over = [ban.key for ban in bans if ban.keep <= now]
                if over:
                    await self._store.save_bans((), over, now)
            self.share([ban for ban in self._events.bans() if known.get(ban.key, 0.0) < ban.at])
            if self._compare_at <= began:  # else it is due again: the store was lost meanwhile
                self._compare_at = began + COMPARE_S
        finally:
            self._comparing = False

    async def _tell_bans(self) -> None:
        told = list(islice(self._bans.values(), PAGE))
        for ban in told:
            del self._bans[ban.key]
        try:
            await self._store.save_bans(told, (), self._unix_time())
            others = await self._store.others()
        except BaseException:
            for ban in told:
                self._bans.setdefault(ban.key, ban)
            raise
        for instance in others:
            self._send(instance, Banned(told))

    def _banned(self, instance: str, letter: Banned) -> None:
        self._events.banned(letter.bans)

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _tell_pairs(self) -> None:
        if self._pairs and self._store.reachable:
            pairs, self._pairs = self._pairs, OrderedDict()
            for by, whom in pairs:
                self._do(self._tell_pair(by, whom))

    async def _tell_pair(self, by: Party, whom: Party) -> None:
        try:
            await self._store.block(by, whom, self._blocks.lasting(by, whom))
        except BaseException:
            self._pairs[by, whom] = None
            raise

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(step).addErrback(self._store.failed)

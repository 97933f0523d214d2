"""Keeps this instance a member of the service: its name, its lease, and what each side missed while it was not."""

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from signald.brokers.redis.moderation import SharedModeration
from signald.brokers.redis.moving import Moving
from signald.brokers.redis.neighbours import Neighbours
from signald.brokers.redis.pairing import Pairing
from signald.brokers.redis.peers import Peers
from signald.brokers.redis.post import Post
from signald.brokers.redis.store import Store
from signald.core.passes import Passes

TIDY_AFTER_S: Final = 5.0
"""Seconds after a reconnect until what was sent just before the loss must be done: then strays are looked for again."""


class Membership:
    """The place of one instance among all.

    Args:
        store: Where leases and tickets stand.
        pairing: Its tickets and rooms.
        post: Its letters.
        neighbours: The instances on its machine.
        moving: Its sessions that move.
        moderation: Its bans and blocks.
        passes: Tokens whose key is to be the same on all instances; None if it is already.
        label: How the operator calls this instance.
        boot: A random name of this process.
        clock: Tells the time.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        store: Store,
        pairing: Pairing,
        post: Post,
        neighbours: Neighbours,
        moving: Moving,
        moderation: SharedModeration,
        passes: Passes | None,
        label: str,
        boot: str,
        clock: Any,
    ) -> None:
        self._store = store
        self._pairing = pairing
        self._post = post
        self._neighbours = neighbours
        self._moving = moving
        self._moderation = moderation
        self._passes = passes
        self._label = label
        self._boot = boot
        self._clock = clock
        self._tidy_at = 0.0
        self.peers = Peers(self._died, self._take_out)
        self.knows_key = passes is None
        """Whether tokens are made with the key of all instances."""

    async def up(self) -> None:
        """The store answers: say that we live, then bring it up to date with what happened without it."""
        status, _ = await self._keep_lease(())
        if status == "other":
            self._rename()
            await self._store.renew(())
        self._neighbours.listen(self._store.instance)
        self.peers.forgive()
        if self._passes is not None:
            self._passes.share(await self._moving.secret(self._passes.secret))
            self.knows_key = True
        await self._moving.give_up_moved()
        await self._tidy()
        self._tidy_at = self._clock.seconds() + TIDY_AFTER_S

    def catch_up(self) -> None:
        """Letters go and come (again): say what could not be said, and ask what may have been missed."""
        self._begin_anew()
        self._post.send_again()

    def tick(self, now: float) -> None:
        """Time has passed: look for strays if it is due."""
        if self._tidy_at and now >= self._tidy_at and self._store.reachable:
            self._tidy_at = 0.0
            Deferred.fromCoroutine(self._tidy()).addErrback(self._store.failed)

    def renew(self) -> "Deferred[None] | None":
        """Renew the lease, and look at those of others."""
        if not self._store.reachable:
            return None
        return Deferred.fromCoroutine(self._renew()).addErrback(self._store.failed)

    def farewell(self, instance: str) -> None:
        """Forget an instance that stops by itself."""
        self._moving.farewell(instance, self.peers.boot(instance))
        self._post.farewell(instance)
        self.peers.forget(instance)

    def unlink(self, instance: str) -> None:
        """Forget an instance that is gone."""
        self._post.unlink(instance)
        self.peers.forget(instance)

    async def _renew(self) -> None:
        others = sorted(self._pairing.instances() | self._post.instances())
        status, boots = await self._keep_lease(others)
        if status == "other":
            # Nobody renewed for so long that another process took the name: come back under a new one.
            self._store.drop("another process has taken this instance's name")
            return
        if status == "taken":
            # The lease had run out, or the store lost its data: others may think that this instance is dead.
            self.peers.forgive()
            await self._moving.give_up_moved()
            self._begin_anew()
        for instance, boot in zip(others, boots, strict=True):
            self.peers.looked_at(instance, boot, kept=status == "kept")
        self._post.sync()
        await self._moving.partners.ask_everywhere()

    async def _keep_lease(self, others: Sequence[str]) -> tuple[str, list[str]]:
        """See `Store.renew`. By the way it is measured how far the store is."""
        began = self._clock.seconds()
        kept = await self._store.renew(others)
        self._pairing.trip_s = self._clock.seconds() - began
        return kept

    def _begin_anew(self) -> None:
        self._moderation.up()
        self._pairing.store_back(self._clock.seconds())
        for instance in self._pairing.instances():
            self._pairing.check(instance)
        self._moving.partners.look_for_all()

    def _rename(self) -> None:
        taken = self._store.instance
        self._store.rename(f"{self._label}-{self._boot[:6]}")
        self._pairing.instance = self._store.instance
        self._log.warn(
            "INSTANCE_ID {taken} belongs to another process, or to one that died less than 10 s ago: "
            "this process calls itself {name}",
            taken=taken,
            name=self._store.instance,
        )
        now = self._clock.seconds()
        for instance in self._post.instances():
            self._pairing.lost(instance, now)
            self.unlink(instance)

    async def _tidy(self) -> None:
        await self._store.unfile_strangers(self._store.instance, self._pairing.tickets)

    def _died(self, instance: str) -> None:
        self._pairing.gone(instance, self._clock.seconds())
        self.unlink(instance)
        if self._store.reachable:
            self._moving.partners.look_for_all()

    def _take_out(self, instance: str) -> None:
        Deferred.fromCoroutine(self._store.bury(instance)).addErrback(self._store.failed)

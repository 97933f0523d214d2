"""Brokers on a real Redis."""

import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.task import deferLater

from signald.brokers.interface import Broker, BrokerEvents
from signald.brokers.redis.broker import RedisBroker
from signald.brokers.redis.keys import Keys
from signald.brokers.redis.primary import make_primary
from signald.brokers.redis.problems import StoreUnavailable
from signald.brokers.redis.url import parse_url
from signald.core.common_time import CommonTime
from signald.core.ids import RoomId
from signald.core.passes import Passes
from tests.contract import suite
from tests.support.redis import RedisServer

_PREFIXES = count()


class OnRedis(suite.Brokers):
    """Two instances on one store; each test has a prefix of its own."""

    letters_dir: Callable[[], str] = staticmethod(lambda: "")
    """Where instances of one machine find each other; empty: nowhere."""
    store: RedisServer
    _folder: "tempfile.TemporaryDirectory[str]"

    @classmethod
    def setUpClass(cls) -> None:
        """Start a store."""
        cls._folder = tempfile.TemporaryDirectory()
        cls.store = RedisServer(Path(cls._folder.name))

    @classmethod
    def tearDownClass(cls) -> None:
        """End it."""
        cls.store.kill()
        cls._folder.cleanup()

    async def make(self, events: BrokerEvents) -> list[Broker]:
        from twisted.internet import reactor  # noqa: TID251

        self.reactor: Any = reactor
        self.prefix = f"webrtc:test {next(_PREFIXES)}:"
        self._rooms = count()
        self.redis_brokers = [self._broker(name) for name in ("one", "two")]
        self.moderators = [suite.Moderator(broker.instance) for broker in self.redis_brokers]
        for broker, moderator in zip(self.redis_brokers, self.moderators, strict=True):
            broker.start(events, moderator)
        await self.joined()
        return list(self.redis_brokers)

    @property
    def url(self) -> str:
        """Where the instances find the store."""
        return self.store.url

    def _broker(self, name: str, passes: Passes | None = None) -> RedisBroker:
        address = parse_url(self.url)
        keys = Keys(self.prefix)
        return RedisBroker(
            instance=name,
            boot=f"boot of {name}",
            primary=make_primary(address, "", keys.waiting, self.reactor),
            address=address,
            keys=keys,
            clock=self.reactor,
            new_room_id=lambda: RoomId(f"room {next(self._rooms)}"),
            jitter=lambda: 0.5,
            common_time=CommonTime(self.reactor.seconds, self.reactor.seconds()),
            block_s=suite.BLOCK_S,
            resume_s=suite.RESUME_S,
            passes=passes,
            letters_dir=self.letters_dir(),
            reports=suite.REPORTS,
        )

    async def joined(self) -> None:
        """Wait until both reach the store."""
        await self.until(lambda: all(broker.store_reachable for broker in self.redis_brokers))

    async def settle(self) -> None:
        for broker in self.redis_brokers:
            await self._answered(broker)

    async def _answered(self, broker: RedisBroker) -> None:
        """Wait for an answer to what was sent last.

        On a machine under load an answer may take too long, which ends the connection: all is sent again on the next.
        """
        while True:
            await self.joined()
            try:
                await broker._store.access._commands.call("PING")
            except StoreUnavailable:
                await deferLater(self.reactor, 0)  # what was told first may be this test, and then the broker
                continue
            return

    async def _tear_down(self) -> None:
        # On a machine under load an answer may have taken too long; a store that is away cannot be tidied up.
        if all(broker._renewals.running for broker in self.redis_brokers):
            await self.joined()
        await super()._tear_down()

    async def clean(self) -> None:
        await deferLater(self.reactor, 0)
        keys = {key for key in self.store.keys(self.prefix) if ":meets:" not in key}
        left = {key for key in keys if not key.startswith(self._lasting)} - self.left_behind
        self.assertEqual(left, set(), "something is left in the store")
        for key in self.store.keys(self.prefix) - self.left_behind:
            self.assertGreater(self.store.command("TTL", key), 0, f"{key} stays for ever")

    @property
    def _lasting(self) -> tuple[str, ...]:
        """What outlives the instances."""
        return tuple(self.prefix + key for key in ("blocks:", "blockers", "bans", "report", "room:", "taken:"))

    left_behind: frozenset[str] = frozenset()

    def waiting(self) -> list[str]:
        """What stands in the queue."""
        return [ticket.decode() for ticket in self.store.command("ZRANGE", f"{self.prefix}waiting", 0, -1)]

    def file(self, instance: str, *clients: str, avoid: str = "") -> None:
        """File tickets that have waited longer than all others."""
        tickets = [word for client in clients for word in (1, f"{instance}|{client}|1|{avoid}")]
        self.store.command("ZADD", f"{self.prefix}waiting", *tickets)

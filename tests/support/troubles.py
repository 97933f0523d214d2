"""What else befalls stores: they refuse, hold what is not ours, come back older, or change their primary."""

import asyncio
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hiredis

from tests.support.churn import Churn
from tests.support.ports import free_port
from tests.support.proxy import Proxy
from tests.support.redis import USER, RedisServer
from tests.support.service import Service
from tests.support.stores import Watched
from tests.support.swarm import Swarm
from tests.support.waiting import until
from tests.support.wall import WallClock

BUSY_AFTER_MS = 100
"""After how long a script of somebody makes the store answer BUSY."""

MANY_KEYS = 200_000
"""Of another program, until which are read again a store answers LOADING: some tenths of a second."""

FILL = "for i = 1, ARGV[1] do redis.call('SET', 'other:' .. i, '') end"
CLEAR = "for i = 1, ARGV[1] do redis.call('DEL', 'other:' .. i) end"
FOREVER = "while true do end"

RIGHTS_TAKEN = ("evalsha", "xread", "xadd", "zrem", "zscan")
FOREIGN: Sequence[Sequence[str | int]] = (
    ("SET", "other"),
    ("HSET", "other", "program"),
    ("SADD", "other"),
    ("XADD", "*", "other", "program"),
    ("ZADD", 1, "other"),
)
"""Commands that make a value of each type, without the key; but for a list, which for the queue is the old server's."""


class Clocked(Service):
    """A service whose instances have a wall clock each.

    Args:
        urls: The `REDIS_URL` of each instance.
        folder: For what the clocks show.
        variables: More environment variables, for all.
    """

    def __init__(self, urls: Sequence[str], folder: Path, **variables: str) -> None:
        self.clocks = []
        for number in range(len(urls)):
            place = folder / f"clock-{number}"
            place.mkdir()
            self.clocks.append(WallClock(place))
        super().__init__(*urls, joined=True, **variables)

    def variables_of(self, number: int) -> Mapping[str, str]:
        """See `Service.variables_of`."""
        return self.clocks[number].variables


class Troubles(Churn):
    """A run on one store that keeps its data, and at times refuses, or has something else than it should.

    Args:
        store: With `keeps`, and the clients under `USER`.
        folder: Of the store's data.
        proxies: One before the store for each instance.
        service: The instances.
        swarm: The clients.
        rng: Decides everything.
    """

    def __init__(
        self,
        store: RedisServer,
        folder: Path,
        proxies: list[Proxy],
        service: Clocked,
        swarm: Swarm,
        rng: random.Random,
    ) -> None:
        super().__init__(store, proxies, service, swarm, rng, service.clocks)
        self._data = folder / "appendonlydir"
        self.choices += [
            self.go_back,
            self.run_out_of_memory,
            self.become_a_replica,
            self.take_a_right,
            self.run_a_script_for_ever,
            self.load,
            self.hold_something_else,
            self.hold_something_else,
        ]

    async def go_back(self) -> None:
        """The store comes back with data that it had a moment before."""
        old = self._data.with_name("old")
        await self._blocking(lambda: shutil.copytree(self._data, old))
        await self._a_while()
        self._store.kill()
        shutil.rmtree(self._data)
        old.rename(self._data)
        await self._blocking(self._store.start)

    async def run_out_of_memory(self) -> None:
        """OOM, for all that writes."""
        await self._command("CONFIG", "SET", "maxmemory", 1)
        await self._a_while()
        await self._command("CONFIG", "SET", "maxmemory", 0)

    async def become_a_replica(self) -> None:
        """READONLY, or MASTERDOWN for all."""
        stale = self._rng.choice(["yes", "no"])
        await self._command("CONFIG", "SET", "replica-serve-stale-data", stale)
        await self._command("REPLICAOF", "127.0.0.1", free_port())
        await self._a_while()
        await self._command("REPLICAOF", "NO", "ONE")

    async def take_a_right(self) -> None:
        """NOPERM, for one command."""
        right = self._rng.choice(RIGHTS_TAKEN)
        await self._command("ACL", "SETUSER", USER, f"-{right}")
        await self._a_while()
        await self._command("ACL", "SETUSER", USER, f"+{right}")

    async def run_a_script_for_ever(self) -> None:
        """No answers at first, then BUSY."""
        await self._command("CONFIG", "SET", "lua-time-limit", BUSY_AFTER_MS)
        running = asyncio.ensure_future(self._command("EVAL", FOREVER, 0))
        await self._a_while()
        await self._blocking(lambda: until(self._killed, "the script is ended"))
        await asyncio.wait([running])
        assert isinstance(running.exception(), hiredis.ReplyError)

    async def load(self) -> None:
        """LOADING, until all is read again."""
        await self._command("EVAL", FILL, 0, MANY_KEYS)
        self._store.kill()
        await self._blocking(self._store.start)
        await self._command("EVAL", CLEAR, 0, MANY_KEYS)

    async def hold_something_else(self) -> None:
        """Another program writes under a key of ours: WRONGTYPE."""
        _, instance = self._victim()
        name = await self._blocking(lambda: instance.health()["instanceId"])
        keys = ("webrtc:waiting", "webrtc:instances", f"webrtc:instance:{name}", f"webrtc:signal:{name}")
        key = self._rng.choice(keys)
        # A text in place of a lease says that another process has this name: then it stays, and the name is left to it.
        command, *words = self._rng.choice(FOREIGN[1:] if ":instance:" in key else FOREIGN)
        await self._command("EVAL", "redis.call('DEL', KEYS[1]) redis.call(unpack(ARGV))", 1, key, command, key, *words)

    def _killed(self) -> bool:
        try:
            return bool(self._store.command("SCRIPT", "KILL") == b"OK")
        except hiredis.ReplyError:  # it has not begun yet
            return False

    async def _command(self, *words: str | int) -> Any:
        return await self._blocking(lambda: self._store.command(*words))


class Failovers(Churn):
    """A run on a primary and its replica, between which Sentinels change.

    Args:
        watched: The store.
        service: The instances.
        swarm: The clients.
        rng: Decides everything.
    """

    def __init__(self, watched: Watched, service: Clocked, swarm: Swarm, rng: random.Random) -> None:
        super().__init__(watched.primary, [], service, swarm, rng, service.clocks)
        self._watched = watched
        self.choices = [
            self.kill_instance,
            self.stop_instance,
            self.hang_instance,
            self.freeze_store,
            self.restart_store_empty,
            self.set_clock,
            self.end_connections,
            self.end_connections,
            self.lose_primary,
            self.lose_primary,
            self.change_primary,
        ]

    async def end_connections(self) -> None:
        """The store ends them all."""
        await self._blocking(lambda: self._store.command("CLIENT", "KILL", "TYPE", "normal"))

    async def restart_store_empty(self) -> None:
        await super().restart_store_empty()
        await self._blocking(self._watched.wait_whole)

    async def lose_primary(self) -> None:
        """The primary dies, another takes over, and the old one comes back as its replica."""
        self._watched.lose_primary()
        await self._blocking(self._watched.wait_for_failover)
        self._store = self._watched.primary
        await self._a_while()
        await self._blocking(self._watched.make_whole)

    async def change_primary(self) -> None:
        """An operator lets the replica take over."""
        await self._blocking(self._watched.fail_over)
        self._store = self._watched.primary
        await self._blocking(self._watched.make_whole)

"""A store that answers no, or holds what is not ours: matching between instances goes on."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signald.brokers.interface import Broker, BrokerEvents
from signald.brokers.redis import mailbox
from signald.brokers.redis.problems import PROBLEMS, UNREACHABLE
from signald.core.bans import Ban, BanKind
from signald.core.ids import ClientId, RoomId
from signald.core.passes import VERSION, Attempt, Pass, Passes
from tests.contract import suite
from tests.contract.on_redis import OnRedis
from tests.support.proxy import Proxy
from tests.support.redis import LOGIN, RedisServer

Put = Callable[[RedisServer, str], Any]
"""Puts something that is not ours under a key."""

WRONG_TYPES: dict[str, Put] = {
    "string": lambda store, key: store.command("SET", key, "somebody else's"),
    "list": lambda store, key: store.command("RPUSH", key, "somebody else's"),
    "hash": lambda store, key: store.command("HSET", key, "somebody", "else"),
    "set": lambda store, key: store.command("SADD", key, "somebody else's"),
    "zset": lambda store, key: store.command("ZADD", key, 1, "somebody else's"),
    "stream": lambda store, key: store.command("XADD", key, "*", "somebody", "else"),
}

KEYS = {
    "waiting": "zset",
    "instances": "zset",
    "instance:one": "string",
    "signal:one": "stream",
    "bans": "hash",
}

KEYS_AT_THE_START = {
    "instance:three": "string",
    "signal:three": "stream",
    "resume-key": "string",
    "parked-lately": "string",
}


class ForeignKeys(OnRedis):
    """Somebody else's data under keys of ours."""

    __test__ = True

    def put(self, name: str, kind: str) -> None:
        """Put a value of this type under a key in place of what is there."""
        key = self.prefix + name
        self.store.command("DEL", key)
        WRONG_TYPES[kind](self.store, key)

    async def _tear_down(self) -> None:
        aside = {f"{self.prefix}{name}" for name in ("moved", *KEYS, *KEYS_AT_THE_START)}
        self.left_behind = frozenset(aside | self.store.keys(f"{self.prefix}aside:"))
        await super()._tear_down()

    async def cleared(self, pairs: int) -> None:
        """Two clients on two instances meet, and go again."""
        one, other = f"a{pairs}", f"B{pairs}"
        room = await self.met(one, other)
        self.leave(one)
        await self.events.until(lambda: (other, room) in self.events.left)

    async def met(self, one: str, other: str) -> RoomId:
        """Make two partners; they ask again, as clients do, if a lost letter ends a room of which one knew only."""
        events = self.events
        while not (one in events.rooms and other in events.rooms):
            for client in {one, other} - {*events.rooms, *events.tickets}:
                await self.enqueue(client)
            parted = len(events.left)
            await events.until(lambda parted=parted: {one, other} <= {*events.rooms} or len(events.left) > parted)  # type: ignore[misc]
        return await self.paired(one, other)

    async def test_every_key_of_every_wrong_type(self) -> None:
        """One key of another program ends all matching between instances."""
        pairs = 0
        for name, right in KEYS.items():
            for kind in WRONG_TYPES:
                # A list in place of the queue is the old server's; anything else that we also use is left as it is.
                if kind != right and (name, kind) != ("waiting", "list"):
                    self.put(name, kind)
                    pairs += 1
                    await self.cleared(pairs)

    async def test_what_an_instance_finds_at_its_start(self) -> None:
        """An instance before which another program has used its keys never reaches the store."""
        for pairs, kind in enumerate((*WRONG_TYPES, "garbage")):
            for name, right in {**KEYS, **KEYS_AT_THE_START}.items():
                if kind == "garbage":
                    if right == "string":
                        self.store.command("SET", self.prefix + name, b"\xff garbage")
                elif kind not in (right, "list"):
                    self.put(name, kind)
            broker = self._broker("three", Passes("of this instance"))
            broker.start(self.events, suite.Moderator("three"))
            await self.until(lambda broker=broker: bool(broker.store_reachable))  # type: ignore[misc]
            await broker.stop()
            await self.joined()
            await self.cleared(pairs)

    async def test_what_is_put_aside_is_kept(self) -> None:
        """The data of whoever used the name before is lost."""
        self.put("bans", "list")
        key = f"{self.prefix}aside:1:{self.prefix}bans"
        now = self.now()
        self.redis_brokers[0].share([Ban(BanKind.ADDRESS, "192.0.2.1", now + 60, now, now + 60)])
        await self.until(lambda: bool(self.store.command("EXISTS", key)))
        self.assertEqual(self.store.command("LRANGE", key, 0, -1), [b"somebody else's"])

    async def test_the_list_of_the_old_server_is_left_alone(self) -> None:
        """The old server beside us during a migration loses its queue; or ours never works again."""
        self.put("waiting", "list")
        await self.pair("a", "B")
        await self.enqueue("c")
        self.assertEqual(self.store.command("LRANGE", f"{self.prefix}waiting", 0, -1), [b"somebody else's"])
        # Nobody waits at the old server for a moment: its list is gone, and must be free to come back.
        self.store.command("LPOP", f"{self.prefix}waiting")
        await self.enqueue("D")
        await self.paired("c", "D")
        self.assertEqual(self.store.command("EXISTS", f"{self.prefix}waiting"), 0)

    async def test_tickets_that_are_none(self) -> None:
        """One unreadable entry in the queue hides everybody behind it, or ends the connection again and again."""
        for junk in (
            b"a|b",
            b"one|c|notanumber|",
            b"two|c|notanumber|",
            b"one|\xff\xfe|1|",
            b"\x00junk",
            b"",
            b"one|c|1||u|x",
        ):
            self.store.command("ZADD", f"{self.prefix}waiting", 1, junk)
            await self.enqueue("a")
            await self.enqueue("B")
            await self.paired("a", "B")
            self.leave("a")
            self.leave("B")

    async def test_a_block_that_is_none(self) -> None:
        """Somebody whose set of blocks is another program's key is never matched again."""
        self.store.command("SET", f"{self.prefix}blocks:c:a", "somebody else's")
        await self.pair("a", "B")
        self.store.command("DEL", f"{self.prefix}blocks:c:a")

    async def test_garbage_about_sessions(self) -> None:
        """A session whose keys somebody has written over can go on nowhere, and its instance loses the store."""
        parked = self.redis_brokers[0]._moving._parked
        client, room = ClientId("a"), RoomId("r")
        garbage = b"\xff|garbage"
        for name in ("parked:a:1", "taken:a"):
            self.store.command("SET", self.prefix + name, garbage, "EX", 60)
        self.store.command("HSET", f"{self.prefix}room:r", client, garbage, "B", b"garbage")
        self.assertEqual(await parked.taken([(client, 1, Attempt())]), [])
        self.assertEqual(await parked.note(room, client, 1, ClientId("B")), "")
        said = Pass(VERSION, client, 1, 0, 0, 0.0, "a", "boot")
        self.assertTrue((await parked.take(said, Attempt())).taken)
        await self.pair("a", "B")


class BackInTime(OnRedis):
    """A store that lost the last moments, or is another one than before."""

    __test__ = True

    async def test_letters_arrive_after_the_stream_went_back(self) -> None:
        """After a failover to a replica whose clock is behind, an instance is deaf until that has caught up."""
        key = f"{self.prefix}signal:one"
        self.store.command("XADD", key, "9999999999999-0", "d", "")  # in the year 2286
        await self.until(lambda: self.redis_brokers[0]._store._mailbox.position.startswith("9999999999999"))
        self.store.command("DEL", key)
        self.store.command("XADD", key, "1-0", "d", "")
        await self.pair("a", "B")
        self.relay("B", b"hello")
        room = self.events.rooms["a"][0]
        await self.events.until(lambda: ("a", room) in self.events.relayed_to)


class TwoStores(OnRedis):
    """A name, or a proxy, that leads to another store from some moment on, while the first one goes on."""

    __test__ = True

    async def make(self, events: BrokerEvents) -> list[Broker]:
        self.patch(mailbox, "ECHO_WITHIN_S", 1.0)
        self._first = self.store
        self._proxy = Proxy(self.store.port)
        self._other_folder = tempfile.TemporaryDirectory()
        return await super().make(events)

    async def clean(self) -> None:
        await super().clean()
        self._proxy.__exit__(None, None, None)
        self.store.kill()
        self._other_folder.cleanup()
        self._first.start()

    @property
    def url(self) -> str:
        return f"redis://{LOGIN}@127.0.0.1:{self._proxy.port}"

    async def test_two_connections_of_one_instance(self) -> None:
        """An instance writes to one store and reads letters from the other: it is healthy, and deaf."""
        broker = self.redis_brokers[0]
        self.store = RedisServer(Path(self._other_folder.name))
        self._proxy.redirect(self.store.port)
        broker._store._mailbox.drop("the connection was lost", UNREACHABLE)
        # The lease, which stands in the store that is written to, is in the one that is read, too.
        await self.until(lambda: bool(self.store.keys(f"{self.prefix}instance:one")))
        # Both are on the other store, and so is everybody as soon as the first one ends.
        self._first.kill()
        await self.joined()
        await self.pair("a", "B")


def test_every_problem_has_a_word_of_its_own() -> None:
    """Two reasons look the same in /healthz and the metrics."""
    words = [problem.word for problem in PROBLEMS]
    assert len(set(words)) == len(words)

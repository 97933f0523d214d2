"""Instances on one machine keep the contract, though their letters overtake those that go through the store."""

import os
from typing import Any

from signald.brokers.redis import neighbours
from signald.brokers.redis.letters import Check, Sync, encode
from signald.core.ids import RoomId
from tests.contract import suite
from tests.contract.on_redis import OnRedis

MANY = 2000


class Neighbours(OnRedis, suite.BrokerContract):
    """The contract, with a socket each way; and what only sockets can break."""

    __test__ = True

    def letters_dir(self) -> str:
        """A folder of this test's own."""
        return f"{self._folder.name}/letters"

    async def meet(self) -> RoomId:
        """Two on two instances are partners, and there is a socket each way."""
        room = await self.pair("a", "B")
        self.assertEqual([broker.neighbours for broker in self.redis_brokers], [1, 1])
        return room

    def cut(self) -> None:
        """End the sockets, and find none for a moment."""
        for broker in self.redis_brokers:
            broker._neighbours.stop()
            broker._neighbours._name = ""

    def mend(self) -> None:
        """Let there be sockets again."""
        for broker in self.redis_brokers:
            broker._neighbours.listen(broker.instance)
            broker._neighbours._ask_at.clear()

    def say(self, said: list[bytes]) -> None:
        """Say something more."""
        for _ in range(20):
            said.append(b"%d" % len(said))
            self.relay("a", said[-1])

    def said(self) -> int:
        """Letters to the second instance that stand in the store."""
        return int(self.store.command("XLEN", f"{self.prefix}signal:two"))

    async def test_letters_spare_the_store(self) -> None:
        """Each message between two workers costs the store's time, and ten times that of one within a process."""
        room = await self.meet()
        before = self.said()
        for number in range(MANY):
            self.relay("a", b"%d" % number)
        await self.events.until(lambda: len(self.events.relayed_to.get(("B", room), ())) == MANY)
        self.assertEqual(self.said(), before)

    async def test_order_across_ways(self) -> None:
        """A call loses a candidate, or ends, because a worker's socket has come or gone."""
        room = await self.meet()
        receivers = self.redis_brokers[1]._neighbours.receivers
        letters = self.redis_brokers[1]._store._mailbox._connection
        said: list[bytes] = []
        for _ in range(3):
            self.cut()
            letters._protocol.transport.pauseProducing()
            before = self.said()
            self.say(said)
            await self.until(lambda before=before: self.said() > before)  # type: ignore[misc]
            await self.until(lambda: not self.redis_brokers[0].held_bytes)
            self.mend()
            self.say(said)
            await self.until(lambda: any(one._come for one in receivers))  # it has overtaken the others
            letters._protocol.transport.resumeProducing()
            await self.events.until(lambda: len(self.events.relayed_to.get(("B", room), ())) == len(said))
        self.assertEqual(self.events.relayed_to[("B", room)], said)
        self.assertEqual(self.events.left, [])

    async def test_more_than_a_socket_takes(self) -> None:
        """What is too much for one write is lost, cut in two, or comes out of order."""
        rooms = {"B": await self.meet(), "D": await self.pair("c", "D"), "F": await self.pair("e", "F")}
        said = [b"%d" % number + b"x" * 60_000 for number in range(4)]
        for text in said:
            for client in "ace":
                self.relay(client, text)
        for client, room in rooms.items():
            heard = client, room
            await self.events.until(lambda heard=heard: len(self.events.relayed_to.get(heard, ())) == len(said))  # type: ignore[misc]
            self.assertEqual(self.events.relayed_to[heard], said)
        self.assertEqual(self.redis_brokers[0].held_bytes, 0)

    async def test_what_overtakes_something_lost(self) -> None:
        """A worker waits without end for a letter that the store has lost, and its calls hang."""
        await self.meet()
        letters: list[Any] = [Sync(), Check([])]
        link = self.redis_brokers[0]._post._outgoing["two"]
        link._first += 5  # as if so many had gone through a store that lost them
        for letter in letters:
            self.redis_brokers[0]._post.send("two", letter)
        await self.events.until(lambda: ("B", self.events.matches[0].room) in self.events.left)
        await self.pair("c", "D")

    async def test_nonsense(self) -> None:
        """One bad message over a socket ends a worker."""
        await self.meet()
        way = self.redis_brokers[0]._neighbours.way("two")
        assert way is not None
        way.carry(encode(("not", "an", "envelope")), lambda arrived: None)
        await self.until(lambda: self.redis_brokers[0].neighbours == 0)
        self.flushLoggedErrors()
        await self.pair("c", "D")

    async def test_a_folder_that_others_may_enter(self) -> None:
        """Another user of the machine can speak as an instance does."""
        folder = f"{self._folder.name}/open"
        os.mkdir(folder)
        os.chmod(folder, 0o755)  # noqa: S103 - that is what is tried
        with self.assertRaisesRegex(PermissionError, "0700"):
            neighbours._make_private(folder)

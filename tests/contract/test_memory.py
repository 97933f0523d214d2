"""The broker of a single process keeps the contract."""

from itertools import count

from signald.brokers.interface import Broker, BrokerEvents
from signald.brokers.memory import MemoryBroker
from signald.core.ids import RoomId
from tests.contract import suite


class Memory(suite.BrokerContract, suite.WishContract):
    """All clients on one instance."""

    __test__ = True

    async def make(self, events: BrokerEvents) -> list[Broker]:
        from twisted.internet import reactor  # noqa: TID251

        rooms = count()
        broker = MemoryBroker(
            reactor,
            lambda: RoomId(f"room {next(rooms)}"),
            "one",
            suite.BLOCK_S,
            suite.RESUME_S,
            reports=suite.REPORTS,
        )
        self.moderators = [suite.Moderator("one")]
        broker.start(events, self.moderators[0])
        return [broker]

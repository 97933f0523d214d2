"""Commands and replies of one connection to a real store: in order, whatever the socket takes at once."""

import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import DeferredList, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from signald.brokers.redis.protocol import Buffered, make_factory
from tests.support.redis import RedisServer

BIG = b"x" * 8_000_000
"""More than a socket takes at once."""


class StoreProtocol(TestCase):
    """A connection alone."""

    def setUp(self) -> None:
        """Start a store."""
        from twisted.internet import reactor  # noqa: TID251

        self.reactor: Any = reactor
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.store = RedisServer(Path(folder.name))
        self.addCleanup(self.store.kill)

    async def connect(self, port: int, *at_turns_end: Any) -> Any:
        """Connect to a server."""
        protocol: Any = await TCP4ClientEndpoint(self.reactor, "127.0.0.1", port).connect(make_factory(*at_turns_end))
        protocol.gone.addErrback(lambda failure: None)
        self.addCleanup(protocol.transport.abortConnection)
        return protocol

    async def replies(self, *called: Any) -> list[Any]:
        """What the store answers."""
        return await gatherResults(called)

    async def test_more_than_a_socket_takes(self) -> None:
        """A busy moment ends in commands that the store reads in pieces, or that come twice."""
        protocol = await self.connect(self.store.port)
        for _ in range(2):  # and once more when all has left
            called = [protocol.execute_command("ECHO", word) for word in (b"1", BIG, b"2", BIG, b"3")]
            self.assertEqual(await self.replies(*called), [b"1", BIG, b"2", BIG, b"3"])

    async def test_a_turn_together(self) -> None:
        """A crowd that comes at once costs the store a system call for each of them."""
        waiting: list[Buffered] = []
        protocol = await self.connect(self.store.port, waiting.append)
        called = [protocol.execute_command("ECHO", str(number)) for number in range(100)]
        self.assertEqual(waiting, [protocol])
        protocol.flush()
        self.assertEqual(await self.replies(*called), [b"%d" % number for number in range(100)])
        later = protocol.execute_command("ECHO", "later")
        self.assertEqual(waiting, [protocol, protocol])
        protocol.transport.abortConnection()
        (failed,) = await DeferredList([later], consumeErrors=True)
        self.assertFalse(failed[0], "it is not waited for without end")
        protocol.flush()  # harmless

    async def test_an_answer_that_nobody_asked_for(self) -> None:
        """From then on each command gets the answer of the one before it, and strangers are matched."""

        class Chatty(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(b"+OK\r\n")  # type: ignore[union-attr]

        listening: Any = TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1")
        port = await listening.listen(Factory.forProtocol(Chatty))
        self.addCleanup(port.stopListening)
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", port.getHost().port)
        protocol: Any = await endpoint.connect(make_factory())
        with self.assertRaisesRegex(ValueError, "nobody asked"):
            await protocol.gone
        self.flushLoggedErrors(ValueError)

"""A whole service in one process: daemons in memory, each with its own clock, and a real store that does as told.

Everything is the real thing, from the first byte of a client's connection to the scripts in the store; only sockets
and clocks are not. A command reaches the store when it is told to, its answer comes back when it is told to, a second
passes when it is told to. So each order of what can happen is one that can be tried, and tried again.
"""

from collections import deque
from types import SimpleNamespace
from typing import Any
from unittest import mock

import hiredis
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.python.failure import Failure

from signald.brokers.redis.primary import Single
from signald.wiring import builders
from tests.support.memory import STARTED_AT, MemoryDaemon
from tests.support.redis import Commands

LEASE_S = 8.0
"""How long a lease lasts; the store's own clock does not pass here."""

BLOCKED_S = 2.0
"""How long the store waits for letters before it answers that there are none."""

RESUME_S = 30

NOTHING = b"*-1\r\n"


class Store:
    """What stands in the store, and who may ask it.

    Args:
        commands: A connection to a real one, which is emptied.
    """

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        commands("FLUSHALL")
        self.frozen = False
        self.leases: dict[bytes, float] = {}
        """When each lease was renewed."""

    def execute(self, words: list[bytes], now: float) -> bytes | None:
        """Do one command; gives the reply as it goes over the wire, or None if the store waits for letters."""
        waits = words[0] == b"XREAD" and b"BLOCK" in words
        if waits:
            at = words.index(b"BLOCK")
            waits = int(words[at + 1]) >= BLOCKED_S * 1000
            del words[at : at + 2]
        if words[0] == b"EVALSHA" and len(words) > 3 and b":instance:" in words[3]:
            self.leases[words[3]] = now
        try:
            reply = self.commands(*words)
        except hiredis.ReplyError as error:
            return b"-" + str(error).encode() + b"\r\n"
        return None if waits and reply is None else _pack(reply)

    def tick(self, now: float) -> None:
        """Leases run out."""
        for key, renewed_at in list(self.leases.items()):
            if now - renewed_at >= LEASE_S:
                del self.leases[key]
                self.commands("DEL", key)
                self.commands("ZREM", "webrtc:instances", key.rpartition(b":")[2])

    def empty(self) -> None:
        """Lose everything, as a restart without a disk does."""
        self.commands("FLUSHALL")
        self.leases.clear()


def _pack(reply: Any) -> bytes:
    """A reply as RESP2 has it."""
    if reply is None:
        return NOTHING
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(_pack, reply))
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    return b"$%d\r\n%s\r\n" % (len(reply), reply)


class Wire:
    """One connection of a process to the store: the transport of its protocol."""

    def __init__(self, process: "Process", protocol: Any) -> None:
        self._process = process
        self._protocol = protocol
        self._reader: Any = hiredis.Reader()
        self.commands: deque[list[bytes]] = deque()
        self.replies: deque[bytes] = deque()
        self.blocked_at: float | None = None
        self.disconnecting = False

    def write(self, data: bytes) -> None:
        self._reader.feed(data)
        while (words := self._reader.gets()) is not False:
            self.commands.append(words)

    def loseConnection(self) -> None:
        self.cut(ConnectionAborted())

    def abortConnection(self) -> None:
        self.cut(ConnectionAborted())

    def cut(self, why: Exception | None = None) -> None:
        """The connection is lost, with all that was under way."""
        if self in self._process.wires:
            self._process.wires.remove(self)
            self._process.clock.callLater(0, self._protocol.connectionLost, Failure(why or ConnectionLost()))

    def execute(self, store: Store, now: float) -> bool:
        """Let the store do the next command; false if it waits for letters."""
        words = self.commands[0]
        reply = store.execute(list(words), now)
        if reply is None:
            self.blocked_at = now if self.blocked_at is None else self.blocked_at
            if now - self.blocked_at < BLOCKED_S:
                return False
            reply = NOTHING
        self.blocked_at = None
        self.commands.popleft()
        self.replies.append(reply)
        return True

    def answer(self) -> None:
        """Let the next reply arrive."""
        self._protocol.dataReceived(self.replies.popleft())


class _Endpoint:
    """Where a process finds the store."""

    def __init__(self, process: "Process") -> None:
        self._process = process

    def connect(self, factory: Any) -> "Deferred[Any]":
        protocol = factory.buildProtocol(None)
        wire = Wire(self._process, protocol)
        self._process.wires.append(wire)
        protocol.makeConnection(wire)
        return succeed(protocol)


class Process(MemoryDaemon):
    """One instance.

    Args:
        name: How it is called; the one that follows it has the same name.
        born: When it starts, in the time of the service.
        variables: More settings.
    """

    def __init__(self, name: str, born: float, **variables: str) -> None:
        self.name = name
        self._born = born
        self.wires: list[Wire] = []
        self.frozen_at: float | None = None
        self.stopping: Deferred[None] | None = None
        chosen = {
            "REDIS_URL": "redis://127.0.0.1",
            "INSTANCE_ID": name,
            "RESUME_SECONDS": str(RESUME_S),
            "RESUME_SECRET": "a secret of the model",
            "REMATCH_DELAY_SECONDS": "1",
            "MATCH_ANSWER_SECONDS": "0",
            "MAX_MSG_PER_SECOND": "100000",
        } | variables
        with (
            mock.patch.object(builders, "make_primary", lambda *words: Single(_Endpoint(self))),  # type: ignore[arg-type]
            mock.patch.object(builders, "random", SimpleNamespace(random=lambda: 0.5)),
        ):
            super().__init__(**chosen)

    def unix_time(self) -> float:
        """Seconds since 1970; all processes have the same."""
        return STARTED_AT + self._born + self.clock.seconds()

    @property
    def runs(self) -> bool:
        """Whether it does anything now."""
        return self.frozen_at is None

    @property
    def open(self) -> bool:
        """Whether clients may connect."""
        return self.runs and self.stopping is None

    def settle(self) -> None:
        """See `MemoryDaemon.settle`; a frozen process does nothing."""
        if self.runs:
            super().settle()

    def homes(self) -> dict[str, str]:
        """The sessions that are at home here, and where each stands."""
        return {client.id: client.session.state.value for client in self.connections}

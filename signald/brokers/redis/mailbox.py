"""Reads the letters to this instance from its stream, over a connection of its own.

XREAD BLOCK waits in the store until something comes. Stores that know no blocking read (some serverless ones), or
answer it at once, are asked again and again with a pause instead.

That letters arrive is proven, not assumed: with each renewal of its lease the instance writes a letter to itself, and
what does not come back in time makes the connections anew. So nobody stays deaf behind a store that came back with
older data, or a proxy that leads the two connections to different servers.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from signald.brokers.redis.connection import Primary, StoreConnection
from signald.brokers.redis.keys import Keys
from signald.brokers.redis.letters import Envelope, decode
from signald.brokers.redis.problems import DEAF, NO_BLOCKING_READS, Problem, StoreRefused
from signald.brokers.redis.url import StoreAddress

READ_WAIT_MS: Final = 2_000
"""Milliseconds for which one read waits for letters."""

READ_AT_MOST: Final = 200
"""Batches in one read."""

POLL_S: Final = 0.25
"""Seconds between two reads of a store that does not wait for letters: how late a letter can be."""

HASTY_READS: Final = 3
"""So many reads in a row that brought nothing, long before they had waited, mean that the store does not wait."""

ECHO_WITHIN_S: Final = 10.0
"""Seconds that a letter to oneself may take; with the slowest store that serves at all it takes some seconds."""

BEGIN: Final = "0-0"
"""Before the first entry of a stream."""


class Mailbox:
    """Reads the letters to one instance, in the order of its stream.

    Args:
        instance: The name under which this instance is known in the store.
        primary: Knows where to connect.
        address: With user, password and database.
        keys: Names in the store.
        clock: For timeouts.
        jitter: A random number from 0 to 1 at each call.
        up: Called when letters are read (again).
        down: Called when they are not, with the time since when.
        read: Called with the batches of letters that have come since the last call.
        trouble: Told of each reason why no letters can be read.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        instance: str,
        primary: Primary,
        address: StoreAddress,
        keys: Keys,
        clock: Any,
        jitter: Callable[[], float],
        up: Callable[[], None],
        down: Callable[[float], None],
        read: Callable[[list[Envelope]], None],
        trouble: Callable[[Problem], None],
    ) -> None:
        self._instance = instance
        self._keys = keys
        self._clock = clock
        self._up = up
        self._read = read
        self._trouble = trouble
        self._connection = StoreConnection(
            "letter", primary, address, clock, jitter, self._prepared, down, trouble=trouble
        )
        self._reading: Deferred[None] | None = None
        self._hasty = 0
        self._echo: tuple[str, float] | None = None
        self.position = BEGIN
        """The entry up to which letters were read."""
        self.polls = False
        """Whether the store is asked again and again, because it does not wait."""

    @property
    def ready(self) -> bool:
        """Whether letters are read: the store has answered the first read of this connection."""
        return self._connection.ready

    @property
    def problem(self) -> Problem | None:
        """Why they are not, or are late."""
        return self._connection.problem or (NO_BLOCKING_READS if self.polls else None)

    def start(self) -> None:
        """Begin to read; harmless when done twice. The stream should be there, or nothing is ever read."""
        self._connection.start()

    def stop(self) -> None:
        """Read no more."""
        self._stop_reading()
        self._connection.stop()

    def drop(self, why: str, problem: Problem) -> None:
        """Make the connection anew."""
        self._connection.drop(why, problem)

    def rename(self, instance: str) -> None:
        """Read the stream of another name from now on."""
        self._instance = instance
        self.begin_anew()

    def begin_anew(self) -> None:
        """Read from the beginning of the stream: it is another one. What was read before is known by its number."""
        self.position = BEGIN
        self._echo = None

    def expect(self, entry: str, since: str) -> bool:
        """This instance has written a letter to itself.

        Args:
            entry: The id that the store has given it.
            since: The position before it was written.

        Returns:
            False if letters do not arrive: this one stands before what was read already, or one from long before has
            not come.
        """
        now = self._clock.seconds()
        if _order(entry) <= _order(since):
            return False
        if self._echo is None and _order(entry) > _order(self.position):
            self._echo = entry, now
        return not self.ready or self._echo is None or now - self._echo[1] < ECHO_WITHIN_S

    async def _prepared(self) -> None:
        self._stop_reading()
        self._hasty = 0
        self._echo = None
        await self._read_once(1)
        self._reading = Deferred.fromCoroutine(self._read_for_ever())
        self._reading.addErrback(self._failed)
        self._clock.callLater(0, self._up)

    def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()

    def _failed(self, failure: Failure) -> None:
        # The next connection reads on from the same place.
        if not failure.check(CancelledError):
            self._connection.failed(failure)

    async def _read_for_ever(self) -> None:
        while True:
            began = self._clock.seconds()
            found = await self._read_once(READ_WAIT_MS)
            if self.polls:
                await deferLater(self._clock, POLL_S)
            elif not found and self._clock.seconds() - began < READ_WAIT_MS / 2000:
                self._look_whether_it_waits()
            else:
                self._hasty = 0

    def _look_whether_it_waits(self) -> None:
        self._hasty += 1
        if self._hasty >= HASTY_READS:
            self._poll("it does not wait for letters")

    async def _read_once(self, wait_ms: int) -> bool:
        """Read what is there, or comes while the store waits; says whether anything did."""
        if not self.polls:
            try:
                return self._take(await self._ask("BLOCK", wait_ms, timeout_s=wait_ms / 1000 + READ_WAIT_MS / 1000))
            except StoreRefused as refused:
                if refused.problem is not NO_BLOCKING_READS:
                    raise
                self._poll(str(refused))
        return self._take(await self._ask(timeout_s=READ_WAIT_MS / 1000))

    def _ask(self, *how: Any, timeout_s: float) -> "Deferred[Any]":
        stream = self._keys.stream(self._instance)
        return self._connection.call(
            "XREAD", "COUNT", READ_AT_MOST, *how, "STREAMS", stream, self.position, timeout_s=timeout_s
        )

    def _poll(self, why: str) -> None:
        self.polls = True
        self._trouble(NO_BLOCKING_READS)
        self._log.warn("the store has no blocking reads: {why} ({advice})", why=why, advice=NO_BLOCKING_READS.advice)

    def _take(self, reply: Any) -> bool:
        entries = reply[0][1] if reply else []
        if not entries:
            return False
        self.position = entries[-1][0].decode()
        if self._echo is not None and _order(self.position) >= _order(self._echo[0]):
            self._echo = None
        # Empty are a letter to oneself, and the first entry of a stream (see `lease.lua`).
        batches = [batch for _, (_, batch) in entries if batch]
        if batches:
            self._read([envelope for batch in batches for envelope in self._envelope(batch)])
        return True

    def _envelope(self, batch: bytes) -> list[Envelope]:
        """A batch, if it can be read: what is lost is noticed by its number, and costs no other sender's letters."""
        try:
            return [decode(batch)]
        except msgspec.MsgspecError as error:
            self._log.warn("letters that cannot be read, of another version? {why}", why=error)
            return []

    def deaf(self) -> None:
        """What this instance has written to itself did not come: make the connection anew, and read from the start."""
        self.begin_anew()
        self.drop("letters do not arrive: the store has older data, or is not the one that is written to", DEAF)


def _order(entry: str) -> tuple[int, int]:
    """An id of a stream's entry, so that ids compare as the store has them (Redis docs, "Streams: entry IDs")."""
    milliseconds, _, number = entry.partition("-")
    return int(milliseconds), int(number or 0)

"""What a message between two instances costs by a stream and by Pub/Sub, and what a cut connection loses.

``python -m bench.experiments.streams_or_pubsub``: starts a redis-server, sends messages of 300 bytes in batches through
it from one connection to another, and counts processor time on both sides. Both ways use the same client, so that only
the commands differ.
"""

import asyncio
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import hiredis

from tests.support.proxy import Proxy
from tests.support.redis import RedisServer

MESSAGES = 40_000
MESSAGE = b"x" * 300
IN_FLIGHT = 8
"""Batches on their way at once: signald has one for each pair of instances."""


class Connection:
    """A plain connection, with hiredis as parser as in signald."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._parser = hiredis.Reader()

    @classmethod
    async def make(cls, port: int) -> "Connection":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, *words: str | bytes | int) -> None:
        """Send a command."""
        self._writer.write(hiredis.pack_command(words))  # type: ignore[arg-type]

    async def reply(self) -> object:
        """The next reply."""
        while (reply := self._parser.gets()) is False:
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionResetError
            self._parser.feed(data)
        return reply


Receive = Callable[[Connection], Awaitable[int]]


async def read_stream(connection: Connection, total: int) -> int:
    """Receive by XREAD, each from the last id on."""
    received, position = 0, b"0-0"
    while received < total:
        connection.send("XREAD", "COUNT", 200, "BLOCK", 2000, "STREAMS", "letters", position)
        reply = await connection.reply()
        for entry, (_, batch) in reply[0][1] if reply else ():  # type: ignore[index]
            position = entry
            received += len(batch) // len(MESSAGE)
    return received


async def read_channel(connection: Connection, total: int) -> int:
    """Receive by SUBSCRIBE."""
    connection.send("SUBSCRIBE", "letters")
    await connection.reply()
    received = 0
    while received < total:
        reply = await connection.reply()
        received += len(reply[2]) // len(MESSAGE)  # type: ignore[index]
    return received


async def write(connection: Connection, stream: bool, batch: int) -> None:
    """Send all messages, a few batches at a time."""
    payload = MESSAGE * batch
    for _ in range(0, MESSAGES, batch * IN_FLIGHT):
        for _ in range(IN_FLIGHT):
            if stream:
                connection.send("XADD", "letters", "NOMKSTREAM", "MAXLEN", "~", 20000, "*", "d", payload)
            else:
                connection.send("PUBLISH", "letters", payload)
        for _ in range(IN_FLIGHT):
            await connection.reply()


async def measure(store: RedisServer, *, stream: bool, batch: int) -> None:
    """One line of the table."""
    store.command("FLUSHALL")
    store.command("XADD", "letters", "MAXLEN", 0, "*", "d", "")
    writer, reader = await Connection.make(store.port), await Connection.make(store.port)
    total = MESSAGES // (batch * IN_FLIGHT) * batch * IN_FLIGHT
    receiving = asyncio.ensure_future((read_stream if stream else read_channel)(reader, total))
    await asyncio.sleep(0.1)
    ours, theirs = _cpu_s(), store.cpu_s()
    await write(writer, stream, batch)
    await receiving
    ours, theirs = _cpu_s() - ours, store.cpu_s() - theirs
    name = "XADD + XREAD" if stream else "PUBLISH + SUBSCRIBE"
    redis, python = theirs / total * 1e6, ours / total * 1e6
    print(f"{name:20} {batch:3} in a batch: {redis:6.2f} us of Redis, {python:6.2f} us of Python")


async def lose(store: RedisServer, *, stream: bool) -> None:
    """Cut the reader's connection ten times while messages flow, and count what arrives."""
    store.command("FLUSHALL")
    store.command("XADD", "letters", "MAXLEN", 0, "*", "d", "")
    with Proxy(store.port) as proxy:
        writer = await Connection.make(store.port)
        received, position, total = 0, b"0-0", 2000

        async def read() -> None:
            nonlocal received, position
            while received < total:
                try:
                    connection = await Connection.make(proxy.port)
                    if not stream:
                        connection.send("SUBSCRIBE", "letters")
                        await connection.reply()
                    while received < total:
                        if stream:
                            connection.send("XREAD", "COUNT", 200, "BLOCK", 2000, "STREAMS", "letters", position)
                            reply = await connection.reply()
                            for entry, _ in reply[0][1] if reply else ():  # type: ignore[index]
                                position, received = entry, received + 1
                        else:
                            await connection.reply()
                            received += 1
                except OSError:
                    await asyncio.sleep(0.01)

        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0.1)
        for number in range(total):
            writer.send(*(("XADD", "letters", "*", "d", MESSAGE) if stream else ("PUBLISH", "letters", MESSAGE)))
            await writer.reply()
            if number % 200 == 100:
                proxy.cut()
        try:
            async with asyncio.timeout(5):
                await reading
        except TimeoutError:
            pass
        name = "XADD + XREAD" if stream else "PUBLISH + SUBSCRIBE"
        print(f"{name:20} reader cut off ten times: {total - received} of {total} lost")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main() -> None:
    """The whole table."""
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as store:
        for batch in (1, 5, 25):
            for stream in (True, False):
                await measure(store, stream=stream, batch=batch)
        for stream in (True, False):
            await lose(store, stream=stream)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

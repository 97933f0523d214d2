"""How long an instance needs at its end to put all its sessions into the store.

``python -m bench.experiments.parking --connected 10000``: starts a redis-server and two instances, connects clients of
`signald.v1` in calls, half of which go from one instance to the other, stops the first instance, and tells how many
sessions it has parked, in how long, what each took of the store's memory, and how long the process needed to end.
"""

import argparse
import asyncio
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.support.daemon import DaemonProcess
from tests.support.frames import TEXT, client_frame
from tests.support.line import Line, Message
from tests.support.redis import RedisServer
from tests.support.witness import raise_file_limit

AT_ONCE = 32
"""Handshakes under way: below the backlog of 50 that Twisted uses."""

_AVAILABLE = client_frame(TEXT, b'{"type":"available"}')


class Crowd:
    """Clients that are matched with whoever comes."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.matched = 0

    async def come(self, ports: list[int]) -> None:
        """Connect a client to each of these ports, some at a time."""
        left = iter(ports)

        async def come_one_by_one() -> None:
            for port in left:
                line = Line()
                await asyncio.get_running_loop().create_connection(lambda line=line: line, "127.0.0.1", port)  # type: ignore[misc]
                await line.ready
                line.heard = self._hear
                self.lines.append(line)

        await asyncio.gather(*(come_one_by_one() for _ in range(AT_ONCE)))

    async def call(self) -> None:
        """Let everybody have a partner."""
        for line in self.lines:
            line.send(_AVAILABLE)
            await asyncio.sleep(0)
        while self.matched < len(self.lines):
            await asyncio.sleep(0.05)

    def _hear(self, message: Message) -> None:
        self.matched += message["type"] == "matched"


async def _fill(ports: list[int]) -> Crowd:
    crowd = Crowd()
    await crowd.come(ports)
    await crowd.call()
    return crowd


def _used_bytes(store: RedisServer) -> int:
    fields = dict(line.split(b":", 1) for line in store.command("INFO", "memory").split(b"\r\n") if b":" in line)
    return int(fields[b"used_memory"])


def main() -> None:
    """Measure, and print one line for each round."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--connected", type=int, default=10_000, help="clients of the instance that stops")
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    raise_file_limit(3 * chosen.connected)
    loop = asyncio.new_event_loop()
    for _ in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as store:
            settings = {"REDIS_URL": store.url, "MAX_CONNECTIONS": "20000", "LOG_LEVEL": "info"}
            with DaemonProcess(variables=settings) as first, DaemonProcess(variables=settings) as second:
                # Every third client is on the other instance: of those of the first, half have their partner there.
                ports = [first.port, first.port, second.port] * (chosen.connected // 2)
                crowd = loop.run_until_complete(_fill(ports))
                before = _used_bytes(store)
                began = time.monotonic()
                first.kill(signal.SIGTERM)
                loop.run_until_complete(asyncio.sleep(0.5))  # its clients answer the close frame
                while not (parked := re.search(r"(\d+) sessions parked in (\S+) s", first.log)):
                    loop.run_until_complete(asyncio.sleep(0.05))
                each = (_used_bytes(store) - before) / max(1, int(parked[1]))
                left = re.search(r"\d+ of \d+ sessions were not parked.*", first.log)
                ended = loop.run_in_executor(None, first.wait_exit)
                status = loop.run_until_complete(ended)
                sys.stdout.write(
                    f"{len(crowd.lines)} clients: {parked[1]} sessions parked in {parked[2]} s, {each:.0f} bytes of "
                    f"the store each; ended with {status} after {time.monotonic() - began:.2f} s"
                    f"{f'; {left[0]}' if left else ''}\n"
                )
                for line in crowd.lines:
                    line.abort()
                second.kill(signal.SIGKILL)
    loop.close()


if __name__ == "__main__":
    main()

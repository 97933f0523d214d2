"""What the operator's console costs three instances with many clients, with somebody who looks and without.

``python -m bench.experiments.console --connected 10000``: starts a redis-server and three instances, connects clients
of `signald.v1`, most in calls, some who wait in pools of their own, and then has a viewer who does what the page does
(the last hour, then the stream of one instance) come and go, in slots of equal length. Tells which share of a core each
instance used in slots with the viewer and without; and at the end what a search of the list of clients costs each.
"""

import argparse
import asyncio
import http.client
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median

from bench.errors import BenchError
from bench.experiments.parking import AT_ONCE, Crowd
from bench.procfs import cpu_exact_s
from tests.support.desk import OPERATOR
from tests.support.frames import TEXT, client_frame
from tests.support.line import Line
from tests.support.redis import RedisServer
from tests.support.service import Service
from tests.support.witness import raise_file_limit

INSTANCES = 3

SEARCHES = 20
"""Searches of the list of clients, one after the other."""

SETTINGS: Mapping[str, str] = {
    "ADMIN_LISTEN": "tcp:0:interface=127.0.0.1",
    "ADMIN_TOKENS": f"bob:operator:{OPERATOR}",
    "MAX_CONNECTIONS": "20000",
    "METRICS_POOLS": "pool-0,pool-1,pool-2",
    "MATCH_ANSWER_SECONDS": "0",
}
"""Nobody here says anything after the match, and calls go on all the same."""


class Viewer:
    """Somebody with the console before them.

    Args:
        port: Of the instance's endpoint for operators.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._reading: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.events = 0

    async def come(self) -> None:
        """Sign in, and look."""
        for path in ("console/me", "console/hour"):
            await asyncio.to_thread(ask, self._port, path)
        self._reading = asyncio.create_task(self._read())

    async def go(self) -> None:
        """Close the page."""
        self._reading.cancel()
        await asyncio.wait((self._reading,))

    async def _read(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            head = f"GET /console/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n\r\n"
            writer.write(head.encode())
            if b" 200 " not in (line := await reader.readline()):
                raise BenchError(line.decode())
            while text := await reader.readline():
                self.events += text.startswith(b"data: ")
        finally:
            writer.close()


def ask(port: int, path: str) -> int:
    """Ask for something on an endpoint for operators; gives its length in bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"/{path}", headers={"Authorization": f"Bearer {OPERATOR}"})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status != 200:
        raise BenchError(f"{path}: {response.status} {text.decode()}")
    return len(text)


async def _wait_alone(ports: Sequence[int]) -> list[Line]:
    """Connect clients each of which waits in a pool of its own."""
    lines: list[Line] = []
    left = iter(enumerate(ports))

    async def come_one_by_one() -> None:
        for number, port in left:
            line = Line()
            await asyncio.get_running_loop().create_connection(lambda line=line: line, "127.0.0.1", port)  # type: ignore[misc]
            await line.ready
            line.send(client_frame(TEXT, b'{"type":"available","pool":"pool-%d"}' % number))
            lines.append(line)

    await asyncio.gather(*(come_one_by_one() for _ in range(AT_ONCE)))
    return lines


async def _slot(pids: Sequence[int], seconds: float) -> list[float]:
    """Which share of a core, in percent, each of these processes uses for some time."""
    before, began = [cpu_exact_s([pid]) for pid in pids], time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    return [(cpu_exact_s([pid]) - earlier) / took * 100 for pid, earlier in zip(pids, before, strict=True)]


async def _measure(service: Service, chosen: argparse.Namespace) -> None:
    ports = [service[number % INSTANCES].port for number in range(chosen.connected)]
    crowd = Crowd()
    await crowd.come(ports[chosen.waiting :])
    await crowd.call()
    alone = await _wait_alone(ports[: chosen.waiting])
    sys.stdout.write(f"{len(crowd.lines)} clients in calls, {len(alone)} who wait\n")
    pids = [instance.pid for instance in service]
    (admin,) = [port for port in service[0].ports if port != service[0].port]
    await _slot(pids, chosen.slot_s)  # those who came are settled, and some samples are there
    without: list[list[float]] = []
    looked: list[list[float]] = []
    for number in range(chosen.slots):
        for with_viewer in (number % 2 == 0, number % 2 == 1):
            viewers = [Viewer(admin) for _ in range(chosen.viewers * with_viewer)]
            began = [cpu_exact_s([pid]) for pid in pids]
            for viewer in viewers:
                await viewer.come()
            came = [(cpu_exact_s([pid]) - before) * 1000 for pid, before in zip(pids, began, strict=True)]
            used = await _slot(pids, chosen.slot_s)
            for viewer in viewers:
                await viewer.go()
            words = f"{chosen.viewers} who look" if with_viewer else "nobody looks"
            shares = "  ".join(f"{share:5.2f} %" for share in used)
            sys.stdout.write(f"{words}: {shares}")
            if viewers:
                sys.stdout.write(f"  ({viewers[0].events} events; coming: {' '.join(f'{ms:.1f}' for ms in came)} ms)")
            sys.stdout.write("\n")
            sys.stdout.flush()
            (looked if with_viewer else without).append(used)
    for number, name in enumerate("abc"):
        alone_, with_ = ([slot[number] for slot in slots] for slots in (without, looked))
        more = median(one - other for one, other in zip(with_, alone_, strict=True))
        sys.stdout.write(
            f"instance {name}: {mean(alone_):.2f} % of a core without, {mean(with_):.2f} % with; "
            f"paired difference {more:+.2f} %, at most {max(with_):.2f} % in a slot\n"
        )
    before = [cpu_exact_s([pid]) for pid in pids]
    for _ in range(SEARCHES):
        length = await asyncio.to_thread(ask, admin, "clients?limit=200&search=a")
    each = [(cpu_exact_s([pid]) - earlier) / SEARCHES * 1000 for pid, earlier in zip(pids, before, strict=True)]
    sys.stdout.write(f"a search of clients ({length} bytes): {', '.join(f'{ms:.1f}' for ms in each)} ms of each\n")
    for line in (*crowd.lines, *alone):
        line.abort()


def main() -> None:
    """Measure, and print a line for each slot and instance."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--connected", type=int, default=10_000, help="clients, over three instances")
    arguments.add_argument("--waiting", type=int, default=1000, help="how many of them wait, each in a pool of its own")
    arguments.add_argument("--viewers", type=int, default=1, help="who look at the first instance, in every other slot")
    arguments.add_argument("--slots", type=int, default=8, help="of each sort")
    arguments.add_argument("--slot-s", type=float, default=30.0, help="seconds; each client gets a ping each 30 s")
    chosen = arguments.parse_args()
    if raise_file_limit(chosen.connected + 100) < chosen.connected:
        raise BenchError(f"{chosen.connected} clients need as many open files; see ulimit -n")
    with (
        tempfile.TemporaryDirectory() as folder,
        RedisServer(Path(folder)) as store,
        Service(*[store.url] * INSTANCES, joined=True, **SETTINGS) as service,
    ):
        for instance in service:
            instance.wait_for("listening on", times=2)
        asyncio.run(_measure(service, chosen))


if __name__ == "__main__":
    main()

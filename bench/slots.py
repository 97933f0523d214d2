"""Measures servers side by side: all run at once, and work in turn, a second each, in an order that changes.

What else the machine does, and how fast the host lets it be, differs from one second to the next by more than what is
to be told apart, and is nearly the same within one round. So each round gives a ratio; what counts is their middle.
"""

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import median, quantiles

import uvloop

from bench import procfs
from bench.clients import Crowd, meet
from bench.errors import BenchError
from bench.modes.base import SETTINGS, Start
from bench.modes.connect import Visits
from bench.modes.cross import on_a_store
from bench.modes.latency import offer_steadily
from bench.modes.relay import RelayClient, drain, start
from bench.modes.setup import Calls
from bench.servers import Launcher, Target
from signald.load.payloads import candidate_template

PEERS = ("node", "signald", "go", "picows")
"""What is measured if nobody says otherwise; the first is the baseline. Those of mode cross can be, too."""

FILES = 8192


class Work(ABC):
    """A workload on one server that stops and goes on."""

    @abstractmethod
    async def begin(self, target: Target) -> None:
        """Connect."""

    @abstractmethod
    async def go(self, seconds: float) -> int:
        """Work for some time and come to rest; gives the units of work done."""

    @abstractmethod
    async def end(self) -> None:
        """Disconnect."""


class RelayWork(Work):
    """Candidates between pairs, so many in flight each way."""

    def __init__(self, pairs: int, window: int) -> None:
        """Take the number of pairs, and of candidates in flight for each client."""
        self._pairs = pairs
        self._window = window

    async def begin(self, target: Target) -> None:
        """Connect and pair."""
        self._crowd = Crowd()
        template = candidate_template(250)
        self._latencies = array("d")
        self._clients = [RelayClient(self._crowd, template, self._latencies) for _ in range(2 * self._pairs)]
        await meet(self._crowd, self._clients, target.urls)

    async def go(self, seconds: float) -> int:
        """Relay."""
        before = self._received()
        await self._work(seconds)
        await drain(self._crowd, self._clients)
        del self._latencies[:]
        return self._received() - before

    async def end(self) -> None:
        """Disconnect."""
        for client in self._clients:
            client.abandon()

    async def _work(self, seconds: float) -> None:
        start(self._clients, self._window)
        await self._crowd.sleep(seconds)

    def _received(self) -> int:
        return sum(client.received for client in self._clients)


class OpenLoop(RelayWork):
    """Candidates at a fixed rate, whatever the server does, each from the next client, as in a real service."""

    def __init__(self, pairs: int, rate: float) -> None:
        """Take the number of pairs, and the candidates per second in all."""
        super().__init__(pairs, 0)
        self._rate = rate

    async def _work(self, seconds: float) -> None:
        sending = asyncio.create_task(offer_steadily(self._clients, self._rate, array("d")))
        await self._crowd.sleep(seconds)
        sending.cancel()


class CallWork(Work):
    """Whole calls, or connections alone, some at a time."""

    def __init__(self, make: Callable[[Crowd, str], Calls | Visits], at_once: int, sides: int) -> None:
        """Take what makes them, how many tasks do, and how many ends make one unit."""
        self._make = make
        self._at_once = at_once
        self._sides = sides

    async def begin(self, target: Target) -> None:
        """Connect nobody yet."""
        self._url = target.url

    async def go(self, seconds: float) -> int:
        """Make calls."""
        crowd = Crowd()
        work = self._make(crowd, self._url)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(work.work())
            await crowd.sleep(seconds)
            work.stopping = True
        return work.ended // self._sides

    async def end(self) -> None:
        """Nobody is connected."""


ROWS: dict[str, tuple[str, Callable[[], Work]]] = {
    "relay-20-1": ("relay, 20 pairs, 1 in flight", lambda: RelayWork(20, 1)),
    "relay-20-8": ("relay, 20 pairs, 8 in flight", lambda: RelayWork(20, 8)),
    "relay-200-1": ("relay, 200 pairs, 1 in flight", lambda: RelayWork(200, 1)),
    "relay-1-1": ("relay, 1 pair, 1 in flight", lambda: RelayWork(1, 1)),
    "relay-2-1": ("relay, 2 pairs, 1 in flight", lambda: RelayWork(2, 1)),
    "open-2000": ("relay, 200 pairs, 2,000 a second", lambda: OpenLoop(200, 2000)),
    "open-8000": ("relay, 200 pairs, 8,000 a second", lambda: OpenLoop(200, 8000)),
    "call": ("a whole call", lambda: CallWork(lambda crowd, url: Calls(crowd, url, 3000, 250), 16, 2)),
    "connect": ("connect, ready, close", lambda: CallWork(Visits, 16, 1)),
}
"""Name on the command line, title, workload."""

Costs = dict[str, list[float]]
"""CPU for each unit in µs, round by round, by server."""


def run(launcher: Launcher, servers: Sequence[str], rows: Sequence[str], rounds: int, slot_s: float) -> None:
    """Measure each row on all servers, print a JSON line for each and a table at the end.

    Args:
        launcher: starts the servers.
        servers: names of PEERS, or of the variants of mode cross, for rows of relays; the first is the baseline.
        rows: names of ROWS.
        rounds: how often each server has its turn.
        slot_s: seconds of one turn.

    Raises:
        BenchError: an answer was wrong, or a server did not run.
    """
    procfs.raise_file_limit(FILES)
    starts: dict[str, Start] = {
        "node": partial(launcher.node_peer, SETTINGS),
        "signald": partial(launcher.signald, SETTINGS),
        "go": partial(launcher.go_peer, SETTINGS),
        "picows": partial(launcher.picows_peer, SETTINGS),
        **on_a_store(launcher, SETTINGS),
    }
    base, *others = servers
    cells = [["workload", *(f"{server}, µs" for server in servers), *(f"{server} ÷ {base}" for server in others)]]
    cells.append(["---"] * len(cells[0]))
    for row in rows:
        title, make = ROWS[row]
        with ExitStack() as stack:
            targets = {server: stack.enter_context(starts[server]()) for server in servers}
            costs = uvloop.run(_take_turns(targets, make, rounds, slot_s))
        shown = {server: _quartiles(_ratios(costs, server, base)) for server in others}
        line = {"row": row, "rounds": rounds, "slot_s": slot_s, "quartiles": shown}
        line["cpu_us"] = {server: round(median(costs[server]), 2) for server in servers}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        cells.append(
            [title]
            + [f"{median(costs[server]):.1f}" for server in servers]
            + [f"**{middle:.2f}** ({low:.2f} to {high:.2f})" for low, middle, high in shown.values()]
        )
    for line_cells in cells:
        sys.stdout.write("| " + " | ".join(line_cells) + " |\n")


async def _take_turns(targets: dict[str, Target], make: Callable[[], Work], rounds: int, slot_s: float) -> Costs:
    names = list(targets)
    works = {name: make() for name in names}
    for name in names:
        await works[name].begin(targets[name])
        await works[name].go(slot_s)  # warm
    costs: Costs = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names)
        order = names[turn:] + names[:turn]
        for name in order if number % 2 else reversed(order):
            pids = targets[name].pids
            before = procfs.cpu_exact_s(pids)
            units = await works[name].go(slot_s)
            if not units:
                raise BenchError(f"{name}: nothing was done in a slot")
            costs[name].append((procfs.cpu_exact_s(pids) - before) / units * 1e6)
    for name in names:
        await works[name].end()
    return costs


def _ratios(costs: Costs, server: str, base: str) -> list[float]:
    return [mine / theirs for mine, theirs in zip(costs[server], costs[base], strict=True)]


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return round(low, 3), round(middle, 3), round(high, 3)

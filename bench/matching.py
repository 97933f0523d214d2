"""Measures the queue itself, without clients: what a match costs by how many wait, and in how many classes.

All who wait want the same, a host, and so they never meet each other; each match is of a host with the oldest of them,
who comes back at the end of its line. What is measured is the search, the taking out and the filing.
"""

import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import hiredis

from bench.errors import BenchError
from signald.brokers.redis.access import MATCH
from signald.brokers.redis.keys import Keys, class_of, file_ticket, side_as_json
from signald.core.blocks import Blocks
from signald.core.ids import ClientId
from signald.core.matching import Queue, Ticket
from signald.core.wishes import Wish

WAITING: Final = (10, 1_000, 10_000, 100_000)
CLASSES: Final = (1, 50, 500)
HOST: Final = Wish(is_=(("role", ("host",)),))
WANTS_HOST: Final = (("role", ("host",)),)
NOW: Final = 1_000_000.0
ROUNDS: Final = 25


def guests(waiting: int, classes: int) -> list[Ticket]:
    """Those who wait, the oldest first."""
    wishes = [Wish(is_=(("lang", (str(number),)),), wants=WANTS_HOST) for number in range(classes)]
    return [
        Ticket(ClientId(f"guest{number}"), 1, float(number), wish=wishes[number % classes]) for number in range(waiting)
    ]


class InMemory:
    """A queue in this process in which so many wait, in so many classes."""

    def __init__(self, waiting: int, classes: int) -> None:
        self._queue = Queue(Blocks(1e9))
        for ticket in guests(waiting, classes):
            self._queue.add(ticket, NOW)
        self._host = Ticket(ClientId("host"), 1, NOW, wish=HOST)
        self._since = float(waiting)

    def match(self, count: int) -> float:
        """Processor time of a match in µs, of so many."""
        queue, host = self._queue, self._host
        began = time.process_time()
        for _ in range(count):
            met = queue.match(host, NOW)
            if met is None:
                raise BenchError("nobody was found")
            self._since += 1
            queue.add(Ticket(met.client, met.number + 1, self._since, wish=met.wish), NOW)
        return (time.process_time() - began) / count * 1e6


class Store:
    """A connection to a store of its own, without a disk."""

    def __init__(self, path: str) -> None:
        self._reader: Any = hiredis.Reader()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def send(self, commands: Sequence[tuple[Any, ...]]) -> Any:
        """Do some commands; gives the answer to the last."""
        self._socket.sendall(b"".join(hiredis.pack_command(words) for words in commands))
        answer: Any = None
        for _ in commands:
            while (answer := self._reader.gets()) is False:
                self._reader.feed(self._socket.recv(65536))
            if isinstance(answer, Exception):
                raise BenchError(f"the store: {answer}")
        return answer

    def __call__(self, *words: str | bytes | int | float) -> Any:
        """Do one command."""
        return self.send([words])

    def cpu_us(self) -> float:
        """Processor time of the server, user and system, in µs."""
        used = re.findall(r"used_cpu_(?:user|sys):([0-9.]+)", self("INFO", "cpu").decode())
        return sum(map(float, used)) * 1e6

    def calls(self) -> dict[str, int]:
        """How often each command was done, in scripts too."""
        lines = (line for line in self("INFO", "commandstats").decode().splitlines() if line.startswith("cmdstat_"))
        found = (re.match(r"cmdstat_([^:]+):calls=(\d+)", line) for line in lines)
        return {each[1]: int(each[2]) for each in found if each}


def _connected(path: Path) -> Store | None:
    with suppress(FileNotFoundError, ConnectionRefusedError):
        return Store(str(path))
    return None


@contextmanager
def running_store() -> Iterator[Store]:
    """Run a redis-server."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "socket"
        command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while (store := _connected(path)) is None:
                if server.poll() is not None:
                    raise BenchError("redis-server does not run")
                time.sleep(0.01)
            yield store
        finally:
            server.terminate()
            server.wait()


class InStore:
    """The lines of a store in which so many wait, in so many classes.

    A match is ``match.lua`` for a host, and for the guest who comes back.
    """

    def __init__(self, store: Store, waiting: int, classes: int) -> None:
        self._store = store
        self._keys = keys = Keys(f"bench:{classes}:{waiting}:")
        self._script = store("SCRIPT", "LOAD", MATCH.text)
        store("SET", keys.lease("far"), "boot")
        pool = keys.pool("")
        tickets = guests(waiting, classes)
        fill: list[tuple[Any, ...]] = [("SADD", keys.pools, pool)]
        for ticket in tickets:
            line = f"{pool}line:{class_of(ticket.side(NOW))}"
            fill.append(("ZADD", line, int(ticket.since), file_ticket("far", ticket, avoiding=False)))
        for ticket in tickets[:classes]:
            side = ticket.side(NOW)
            fill.append(("HSET", f"{pool}sides", class_of(side), side_as_json(side)))
            fill.append(("ZADD", f"{pool}heads", int(ticket.since), class_of(side)))
        for start in range(0, len(fill), 1_000):
            store.send(fill[start : start + 1_000])
        self._by_client = {ticket.client: ticket for ticket in tickets}
        self._since = float(waiting)
        self._rounds(classes)  # who may meet whom is found out

    def match(self, count: int) -> float:
        """Processor time of the store for a match in µs, of so many."""
        began = self._store.cpu_us()
        self._rounds(count)
        return (self._store.cpu_us() - began) / count

    def commands(self, count: int) -> float:
        """Commands in the scripts for a match, of so many."""
        self._store("CONFIG", "RESETSTAT")
        self._rounds(count)
        calls = self._store.calls()
        return sum(done for name, done in calls.items() if name not in ("config|resetstat", "evalsha")) / count

    def _rounds(self, count: int) -> None:
        host = Ticket(ClientId("host"), 1, NOW, wish=HOST)
        for _ in range(count):
            _, taken = self._search(host, NOW)
            self._since += 1
            self._search(self._by_client[ClientId(taken.split(b"|")[1].decode())], self._since)

    def _search(self, ticket: Ticket, place: float) -> list[bytes]:
        side, keys = ticket.side(NOW), self._keys
        name, pool = class_of(side), keys.pool("")
        named = (keys.waiting, keys.pools, f"{pool}heads", f"{pool}sides", f"{pool}meets:{name}")
        filed = file_ticket("far", ticket, avoiding=False)
        words = (pool, filed, int(place), 0, name, side_as_json(side), "1", "", keys.lease_prefix, keys.blocks_prefix)
        found: list[bytes] = self._store("EVALSHA", self._script, len(named), *named, *words, 1_000, 0)
        return found


def plain(matches: int) -> float:
    """Processor time of a client that says nothing and meets the one who waits, or waits, in µs."""
    queue = Queue(Blocks(1e9))
    tickets = [Ticket(ClientId(f"c{number}"), 1, float(number)) for number in range(matches)]
    began = time.process_time()
    for ticket in tickets:
        if queue.match(ticket, NOW) is None:
            queue.add(ticket, NOW)
    return round((time.process_time() - began) / matches * 1e6, 2)


def run(matches: int) -> None:
    """Print a JSON line for each number of tickets and classes."""

    def say(**line: object) -> None:
        sys.stdout.write(json.dumps({"mode": "match", **line}) + "\n")

    say(where="memory", waiting="whoever comes", us=plain(matches))
    for classes in CLASSES:
        sizes = [waiting for waiting in WAITING if waiting >= classes]
        for waiting, us in compare({waiting: InMemory(waiting, classes) for waiting in sizes}, matches).items():
            say(where="memory", classes=classes, waiting=waiting, us=us)
    if shutil.which("redis-server") is None:
        return
    for classes in CLASSES:
        with running_store() as store:
            crowds = {waiting: InStore(store, waiting, classes) for waiting in WAITING if waiting >= classes}
            for waiting, us in compare(crowds, matches).items():
                commands = round(crowds[waiting].commands(matches // ROUNDS), 1)
                say(where="store", classes=classes, waiting=waiting, us=us, commands=commands)


def compare(crowds: Mapping[int, InMemory] | Mapping[int, InStore], matches: int) -> dict[int, float]:
    """The median of each crowd's processor time for a match: all have their turn in each round, whatever else runs."""
    figures: dict[int, list[float]] = {waiting: [] for waiting in crowds}
    for _ in range(ROUNDS):
        for waiting, crowd in crowds.items():
            figures[waiting].append(crowd.match(matches // ROUNDS))
    return {waiting: round(statistics.median(each), 1) for waiting, each in figures.items()}

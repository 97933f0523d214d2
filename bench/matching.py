"""Measures the queue itself, without clients: what a match costs by how many wait, and in how many classes.

All who wait want the same, a host, and so they never meet each other; each match is of a host with the oldest of them,
who comes back at the end of its line. What is measured is the search, the taking out and the filing.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
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
from signald.core.wishes import Side, Wish

WAITING: Final = (10, 1_000, 10_000, 100_000)
CLASSES: Final = (1, 50, 500)
HOST: Final = Wish(is_=(("role", ("host",)),))
WANTS_HOST: Final = (("role", ("host",)),)
NOW: Final = 1_000_000.0
KEYS: Final = Keys("bench:")


def guests(waiting: int, classes: int) -> list[Ticket]:
    """Those who wait, the oldest first."""
    wishes = [Wish(is_=(("lang", (str(number),)),), wants=WANTS_HOST) for number in range(classes)]
    return [
        Ticket(ClientId(f"guest{number}"), 1, float(number), wish=wishes[number % classes]) for number in range(waiting)
    ]


def in_memory(waiting: int, classes: int, matches: int) -> dict[str, float]:
    """Processor time of a match in this process, in µs."""
    queue = Queue(Blocks(1e9))
    for ticket in guests(waiting, classes):
        queue.add(ticket, NOW)
    host = Ticket(ClientId("host"), 1, NOW, wish=HOST)
    since = float(waiting)
    began = time.process_time()
    for number in range(matches):
        met = queue.match(host, NOW)
        if met is None:
            raise BenchError("nobody was found")
        queue.add(Ticket(met.client, met.number + 1, since + number, wish=met.wish), NOW)
    return {"us": round((time.process_time() - began) / matches * 1e6, 1)}


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


def in_store(waiting: int, classes: int, matches: int, store: Store) -> dict[str, float]:
    """Of ``match.lua`` for a host, and for the guest who comes back: processor time of the store, and commands."""
    store("FLUSHALL")
    script = store("SCRIPT", "LOAD", MATCH.text)
    store("SET", KEYS.lease("far"), "boot")
    pool = KEYS.pool("")
    tickets = guests(waiting, classes)
    fill: list[tuple[Any, ...]] = [("SADD", KEYS.pools, pool)]
    for ticket in tickets:
        line = f"{pool}line:{class_of(ticket.side(NOW))}"
        fill.append(("ZADD", line, int(ticket.since), file_ticket("far", ticket, avoiding=False)))
    for ticket in tickets[:classes]:
        side = ticket.side(NOW)
        fill.append(("HSET", f"{pool}sides", class_of(side), side_as_json(side)))
        fill.append(("ZADD", f"{pool}heads", int(ticket.since), class_of(side)))
    for start in range(0, len(fill), 1_000):
        store.send(fill[start : start + 1_000])
    by_client = {ticket.client: ticket for ticket in tickets}
    host = Ticket(ClientId("host"), 1, NOW, wish=HOST)

    def search(ticket: Ticket, side: Side, place: float) -> list[bytes]:
        name = class_of(side)
        keys = (KEYS.waiting, KEYS.pools, f"{pool}heads", f"{pool}sides", f"{pool}meets:{name}")
        filed = file_ticket("far", ticket, avoiding=False)
        words = (pool, filed, int(place), 0, name, side_as_json(side), "1", "", KEYS.lease_prefix, KEYS.blocks_prefix)
        found: list[bytes] = store("EVALSHA", script, len(keys), *keys, *words, 1_000, 0)
        return found

    def rounds(count: int, since: float) -> None:
        for number in range(count):
            _, taken = search(host, host.side(NOW), NOW)
            met = by_client[ClientId(taken.split(b"|")[1].decode())]
            search(met, met.side(NOW), since + number)

    rounds(classes, waiting)  # who may meet whom is found out
    store("CONFIG", "RESETSTAT")
    began = store.cpu_us()
    rounds(matches, waiting + classes)
    spent_us = store.cpu_us() - began
    calls = store.calls()
    commands = sum(count for name, count in calls.items() if name not in ("info", "config|resetstat", "evalsha"))
    return {"us": round(spent_us / matches, 1), "commands": round(commands / matches, 1)}


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
    sizes = [(waiting, classes) for classes in CLASSES for waiting in WAITING if waiting >= classes]
    for waiting, classes in sizes:
        say(where="memory", classes=classes, waiting=waiting, **in_memory(waiting, classes, matches))
    if shutil.which("redis-server") is None:
        return
    with running_store() as store:
        for waiting, classes in sizes:
            say(where="store", classes=classes, waiting=waiting, **in_store(waiting, classes, matches, store))

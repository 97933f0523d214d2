"""How long people wait where nine of ten want the tenth, on three instances with a store.

``python -m bench.experiments.crowd --clients 10000 --rate 500``: clients say in random order whom they want to meet, so
many a second, and are matched as they come. Then those of the smaller side press Next one after the other: each leaves
a partner who waits again, and meets whoever of the larger side waits longest. Waits are compared with those of a
matcher that knows everything at once, and it is counted how many each of the larger side has overtaken.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from bench.errors import BenchError
from bench.measure import percentiles
from tests.support.frames import TEXT, client_frame
from tests.support.line import Line, Message
from tests.support.redis import RedisServer
from tests.support.service import Service
from tests.support.witness import raise_file_limit

AT_ONCE = 32
"""Handshakes under way: below the backlog of 50 that Twisted uses."""

INSTANCES = 3
SHARE = 10
"""One of so many is wanted by all others."""

QUIET_S = 3.0
"""Who is not matched within this after all have come has nobody."""

UNSURE_S = 0.05
"""Who said it so little earlier, over another connection, may have been heard later."""

NEXT = client_frame(TEXT, b'{"type":"next"}')


class Stay(msgspec.Struct):
    """One wait of one person, by this process's clock."""

    wanted: bool
    since: float
    until: float | None = None


class Person:
    """One client.

    Args:
        wanted: Whether it is of the smaller side.
        stays: Where its waits are noted.
    """

    def __init__(self, stays: list[Stay], *, wanted: bool) -> None:
        self.wanted = wanted
        self._line = Line()
        self._stays = stays
        self._stay: Stay | None = None
        side, other = ("few", "many") if wanted else ("many", "few")
        fields = {"is": {"side": [side]}, "wants": {"side": [other]}}
        self._available = client_frame(TEXT, json.dumps({"type": "available", **fields}).encode())

    @property
    def paired(self) -> bool:
        """Whether it has a partner."""
        return self._stay is not None and self._stay.until is not None

    async def come(self, port: int) -> None:
        """Connect."""
        await asyncio.get_running_loop().create_connection(lambda: self._line, "127.0.0.1", port)
        await self._line.ready
        self._line.heard = self._hear

    def wait(self) -> None:
        """Say whom it wants to meet."""
        self._begin()
        self._line.send(self._available)

    def press_next(self) -> None:
        """Leave the partner, for the next one."""
        self._begin()
        self._line.send(NEXT)

    def go(self) -> None:
        """End the connection."""
        self._line.abort()

    def _begin(self) -> None:
        self._stay = Stay(self.wanted, time.monotonic())
        self._stays.append(self._stay)

    def _hear(self, message: Message) -> None:
        if message["type"] == "matched" and self._stay is not None:
            self._stay.until = time.monotonic()
        elif message["type"] == "partner-left":
            self._begin()
        elif message["type"] == "error":
            raise BenchError(str(message))


def at_best(stays: Iterable[Stay]) -> dict[bool, list[float]]:
    """How long people would wait who are matched, by side, the longest first, if that took no time."""
    waiting: dict[bool, deque[float]] = {True: deque(), False: deque()}
    waits: dict[bool, list[float]] = {True: [], False: []}
    for stay in sorted(stays, key=lambda stay: stay.since):
        if waiting[not stay.wanted]:
            waits[not stay.wanted].append(stay.since - waiting[not stay.wanted].popleft())
            waits[stay.wanted].append(0.0)
        else:
            waiting[stay.wanted].append(stay.since)
    return waits


def overtaken(stays: Iterable[Stay]) -> tuple[int, int]:
    """How many stays ended while somebody of their side waited longer, and how many did so at worst."""
    stays = sorted(stays, key=lambda stay: stay.since)
    begun = [stay.since for stay in stays]
    passed = []
    for stay in stays:
        if stay.until is not None:
            older = stays[: bisect_left(begun, stay.since - UNSURE_S)]
            passed.append(sum(other.until is None or other.until > stay.until + UNSURE_S for other in older))
    return sum(map(bool, passed)), max(passed, default=0)


def shown(seconds: Sequence[float]) -> str:
    """Percentiles, in words."""
    figures = percentiles(array("d", seconds), 50, 95, 99, 100) if seconds else {}
    return ", ".join(f"{name.removesuffix('_ms')} {value:.1f}" for name, value in figures.items()) + " ms"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def paced(rate: float, people: Iterable[Person], do: Callable[[Person], None]) -> float:
    """Let people do something, so many a second; gives the seconds that it took."""
    began = time.monotonic()
    for number, person in enumerate(people):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        do(person)
    took_s = time.monotonic() - began
    await asyncio.sleep(QUIET_S)
    return took_s


async def measure(service: Service, store: RedisServer, clients: int, rate: float, nexts: int) -> None:
    """Let a crowd come, and press Next."""
    rng = random.Random(1)  # the same crowd each time
    stays: list[Stay] = []
    people = [Person(stays, wanted=number % SHARE == 0) for number in range(clients)]
    left = iter(enumerate(people))

    async def come_one_by_one() -> None:
        for number, person in left:
            await person.come(service[number // SHARE % INSTANCES].port)

    await asyncio.gather(*(come_one_by_one() for _ in range(AT_ONCE)))
    rng.shuffle(people)
    cpu_s = store.cpu_s()
    took_s = await paced(rate, people, Person.wait)
    cpu_s = store.cpu_s() - cpu_s
    say(f"{clients} have come in {took_s:.1f} s, {cpu_s / clients * 1e6:.0f} µs of the store's processor time each")
    best = at_best(stays)
    for name, wanted in (("one of ten", True), ("nine of ten", False)):
        waits = [stay.until - stay.since for stay in stays if stay.wanted is wanted and stay.until is not None]
        say(f"  {name}: {len(waits)} matched, after {shown(waits)}; at best {len(best[wanted])}, {shown(best[wanted])}")
    before = len(stays)
    pressing = [person for person in people if person.wanted and person.paired]
    pressed = (pressing[number % len(pressing)] for number in range(nexts))
    cpu_s = store.cpu_s()
    took_s = await paced(rate, (person for person in pressed if person.paired), Person.press_next)
    cpu_s = store.cpu_s() - cpu_s
    again = [stay for stay in stays[before:] if stay.wanted]
    waits = [stay.until - stay.since for stay in again if stay.until is not None]
    say(f"{len(again)} times Next in {took_s:.1f} s, {cpu_s / len(again) * 1e6:.0f} µs of the store each")
    say(f"  one of ten: {len(waits)} matched, after {shown(waits)}; at best all at once")
    some, most = overtaken(stay for stay in stays if not stay.wanted)
    served = sum(stay.until is not None for stay in stays if not stay.wanted)
    say(f"nine of ten: of {served} that were matched {some} have overtaken somebody, {most} at once at worst")
    for person in people:
        person.go()


def main() -> None:
    """Measure, and print some lines."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", type=int, default=10_000)
    arguments.add_argument("--rate", type=float, default=500, help="people who do something in a second")
    arguments.add_argument("--nexts", type=int, default=3_000, help="how often Next is pressed")
    chosen = arguments.parse_args()
    raise_file_limit(3 * chosen.clients)
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as store:
        urls = [store.url] * INSTANCES
        variables = {"MAX_CONNECTIONS": "20000", "REMATCH_DELAY_SECONDS": "0", "MATCH_ANSWER_SECONDS": "0"}
        with Service(*urls, joined=True, **variables) as service:
            asyncio.run(measure(service, store, chosen.clients, chosen.rate, chosen.nexts))
            for instance in service:
                if instance.errors:
                    raise BenchError(str(instance.errors[:3]))


if __name__ == "__main__":
    main()

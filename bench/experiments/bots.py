"""What bots get and people wait for, with CHALLENGE and without.

``python -m bench.experiments.bots --bots 500 --seconds 20``: so many guests of one script wait, stay with each partner
for half a second, as long as an advertisement takes, and press Next. Meanwhile people come one by one, press Next when
they have seen that their partner is a bot, and go when they have met somebody. A line of JSON for each defence and kind
of bot: `lazy` ones know nothing of challenges, `working` ones share one core to solve them. People have a phone each,
which needs as long as `bench.experiments.phone` says.
"""

import argparse
import asyncio
import json
import math
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any, Final

import msgspec
from picows import ws_connect

from signald.core.messages import SUBPROTOCOL
from signald.core.toll import solve
from signald.load.wire import Wire
from tests.support.daemon import DaemonProcess
from tests.support.work import proof_of

AD_S: Final = 0.5
"""How long a bot stays with a partner."""

LOOK_S: Final = 1.0
"""How long somebody looks at a bot before pressing Next."""

PEOPLE_PER_S: Final = 2.0
"""That come, at random times."""

PHONE_TRIES_PER_S: Final = 125_000
"""Of `bench.experiments.phone`, six times slower than this machine."""

OFF: Final = {"CHALLENGE": "off"}
AUTO: Final = {"CHALLENGE": "auto", "CHALLENGE_PER_SECOND": "20"}
RUNS: Final = ((OFF, "lazy"), (AUTO, "lazy"), (AUTO, "working"))

PRELUDE_S: Final = 40.0
"""For which the bots are alone: so long that those have come again that the server has told that they do not wait."""


class Guest(Wire):
    """One client.

    Args:
        work: Finds the proof for a challenge; None for a client that does not know of them.
        met: Called with each match.
        tries_per_s: How fast it is made to look.
    """

    def __init__(
        self,
        work: Executor | None,
        met: Callable[["Guest", dict[str, Any]], Awaitable[None]],
        tries_per_s: float = math.inf,
    ) -> None:
        super().__init__()
        self._work = work
        self._tries_per_s = tries_per_s
        self._met = met
        self._tasks: set[asyncio.Task[None]] = set()
        self.name = ""
        self.began = 0.0
        self.worked_s = 0.0

    async def come(self, url: str) -> None:
        """Connect; what it does from then on comes of what it hears."""
        await ws_connect(lambda: self, url, extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL})

    def say(self, **message: Any) -> None:
        """Send a message, unless the connection is closed."""
        if not self.closing:
            self.send(msgspec.json.encode(message))

    def hear(self, message: dict[str, Any]) -> None:
        """Take one message."""
        match message["type"]:
            case "ready":
                self.name, self.began = message["clientId"], time.perf_counter()
                self.say(type="available")
            case "challenge" if self._work is not None:
                self._do(self._prove(self._work, message))
            case "matched":
                self._do(self._met(self, message))
            case "error" if message["code"] == "CHALLENGE_REQUIRED":
                self.say(type="available")  # once more, maybe it is over

    def closed(self, code: int) -> None:
        """It has been thrown out."""
        raise AssertionError(f"closed with {code}")

    def confused(self, error: Exception) -> None:
        """Something is wrong with this program."""
        raise error

    def _do(self, what: Any) -> None:
        task = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prove(self, work: Executor, asked: dict[str, Any]) -> None:
        began = time.perf_counter()
        proof, took_s = await asyncio.get_running_loop().run_in_executor(work, _work, asked)
        self.worked_s += took_s
        await asyncio.sleep(began + proof["number"] / self._tries_per_s - time.perf_counter())
        self.say(**proof)


def _work(asked: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Find a proof, and say for how many seconds of a core."""
    began = time.process_time()
    return proof_of(asked), time.process_time() - began


class Street:
    """Bots and people of one run.

    Args:
        url: Of the daemon.
        farm: Works for the bots; None for lazy ones.
        homes: Works for the people.
    """

    def __init__(self, url: str, farm: Executor | None, homes: Executor) -> None:
        self._url = url
        self._farm = farm
        self._homes = homes
        self._people: set[str] = set()
        self._since = 0.0
        self._bots = 0
        self.took_s = self.farm_s = 0.0
        self.alone = 0
        self.shows = 0
        self.seen_by_people = 0
        self.bots_met: list[int] = []
        self.first_wait_s: list[float] = []
        self.wait_s: list[float] = []

    async def run(self, bots: int, seconds: float) -> None:
        """Have bots, and people come for so many seconds."""
        self._bots = bots
        crowd = [Guest(self._farm, self._advertise) for _ in range(bots)]
        for bot in crowd:
            await bot.come(self._url)
        self._since = time.perf_counter()
        await asyncio.sleep(PRELUDE_S)
        everybody = []
        rng = random.Random(1)
        while time.perf_counter() < self._since + PRELUDE_S + seconds:
            everybody.append(asyncio.create_task(self._person()))
            await asyncio.sleep(rng.expovariate(PEOPLE_PER_S))
        await asyncio.wait(everybody, timeout=seconds)
        self.alone = sum(not each.done() for each in everybody)
        self.took_s = time.perf_counter() - self._since
        self.farm_s = sum(bot.worked_s for bot in crowd)
        for bot in crowd:
            bot.abandon()
        for each in everybody:
            each.cancel()

    async def _advertise(self, bot: Guest, match: dict[str, Any]) -> None:
        self.shows += 1
        await asyncio.sleep(AD_S)
        bot.say(type="next", roomId=match["roomId"])  # dropped if the partner was faster

    async def _person(self) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        bots = 0

        async def met(person: Guest, match: dict[str, Any]) -> None:
            nonlocal bots
            if over.done():
                return
            if not bots:
                self.first_wait_s.append(time.perf_counter() - person.began)
            if match["partnerId"] in self._people:
                self.wait_s.append(time.perf_counter() - person.began)
                self.bots_met.append(bots)
                over.set_result(None)
                return
            bots += 1
            self.seen_by_people += 1
            await asyncio.sleep(LOOK_S)
            person.say(type="next", roomId=match["roomId"])

        person = Guest(self._homes, met, PHONE_TRIES_PER_S)
        hear = person.hear

        def known(message: dict[str, Any]) -> None:
            if message["type"] == "ready":
                self._people.add(message["clientId"])
            if not over.done():
                hear(message)

        person.hear = known  # type: ignore[method-assign]
        await person.come(self._url)
        await over
        await asyncio.sleep(AD_S)
        person.close()

    def figures(self) -> dict[str, Any]:
        """What came of it."""
        return {
            "shows_per_s": round(self.shows / self.took_s, 1),
            "shows_per_bot_minute": round(60 * self.shows / self.took_s / self._bots, 2),
            "people": len(self._people),
            "people_with_bots_alone": self.alone,
            "bots_seen_by_people": self.seen_by_people,
            "bots_before_somebody": round(statistics.mean(self.bots_met), 2) if self.bots_met else None,
            "first_wait_ms": _middle_and_worst(self.first_wait_s),
            "wait_ms": _middle_and_worst(self.wait_s),
        }


def _middle_and_worst(seconds: list[float]) -> list[int]:
    ordered = sorted(seconds)
    return [round(1000 * ordered[round(share * (len(ordered) - 1))]) for share in (0.5, 0.95, 1.0)] if ordered else []


def hashes_per_s() -> int:
    """Of one core, by the best that Python has: OpenSSL's SHA-256."""
    tries, began = 1_000_000, time.process_time()
    solve("0" * 64, "5eed0123456789abcdef0123?expires=1900000120&client=W_UjnOkk-AkNIRGy&turn=1&", tries)
    return round(tries / (time.process_time() - began))


def main() -> None:
    """Run everything, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bots", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    print(json.dumps({"hashes_per_s": hashes_per_s()}), flush=True)
    for defence, kind in RUNS:
        with (
            DaemonProcess(variables=defence) as daemon,
            ProcessPoolExecutor(1) as farm,
            ProcessPoolExecutor(1) as homes,
        ):
            street = Street(f"ws://127.0.0.1:{daemon.port}/ws", farm if kind == "working" else None, homes)
            asyncio.run(street.run(chosen.bots, chosen.seconds))
            farm.shutdown(wait=False, cancel_futures=True)
        cores = {"cores_of_the_farm": round(street.farm_s / street.took_s, 2)}
        print(json.dumps({**defence, "bots": kind, **cores, **street.figures()}), flush=True)


if __name__ == "__main__":
    main()

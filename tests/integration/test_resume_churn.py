"""Clients lose their connections, instances stop, die and freeze, the store is emptied, and nobody loses a call.

``SEED=7 DURATION=1800 make test-resume`` runs what seed 7 decides, for half an hour each.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.churn import REMATCH_DELAY_S, SLACK_S, Churn, behind_proxies, run_to_the_end
from tests.support.daemon import DaemonProcess
from tests.support.operator import TOKEN, Operator
from tests.support.oracle import check_relays
from tests.support.proxy import Proxy
from tests.support.redis import RedisServer
from tests.support.service import Service
from tests.support.travellers import Travellers

DURATION_S = float(os.environ.get("DURATION", "20"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
RESUME_S = 30.0 if DURATION_S > 60 else 15.0
"""A rest waits so long for whoever had a partner of the first protocol, when the process died."""

REFUSED_AFTER_S = 0.8 * RESUME_S
"""A client that was away for longer may be refused: that the server notices an end at once is no promise."""

WORDS = 200
"""What clients do between two faults, at least."""

VANISHING = 0.3 if DURATION_S > 60 else 0.0
"""A rest waits RESUME_S for each who is gone without a word: only where there is time."""


class Alone:
    """One run against a single process without a store, that is stopped, killed and frozen.

    Args:
        rng: Decides everything.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._daemon = self._start()
        self._faults = [self._stop, self._kill, self._freeze, self._storm, self._storm]
        self.swarm = Travellers(rng, 60, 20, resume_s=REFUSED_AFTER_S, vanishing=VANISHING)
        self.faults: dict[str, int] = {}
        self.relays = 0
        self.rests: list[float] = []

    async def run(self, seconds: float) -> None:
        """Rounds of churn with faults, each with a rest at its end at which everything must be right."""
        self.swarm.ports = {0: self._daemon.port}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            churning = asyncio.create_task(self._churn())
            for _ in range(3):
                words = self.swarm.words + WORDS
                while self.swarm.words < words:  # what the clients do meanwhile is the test
                    await asyncio.wait([churning], timeout=0.05)
                    if churning.done():
                        churning.result()
                self.swarm.calm_since = None
                fault = self._rng.choice(self._faults)
                self.faults[fault.__name__] = self.faults.get(fault.__name__, 0) + 1
                await fault()
                self.swarm.calm_since = time.monotonic()
            await asyncio.sleep(self._rng.random())
            churning.cancel()
            await asyncio.wait([churning])
            await self._rest()
        await self.swarm.end()
        await self._blocking(lambda: self._daemon.wait_clients(0))
        self._daemon.kill(signal.SIGTERM)
        assert await self._blocking(self._daemon.wait_exit) == 0
        assert self._daemon.errors == []

    def close(self) -> None:
        """End what is left."""
        self._daemon.__exit__(*sys.exc_info())

    def _start(self) -> DaemonProcess:
        return DaemonProcess(
            variables={
                "RESUME_SECRET": "of the only process",
                "RESUME_SECONDS": str(RESUME_S),
                "MAX_MSG_PER_SECOND": "100000",
                "REMATCH_DELAY_SECONDS": "0.5",
                "MATCH_ANSWER_SECONDS": "0",
            }
        )

    async def _churn(self) -> None:
        while True:
            await self.swarm.fill()
            self.swarm.act(8)
            await asyncio.sleep(0.03)

    async def _rest(self) -> None:
        """Nobody does anything: all come back, and then partners agree and at most one client waits."""
        began = time.monotonic()
        while wrong := self.swarm.wrong():
            assert not self.swarm.broken, "\n".join(self.swarm.broken)
            self.swarm.settle()
            assert time.monotonic() - began < 3 * RESUME_S, f"not right: {wrong}"
            await asyncio.sleep(0.05)
        self.rests.append(time.monotonic() - began)
        self.swarm.judge(lambda: check_relays(self.swarm.views))
        assert not self.swarm.broken, "\n".join(self.swarm.broken)
        self.relays += check_relays(self.swarm.views)
        self.swarm.forget()
        assert not self.swarm.broken, "\n".join(self.swarm.broken)

    async def _stop(self) -> None:
        self._daemon.kill(signal.SIGTERM)
        await self._restart()

    async def _kill(self) -> None:
        self._daemon.kill(signal.SIGKILL)
        await self._restart()

    async def _freeze(self) -> None:
        await self._blocking(self._daemon.hang)
        await asyncio.sleep(self._rng.random() * 4)
        self._daemon.kill(signal.SIGCONT)

    async def _storm(self) -> None:
        self.swarm.storm(self._rng.random())

    async def _restart(self) -> None:
        self.swarm.ports = {}
        await self._blocking(self._daemon.wait_exit)
        assert self._daemon.errors == []
        self._daemon.__exit__(None, None, None)
        self._daemon = await self._blocking(self._start)
        self.swarm.ports = {0: self._daemon.port}

    async def _blocking(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, call)


class Together(Churn):
    """One run against three instances on a store, with all faults of `tests.support.churn`, and storms."""

    def __init__(
        self, store: RedisServer, proxies: list[Proxy], service: Service, swarm: Travellers, rng: random.Random
    ) -> None:
        super().__init__(store, proxies, service, swarm, rng)
        self._travellers = swarm
        self.waits_s = RESUME_S
        swarm.asks_twice = False  # the home may be frozen, and then each of two instances would be the next one
        self.choices += [self.storm, self.storm, self.kick]

    async def storm(self) -> None:
        self._travellers.storm(self._rng.random())

    async def kick(self) -> None:
        views = [one.view for one in self._travellers.travellers if one.view is not None]
        for view in self._rng.sample(views, min(3, len(views))):
            view.excused = "kicked"
            path = f"/clients/{view.client}"
            await self._blocking(lambda path=path: self._operator().ask("DELETE", path))  # type: ignore[misc]

    async def _rest(self) -> None:
        began = time.monotonic()
        while wrong := self._travellers.absent():
            assert not self.swarm.broken, "\n".join(self.swarm.broken)
            assert time.monotonic() - began < 3 * RESUME_S, wrong
            await asyncio.sleep(0.05)
        await super()._rest()
        await self._check_homes()

    def _operator(self) -> Operator:
        return Operator(self._service[0].ports[-1])

    async def _check_homes(self) -> None:
        """Each session has one home, and no other instance keeps a shadow of it."""
        began = time.monotonic()
        expected = {client for client, view in self._travellers.views.items() if view.gone_at is None}
        while True:
            _, listed = await self._blocking(lambda: self._operator().ask("GET", "/clients?limit=1000"))
            homes = Counter(one["clientId"] for one in listed["clients"])
            if homes == Counter(expected) and all(one["state"] != "away" for one in listed["clients"]):
                return
            twice = {client: count for client, count in homes.items() if count > 1}
            assert time.monotonic() - began < RESUME_S + SLACK_S, (twice, set(homes) ^ expected)
            await asyncio.sleep(0.5)


def report(swarm: Travellers, faults: Mapping[str, int], relays: int, rests: list[float], seconds: float) -> str:
    """What a run did, in one line."""
    absences = sorted(swarm.absences) or [0.0]
    p50_s, p99_s = (absences[int(len(absences) * share)] for share in (0.5, 0.99))
    return (
        f"seed {SEED}, {seconds:.0f} s: {swarm.words} operations, {swarm.connected} connections, "
        f"{swarm.matches // 2} matches, {relays} relays; {swarm.resumptions} went on ({swarm.losses} lost), "
        f"{swarm.refused} were refused, {swarm.unanswered} not answered, away p50 {p50_s:.2f} s, p99 {p99_s:.2f} s; "
        f"faults {faults}, closes {dict(swarm.closes)}, {len(rests)} rests of at most {max(rests, default=0):.1f} s, "
        f"{len(swarm.broken)} promises broken\n"
    )


def test_alone() -> None:
    """Some order of losses and restarts of the only process would end a call, or lose or double a message in it."""
    run = Alone(random.Random(SEED))  # noqa: S311 - to be repeated, not to be secret
    try:
        run_to_the_end(
            run.run(DURATION_S), SEED, lambda seconds: report(run.swarm, run.faults, run.relays, run.rests, seconds)
        )
    finally:
        run.close()


@pytest.mark.slow
def test_together(tmp_path: Path) -> None:
    """Some order of losses, moves, deaths and an emptied store would end a call, or lose or double a message in it."""
    with behind_proxies(tmp_path, 3) as (store, proxies):
        urls = [f"redis://127.0.0.1:{proxy.port}" for proxy in proxies]
        rng = random.Random(SEED)  # noqa: S311 - to be repeated, not to be secret
        swarm = Travellers(rng, 60, 20, resume_s=REFUSED_AFTER_S, vanishing=VANISHING)
        variables = {
            "REMATCH_DELAY_SECONDS": str(REMATCH_DELAY_S),
            "MATCH_ANSWER_SECONDS": "0",
            "RESUME_SECONDS": str(RESUME_S),
            "RESUME_SECRET": "of all instances",
            "ADMIN_LISTEN": "tcp:0:interface=127.0.0.1",
            "ADMIN_TOKEN": TOKEN,
        }
        with Service(*urls, joined=True, **variables) as service:
            churn = Together(store, proxies, service, swarm, rng)
            run_to_the_end(
                churn.run(DURATION_S),
                SEED,
                lambda seconds: report(swarm, churn.faults, churn.relays, churn.rests, seconds),
            )
            assert churn.errors == []

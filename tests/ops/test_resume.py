"""Calls of today's clients through restarts, a death and an emptied store, behind the balancer of the documentation."""

import asyncio
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ops.test_rolling_restart import Fleet
from tests.ops.test_tls import Authority
from tests.support.daemon import DaemonProcess
from tests.support.oracle import check_relays
from tests.support.ports import free_port
from tests.support.redis import RedisServer
from tests.support.traveller import Traveller
from tests.support.travellers import Travellers

CLIENTS = 60
RESUME_S = 30.0

pytestmark = pytest.mark.slow


class Calls:
    """Clients in calls that nobody wants to end.

    Args:
        port: Where they connect.
        faults: What happens, by name, one after the other.
    """

    def __init__(self, port: int, faults: dict[str, Callable[[], object]]) -> None:
        self._faults = faults
        self.swarm = Travellers(random.Random(1), CLIENTS, 0, resume_s=RESUME_S)  # noqa: S311
        self.swarm.ports = {0: port}
        self.rows: list[str] = []
        self.kept: list[int] = []

    async def run(self) -> None:
        """Begin the calls, let everything happen, and note after each fault how many calls there still are."""
        swarm = self.swarm
        await swarm.fill()
        await self._until(lambda: not swarm.absent() and len(self._free()) == CLIENTS)
        for traveller in self._free():
            traveller.say("available")
        await self._until(lambda: not swarm.wrong() and len(self._rooms()) == CLIENTS // 2)
        rooms = self._rooms()
        for name, fault in self._faults.items():
            await self._talk()
            swarm.absences.clear()
            swarm.losses = 0
            talking = asyncio.create_task(self._talk_on())
            began = time.monotonic()
            await asyncio.to_thread(fault)
            took_s = time.monotonic() - began
            await self._until(lambda: not swarm.absent())
            talking.cancel()
            await asyncio.wait([talking])
            await self._until(lambda: not swarm.wrong())
            await self._talk()
            check_relays(swarm.views)
            kept = len(rooms & self._rooms())
            self.kept.append(kept)
            self.rows.append(f"{name}: {took_s:.1f} s; {kept} of {len(rooms)} calls kept; {self._absences()}")
        await swarm.end()

    def _free(self) -> list[Traveller]:
        return [one for one in self.swarm.travellers if one.free]

    def _rooms(self) -> set[str]:
        views = [one.view for one in self.swarm.travellers if one.view is not None]
        states = [view.certain for view in views]
        return {state.room for state in states if state is not None and state.kind == "paired"}

    async def _talk(self) -> None:
        """Everybody says something that its partner hears."""
        for traveller in self._free():
            traveller.say("ice")
        await self._until(lambda: not self.swarm.wrong())

    async def _talk_on(self) -> None:
        while True:
            for traveller in self.swarm.rng.sample(free := self._free(), min(5, len(free))):
                traveller.say("ice")
            await asyncio.sleep(0.02)

    def _absences(self) -> str:
        seconds = sorted(self.swarm.absences)
        if not seconds:
            return "nobody was away"
        p50, p99 = (seconds[int(len(seconds) * share)] for share in (0.5, 0.99))
        return (
            f"{len(seconds)} were away, {self.swarm.losses} told that something may be lost, "
            f"p50 {p50:.2f} s, p99 {p99:.2f} s, max {seconds[-1]:.2f} s"
        )

    async def _until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 2 * RESUME_S
        while not holds():
            assert not self.swarm.broken, "\n".join(self.swarm.broken)
            if time.monotonic() > deadline:
                self.swarm.accuse(self.swarm.wrong())
            self.swarm.settle()
            await asyncio.sleep(0.02)


def judge(calls: Calls, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run it, show what it measured, and hold it to the promise."""
    try:
        asyncio.run(calls.run())
    finally:
        with capsys.disabled():
            sys.stdout.write("".join(f"\n{what}, {row}" for row in calls.rows) + "\n")
    swarm = calls.swarm
    assert swarm.broken == []
    assert calls.kept == [CLIENTS // 2] * len(calls.kept)
    assert swarm.refused == 0
    assert sum(len(view.farewells) for view in swarm.views.values()) == 0, "somebody was told that its partner left"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, keeps=True) as server:
        yield server


def test_two_instances(tmp_path: Path, store: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Each deploy, each death of an instance and each restart of the store would end calls."""
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    with ExitStack() as stack:
        fleet = Fleet(tmp_path, store, Authority(certificates), stack, drain_s=0, tls=False)

        def empty() -> None:
            store.kill()
            store.start(empty=True)

        faults: dict[str, Callable[[], object]] = {
            "first instance restarted": lambda: fleet.restart(0),
            "second instance restarted": lambda: fleet.restart(1),
            "first instance killed": lambda: fleet.restart(0, signal.SIGKILL),
            "store restarted empty": empty,
            "second instance killed then": lambda: fleet.restart(1, signal.SIGKILL),
        }
        judge(Calls(fleet.port, faults), "two instances", capsys)
        for instance in fleet.instances:
            assert (instance.stop()[0], instance.errors) == (0, [])


def test_only_process(capsys: pytest.CaptureFixture[str]) -> None:
    """Each deploy of a small service would end all its calls."""
    port = free_port()
    with ExitStack() as stack:

        def start() -> DaemonProcess:
            daemon = DaemonProcess(
                f"--listen=tcp:{port}:interface=127.0.0.1",
                variables={"RESUME_SECRET": "of the only process", "RESUME_SECONDS": str(RESUME_S)},
            )
            return stack.enter_context(daemon)

        daemons = [start()]

        def restart(number: signal.Signals) -> None:
            daemons[-1].kill(number)
            daemons[-1].wait_exit()
            assert daemons[-1].errors == []
            daemons.append(start())

        faults: dict[str, Callable[[], object]] = {
            "restarted": lambda: restart(signal.SIGTERM),
            "killed": lambda: restart(signal.SIGKILL),
            "restarted again": lambda: restart(signal.SIGTERM),
        }
        judge(Calls(port, faults), "the only process", capsys)
        assert (daemons[-1].stop()[0], daemons[-1].errors) == (0, [])

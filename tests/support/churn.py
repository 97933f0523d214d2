"""Clients do all that clients do, faults come, and at each rest an oracle judges what they saw."""

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.daemon import DaemonProcess
from tests.support.oracle import Broken, check_relays
from tests.support.proxy import Proxy
from tests.support.redis import Commands, RedisServer
from tests.support.service import GONE_WITHIN_S, Service
from tests.support.swarm import Swarm
from tests.support.waiting import until
from tests.support.wall import WallClock

REMATCH_DELAY_S = 0.5

MATCHED_WITHIN_S = 2.0
"""The promise: after faults have ended nobody waits longer while another waits too."""

SLACK_S = 6.0
"""For a machine that does much else: retries come once a second, a claim at a ghost takes 2 s."""

CUT_OFF = "this process is cut off"
"""The end has a bound, whatever the store does meanwhile, and a busy machine may not keep to it."""

STEPS_S = (3, -3, 40, -40, 3600, -3600)
"""To what wall clocks are set."""

Fault = Callable[[], Awaitable[None]]


@contextmanager
def behind_proxies(folder: Path, count: int) -> Iterator[tuple[RedisServer, list[Proxy]]]:
    """A store that keeps what it has over a restart, and a way to it for each of so many instances."""
    with RedisServer(folder, keeps=True) as store, ExitStack() as ways:
        yield store, [ways.enter_context(Proxy(store.port)) for _ in range(count)]


def run_to_the_end(work: Coroutine[Any, Any, None], seed: int, report: Callable[[float], str]) -> None:
    """Run a churn, and show what it was, however it ends; a broken promise with what it needs to be repeated.

    Args:
        work: The churn.
        seed: What decided it.
        report: Says what happened in so many seconds.
    """
    began = time.monotonic()
    try:
        asyncio.run(work)
    except (AssertionError, Broken):
        sys.stderr.write(f"SEED={seed}, after {time.monotonic() - began:.0f} s\n")
        raise
    finally:
        sys.stdout.write(report(time.monotonic() - began))


class Churn:
    """One run.

    Args:
        store: That all instances use.
        proxies: One before the store for each instance.
        service: The instances.
        swarm: The clients.
        rng: Decides everything.
        clocks: The wall clocks of the instances, if they can be set.

    Attributes:
        faults: How many of each kind came.
        rests: Seconds until everything was right again, of each rest.
        relays: Messages that were judged.
        waits_s: How long a room may wait for one who has left it, while nobody could hear of that.
        errors: Lines of the logs that somebody would have to look at.
        choices: The faults that may come; one that stands twice comes twice as often.
    """

    def __init__(
        self,
        store: RedisServer,
        proxies: list[Proxy],
        service: Service,
        swarm: Swarm,
        rng: random.Random,
        clocks: Sequence[WallClock] = (),
    ) -> None:
        self._rng = rng
        self._clocks = clocks
        self._store = store
        self._proxies = proxies
        self._service = service
        self._dead = False
        self.swarm = swarm
        self.waits_s = 0.0
        self.faults: Counter[str] = Counter()
        self.rests: list[float] = []
        self.relays = 0
        self.errors: list[str] = []
        self.choices: list[Fault] = [
            self.kill_instance,
            self.stop_instance,
            self.hang_instance,
            self.freeze_store,
            self.restart_store,
            self.restart_store_empty,
            self.cut,
            self.cut,
            self.lose_one_direction,
        ]
        self.choices += [self.set_clock] if clocks else []

    async def run(self, seconds: float) -> None:
        """Rounds of churn with faults, at least one, each with a rest at its end at which everything must be right."""
        await self._blocking(self._service.wait_joined)
        until = time.monotonic() + seconds
        self._note_ports()
        await self._round(5)
        while time.monotonic() < until:
            await self._round(5 + 5 * self._rng.random())
        await self._end()

    async def _round(self, seconds: float) -> None:
        churning = asyncio.ensure_future(self._churn())
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            await asyncio.sleep(self._rng.random() * 2)  # what the clients do meanwhile is the test
            self.swarm.calm_since = None
            fault = self._rng.choice(self.choices)
            self.faults[fault.__name__] += 1
            await fault()
            self.swarm.calm_since = time.monotonic()
        churning.cancel()
        await self._rest()

    async def _churn(self) -> None:
        while True:
            await self.swarm.fill()
            self.swarm.act(15)
            await asyncio.sleep(0.02)

    async def _rest(self) -> None:
        """Nobody does anything: what is under way ends, and then partners agree and at most one client waits."""
        await self._blocking(self._service.wait_joined)
        began = time.monotonic()
        # The partners of a killed instance's clients are told within 20 s; before that nothing can be right.
        patience_s = REMATCH_DELAY_S + MATCHED_WITHIN_S + SLACK_S + (GONE_WITHIN_S if self._dead else 0.0)
        patience_s += self.waits_s
        self._dead = False
        while wrong := self.swarm.wrong():
            self.swarm.settle()
            assert not self.swarm.broken, "\n".join(self.swarm.broken)
            assert time.monotonic() - began < patience_s, self.swarm.with_diaries(f"after {patience_s} s: {wrong}")
            await asyncio.sleep(0.02)
        self.rests.append(time.monotonic() - began)
        assert not self.swarm.broken, "\n".join(self.swarm.broken)
        self.relays += check_relays(self.swarm.views)
        self.swarm.forget()
        assert not self.swarm.broken, "\n".join(self.swarm.broken)
        await self._check_keys()

    async def _check_keys(self) -> None:
        """The store holds what lives, and of what died streams that expire; a moment later than the clients know."""
        began = time.monotonic()
        while wrong := await self._strange_keys() or await self._wrong_tickets():
            assert time.monotonic() - began < GONE_WITHIN_S, wrong
            await asyncio.sleep(0.1)

    async def _strange_keys(self) -> set[str]:
        """Keys of what does not live."""
        names = [instance.health()["instanceId"] for instance in self._service]
        live = {f"webrtc:{kind}:{name}" for kind in ("instance", "signal") for name in names}
        return await self._lasting_keys() - live - {"webrtc:waiting", "webrtc:instances", "webrtc:resume-key"}

    async def _wrong_tickets(self) -> object:
        """What is wrong with those that stand in the store; nothing if all is right."""
        tickets = await self._blocking(lambda: self._store.command("ZRANGE", "webrtc:waiting", 0, -1))
        return tickets if len(tickets) > 1 else None

    async def _lasting_keys(self) -> set[str]:
        """All keys but those that go by themselves.

        These are streams of the dead, as who stops while the store is away cannot take its stream out, and what was
        noted of sessions that changed their home, or of classes; and reports.
        """
        found: set[str] = await self._blocking(self._store.keys)
        keys = {key for key in found if ":aside:" not in key}  # what is none of ours
        leases = {key.replace(":instance:", ":signal:") for key in keys if ":instance:" in key}
        going = {key for key in keys if ":signal:" in key and key not in leases}
        going |= {
            key for key in keys if key.startswith(("webrtc:taken:", "webrtc:parked", "webrtc:room:", "webrtc:report"))
        }
        going |= {key for key in keys if ":meets:" in key}
        await self._blocking(lambda: self._check_expiry(going))
        return keys - going

    def _check_expiry(self, keys: set[str]) -> None:
        with Commands(self._store) as commands:
            for key in keys:
                assert commands("PTTL", key) != -1, f"{key} never expires"

    async def _end(self) -> None:
        await self.swarm.end()
        for instance in self._service:
            await self._blocking(lambda instance=instance: instance.wait_clients(0))  # type: ignore[misc]
        began = time.monotonic()
        while await self._blocking(lambda: self._store.command("ZCARD", "webrtc:waiting")):
            assert time.monotonic() - began < GONE_WITHIN_S, "all have left, and somebody waits"
        for instance in self._service:
            # Who stops without the store leaves its lease to time.
            await self._blocking(partial(until, partial(_reaches_store, instance), "it reaches the store"))
            instance.kill(signal.SIGTERM)
            assert await self._blocking(instance.wait_exit) == 0
            self._note_errors(instance)
        assert await self._lasting_keys() == set()

    # --- faults -------------------------------------------------------------------------------------------------------

    async def kill_instance(self) -> None:
        self._dead = True
        number, instance = self._victim()
        instance.kill(signal.SIGKILL)
        await self._restart(number, instance)

    async def stop_instance(self) -> None:
        number, instance = self._victim()
        instance.kill(signal.SIGTERM)
        await self._restart(number, instance)

    async def hang_instance(self) -> None:
        _, instance = self._victim()
        await self._blocking(instance.hang)
        await self._a_while()
        instance.kill(signal.SIGCONT)

    async def freeze_store(self) -> None:
        self._store.freeze()
        await asyncio.sleep(self._rng.random() * 5)
        self._store.thaw()

    async def restart_store(self) -> None:
        self._store.kill()
        await self._a_while()
        await self._blocking(self._store.start)

    async def restart_store_empty(self) -> None:
        self._store.kill()
        await self._a_while()
        await self._blocking(lambda: self._store.start(empty=True))

    async def cut(self) -> None:
        self._rng.choice(self._proxies).cut()

    async def lose_one_direction(self) -> None:
        proxy = self._rng.choice(self._proxies)
        proxy.lose("up" if self._rng.random() < 0.5 else "down")
        await asyncio.sleep(self._rng.random() * 5)
        proxy.lose()

    async def set_clock(self) -> None:
        self._rng.choice(self._clocks).set(self._rng.choice(STEPS_S))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _victim(self) -> tuple[int, DaemonProcess]:
        number = self._rng.randrange(len(self._service.instances))
        return number, self._service[number]

    async def _restart(self, number: int, instance: DaemonProcess) -> None:
        del self.swarm.ports[number]
        await self._blocking(instance.wait_exit)
        self._note_errors(instance)
        await self._blocking(lambda: self._service.restart(number))
        self._note_ports()

    def _note_errors(self, instance: DaemonProcess) -> None:
        self.errors += [line for line in instance.errors if CUT_OFF not in line]

    def _note_ports(self) -> None:
        self.swarm.ports = {number: instance.port for number, instance in enumerate(self._service)}

    async def _a_while(self) -> None:
        """As long as a fault lasts."""
        await asyncio.sleep(self._rng.random() * 4)

    async def _blocking(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, call)


def _reaches_store(instance: DaemonProcess) -> bool:
    return instance.health()["redis"] is True

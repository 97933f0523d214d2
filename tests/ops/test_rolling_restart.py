"""A rolling restart under load: two instances on a store, behind the balancer that the documentation recommends."""

import asyncio
import csv
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ops.test_proxies import answers, haproxy
from tests.ops.test_tls import Authority
from tests.support.callers import Callers
from tests.support.daemon import DaemonProcess, environment
from tests.support.ports import free_port
from tests.support.redis import RedisServer
from tests.support.waiting import PATIENCE_S, until

CALLERS = 60
DRAIN_S = 10


class Fleet:
    """Two instances on ports of their own and HAProxy before them.

    Attributes:
        port: Of the balancer, without TLS.
        tls_port: The one with TLS.
    """

    def __init__(
        self,
        folder: Path,
        store: RedisServer,
        authority: Authority,
        stack: ExitStack,
        *,
        drain_s: int = DRAIN_S,
        tls: bool = True,
    ) -> None:
        self._store = store
        self._stack = stack
        self._drain_s = drain_s
        ports = [free_port() for _ in range(4)]
        self._ports, self.port, self.tls_port = ports[:2], ports[2], ports[3]
        self.instances = [self._start(number) for number in range(2)]
        command = haproxy(folder, ports[2:], self.instances, authority)
        self._statistics = folder / "haproxy.sock"
        configuration = folder / "haproxy.cfg"
        text = configuration.read_text().replace("global\n", f"global\n    stats socket {self._statistics}\n", 1)
        if not tls:
            text = text.replace("    http-request redirect scheme https unless { ssl_fc }\n", "")
        configuration.write_text(text)
        self._balancer = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
        stack.callback(self._balancer.wait, PATIENCE_S)
        stack.callback(self._balancer.terminate)
        until(lambda: answers(ports[2]), "the balancer serves")

    def restart(self, number: int, by: signal.Signals = signal.SIGTERM) -> float:
        """End an instance, start it again, wait until the balancer knows it; gives how long it took to end."""
        old = self.instances[number]
        began = time.monotonic()
        old.kill(by)
        status = old.wait_exit(self._drain_s + PATIENCE_S)
        assert (status, old.errors) == (0 if by is signal.SIGTERM else -by, [])
        seconds = time.monotonic() - began
        self.instances[number] = self._start(number)
        until(lambda: self._up() == [True, True], "the balancer sees both instances")
        return seconds

    def _start(self, number: int) -> DaemonProcess:
        instance = DaemonProcess(
            f"--listen=tcp:{self._ports[number]}:interface=127.0.0.1",
            f"--instance-id={'ab'[number]}",
            f"--drain-seconds={self._drain_s}",
            "--resume-seconds=0",  # each call has to be set up before its clients are closed
            "--trusted-proxies=127.0.0.1",
            variables={"REDIS_URL": self._store.url},
        )
        self._stack.enter_context(instance)
        until(lambda: instance.health()["redis"], "the instance reaches the store")
        return instance

    def _up(self) -> list[bool]:
        """Which instances the balancer sends clients to."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self._statistics))
            connection.sendall(b"show stat\n")
            text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        rows = csv.DictReader(text.removeprefix("# ").splitlines())
        return [row["status"] == "UP" for row in rows if row["svname"].startswith("signald-")]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[tuple[Fleet, Authority]]:
    folder = tmp_path / "certificates"
    folder.mkdir()
    authority = Authority(folder)
    with ExitStack() as stack:
        store = stack.enter_context(RedisServer(tmp_path))
        yield Fleet(tmp_path, store, authority, stack), authority


def test_nobody_notices_a_rolling_restart(fleet: tuple[Fleet, Authority], capsys: pytest.CaptureFixture[str]) -> None:
    """Each release would cut calls that are being set up, refuse clients, or leave them waiting for ever."""
    service, authority = fleet
    callers = Callers(service.tls_port, authority.client(), random.Random(5))  # noqa: S311

    async def settled(load: asyncio.Task[None], holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if load.done():
                load.result()  # what ended it
            assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
            await asyncio.sleep(0.02)

    async def scenario() -> list[float]:
        load = asyncio.create_task(callers.run(CALLERS))
        drains = []
        for number in range(2):
            seen = len(callers.calls)
            await settled(load, lambda seen=seen: len(callers.calls) > seen + CALLERS, "clients call each other")  # type: ignore[misc]
            drains.append(await asyncio.to_thread(service.restart, number))
        seen = len(callers.calls)
        await settled(load, lambda: len(callers.calls) > seen + CALLERS, "clients call each other")
        callers.calm = True
        await settled(load, lambda: len(callers.paired) == CALLERS, "everybody has a partner")
        rooms = set(callers.paired.values())
        await settled(load, lambda: all(callers.calls[room].set_up for room in rooms), "the last calls are set up")
        load.cancel()
        await asyncio.wait([load])
        return drains

    drains = asyncio.run(scenario())
    for instance in service.instances:
        assert (instance.stop()[0], instance.errors) == (0, [])

    calls = callers.calls.values()
    lost = [call for call in calls if len(call.told) == 2 and not call.set_up]
    one_sided = [call for call in calls if len(call.told) == 1]
    with capsys.disabled():
        sys.stdout.write(
            f"\nrolling restart: {len(calls)} calls of {CALLERS} clients, {callers.relayed} messages; "
            f"drains {', '.join(f'{seconds:.1f}' for seconds in drains)} s; closes {dict(callers.closes)}; "
            f"refused {dict(callers.refused)}; longest wait {max(callers.waits):.2f} s; "
            f"{len(lost)} calls lost, {len(one_sided)} one-sided; surprises {callers.surprises}\n"
        )
    assert lost == []
    assert [call for call in one_sided if not call.left] == [], "somebody was matched with nobody, and not told"
    assert callers.surprises == []
    assert set(callers.closes) == {1001}, "each was closed with the code that tells it to come back"
    assert callers.closes[1001] >= CALLERS, "all were on one instance before it was stopped"
    assert callers.refused == {}

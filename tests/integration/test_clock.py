"""The wall clock of the machine is set, forwards and back, while clients are connected: nobody notices."""

import os
import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.client import Client, connect, pair
from tests.support.daemon import TWISTD, DaemonProcess
from tests.support.frames import handshake
from tests.support.operator import TOKEN, Operator
from tests.support.ports import free_port
from tests.support.redis import RedisServer
from tests.support.service import meet, talk
from tests.support.supervisor import Supervisor
from tests.support.waiting import PATIENCE_S, until
from tests.support.wall import WallClock

STEPS_S = (3, -3, 40, -40, 3600, -3600)
"""To what the clock is set, one after the other: so it is moved by these, and by up to twice as much."""

HEARTBEAT = "2"
"""Seconds. On a busy machine clients, who have to answer as soon, and the daemon do not get to work at each moment."""

LEASE = "webrtc:instance:stepped"
SHORT_LEASE_MS = 5000
"""Enough until the next renewal, which makes it longer than this again."""


@pytest.fixture
def wall(tmp_path: Path) -> WallClock:
    """The clock of the instance that is looked at."""
    return WallClock(tmp_path)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """Stands for systemd, whose watchdog goes by real time."""
    supervisor = Supervisor(str(tmp_path / "notify"))
    yield supervisor
    supervisor.socket.close()


def hear_pings(*clients: Client) -> None:
    """Wait until each client has heard one more ping; all of them answer meanwhile."""
    heard = {client: client.pings for client in clients}
    until(lambda: silent(*clients) and all(client.pings > heard[client] for client in clients), "a ping for each")


def silent(*clients: Client) -> bool:
    """Whether no client was told anything; each has answered the pings that came up to now."""
    return not any([client.sync() for client in clients])


def has_ended(connection: socket.socket, meanwhile: Client) -> bool:
    """Whether the daemon has closed a connection on which it said nothing; a client answers its pings meanwhile."""
    assert silent(meanwhile)
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def is_let_in(daemon: DaemonProcess, address: str) -> bool:
    """Whether somebody of this address may connect."""
    connection = connect(daemon.ports[0])
    connection.sendall(handshake(X_Forwarded_For=address))
    status = connection.recv(65536).split()[1]
    connection.close()
    return {b"101": True, b"403": False}[status]


def is_renewed(store: RedisServer) -> bool:
    """Whether the lease has been renewed since it was shortened."""
    return int(store.command("PTTL", LEASE)) > SHORT_LEASE_MS


def test_nobody_notices(store: RedisServer, wall: WallClock, supervisor: Supervisor, tmp_path: Path) -> None:
    """NTP sets a clock: rate limits, pings and timeouts go wild, partners are lost, and the watchdog kills a daemon."""
    variables = {"REDIS_URL": store.url, "REMATCH_DELAY_SECONDS": "0"}
    stepped = wall.variables | {
        "INSTANCE_ID": "stepped",
        "HEARTBEAT_SECONDS": HEARTBEAT,
        "HANDSHAKE_TIMEOUT_SECONDS": "1",
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "2000000",
    }
    with DaemonProcess(variables=variables | stepped) as here, DaemonProcess(variables=variables) as there:
        for daemon in (here, there):
            daemon.wait_for("letter connection to")
        one, other = Client(here.port), Client(there.port)
        meet(one, other)
        uptime = here.health()["uptime"]
        for ahead_s in STEPS_S:
            half_open = connect(here.port)
            half_open.sendall(handshake()[:-10])
            wall.set(ahead_s)
            store.command("PEXPIRE", LEASE, SHORT_LEASE_MS)
            supervisor.forget()
            for _ in range(2):
                talk(one, other)
                supervisor.hears_until("WATCHDOG=1")
                hear_pings(one)
            until(lambda: one.sync() == [] and is_renewed(store), "the lease is renewed")
            until(partial(has_ended, half_open, one), "who never finishes a handshake has to go")
            half_open.close()
            with Client(here.port) as new, Client(there.port) as newcomer:
                meet(new, newcomer)
                new.close()
                newcomer.expect("partner-left")
            before, uptime = uptime, here.health()["uptime"]
            assert before < uptime < before + 10 * PATIENCE_S
            assert here.health()["redis"] is there.health()["redis"] is True
            assert one.sync() == other.sync() == []
        wall.set(-3600)
        assert here.stop(one) == (0, [1001])
        for daemon in (here, there):
            assert daemon.errors == []
            warned = [line for line in daemon.log.splitlines() if "#warn" in line]
            assert [line for line in warned if "systemd was not told" not in line] == []  # its socket is full meanwhile


def test_bans_go_by_the_time_of_the_store(store: RedisServer, wall: WallClock) -> None:
    """A ban that an instance says whose clock is behind is over for all others; or it ends when the clock is set."""
    wall.set(-3600)
    variables = {"REDIS_URL": store.url, "TRUSTED_PROXIES": "127.0.0.1"}
    behind = wall.variables | {"ADMIN_LISTEN": "tcp:0:interface=127.0.0.1", "ADMIN_TOKEN": TOKEN}
    with (
        DaemonProcess(variables=variables | behind, ready=2) as here,
        DaemonProcess(variables=variables) as there,
    ):
        for daemon in (here, there):
            daemon.wait_for("letter connection to")
        here.wait_for("the store's clock is 3600")
        said = {"address": "203.0.113.7", "seconds": 600}
        assert Operator(here.ports[1]).ask("POST", "/bans", said)[0] == 201
        until(lambda: not is_let_in(there, "203.0.113.7"), "the other instance knows")
        for ahead_s in (3600, -3600):
            wall.set(ahead_s)
            assert not is_let_in(here, "203.0.113.7")
        assert is_let_in(here, "203.0.113.8")


def test_workers_and_their_parent_do_not_notice(store: RedisServer, wall: WallClock) -> None:
    """With WORKERS a clock that is set ends all clients' pings, or no worker is started again for an hour."""
    variables = wall.variables | {"REDIS_URL": store.url, "WORKERS": "2", "HEARTBEAT_SECONDS": HEARTBEAT}
    with DaemonProcess(f"--port={free_port()}", variables=variables, ready=2) as daemon:
        clients: list[Client] = []
        for _ in range(10):  # the kernel gives each to a worker of its choice
            clients.append(Client(daemon.port))
            assert silent(*clients)
        wall.set(-3600)
        for _ in range(2):
            hear_pings(*clients)
        for _ in range(2):  # the second one waits before it starts again
            times = daemon.log.count("listening on")
            children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text(encoding="ascii").split()
            os.kill(int(children[0]), signal.SIGKILL)
            daemon.wait_for("listening on", times=times + 1)
        assert daemon.stop()[0] == 0


def test_another_reactor_does_not_notice(wall: WallClock) -> None:
    """With `twistd --reactor=asyncio` a clock that is set still stops everything."""
    twistd = (str(TWISTD), "--reactor=asyncio")
    variables = wall.variables | {"HEARTBEAT_SECONDS": HEARTBEAT}
    with DaemonProcess(variables=variables, twistd=twistd) as daemon:
        with Client(daemon.port) as one, Client(daemon.port) as other:
            pair(one, other)
            for ahead_s in (3600, -3600):
                wall.set(ahead_s)
                talk(one, other)
                hear_pings(one, other)
            assert 0 <= daemon.health()["uptime"] < 3600
        assert daemon.stop()[0] == 0
        assert daemon.errors == []

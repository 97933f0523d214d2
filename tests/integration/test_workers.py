"""``--workers``: several processes on one port behave as one service."""

import os
import re
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.daemon import TWISTD, DaemonProcess, environment
from tests.support.ports import free_port
from tests.support.redis import RedisServer
from tests.support.waiting import PATIENCE_S, until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def start(store: RedisServer, *options: str, **more: str) -> DaemonProcess:
    variables = {"REDIS_URL": f"redis://127.0.0.1:{store.port}", "REMATCH_DELAY_SECONDS": "0", **more}
    return DaemonProcess(f"--port={free_port()}", "--workers=2", "--instance-id=box", *options, variables=variables)


def test_workers_share_a_port_and_pair_with_each_other(store: RedisServer) -> None:
    """A machine with many cores would serve with one of them, its clients would not meet, or only through the store."""
    with tempfile.TemporaryDirectory() as folder, start(store, TMPDIR=folder) as daemon:
        daemon.wait_for("listening on", times=2)
        daemon.wait_for("command connection", times=2)
        clients = [Client(daemon.port) for _ in range(40)]
        for client in clients:
            client.send("available")
        partners = {client.id: client.expect("matched")["partnerId"] for client in clients}
        assert all(partners[partner] == client for client, partner in partners.items())
        for name in ("box-1", "box-2"):  # the kernel spreads connections by a hash of their ports
            until(lambda name=name: daemon.health()["instanceId"] == name, f"{name} answers")  # type: ignore[misc]
        sockets = list(Path(folder).glob("signald-*/*"))
        assert [path.is_socket() for path in sockets] == [True, True]
        assert "LETTERS_DIR" not in daemon.log
        assert daemon.stop(*clients) == (0, [1001] * 40)
        assert not list(Path(folder).glob("signald-*"))


def test_a_worker_that_dies_is_started_again(store: RedisServer) -> None:
    """One crash would halve a machine for good."""
    with start(store) as daemon:
        daemon.wait_for("listening on", times=2)
        os.kill(workers(daemon.pid)[0], signal.SIGKILL)
        daemon.wait_for("it is started again")
        daemon.wait_for("listening on", times=3)
        assert len(workers(daemon.pid)) == 2
        assert daemon.stop()[0] == 0


def test_workers_end_with_their_parent(store: RedisServer) -> None:
    """They would hold the port, and the next start would run beside them."""
    with start(store) as daemon:
        daemon.wait_for("listening on", times=2)
        children = workers(daemon.pid)
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.wait_for("Server Shut Down", times=2)
        assert len(children) == 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--workers=2"], "needs a store"),
        (["--workers=2", "--redis-url=redis://127.0.0.1", "--port=0"], "PORT must not be 0"),
        (["--workers=2", "--redis-url=redis://127.0.0.1", "--listen=unix:/tmp/x"], "cannot share"),
        (["--workers=many"], "--workers='many': must be a whole number from 1 to 256"),
    ],
)
def test_what_cannot_be_shared_is_refused(options: list[str], why: str) -> None:
    """Clients of one process would never meet those of another, and nobody would know why."""
    done = subprocess.run(
        [TWISTD, "-n", "--pidfile=", "signald", *options], env=environment(), capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 1
    assert re.fullmatch(r"signald: .*\n", done.stderr)
    assert why in done.stderr


@pytest.mark.parametrize(
    ("variable", "more"),
    [
        ("JWT_PUBLIC_KEY_FILE", {"AUTH_MODE": "required"}),
        ("REDIS_CA_FILE", {"REDIS_URL": "rediss://127.0.0.1:1"}),
        ("LISTEN", {}),
    ],
)
def test_what_no_worker_could_use_stops_the_start(variable: str, more: dict[str, str], tmp_path: Path) -> None:
    """Workers end and are started over and over, and the one line that says why is somewhere among theirs."""
    broken = tmp_path / "broken.pem"
    broken.write_text("no key, no certificate")
    value = f"ssl:{free_port()}:privateKey={broken}" if variable == "LISTEN" else str(broken)
    variables = {"REDIS_URL": "redis://127.0.0.1:1", "WORKERS": "2", variable: value, **more}
    done = subprocess.run(
        [TWISTD, "-n", "--pidfile=", "signald"],
        env=environment(**variables),
        capture_output=True,
        text=True,
        cwd="/",
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert re.fullmatch(rf"signald: (--)?{variable}.*\n", done.stderr, re.IGNORECASE)


def test_a_port_in_use_ends_the_start() -> None:
    """Workers are started over and over for ever, and the supervisor takes it for a service that runs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        done = subprocess.run(
            [TWISTD, "-n", "--pidfile=", "signald"],
            env=environment(REDIS_URL="redis://127.0.0.1:1", WORKERS="4", LISTEN=listen),
            capture_output=True,
            text=True,
            cwd="/",
            timeout=PATIENCE_S,
        )
    assert done.returncode == 1
    assert len(re.findall("signald: cannot listen on .*in use", done.stdout + done.stderr)) == 1
    assert "started again" not in done.stdout


def test_systemd_hears_of_it_when_all_workers_listen(store: RedisServer, tmp_path: Path) -> None:
    """What is started after signald, and a rolling restart, finds nobody there: workers take a moment to listen."""
    admin = tmp_path / "admin-{worker}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        variables = {"REDIS_URL": f"redis://127.0.0.1:{store.port}", "NOTIFY_SOCKET": str(tmp_path / "notify")}
        options = (f"--port={free_port()}", "--workers=2", f"--admin-listen=unix:{admin}")
        with DaemonProcess(*options, variables=variables, ready=0) as daemon:
            assert systemd.recv(4096) == b"READY=1"
            for number in "12":
                with socket.socket(socket.AF_UNIX) as operator:
                    operator.connect(str(admin).replace("{worker}", number))
            assert systemd.recv(4096) == b"STATUS=2 workers"
            assert daemon.stop()[0] == 0


def workers(parent: int) -> list[int]:
    """The processes that a process has started."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_a_worker_that_hangs_is_started_again(store: RedisServer, tmp_path: Path) -> None:
    """A worker that stands still keeps its share of new clients waiting for ever, and the watchdog sees nothing."""
    with start(store) as daemon:
        daemon.wait_for("all 2 workers listen")
        os.kill(workers(daemon.pid)[0], signal.SIGSTOP)
        daemon.wait_for("does not answer any more")
        daemon.wait_for("it is started again")
        daemon.wait_for("listening on", times=3)
        clients = [Client(daemon.port) for _ in range(20)]
        assert daemon.stop(*clients) == (0, [1001] * 20)

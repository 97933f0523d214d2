"""How the daemon starts, and how it says that it cannot."""

import re
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import pytest

from tests.support.client import Client, connect, pair
from tests.support.daemon import TWISTD, DaemonProcess, environment
from tests.support.frames import handshake
from tests.support.waiting import PATIENCE_S


def twistd(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``twistd -n signald`` to its end, which must come by itself."""
    return subprocess.run(
        [str(TWISTD), "-n", "--pidfile=", "signald", *words],
        env=environment(**variables),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize(
    ("words", "variables", "name"),
    [
        (["--port", "http"], {}, "--port"),
        ([], {"PORT": "70000"}, "PORT"),
        ([], {"ALLOWED_ORIGIN": "example.com"}, "ALLOWED_ORIGIN"),
        (["--listen", "tcp:port=x"], {}, "--listen"),
        ([], {"LISTEN": "nonsense:1"}, "LISTEN"),
        ([], {"HEARTBEAT_SECONDS": "0"}, "HEARTBEAT_SECONDS"),
        ([], {"REDIS_URL": "http://localhost"}, "REDIS_URL"),
    ],
)
def test_a_bad_setting_stops_the_start(words: list[str], variables: dict[str, str], name: str) -> None:
    """The operator searches a traceback for what is wrong, or the daemon runs with something else than was meant."""
    done = twistd(*words, **variables)
    output = (done.stdout + done.stderr).strip()
    assert done.returncode not in (0, None)
    assert len(output.splitlines()) == 1, output
    assert name.lower().strip("-") in output.lower()
    assert output.startswith("signald: ")


def test_port_in_use() -> None:
    """The operator gets a traceback, or a daemon that runs and listens to nothing."""
    with DaemonProcess() as daemon:
        done = twistd("--port", str(daemon.port))
        output = done.stdout + done.stderr
        assert done.returncode not in (0, None)
        assert "Traceback" not in output
        (line,) = [line for line in output.splitlines() if "cannot listen" in line]
        assert f"port {daemon.port}" in line
        with Client(daemon.port) as one, Client(daemon.port) as other:
            pair(one, other)
        assert daemon.stop()[0] == 0


def test_port_in_use_on_one_of_two() -> None:
    """The daemon runs with half of its listeners, and nobody is told."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = twistd("--listen", "tcp:0:interface=127.0.0.1", "--listen", f"tcp:{port}:interface=127.0.0.1")
        assert done.returncode not in (0, None)
        assert f"tcp:{port}" in done.stdout + done.stderr


def test_help_and_version() -> None:
    """An operator does not find the settings."""
    help_text = twistd("--help").stdout
    for option in ("--port", "--listen", "--allowed-origin", "--redis-url", "--max-msg-per-second", "--debug"):
        assert option in help_text
    assert twistd("--version").stdout.startswith("signald ")


def test_unix_socket() -> None:
    """A reverse proxy on the same machine cannot reach the daemon by a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "signald.sock")
        with DaemonProcess("--listen", f"unix:{path}") as daemon, Client(path) as one, Client(path) as other:
            pair(one, other)
            one.send("offer", sdp="x")
            assert other.expect("offer")["sdp"] == "x"
            assert daemon.stop(one, other) == (0, [1001, 1001])
            assert daemon.errors == []
        assert not Path(path).exists(), "the next start would find the address in use"


def test_several_listeners() -> None:
    """Who comes by one address cannot meet who comes by another."""
    listeners = ["--listen=tcp:0:interface=127.0.0.1", "--listen=tcp:0:interface=127.0.0.1"]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "signald.sock")
        with DaemonProcess(*listeners, f"--listen=unix:{path}", ready=3) as daemon:
            first, second = daemon.ports
            assert first != second
            with Client(first) as one, Client(second) as other, Client(path) as third:
                pair(one, other)
                pair(third, Client(first))
                assert daemon.stop(one, other, third) == (0, [1001] * 3)
            assert daemon.errors == []


def test_variables_and_options() -> None:
    """The container's way, by environment, or the operator's, by option, has no effect."""
    with DaemonProcess("--instance-id", "mine", variables={"INSTANCE_ID": "other", "DEMO": "false"}) as daemon:
        health = daemon.health()
        assert health["ok"] is True
        assert health["instanceId"] == "mine"
        assert health["clients"] == 0
        assert health["uptime"] >= 0
        assert "redis" not in health
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/", timeout=PATIENCE_S) as page:
            assert page.headers["content-type"].startswith("text/plain")
            assert b"signald" in page.read()
        assert daemon.stop()[0] == 0


def test_file_limit() -> None:
    """At a thousand clients the daemon runs out of files, although the machine would give it more."""
    limited = ("prlimit", "--nofile=256:2000", str(TWISTD))
    with DaemonProcess(twistd=limited) as daemon:
        daemon.wait_for("room for 1936 clients")
        assert f"{2000}" in Path(f"/proc/{daemon.pid}/limits").read_text().split("Max open files")[1].split("\n")[0]


def test_room_is_what_is_let_in() -> None:
    """The operator reads of room for thousands, and wonders why the hundredth client gets 503."""
    with DaemonProcess("--max-connections=100") as daemon:
        daemon.wait_for("room for 100 clients")


def test_every_place_is_taken() -> None:
    """A full instance resets probes, and is restarted for it; and one client too many does not learn why."""
    files = ("prlimit", "--nofile=84:84", str(TWISTD))
    with DaemonProcess(twistd=files) as daemon:
        daemon.wait_for("room for 20 clients")
        clients = [Client(daemon.port) for _ in range(20)]
        idle = [connect(daemon.port) for _ in range(5)]  # who says nothing must not keep the others out
        for path in ("healthz", "readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/{path}", timeout=PATIENCE_S) as answer:
                assert answer.status == 200
        one_too_many = connect(daemon.port)
        one_too_many.sendall(handshake())
        assert one_too_many.recv(4096).startswith(b"HTTP/1.1 503 ")
        for client in clients:
            assert client.sync() == []
        clients.pop().close()
        clients.append(Client(daemon.port))
        for connection in (*(client.socket for client in clients), *idle, one_too_many):
            connection.close()
        assert daemon.stop()[0] == 0


def test_the_log_says_where_to_connect() -> None:
    """The operator finds Python in the log, or port 0, and has to guess the address."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "signald.sock"
        with DaemonProcess("--listen=tcp:0:interface=127.0.0.1", f"--listen=unix:{path}", ready=2) as daemon:
            assert f"listening on unix:{path}\n" in daemon.log
            (url,) = re.findall(r"listening on (http://\S+)\n", daemon.log)
            with urllib.request.urlopen(f"{url}/healthz", timeout=PATIENCE_S) as health:  # noqa: S310 - ours
                assert health.status == 200
    with DaemonProcess("--port=0") as daemon:
        assert "port 0" not in daemon.log
        assert f"http://[::]:{daemon.port}" in daemon.log or f"http://0.0.0.0:{daemon.port}" in daemon.log


def test_ipv4_and_ipv6() -> None:
    """Half of the world's addresses cannot reach the daemon."""
    with DaemonProcess() as daemon:
        with Client(("127.0.0.1", daemon.port)) as one:
            try:
                other = Client(("::1", daemon.port))
            except OSError:
                pytest.skip("this machine has no IPv6")
            pair(one, other)
            other.socket.close()
        assert daemon.stop()[0] == 0

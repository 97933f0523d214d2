"""The unit files with systemd's own tools, and the daemon as systemd starts, watches and restarts it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock

from signald.process.notify import STATUS_S, Notify
from tests.support.client import Client, connect, pair
from tests.support.daemon import TWISTD, DaemonProcess, environment
from tests.support.ports import free_port
from tests.support.supervisor import Supervisor
from tests.support.waiting import PATIENCE_S

UNITS = Path(__file__).parents[2] / "systemd"
SANDBOX = Path(__file__).with_name("sandbox.py")
SOCKET_ENDPOINT = "systemd:domain=INET:name=signald"
EXPOSURE = 1.5
"""What ``systemd-analyze security`` may say at most: 0 is a service that can do nothing, 10 one that may do all."""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The unit files, starting the daemon of this virtual environment, with one instance of the template."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/signald/bin/twistd", str(TWISTD))
        (tmp_path / unit.name).write_text(text)
        if "@" in unit.name:
            (tmp_path / unit.name.replace("@", "@8081")).write_text(text)
    return tmp_path


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(str(tmp_path / "notify"))
    yield supervisor
    supervisor.socket.close()


# --- the unit files ---------------------------------------------------------------------------------------------------


def test_units_are_understood_by_systemd(units: Path) -> None:
    """A directive that systemd ignores is a protection or a limit that the operator believes in and does not have."""
    names = ["signald.service", "signald.socket", "signald@8081.service", "signald.target"]
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", *names],
        cwd=units,
        env=environment(SYSTEMD_UNIT_PATH=f"{units}:"),
        capture_output=True,
        text=True,
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@pytest.mark.parametrize("name", ["signald.service", "signald@8081.service"])
def test_units_are_hardened(units: Path, name: str) -> None:
    """An intruder who took over the daemon could do more on the machine than relay messages."""
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={int(EXPOSURE * 10)}", name],
        cwd=units,
        env=environment(),
        capture_output=True,
        text=True,
    )
    score = re.search(r"Overall exposure level for .*: ([\d.]+)", scored.stdout)
    assert score and float(score[1]) <= EXPOSURE, scored.stdout
    assert scored.returncode == 0


def test_daemon_needs_no_system_call_that_the_unit_forbids() -> None:
    """A daemon that runs in a shell and fails under systemd, at the start or at the first client."""
    text = (UNITS / "signald.service").read_text()
    sets = " ".join(re.findall(r"^SystemCallFilter=(.*)$", text, re.MULTILINE))
    assert sets == "@system-service ~@privileged @resources"
    forbidden = subprocess.run(
        [sys.executable, str(SANDBOX), "@system-service ~@privileged ~@resources", "chroot", "/", "true"],
        capture_output=True,
        text=True,
    )
    assert "Operation not permitted" in forbidden.stderr, "the sandbox lets everything pass"
    with DaemonProcess(
        twistd=(sys.executable, str(SANDBOX), "@system-service ~@privileged ~@resources", str(TWISTD))
    ) as daemon:
        with Client(daemon.port) as first, Client(daemon.port) as second:
            pair(first, second)
            first.send("offer", sdp="v=0")
            assert second.expect("offer")["sdp"] == "v=0"
        assert daemon.health()["ok"] is True
        assert daemon.stop()[0] == 0
        assert daemon.errors == []


def test_units_name_settings_that_exist() -> None:
    """A unit that sets a misspelt variable changes nothing, and nobody is told."""
    from signald.settings.settings import SETTINGS

    variables = {row.variable for row in SETTINGS}
    for unit in UNITS.glob("*.service"):
        named = set(re.findall(r"^Environment=(\w+)=", unit.read_text(), re.MULTILINE))
        assert named and named <= variables


# --- socket activation ------------------------------------------------------------------------------------------------


def test_first_connection_starts_the_daemon() -> None:
    """With signald.socket enabled, the first client would meet a closed port, or a daemon on another one."""
    port = free_port()
    command = ("systemd-socket-activate", f"--listen=127.0.0.1:{port}", "--fdname=signald", str(TWISTD))
    with DaemonProcess("--listen", SOCKET_ENDPOINT, twistd=command, ready=0) as daemon:
        daemon.wait_for(f"Listening on 127.0.0.1:{port}")
        with Client(port) as first, Client(port) as second:
            pair(first, second)
        assert daemon.ports == [port]
        assert daemon.stop()[0] == 0
        assert daemon.errors == []


ADOPT = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="signald")
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What systemd does: the socket as descriptor 3, and whose it is in the environment (sd_listen_fds(3))."""


def _start_on(listener: socket.socket) -> "subprocess.Popen[bytes]":
    command = [str(TWISTD), "-n", "--pidfile=", "signald", "--listen", SOCKET_ENDPOINT]
    return subprocess.Popen(
        [sys.executable, "-c", ADOPT, str(listener.fileno()), *command],
        pass_fds=(listener.fileno(),),
        env=environment(),
        stdout=subprocess.DEVNULL,
    )


def test_restart_loses_no_connection_attempt() -> None:
    """Every upgrade of the daemon would show "connection refused" to whoever comes at that moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        before = _start_on(listener)
        with Client(port) as client:
            before.terminate()
            assert client.wait_closed() == 1001
        assert before.wait(PATIENCE_S) == 0
        waiting = connect(port)
        waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        after = _start_on(listener)
        try:
            assert waiting.recv(65536).startswith(b"HTTP/1.1 200 ")
        finally:
            waiting.close()
            after.terminate()
            assert after.wait(PATIENCE_S) == 0


def test_socket_that_systemd_did_not_pass_is_one_clear_line() -> None:
    """An operator who starts the service without its socket would have to guess from a traceback."""
    with DaemonProcess("--listen", SOCKET_ENDPOINT, ready=0) as daemon:
        assert daemon.wait_exit() == 1
        assert daemon.log == f"signald: --listen={SOCKET_ENDPOINT!r}: systemd passed no such socket\n"


def test_port_that_is_taken_ends_the_start() -> None:
    """A daemon that runs but listens nowhere looks healthy to systemd, and is never restarted."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        with DaemonProcess("--listen", words, ready=0) as daemon:
            assert daemon.wait_exit() == 1
            assert f"signald: cannot listen on {words}: " in daemon.log


# --- notifications ----------------------------------------------------------------------------------------------------


def test_systemd_learns_when_the_daemon_is_ready_and_when_it_stops(tmp_path: Path, supervisor: Supervisor) -> None:
    """``systemctl start`` would return before the port is open, or hang and be taken for a failure."""
    with DaemonProcess(variables={"NOTIFY_SOCKET": str(tmp_path / "notify")}, ready=0) as daemon:
        assert supervisor.hears() == "READY=1"
        daemon.wait_for("listening on")  # its log takes another way than the notification
        assert daemon.health()["ok"] is True
        assert supervisor.hears().startswith("STATUS=0 clients on instance ")
        assert daemon.stop()[0] == 0
        assert supervisor.hears_until("STOPPING=1")[-1] == "STOPPING=1"


def test_abstract_notify_socket() -> None:
    """In containers systemd names its socket ``@…``: such a start would time out."""
    name = f"signald-test-{os.getpid()}"
    supervisor = Supervisor(f"\0{name}")
    with supervisor.socket, DaemonProcess(variables={"NOTIFY_SOCKET": f"@{name}"}) as daemon:
        assert supervisor.hears() == "READY=1"
        assert daemon.stop()[0] == 0


def test_watchdog_falls_silent_with_the_event_loop(tmp_path: Path, supervisor: Supervisor) -> None:
    """A daemon that hangs would be kept alive for ever by signs of life that come from somewhere else."""
    variables = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
    with DaemonProcess(variables=variables) as daemon:
        supervisor.hears_until("WATCHDOG=1")
        daemon.hang()
        supervisor.forget()
        with pytest.raises(TimeoutError):
            supervisor.hears(1.0)
        daemon.kill(signal.SIGCONT)
        supervisor.hears_until("WATCHDOG=1")
        assert daemon.stop()[0] == 0


def test_no_systemd_no_notification() -> None:
    """By hand and in a container nobody listens: the log would fill with failed notifications."""
    reactor = MemoryReactorClock()
    notify = Notify(reactor, {}, lambda: "")
    notify.startService()
    assert reactor.getDelayedCalls() == []
    notify.stopService()


@pytest.mark.parametrize(
    ("variables", "alive"),
    [
        ({"WATCHDOG_USEC": "4000000"}, True),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "never"}, False),
        ({}, False),
    ],
)
def test_signs_of_life_at_half_the_time(
    tmp_path: Path, supervisor: Supervisor, variables: dict[str, str], alive: bool
) -> None:
    """Signs of life that come too late restart a healthy daemon; those for another process hide that it is dead."""
    reactor = MemoryReactorClock()
    clients = iter(range(1000))
    notify = Notify(
        reactor, {"NOTIFY_SOCKET": str(tmp_path / "notify"), **variables}, lambda: f"{next(clients)} clients"
    )
    notify.startService()
    reactor.advance(0)
    assert supervisor.hears() == "READY=1"
    suffix = "\nWATCHDOG=1" if alive else ""
    assert supervisor.hears() == f"STATUS=0 clients{suffix}"
    reactor.advance(2.0 if alive else STATUS_S)
    assert supervisor.hears() == f"STATUS=1 clients{suffix}"
    notify.stopService()
    assert reactor.getDelayedCalls() == []


def test_systemd_that_is_gone_disturbs_nobody(tmp_path: Path) -> None:
    """A notification that fails would end the start, or the signs of life with it."""
    with DaemonProcess(variables={"NOTIFY_SOCKET": str(tmp_path / "nobody")}) as daemon:
        daemon.wait_for("systemd was not told READY=1")
        assert daemon.health()["ok"] is True
        assert daemon.stop()[0] == 0
        assert daemon.errors == []

"""What each signal does to a daemon, however it is run: the table of docs/operations.md."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.daemon import TWISTD, DaemonProcess, environment
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until

END_WITHIN_S = 5.0
"""What docs/operations.md promises."""


class Background:
    """A daemon as ``twistd`` runs it without ``-n``: in the background, with a file for its log.

    Args:
        folder: Where its files are.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / "log"
        words = [f"--pidfile={folder / 'pid'}", f"--logfile={self.log}", "signald", f"--port={self.port}"]
        subprocess.run([str(TWISTD), *words], env=environment(), cwd=folder, check=True, timeout=PATIENCE_S)
        self.pid = int((folder / "pid").read_text())
        self.wait_for(self.log, "room for")

    def wait_for(self, file: Path, words: str) -> None:
        """Wait until one of its files holds these words."""
        until(lambda: file.exists() and words in file.read_text(), f"{words} in {file.name}")

    def kill(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def ended(self) -> bool:
        """Whether it is gone."""
        return not Path(f"/proc/{self.pid}").exists()

    def close(self) -> None:
        """End it, if it has not ended."""
        if not self.ended():
            self.kill(signal.SIGTERM)
            until(self.ended, "it ends")


@pytest.fixture
def background(tmp_path: Path) -> Iterator[Background]:
    background = Background(tmp_path)
    yield background
    background.close()


def test_sigusr1_rotates_the_log(background: Background) -> None:
    """Whoever rotates logs as of any other twistd daemon ends this one."""
    old = background.log.with_name("log.1")
    with Client(background.port) as client:
        background.kill(signal.SIGUSR1)
        until(old.exists, "the old log is put aside")
        client.close()
    background.wait_for(background.log, f"client {client.id} from")
    assert "room for" in old.read_text()
    assert client.id not in old.read_text()


def test_sighup_opens_the_log_again(background: Background) -> None:
    """Logrotate moves the file away, and the daemon writes into it for ever."""
    moved = background.log.rename(background.log.with_name("moved"))
    background.kill(signal.SIGHUP)
    until(background.log.exists, "a new log")
    with Client(background.port) as client:
        client.close()
    background.wait_for(background.log, f"client {client.id} from")
    assert client.id not in moved.read_text()


def test_sigterm_ends_it_in_the_background(background: Background) -> None:
    """An init script cannot stop it, or clients do not learn that they should go."""
    with Client(background.port) as client:
        background.kill(signal.SIGTERM)
        assert client.wait_closed() == 1001
    until(background.ended, "it ends")
    assert "Server Shut Down" in background.log.read_text()


def test_sigusr1_without_a_file() -> None:
    """Somebody who wants to rotate logs ends the service."""
    with DaemonProcess() as daemon, Client(daemon.port) as client:
        daemon.kill(signal.SIGUSR1)
        daemon.wait_for("SIGUSR1 is for a log in a file")
        assert client.sync() == []


def test_sigterm_in_the_first_moment(tmp_path: Path) -> None:
    """A supervisor that stops what it has just started takes it for a crash."""
    path = str(tmp_path / "socket")
    for _ in range(3):
        with DaemonProcess("--listen", f"unix:{path}", ready=0) as daemon, socket.socket(socket.AF_UNIX) as client:
            while client.connect_ex(path):
                assert daemon.log.count("Traceback") == 0
            daemon.kill()
            assert daemon.wait_exit() == 0


def test_sigterm_while_it_is_loading() -> None:
    """Stopped in its first half second, it ends as if it had crashed; as first process of a container it serves on."""
    for delay_s in (0.0, 0.2, 0.4):
        with DaemonProcess(ready=0) as daemon:
            status = Path(f"/proc/{daemon.pid}/status")
            until(lambda status=status: heeds_sigterm(status.read_text()), "it heeds SIGTERM")  # type: ignore[misc]
            began = time.monotonic()
            while time.monotonic() < began + delay_s:
                pass
            daemon.kill()
            assert daemon.wait_exit() == 0


def test_sigterm_as_first_process_of_a_container() -> None:
    """A container that is stopped in its first moments serves on, until it is killed."""
    first = ("/usr/bin/unshare", "--user", "--map-root-user", "--pid", "--fork", sys.executable, "-Pm", "signald")
    with DaemonProcess(twistd=first, foreground=(), ready=0) as daemon:
        children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
        until(children.read_text, "it is started")
        child = int(children.read_text())
        until(lambda: heeds_sigterm(Path(f"/proc/{child}/status").read_text()), "it heeds SIGTERM")
        os.kill(child, signal.SIGTERM)
        assert daemon.wait_exit() == 0


def heeds_sigterm(status: str) -> bool:
    """Whether a process has a handler for it (proc(5), SigCgt)."""
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


class Terminal:
    """A terminal in which somebody has started a command.

    Args:
        folder: Where it runs; nohup(1) leaves a file there.
        command: What was started; it is what the terminal belongs to, as a shell's child is when the shell has gone.
    """

    def __init__(self, folder: Path, *command: str) -> None:
        self.pid, self._master = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.execve(command[0], list(command), environment())  # noqa: S606 - in the terminal itself

    def close(self) -> None:
        """Close the window."""
        os.close(self._master)

    def wait_exit(self) -> int:
        """The exit status of what runs in it, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def is_over(self) -> bool:
        """Whether it has ended; its status is not taken."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def in_terminal(folder: Path, *before: str) -> tuple[Terminal, Client]:
    """A daemon in a terminal, and one of its clients."""
    port = free_port()
    words = (*before, str(TWISTD), "-n", "--pidfile=", "signald", f"--port={port}")
    terminal = Terminal(folder, *words)

    def answers() -> bool:
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", port))

    until(answers, "it listens")
    return terminal, Client(port)


def test_its_terminal_is_closed(tmp_path: Path) -> None:
    """A window that was closed leaves a daemon behind, which keeps the port and nobody can see."""
    terminal, client = in_terminal(tmp_path)
    terminal.close()
    assert client.wait_closed() == 1001
    assert terminal.wait_exit() == 0
    client.socket.close()


def test_sighup_while_its_terminal_is_there(tmp_path: Path) -> None:
    """In a terminal certificates cannot be read again: SIGHUP ends the daemon."""
    terminal, client = in_terminal(tmp_path)
    os.kill(terminal.pid, signal.SIGHUP)
    assert client.sync() == []
    os.kill(terminal.pid, signal.SIGTERM)
    assert client.wait_closed() == 1001
    assert terminal.wait_exit() == 0
    client.socket.close()
    terminal.close()


def test_nohup(tmp_path: Path) -> None:
    """Whoever is told to outlive its terminal does not."""
    terminal, client = in_terminal(tmp_path, "/usr/bin/nohup")
    terminal.close()
    for _ in range(5):
        os.kill(terminal.pid, signal.SIGHUP)
        assert client.sync() == []
    assert not terminal.is_over()
    os.kill(terminal.pid, signal.SIGTERM)
    assert client.wait_closed() == 1001
    assert terminal.wait_exit() == 0
    client.socket.close()


SILENT = """
import socket, time
look_up = socket.getaddrinfo
def silent(name, *words, **more):
    while str(name).endswith("example.org"):
        time.sleep(1)
    return look_up(name, *words, **more)
socket.getaddrinfo = silent
"""
"""A name server that never answers."""


@pytest.mark.parametrize(
    "variables",
    [
        {"REDIS_URL": "redis://store.example.org"},
        {"REDIS_URL": "rediss://store.example.org", "WORKERS": "2"},
        {"AUTH_MODE": "required", "JWT_JWKS": "https://keys.example.org/jwks.json"},
    ],
)
def test_a_name_server_is_silent(tmp_path: Path, variables: dict[str, str]) -> None:
    """SIGTERM takes as long as the resolver tries, and a supervisor kills the daemon before it has said goodbye."""
    (tmp_path / "sitecustomize.py").write_text(SILENT)
    workers = int(variables.get("WORKERS", "1"))
    port = f"--port={free_port()}"
    with DaemonProcess(port, variables=variables | {"PYTHONPATH": str(tmp_path)}, ready=workers) as daemon:
        began = time.monotonic()
        daemon.kill()
        assert daemon.wait_exit() == 0
        assert time.monotonic() - began < END_WITHIN_S
        assert "is cut off" not in daemon.log
        assert "deprecated" not in daemon.log


CUT_OFF = """
import os, signal, sys, threading
from signald.process.last_resort import LastResort
last = LastResort(lambda: print("last lines", flush=True))
last.in_at_most(60)
last.in_at_most(0.1)
threading.Event().wait()
"""


def test_whatever_hangs() -> None:
    """A fault of ours that stops the event loop keeps a process from ending, until its supervisor kills it."""
    done = subprocess.run([sys.executable, "-c", CUT_OFF], capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (0, "last lines\n")

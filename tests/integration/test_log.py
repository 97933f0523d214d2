"""The log of a real daemon, where nobody reads it, and where the locale is not UTF-8."""

import fcntl
import os
import threading
import urllib.request
from collections.abc import Iterator

import pytest

from tests.support.client import Client, pair
from tests.support.daemon import TWISTD, DaemonProcess
from tests.support.ports import free_port
from tests.support.waiting import until


class Unread:
    """Stands for a log driver that stands still, and goes on when it is told to."""

    def __init__(self, *, reads_in_the_end: bool) -> None:
        self.reads_in_the_end = reads_in_the_end
        self._read, self._write = os.pipe()
        fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, 4096)  # full with some lines
        self.text = b""
        self._reader: threading.Thread | None = None

    def command(self) -> tuple[str, ...]:
        """What starts a daemon that logs here."""
        os.set_inheritable(self._write, True)
        return ("/bin/sh", "-c", f'exec "$0" "$@" >/proc/{os.getpid()}/fd/{self._write} 2>&1', str(TWISTD))

    def go_on(self) -> None:
        """Read, from now on."""
        self._reader = threading.Thread(target=self._read_all)
        self._reader.start()

    def close(self) -> None:
        """Nobody logs here any more."""
        os.close(self._write)
        if self._reader is not None:
            self._reader.join()
        os.close(self._read)

    def _read_all(self) -> None:
        while data := os.read(self._read, 65536):
            self.text += data


@pytest.fixture(params=[False, True])
def unread(request: pytest.FixtureRequest) -> Iterator[Unread]:
    unread = Unread(reads_in_the_end=request.param)
    yield unread
    unread.close()


def answers(port: int) -> bool:
    """Whether there is a daemon."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_nobody_reads_the_log(unread: Unread) -> None:
    """A log driver or a terminal that stands still stops the whole service, and SIGTERM does nothing."""
    port = free_port()
    with DaemonProcess(f"--port={port}", twistd=unread.command(), ready=0) as daemon:
        until(lambda: answers(port), "it answers")
        with Client(port) as one, Client(port) as other:
            pair(one, other)
            gone = []
            for _ in range(100):
                with Client(port) as client:
                    client.close()
                gone.append(client.id)
            one.send("offer", sdp="x")
            assert other.expect("offer")["sdp"] == "x"
            if unread.reads_in_the_end:
                unread.go_on()
                for name in gone:
                    until(lambda name=name: f"client {name} from".encode() in unread.text, "nothing is lost")  # type: ignore[misc]
            assert daemon.stop(one, other) == (0, [1001, 1001])


@pytest.mark.parametrize("look", ["text", "json"])
def test_any_locale(look: str) -> None:
    """With a locale that is not UTF-8, what a client reports of another is nowhere in the log."""
    variables = {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "LOG_FORMAT": look}
    with DaemonProcess(variables=variables) as daemon, Client(daemon.port) as one, Client(daemon.port) as other:
        pair(one, other)
        one.send("report", reason="spam", text="\U0001f52b at me")
        daemon.wait_for("reports client")
        daemon.wait_for("\U0001f52b at me" if look == "json" else "at me")

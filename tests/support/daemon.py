"""The real daemon, as an operator starts it: ``twistd signald`` in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.client import Client
from tests.support.waiting import PATIENCE_S, until

TWISTD = Path(sys.executable).parent / "twistd"

_LISTENING = re.compile(r"listening on https?://\S*:(\d+)")
_ERROR = re.compile(r"#(error|critical)\]|Traceback|Unhandled")


def environment(**variables: str) -> dict[str, str]:
    """A process environment without settings of signald but for these."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return kept | {"PYTHONUNBUFFERED": "1"} | variables


class DaemonProcess:
    """A running ``twistd -n signald``.

    Args:
        options: Of signald; with ``--port`` not among them nor in the environment, a free port is taken.
        variables: Environment variables.
        twistd: The command, with what must stand before it.
        foreground: What makes that run signald.
        ready: How many "listening on" lines to wait for; 0 does not wait.
        cwd: Working directory.
    """

    def __init__(
        self,
        *options: str,
        variables: Mapping[str, str] | None = None,
        twistd: Sequence[str] = (str(TWISTD),),
        foreground: Sequence[str] = ("-n", "--pidfile=", "signald"),
        ready: int = 1,
        cwd: str = "/",
    ) -> None:
        variables = variables or {}
        if not {"PORT", "LISTEN"} & set(variables) and not any(o.startswith(("--port", "--listen")) for o in options):
            options = ("--port=0", *options)
        self._process = subprocess.Popen(
            [*twistd, *foreground, *options],
            env=environment(**variables),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._process.pid
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._eof = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if ready:
            self._wait(lambda: self.log.count("listening on") >= ready)

    @property
    def log(self) -> str:
        """What it has written."""
        return "".join(self._lines)

    @property
    def port(self) -> int:
        """The TCP port that it took."""
        return self.ports[0]

    @property
    def ports(self) -> list[int]:
        """All TCP ports that it listens on, in the order of the log."""
        return [int(port) for port in _LISTENING.findall(self.log)]

    @property
    def errors(self) -> list[str]:
        """Lines of the log that somebody would have to look at."""
        return [line for line in self._lines if _ERROR.search(line)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(PATIENCE_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        if kind is not None:
            sys.stderr.write(self.log)

    def health(self) -> dict[str, Any]:
        """What ``/healthz`` says."""
        return self.says("/healthz")

    def says(self, path: str) -> dict[str, Any]:
        """The JSON object of a page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_S) as response:
            assert response.status == 200
            said: dict[str, Any] = json.load(response)
            return said

    def wait_clients(self, count: int) -> None:
        """Wait until the daemon has so many clients: it learns of an abort in a turn of its own."""
        until(lambda: self.health()["clients"] == count, f"{count} clients")

    def wait_for(self, words: str, within_s: float = PATIENCE_S, *, times: int = 1) -> None:
        """Wait until the log holds these words, so many times."""
        self._wait(lambda: self.log.count(words) >= times, within_s)

    def kill(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait_exit(self, within_s: float = PATIENCE_S) -> int:
        """Wait for its end; gives the exit status, negative for a signal's number."""
        status = self._process.wait(within_s)
        self._reader.join(PATIENCE_S)
        return status

    def hang(self) -> None:
        """Stop it from doing anything, as a machine does that hangs; gone on by SIGCONT."""
        self.kill(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def stop(self, *clients: Client, number: signal.Signals = signal.SIGTERM) -> tuple[int, list[int | None]]:
        """End it by a signal.

        Returns:
            The exit status, and the close code that each of the clients got.
        """
        self.kill(number)
        codes = [client.wait_closed() for client in clients]
        return self.wait_exit(), codes

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._eof = True
            self._changed.notify_all()

    def _wait(self, holds: Any, within_s: float = PATIENCE_S) -> None:
        with self._changed:
            done = self._changed.wait_for(lambda: holds() or self._eof, within_s)
            if not done or not holds():
                self._process.kill()
                raise AssertionError(f"the daemon did not get so far:\n{self.log}")

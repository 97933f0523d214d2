"""The load tool as operators run it, against a daemon that is good to it, and one that is not."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import DaemonProcess, environment
from tests.support.waiting import PATIENCE_S, until

SCRIPT = Path(sys.executable).with_name("signald-load")
ORIGIN = "https://chat.example"

PROGRESS = re.compile(r"^ *[\d.]+ s: .*\n", re.MULTILINE)
"""How it stands, which is said each five seconds: by a slow machine in each run."""


def load(port: int, *words: str, origin: str = ORIGIN) -> tuple[int, str, str]:
    """Run it; gives exit status, output and errors."""
    done = subprocess.run(
        [SCRIPT, f"ws://127.0.0.1:{port}", f"--origin={origin}", *words],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return done.returncode, done.stdout, done.stderr


def test_whole_calls_and_refusals() -> None:
    """An operator takes a service for good that refuses half of its clients, or that one fails whose guests work."""
    variables = {"ALLOWED_ORIGIN": ORIGIN, "MAX_CONNECTIONS_PER_ADDRESS": "8", "CHALLENGE": "on"}
    with DaemonProcess(variables=variables) as daemon:
        status, out, errors = load(daemon.port, "--calls=12", "--rate=1000", "--at-once=3", "--hold=0s", "--json")
        assert (status, PROGRESS.sub("", errors)) == (0, "")
        good: dict[str, Any] = json.loads(out)
        assert (good["begun"], good["whole"], good["failed"], good["errors"], good["broken"]) == (12, 12, 0, {}, [])
        assert good["mostOpen"] == 3
        counts = {step: taken["count"] for step, taken in good["steps"].items()}
        both, one = 24, 12
        assert counts == {
            **dict.fromkeys(("connect", "ready", "work", "matched", "candidates", "call", "close"), both),
            **dict.fromkeys(("answer", "leave"), one),
        }
        assert good["steps"]["call"]["p50Ms"] >= good["steps"]["matched"]["p50Ms"] > 0

        # Ten calls at once are twenty connections: eight are let in, and calls that hold keep their places.
        status, out, _ = load(daemon.port, "--calls=10", "--rate=1000", "--hold=500ms", "--p99=matched=1h", "--json")
        bad = json.loads(out)
        assert status == 1
        (kind,) = bad["errors"]
        assert kind.startswith("TOO_MANY: ")
        assert bad["whole"] > 0
        assert bad["failed"] == 10 - bad["whole"] == bad["errors"][kind] > 0
        assert bad["broken"] == [f"{bad['failed']} of 10 calls failed, --max-errors is 0"]
        status, out, _ = load(daemon.port, "--calls=2", "--rate=1000", "--hold=0s", "--p50=call=0s")
        assert status == 1
        assert "2 of 2 calls came to their end" in out
        assert "not good: call took" in out

        # A page of somebody else may not come in: nothing is begun.
        status, out, errors = load(daemon.port, origin="https://else.example")
        assert (status, out) == (2, "")
        assert "HTTP 403: this origin is not allowed (--origin)" in errors
        daemon.wait_clients(0)
        assert not daemon.errors


@contextmanager
def begun(*words: str, terminal: int, stdin: int = subprocess.DEVNULL) -> Iterator["subprocess.Popen[str]"]:
    """The same, on a terminal and to be spoken with."""
    command = [str(SCRIPT), *words]
    with subprocess.Popen(
        command, env=environment(), stdin=stdin, stdout=subprocess.PIPE, stderr=terminal, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: the operator's, and the program's."""
    both = pty.openpty()
    yield both
    for end in both:
        os.close(end)


def page(port: int, path: str) -> str:
    """A page of the daemon."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as response:
        text: str = response.read().decode()
        return text


def read_until(terminal: int, words: str) -> str:
    """What comes on a terminal, up to these words."""
    end, said = time.monotonic() + PATIENCE_S, ""
    while words not in said:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, said
        said += os.read(terminal, 4096).decode()
    return said


def end_of(running: "subprocess.Popen[str]") -> tuple[int, dict[str, int]]:
    """The exit status of a run with ``--json``, and what it counted of each error."""
    out, _ = running.communicate(timeout=PATIENCE_S)
    errors: dict[str, int] = json.loads(out)["errors"]
    return running.returncode, errors


def test_a_service_that_goes_away(ends: tuple[int, int]) -> None:
    """A run with long calls says for all their length that they are well, and then that each broke off too early."""
    operator, program = ends
    with DaemonProcess(variables={"PUBLIC_METRICS": "true"}) as daemon:
        url, began = f"ws://127.0.0.1:{daemon.port}", time.monotonic()
        with begun(url, "--calls=3", "--rate=1000", "--hold=1h", "--json", terminal=program) as running:
            until(lambda: 'relayed_total{type="ice"} 60.0' in page(daemon.port, "/metrics"), "all candidates")
            stood, said = time.monotonic() - began, ""
            while not any(float(seconds) > stood for seconds in re.findall(r"([\d.]+) s: ", said)):
                said += read_until(operator, "begun")
            daemon.kill(signal.SIGKILL)
            assert end_of(running) == (1, {"connection lost before leave": 3})


def test_ctrl_c(ends: tuple[int, int]) -> None:
    """Whoever presses Ctrl-C thinks that nothing happens, or is told that the time was over."""
    operator, program = ends
    with DaemonProcess() as daemon:
        url = f"ws://127.0.0.1:{daemon.port}"
        with begun(url, "--calls=2", "--rate=1000", "--hold=1h", "--json", terminal=program) as running:
            read_until(operator, "2 open")
            running.send_signal(signal.SIGINT)
            read_until(operator, "2 calls still open; Ctrl-C once more")
            running.send_signal(signal.SIGINT)
            assert end_of(running) == (130, {"given up: stopped": 2})


def test_ctrl_c_before_the_first_call(ends: tuple[int, int]) -> None:
    """Whoever thinks better of it, when asked or when nobody answers, gets a traceback."""
    operator, program = ends
    with begun("ws://localhost.", stdin=program, terminal=program) as asked:
        read_until(operator, "Type its name to go on: ")
        asked.send_signal(signal.SIGINT)
        assert "Traceback" not in read_until(operator, "stopped, and nothing was done")
        assert asked.wait(PATIENCE_S) == 130
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(PATIENCE_S)
        with begun(f"ws://127.0.0.1:{mute.getsockname()[1]}", "--timeout=5m", terminal=program) as waiting:
            connection, _ = mute.accept()
            with connection:
                connection.recv(1)
                waiting.send_signal(signal.SIGINT)
                assert "Traceback" not in read_until(operator, "stopped, and nothing was done")
                assert waiting.wait(PATIENCE_S) == 130


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["ws://127.0.0.1:1"], "connection refused: nobody listens there"),
        (["ws://192.0.2.1"], "192.0.2.1 is another machine, and there is no terminal to ask at: --yes if it is yours"),
        (["ws://localhost", "--at-once=100000000"], "--at-once: 100000000 is not from 1 to 100000"),
        (["ws://localhost", "--calls=1e3"], "--calls: '1e3' is no whole number"),
        (["ws://localhost", "--rate=many"], "--rate: 'many' is no number"),
        (["ws://localhost", "--ca-file=x.pem"], "--ca-file and --insecure are for wss://"),
        (["http://localhost"], "no address such as wss://example.org/ws"),
        (["ws://localhost", "--tokens=/nowhere/tokens"], "/nowhere/tokens"),
        (["ws://localhost", "--p99=dinner=1s"], "a step of connect, ready, work, matched"),
    ],
)
def test_why_nothing_is_done(words: list[str], why: str) -> None:
    """The operator gets a traceback, or a run of a thousand failures, for a word that is wrong."""
    done = subprocess.run(
        [SCRIPT, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert "Traceback" not in done.stderr

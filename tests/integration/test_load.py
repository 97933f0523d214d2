"""The load tool as operators run it, against a daemon that is good to it, and one that is not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import DaemonProcess, environment
from tests.support.waiting import PATIENCE_S

SCRIPT = Path(sys.executable).with_name("signald-load")
ORIGIN = "https://chat.example"


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
        assert (status, errors) == (0, "")
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


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["ws://127.0.0.1:1"], "connection refused: nobody listens there"),
        (["ws://192.0.2.1"], "192.0.2.1 is another machine, and there is no terminal to ask at: --yes if it is yours"),
        (["ws://localhost", "--at-once=100000000"], "--at-once"),
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

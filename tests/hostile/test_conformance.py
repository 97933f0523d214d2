"""The cases of the Autobahn test suite, driven by kosoku: a client that has no code in common with signald."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.frames import WAYS
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
KOSOKU = Path(sys.executable).parent / "kosoku"
"""A process of its own: it brings a module of the name ``autobahn``."""

NOT_HERE = ("9.*", "12.*", "13.*")
"""Megabytes, which the limit on messages forbids anyway, and compression, which signald does not offer."""


@pytest.mark.parametrize("way", WAYS)
def test_autobahn_cases(way: str, tmp_path: Path) -> None:
    """Some browser or library that keeps to RFC 6455 could not talk to signald, or could break it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.echo", way], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as echo:
        try:
            assert echo.stdout is not None
            url = f"ws://127.0.0.1:{int(echo.stdout.readline())}/ws"
            without = [word for case in NOT_HERE for word in ("-x", case)]
            run = subprocess.run(
                [KOSOKU, url, *without, "-p", "4", "-o", tmp_path],
                capture_output=True,
                text=True,
                timeout=2 * PATIENCE_S,
            )
        finally:
            echo.kill()
    assert run.returncode == 0, run.stdout + run.stderr
    assert "247 cases passed" in run.stdout + run.stderr

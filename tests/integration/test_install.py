"""``pip install .`` into an empty environment, and then as an operator would use it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess, environment
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
NOBODY = 65534
SOURCES = ("signald", "twisted", "setup.py", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """The folder of an environment that holds nothing but signald and what it needs; nobody may write to it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        source = folder / "source"
        listed = subprocess.run(["git", "ls-files", *SOURCES], cwd=ROOT, capture_output=True, text=True, check=True)
        for file in listed.stdout.split():
            if (ROOT / file).exists():
                (source / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, source / file)
        venv = folder / "venv"
        # The pip of the tests' own environment: to install another one takes as long as signald.
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
        pip = (sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "--disable-pip-version-check")
        done = subprocess.run([*pip, "install", "-q", str(source)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(source)
        for path in venv.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        yield venv
        for path in venv.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)


def as_nobody(*command: str) -> list[str]:
    """A command for another user; only root can do this."""
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_from_anywhere_as_anybody(installed: Path) -> None:
    """After the documented install ``twistd signald`` is an unknown command, or fails where it may not write."""
    for folder in ("/", "/usr"):
        done = subprocess.run(
            as_nobody(str(installed / "bin" / "twistd"), "signald", "--help"),
            cwd=folder,
            env=environment(HOME="/nonexistent"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        assert "--allowed-origin" in done.stdout
        assert "Traceback" not in done.stderr
    with DaemonProcess(twistd=as_nobody(str(installed / "bin" / "twistd"))) as daemon:
        with Client(daemon.port) as one, Client(daemon.port) as other:
            pair(one, other)
            assert daemon.stop(one, other)[0] == 0
        assert daemon.errors == []


def test_nothing_is_missing(installed: Path) -> None:
    """The demo page, or the store's scripts, are not in the package."""
    code = (
        "import importlib.resources as r, signald, pathlib; root = r.files('signald'); "
        "print(*sorted(p.name for p in (root / 'web' / 'static').rglob('*'))); "
        "print(*sorted(p.name for p in (root / 'brokers' / 'redis').iterdir())); print((root / 'py.typed').is_file())"
    )
    done = subprocess.run(
        [str(installed / "bin" / "python"), "-c", code], cwd="/", capture_output=True, text=True, check=True
    )
    static, redis, typed = done.stdout.splitlines()
    assert set(static.split()) >= {"index.html", "main.js", "signaling.js", "style.css"}
    wanted = {path.name for path in (ROOT / "signald" / "brokers" / "redis").glob("*.lua")}
    assert wanted <= set(redis.split())
    assert typed == "True"

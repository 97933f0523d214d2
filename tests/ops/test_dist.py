"""The source distribution and the wheel, as somebody gets them who has no checkout: ``make dist``.

They are built here, or those in the folder DIST are looked at. The network and about a minute, most of it the
installation of the libraries.
"""

import os
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from signald import __version__
from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess, environment
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
PLUGIN = "twisted/plugins/signald_plugin.py"
SOURCES = {
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "PKG-INFO",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "signald",
    "signald.egg-info",
    "twisted",
}
"""What stands on the top level of the source distribution."""

pytestmark = pytest.mark.slow


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the two files."""
    if "DIST" in os.environ:
        return ROOT / os.environ["DIST"]
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--outdir", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"signald-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def sources(dist: Path) -> Path:
    return dist / f"signald-{__version__}.tar.gz"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment that holds the wheel and what it asks for, nothing else."""
    home = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", home)
    _run(home / "bin/python", "-m", "pip", "install", "-q", wheel)
    return home / "bin"


def test_dist_holds_this_release_alone(wheel: Path, sources: Path) -> None:
    """An upload would take files of an older build along."""
    assert {path for path in wheel.parent.iterdir() if path.suffix != ".deb"} == {wheel, sources}


def test_index_accepts_both(wheel: Path, sources: Path) -> None:
    """The upload would be refused, or its page show the README as bare text."""
    _run(sys.executable, "-m", "twine", "check", "--strict", wheel, sources)


def test_wheel_holds_all_of_the_package_and_nothing_else(wheel: Path) -> None:
    """A script, a static file or the plugin would be missing at the first use, or tests land in site-packages."""
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "signald").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "ruff.toml"
    }
    assert {"signald/py.typed", "signald/brokers/redis/match.lua", "signald/web/static/demo/index.html"} <= package
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not name.startswith(f"signald-{__version__}.dist-info/")}
    assert held == package | {PLUGIN}


def test_sources_hold_no_tests_and_tools(sources: Path) -> None:
    """What is downloaded to be built would carry along what needs a checkout, Redis and a browser."""
    with tarfile.open(sources) as archive:
        names = [Path(name).relative_to(f"signald-{__version__}") for name in archive.getnames()]
    assert {name.parts[0] for name in names if name.parts} == SOURCES
    assert Path(PLUGIN) in names


def test_twistd_finds_signald_in_an_empty_environment(installed: Path) -> None:
    """``pip install signald`` would end with "Unknown command: signald"."""
    _run(installed / "python", "-m", "pip", "check")
    shown = subprocess.run(
        [installed / "twistd", "signald", "--help"], cwd="/", env=environment(), capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "--allowed-origin" in shown.stdout
    assert _run(installed / "twistd", "signald", "--version", cwd=Path("/")) == f"signald {__version__}\n"


def test_installed_daemon_serves_clients_and_the_page(installed: Path) -> None:
    """What works in a checkout would not work where it was installed."""
    with DaemonProcess(twistd=(str(installed / "twistd"),)) as daemon:
        with Client(daemon.port) as first, Client(daemon.port) as second:
            pair(first, second)
        for page, holds in (("/", b"<video"), ("/static/signaling.js", b"WebSocket")):
            with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}{page}", timeout=PATIENCE_S) as response:
                assert holds in response.read()
        assert daemon.stop()[0] == 0
        assert daemon.errors == []

"""The source distribution and the wheels, as somebody gets them who has no checkout: ``make dist``.

They are looked at in the folder DIST. The network and about two minutes, most of it the installation of the libraries.
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


DIST = ROOT / os.environ.get("DIST", "dist")


def _built(ending: str) -> Path:
    (found,) = DIST.glob(f"signald-{__version__}{ending}")
    return found


@pytest.fixture(scope="module")
def sources() -> Path:
    return _built(".tar.gz")


@pytest.fixture(scope="module")
def pure() -> Path:
    """The wheel for any machine."""
    return _built("-py3-none-any.whl")


@pytest.fixture(scope="module")
def native() -> Path:
    """The wheel with handshakes and frames in C, for this kind of machine and any Python from 3.11 on."""
    return _built("-cp311-abi3-manylinux*.whl")


@pytest.fixture(scope="module", params=["c", "python"])
def installed(
    request: pytest.FixtureRequest, native: Path, pure: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The commands of an environment that holds a wheel and what it asks for, nothing else; and what reads frames."""
    home = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", home)
    _run(home / "bin/python", "-m", "pip", "install", "-q", native if request.param == "c" else pure)
    return home / "bin", request.param


def test_dist_holds_this_release_alone(pure: Path, native: Path, sources: Path) -> None:
    """An upload would take files of an older build along."""
    assert {path for path in DIST.iterdir() if path.suffix != ".deb"} == {pure, native, sources}


def test_index_accepts_all(pure: Path, native: Path, sources: Path) -> None:
    """The upload would be refused, or its page show the README as bare text."""
    _run(sys.executable, "-m", "twine", "check", "--strict", pure, native, sources)


def test_wheel_holds_all_of_the_package_and_nothing_else(pure: Path, native: Path) -> None:
    """A script, a static file or the plugin would be missing at the first use, or tests land in site-packages."""
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "signald").rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.name != "ruff.toml"
        and path.suffix not in {".c", ".so"}
    }
    assert {"signald/py.typed", "signald/brokers/redis/match.lua", "signald/web/static/demo/index.html"} <= package
    in_c = {
        f"signald/{name}.abi3.so"
        for name in ("core/_signals", "network/_sockets", "network/_upgrade", "websocket/_frames")
    }
    for wheel, more in ((pure, set()), (native, in_c)):
        with zipfile.ZipFile(wheel) as archive:
            held = {name for name in archive.namelist() if ".dist-info/" not in name and name[-1] != "/"}
        assert held == package | {PLUGIN} | more


def test_sources_hold_no_tests_and_tools(sources: Path) -> None:
    """What is downloaded to be built would carry along what needs a checkout, Redis and a browser."""
    with tarfile.open(sources) as archive:
        names = [Path(name).relative_to(f"signald-{__version__}") for name in archive.getnames()]
    assert {name.parts[0] for name in names if name.parts} == SOURCES
    assert Path(PLUGIN) in names


def test_twistd_finds_signald_in_an_empty_environment(installed: tuple[Path, str]) -> None:
    """``pip install signald`` would end with "Unknown command: signald"."""
    commands, frames = installed
    _run(commands / "python", "-m", "pip", "check")
    shown = subprocess.run(
        [commands / "twistd", "signald", "--help"], cwd="/", env=environment(), capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "--allowed-origin" in shown.stdout
    version = _run(commands / "twistd", "signald", "--version", cwd=Path("/"))
    assert version == f"signald {__version__} (frames: {frames})\n"


def test_installed_daemon_serves_clients_and_the_page(installed: tuple[Path, str]) -> None:
    """What works in a checkout would not work where it was installed."""
    with DaemonProcess(twistd=(str(installed[0] / "twistd"),)) as daemon:
        with Client(daemon.port) as first, Client(daemon.port) as second:
            pair(first, second)
        for page, holds in (("/", b"<video"), ("/static/signaling.js", b"WebSocket")):
            with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}{page}", timeout=PATIENCE_S) as response:
                assert holds in response.read()
        assert daemon.stop()[0] == 0
        assert daemon.errors == []

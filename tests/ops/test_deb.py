"""The Debian package, built and then installed, upgraded and purged in a Debian made for it: ``make test-deb``.

The machine is a chroot in which no systemd runs; where it matters what the package asks of systemd, a stand-in for
``systemctl`` writes it down. Root, a Debian machine, the network and some minutes; DEB names a package that is there.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from signald import __version__
from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess

ROOT = Path(__file__).parents[2]
NOBODY = "65534:65534"
READ_ONLY = 'root="$1"; shift; mount --bind "$root" "$root"; mount -o remount,bind,ro "$root"; exec chroot "$@"'
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
}
SETTINGS = "etc/signald/signald.env"
CHANGED = "ALLOWED_ORIGIN=https://example.org\n"
LOG = "systemctl.log"
SYSTEMCTL = f"""#!/bin/sh
echo "$*" >>/{LOG}
case "$*" in
    *list-units*) printf 'signald@%s.service loaded active running signald\\n' 8081 8082 ;;
    *is-enabled*) echo enabled ;;
esac
"""
"""Stands for systemd, on a machine where two instances run."""

pytestmark = pytest.mark.slow


def _run(*command: str | Path, fails: bool = False) -> str:
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode != 0) is fails, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


class Machine:
    """A Debian, as far as files and programs go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before = self.files()
        """What it held when nothing was installed."""

    def run(self, *command: str, fails: bool = False) -> str:
        """Run a command as its root; gives what it wrote."""
        variables = (f"{name}={value}" for name, value in ENVIRONMENT.items())
        return _run("env", "-i", *variables, "chroot", self.root, *command, fails=fails)

    def dpkg(self, action: str, package: Path | str, *, fails: bool = False) -> str:
        """Run dpkg as unattended upgrades do: what the operator changed stays."""
        if isinstance(package, Path):
            shutil.copy(package, self.root / "tmp/signald.deb")
            package = "/tmp/signald.deb"
        return self.run("dpkg", "--force-confdef", "--force-confold", action, package, fails=fails)

    def files(self) -> set[str]:
        """All paths but those of dpkg's own and of passing things."""
        passing = ("var/lib/dpkg", "var/log", "var/cache", "tmp", "run", "proc", "sys", "dev", LOG)
        found = set()
        for folder, folders, names in os.walk(self.root):
            at = Path(folder).relative_to(self.root)
            folders[:] = [name for name in folders if str(at / name) not in passing]
            found |= {str(at / name) for name in (*folders, *names) if str(at / name) not in passing}
        return found

    def asked_of_systemd(self) -> list[str]:
        """What was asked since the last call."""
        log = self.root / LOG
        asked = log.read_text().splitlines()
        log.unlink()
        return asked


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "DEB" in os.environ:
        return Path(os.environ["DEB"]).absolute()
    folder = tmp_path_factory.mktemp("package")
    _run("sh", "debian/build", folder)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def next_package(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next release, with a setting more."""
    tree = tmp_path_factory.mktemp("next") / "signald"
    _run("dpkg-deb", "-R", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {__version__}", "Version: 999"))
    with (tree / SETTINGS).open("a") as settings:
        settings.write("#A_NEW_SETTING=\n")
    _run("dpkg-deb", "-b", "-Zgzip", "-z1", tree)
    return tree.with_suffix(".deb")


@pytest.fixture(scope="module")
def machine(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A Debian of the release that this machine has, with Python and systemd."""
    root = tmp_path_factory.mktemp("debian") / "root"
    release = _run("sh", "-c", '. /etc/os-release; printf "$VERSION_CODENAME"')
    _run("debootstrap", "--variant=minbase", "--include=python3,systemd", release, root)
    (root / "usr/local/bin/systemctl").write_text(SYSTEMCTL)
    (root / "usr/local/bin/systemctl").chmod(0o755)
    (root / "run/systemd/system").mkdir(parents=True)
    yield Machine(root)
    _run("rm", "-rf", root)


# The life of a package, in the order of the tests: each fixture is a step, and gives what it asked of systemd.


@pytest.fixture(scope="module")
def installed(machine: Machine, package: Path) -> list[str]:
    machine.dpkg("--install", package)
    return machine.asked_of_systemd()


@pytest.fixture(scope="module")
def upgraded(machine: Machine, installed: list[str], next_package: Path) -> list[str]:
    """The operator has settings of all instances, settings of one, and two instances that run."""
    (machine.root / SETTINGS).write_text(CHANGED)
    (machine.root / "etc/signald/signald-8081.env").write_text("INSTANCE_ID=a\n")
    wants = machine.root / "etc/systemd/system/signald.target.wants"
    wants.mkdir(parents=True)
    (wants / "signald@8081.service").symlink_to("/lib/systemd/system/signald@.service")
    machine.dpkg("--install", next_package)
    return machine.asked_of_systemd()


@pytest.fixture(scope="module")
def removed(machine: Machine, upgraded: list[str]) -> list[str]:
    machine.dpkg("--remove", "signald")
    return machine.asked_of_systemd()


def test_package_keeps_the_rules_of_debian(package: Path) -> None:
    """Files with wrong rights, scripts that do not run, no copyright: an operator's tools stumble over them."""
    assert _run("dpkg-deb", "--field", package, "Package") == "signald\n"
    _run("lintian", "--fail-on", "error,warning", package)


def test_installation_by_hand_is_not_overwritten(machine: Machine, package: Path) -> None:
    """Two installations in one folder would become one that is neither."""
    by_hand = machine.root / "opt/signald/pyvenv.cfg"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_text("home = /usr/bin\n")
    assert "was made by hand" in machine.dpkg("--install", package, fails=True)
    assert by_hand.read_text() == "home = /usr/bin\n"
    shutil.rmtree(by_hand.parent)
    assert machine.files() <= machine.before


def test_installation_starts_nothing(installed: list[str]) -> None:
    """A server that is open to all would run before its operator has said who may come."""
    assert installed == ["--system daemon-reload"]


@pytest.mark.usefixtures("installed")
def test_installed_units_are_understood_by_systemd(machine: Machine) -> None:
    """``systemctl enable --now`` would fail, for what the units start is not where they look for it."""
    names = ("signald.service", "signald.socket", "signald@8081.service", "signald.target")
    assert machine.run("systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", *names) == ""


@pytest.mark.usefixtures("installed")
def test_daemon_starts_without_a_right_to_write(machine: Machine) -> None:
    """Under systemd, where it is nobody and may write nothing, it would fail or log an error at each start."""
    inside = ("unshare", "--mount", "sh", "-ec", READ_ONLY, "sh", str(machine.root), f"--userspec={NOBODY}")
    with DaemonProcess(twistd=(*inside, str(machine.root), "/opt/signald/bin/twistd")) as daemon:
        with Client(daemon.port) as first, Client(daemon.port) as second:
            pair(first, second)
        assert daemon.health()["ok"] is True
        assert daemon.stop()[0] == 0
        assert daemon.errors == []
        assert "plugin cache" not in daemon.log


@pytest.mark.usefixtures("installed")
def test_command_checks_settings_and_leaves_no_file(machine: Machine) -> None:
    """What root's first start adds to /opt/signald would outlive the package, or serve a release that is gone."""
    before = machine.files()
    assert machine.run("signald", "--version") == f"signald {__version__} (frames: c)\n"
    assert "pages of any origin may connect" in machine.run("signald", "--check")
    assert machine.files() == before


@pytest.mark.usefixtures("installed")
def test_settings_are_for_root_alone(machine: Machine) -> None:
    """Every user of the machine could read the passwords of the store and the TURN server."""
    status = (machine.root / SETTINGS).stat()
    assert (oct(status.st_mode & 0o777), status.st_uid, status.st_gid) == ("0o640", 0, 0)


@pytest.mark.usefixtures("upgraded")
def test_upgrade_keeps_settings(machine: Machine) -> None:
    """An operator's limits and secrets would be gone, and with them who may come in."""
    assert machine.run("dpkg-query", "--showformat=${Version}", "--show", "signald").startswith("999~")
    assert (machine.root / SETTINGS).read_text() == CHANGED
    assert "A_NEW_SETTING" in (machine.root / f"{SETTINGS}.dpkg-dist").read_text()


def test_upgrade_restarts_what_runs(upgraded: list[str]) -> None:
    """The old release would run on, or all instances be away at one moment."""
    assert [words for words in upgraded if "restart" in words or "stop" in words] == [
        "--quiet --system restart signald@8081.service",
        "--quiet --system restart signald@8082.service",
    ]
    assert upgraded[0] == "--system daemon-reload"


def test_removal_stops_what_runs_and_keeps_settings(machine: Machine, removed: list[str]) -> None:
    """A daemon whose files are gone would run on, or settings be lost with a package that comes back."""
    stopped = "stop signald.target signald.socket signald.service signald@*.service"
    assert removed == [stopped, "--system daemon-reload"]
    assert (machine.root / SETTINGS).read_text() == CHANGED
    assert not (machine.root / "opt/signald").exists()


@pytest.mark.usefixtures("removed")
def test_purge_leaves_nothing(machine: Machine) -> None:
    """Passwords would stay on a machine that has no signald any more."""
    machine.dpkg("--purge", "signald")
    assert machine.files() <= machine.before

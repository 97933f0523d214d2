"""The Dockerfile, built for real where no Docker engine runs: by buildah, in a chroot, on a base image made here.

The bases stand for ``python:…`` and ``python:…-slim``: Debian with its own Python, with a compiler and without, tagged
with the names that the Dockerfile asks for. The build gets its wheels from a folder, so that only this test, not the
build, needs the network. Root, a Debian machine and some minutes: ``make test-image``.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess, environment

ROOT = Path(__file__).parents[2]
READ_ONLY = 'root="$1"; shift; mount --bind "$root" "$root"; mount -o remount,bind,ro "$root"; exec chroot "$@"'

pytestmark = pytest.mark.slow


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


class Image:
    """What was built: its root file system and its configuration."""

    def __init__(self, root: Path, config: dict[str, Any]) -> None:
        self.root = root
        self.config = config
        user = config["User"]
        # Of its own mounts and processes: the daemon is PID 1, the root is read-only.
        self.inside: tuple[str, ...] = (
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", READ_ONLY, "sh", str(root)),
            *(f"--userspec={user}", str(root)),
        )


def _mirror() -> str:
    """Where this machine gets Debian's packages from."""
    for source in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        lines = source.read_text() if source.is_file() and source.suffix in {".list", ".sources"} else ""
        found = re.search(r"^(?:URIs:|deb(?: \[.*?\])?)\s+(\S+)", lines, re.MULTILINE)
        if found:
            return found[1]
    raise AssertionError("no source of Debian's packages is configured here")


def _pid(daemon: DaemonProcess) -> int:
    """The daemon itself; its parent is ``unshare``, which hands on no signal."""
    (child,) = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    return int(child)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    work = tmp_path_factory.mktemp("image")
    base, wheels = work / "base", work / "wheels"
    _run("debootstrap", "--variant=minbase", "--include=python3,python3-pip", "bookworm", base, _mirror())
    full = work / "full"
    _run("cp", "-a", base, full)
    _run(
        "chroot", full, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "gcc", "libc6-dev", "python3-dev"
    )
    for root in (base, full):
        (root / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheelhouse\n")
    version = _run("chroot", base, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    binary = ("--require-hashes", "--only-binary=:all:", f"--python-version={version}", "-d", wheels)
    for locked in ("run", "build"):
        _run(sys.executable, "-m", "pip", "download", "-q", *binary, "-r", f"requirements/{locked}.txt")

    buildah = ("buildah", "--root", work / "storage", "--runroot", work / "run", "--storage-driver", "vfs")
    python = re.findall(r"^ARG PYTHON=(.*)$", (ROOT / "Dockerfile").read_text(), re.M)[0]
    for root, variant in ((base, "-slim"), (full, "")):
        container = _run(*buildah, "from", "scratch")
        _run(*buildah, "add", "-q", container, root, "/")
        _run(*buildah, "commit", "-q", container, f"docker.io/library/python:{python}{variant}")
    built = (
        "--isolation=chroot",
        "--format=docker",
        "--pull-never",
        "--layers=false",
        f"--volume={wheels}:/wheelhouse:ro",
    )
    _run(*buildah, "build", *built, "--build-arg=VERSION=1.2.3", "-t", "signald", ".")
    root = Path(_run(*buildah, "mount", _run(*buildah, "from", "--pull-never", "localhost/signald")))
    config = json.loads(_run(*buildah, "inspect", "--type=image", "signald"))["Docker"]["config"]
    yield Image(root, config)
    _run("rm", "-rf", work)


def test_process_in_the_image_serves_clients_and_ends_by_sigterm(image: Image) -> None:
    """As PID 1, as nobody, with a read-only root and the platform's PORT: it would not start, or be killed hard."""
    assert image.config["Entrypoint"] == ["/opt/signald/bin/python", "-Pm", "signald"]
    with DaemonProcess(
        twistd=(*image.inside, *image.config["Entrypoint"]), foreground=(), variables={"PORT": "0"}
    ) as daemon:
        with Client(daemon.port) as first, Client(daemon.port) as second:
            pair(first, second)
            assert daemon.health()["clients"] == 2
            status = Path(f"/proc/{_pid(daemon)}/status").read_text()
            assert re.search(r"^NSpid:\s+\d+\s+1$", status, re.MULTILINE), "not PID 1"
            assert re.search(r"^Uid:\s+65532\s+65532", status, re.MULTILINE)
            os.kill(_pid(daemon), signal.SIGTERM)
            assert (first.wait_closed(), second.wait_closed()) == (1001, 1001)
        assert daemon.wait_exit() == 0
        assert daemon.errors == []


def test_health_check_of_the_image_knows_a_dead_daemon(image: Image) -> None:
    """A container that hangs would never be replaced, or a healthy one for ever."""
    kind, *command = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    with DaemonProcess(
        twistd=(*image.inside, *image.config["Entrypoint"]), foreground=(), variables={"PORT": "0"}
    ) as daemon:
        check = (*image.inside, *command)
        variables = environment(PORT=str(daemon.port))
        healthy = subprocess.run(check, env=variables, capture_output=True)
        os.kill(_pid(daemon), signal.SIGTERM)
        assert daemon.wait_exit() == 0
    assert (healthy.returncode, healthy.stderr) == (0, b"")
    assert subprocess.run(check, env=variables, capture_output=True).returncode == 1


def test_image_holds_nothing_to_build_with_and_nothing_of_the_checkout(image: Image) -> None:
    """A bigger image, and more for an intruder to use."""
    for tool in ("cc", "gcc", "ld", "make"):
        assert not list(image.root.glob(f"usr/bin/{tool}"))
    assert not (image.root / "src").exists()
    assert not (image.root / "wheels").exists()
    assert not list(image.root.glob("opt/signald/lib/python3*/site-packages/pip"))


def test_image_has_the_list_of_plugins(image: Image) -> None:
    """Without it every start looks through all plugins, and logs an error since the root is read-only."""
    caches = list(image.root.glob("opt/signald/lib/python3*/site-packages/twisted/plugins/dropin.cache"))
    assert len(caches) == 1 and b"signald" in caches[0].read_bytes()


def test_image_reads_frames_in_c(image: Image) -> None:
    """Without the compiler in the first stage the build goes on, and every container is slower for ever."""
    shown = _run(*image.inside, "/opt/signald/bin/twistd", "signald", "--version", cwd=Path("/"))
    assert shown.endswith("(frames: c)")


def test_image_says_what_it_is(image: Image) -> None:
    """Nobody could tell which version runs."""
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == "1.2.3"
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert image.config["StopSignal"] == "SIGTERM"

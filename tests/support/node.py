"""Programs of Node's world for the tests of the JavaScript kit, in the versions of `clients/js/package-lock.json`."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.daemon import environment

ROOT: Final = Path(__file__).parents[2]
KIT: Final = ROOT / "clients" / "js"
STATIC: Final = ROOT / "signald" / "web" / "static"

_PATIENCE_S: Final = 300
_MANIFESTS: Final = ("package.json", "package-lock.json", ".npmrc")


def run(folder: Path, *command: str, **variables: str) -> str:
    """What a program says that must succeed."""
    given = environment() | variables
    ran = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=_PATIENCE_S)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def program(name: str) -> str:
    """Where a program of the system is; in CI it must be there."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is needed: apt-get install nodejs npm"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def modules() -> Path:
    """The folder ``node_modules`` with what the kit is built and tested with.

    Installed once for each lock file, by whichever test comes first, into the user's cache; later nobody is asked.
    """
    npm = program("npm")
    program("node")
    manifests = b"".join((KIT / name).read_bytes() for name in _MANIFESTS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "signald-tests"
    folder = cache / f"node-{hashlib.sha256(manifests).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in _MANIFESTS:
                shutil.copy(KIT / name, folder)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            ran = subprocess.run(
                command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=_PATIENCE_S
            )
            if ran.returncode:
                pytest.fail(f"npm cannot install what the kit is tested with: {ran.stderr[-2000:]}")
            (folder / "done").touch()
    return folder / "node_modules"


def packed(folder: Path) -> Path:
    """The package as it would be published, made from a copy of the tree in `folder`."""
    tree = folder / "tree"
    for part in (KIT, STATIC):
        shutil.copytree(part, tree / part.relative_to(ROOT), ignore=shutil.ignore_patterns("dist", "node_modules"))
    shutil.copy(ROOT / "LICENSE", tree)
    kit = tree / KIT.relative_to(ROOT)
    (kit / "node_modules").symlink_to(modules())
    run(kit, program("npm"), "pack", "--silent", "--pack-destination", str(folder))
    (tarball,) = folder.glob("*.tgz")
    return tarball


def installed(tarball: Path, project: Path, *also: str) -> Path:
    """A project with the package in it, and with those others that are named.

    Args:
        tarball: The package, packed.
        project: A folder; an example may be in it already.
        also: Packages of `modules`, as in ``react`` or ``@types/react``.
    """
    manifest = project / "package.json"
    if not manifest.exists():
        manifest.write_text('{"name": "app", "private": true, "type": "module"}')
    options = ("--silent", "--offline", "--no-audit", "--no-fund", "--no-save", "--no-package-lock")
    bare = project / "bare"
    bare.mkdir()
    (bare / "package.json").write_text('{"name": "bare", "private": true}')
    run(bare, program("npm"), "install", *options, str(tarball))
    (bare / "node_modules").rename(project / "node_modules")
    shutil.rmtree(bare)
    for name in also:
        link = project / "node_modules" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(modules() / name)
    return project

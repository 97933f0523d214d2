"""The Python kit as others get it: built, and installed in an environment that has nothing else."""

import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from tests.support.daemon import environment

KIT: Final = Path(__file__).parents[2] / "clients" / "python"

_PATIENCE_S: Final = 600


def run(*command: str | Path, folder: Path | None = None) -> str:
    """What a program says that must succeed."""
    ran = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment(), capture_output=True, text=True, timeout=_PATIENCE_S
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@cache
def built() -> Path:
    """A folder with the source distribution and the wheel, made from a copy of the tree."""
    folder = _folder()
    tree = shutil.copytree(KIT, folder / "tree", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__", "build"))
    run(sys.executable, "-m", "build", "--outdir", folder, tree)
    return folder


@cache
def installed() -> Path:
    """The Python of an environment with the wheel, and what the bot needs, and nothing else."""
    (wheel,) = built().glob("*.whl")
    environment_of_kit = _folder()
    run(sys.executable, "-m", "venv", environment_of_kit)
    python = environment_of_kit / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", f"{wheel}[bot]")
    return python


_folders: list[tempfile.TemporaryDirectory[str]] = []
"""They are removed when the tests end."""


def _folder() -> Path:
    _folders.append(tempfile.TemporaryDirectory(prefix="signald-client-"))
    return Path(_folders[-1].name)

"""The modules that a page takes along, run by Node and read by the TypeScript compiler."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STATIC = HERE.parents[2] / "signald" / "web" / "static"


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is needed: {package}")
        pytest.skip(f"no {name} here: {package}")
    return found


@pytest.mark.parametrize("file", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_modules(file: str) -> None:
    """Else a lost connection ends a call, or a sleep, a hidden tab, a reload or a second one leaves a page without."""
    node = _program("node", "apt-get install nodejs")
    ran = subprocess.run([node, "--test", str(HERE / file)], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# pass 0" not in ran.stdout


@pytest.mark.skipif(shutil.which("tsc") is None, reason="no tsc here: npm install -g typescript")
def test_types() -> None:
    """Else authors of pages are told of events and fields that do not exist."""
    options = ["--checkJs", "--allowJs", "--strict", "--noEmit", "--exactOptionalPropertyTypes", "--module", "nodenext"]
    target = ["--target", "es2022", "--lib", "es2023,dom,dom.iterable", "--types", ""]
    files = [str(path) for path in sorted(STATIC.glob("*.js"))]
    ran = subprocess.run(["tsc", *options, *target, *files], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout

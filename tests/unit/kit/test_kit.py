"""The modules that a page takes along, run by Node and read by the TypeScript compiler."""

import subprocess
from pathlib import Path

import pytest

from tests.support.node import STATIC, modules, program, run

HERE = Path(__file__).parent


@pytest.mark.parametrize("file", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_modules(file: str) -> None:
    """Else a lost connection ends a call, or a sleep, a hidden tab, a reload or a second one leaves a page without."""
    ran = subprocess.run([program("node"), "--test", str(HERE / file)], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# pass 0" not in ran.stdout


def test_types() -> None:
    """Else authors of pages are told of events and fields that do not exist."""
    options = ["--checkJs", "--allowJs", "--strict", "--noEmit", "--exactOptionalPropertyTypes", "--module", "esnext"]
    target = ["--moduleResolution", "bundler", "--target", "es2022", "--lib", "es2023,dom,dom.iterable", "--types", ""]
    files = [str(path) for path in sorted(STATIC.rglob("*.js"))]
    run(STATIC, str(modules() / ".bin" / "tsc"), *options, *target, *files)

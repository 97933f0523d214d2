"""The modules that a page takes along, run by Node and read by the TypeScript compiler."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from signald.core import messages
from signald.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, ErrorCode

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


def test_types_follow_the_protocol() -> None:
    """Else a field or an error that the server has sent for long is unknown to whoever writes a page."""
    text = (STATIC / "protocol.js").read_text()
    type_of = re.compile(r'@property \{"([\w-]+)"\} type$', re.MULTILINE)
    typedefs = {found[1]: part for part in text.split("/**") if (found := type_of.search(part))}
    fields = re.compile(r"@property \{(?:[^{}]|\{[^{}]*\})*\} \[?(\w+)")
    for message in SERVER_MESSAGES:
        assert set(fields.findall(typedefs[messages.message_type(message)])) == _fields(message)
    of_clients = text[text.index("What the client may send") :]
    for message in CLIENT_MESSAGES:
        described = re.search(rf'\{{ type: [^{{}}]*"{messages.message_type(message)}"[^{{}}]*\}}', of_clients)
        assert described, message
        assert set(re.findall(r"(\w+)\??:", described[0])) == _fields(message)
    assert all(f'"{code}"' in text for code in ErrorCode)


def _fields(message: type[msgspec.Struct]) -> set[str]:
    return {"type", *(field.encode_name for field in msgspec.structs.fields(message))}

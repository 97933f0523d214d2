"""Fuzz all that is in C under AddressSanitizer: ``python -m tests.fuzz.native [seconds]`` (needs gcc).

The C sources are built here with the sanitizers of addresses and of undefined behaviour, and held against the
reference: whatever comes, both do the same, and nothing is touched that is not the input's or the result's.
"""

import importlib.util
import os
import random
import select
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Raw

import signald
from signald.core import messages
from signald.network import sockets, upgrade
from signald.websocket import frames
from tests.support import signals
from tests.support.frames import client_frame
from tests.support.heads import PIECES, USUAL, changed

SOURCES = sorted(Path(signald.__file__).parent.glob("*/_*.c"))
ROUND = 1_000
"""Inputs between two looks at the clock."""

SANITIZERS = "-fsanitize=address,undefined"


def _input(chance: random.Random) -> bytes:
    """Some frames, right and wrong, cut and with single bytes changed."""
    data = bytearray()
    for _ in range(chance.randrange(4)):
        size = chance.choice((0, 1, 7, 8, 9, 40, 125, 126, 127, 300, 65_535, 65_536))
        text = chance.choice((bytes(size), "größer😀".encode() * (size // 10), chance.randbytes(size)))
        opcode = chance.choice((1, 1, 1, 1, 2, 8, 9))
        data += client_frame(opcode, text, masked=chance.random() < 0.95, fin=chance.random() < 0.95)
    for _ in range(chance.choice((0, 0, 1, 3))):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: len(data) - chance.choice((0, 0, 1, 2, 9))])


def _nearly(chance: random.Random, usual: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    """One of these, right or nearly so."""
    changes = [
        (chance.randrange(2**16), chance.randrange(4), chance.randrange(len(pieces)), chance.random() < 0.7)
        for _ in range(chance.choice((0, 1, 1, 2, 3)))
    ]
    return changed(chance.choice(usual), changes, pieces)


def _head(chance: random.Random) -> bytes:
    """A handshake, right or nearly so, cut or with something behind it."""
    data = _nearly(chance, USUAL, PIECES)
    return data[: chance.randrange(len(data))] if chance.random() < 0.1 else data + chance.choice((b"", b"\x81", data))


def _load(folder: str, name: str) -> Any:
    found = importlib.util.spec_from_file_location(name, f"{folder}/{name}.so")
    assert found is not None and found.loader is not None
    native: Any = importlib.util.module_from_spec(found)
    found.loader.exec_module(native)
    return native


def _run(folder: str, seconds: float) -> None:
    native = _load(folder, "_frames")
    read = _load(folder, "_upgrade").read
    in_c = _load(folder, "_sockets")
    parts = (messages.parse, messages.Offer, messages.Answer, messages.Ice, Raw)
    parse = partial(_load(folder, "_signals").read, *parts)
    ours, other = socket.socketpair()
    ours.setblocking(False)
    other.setblocking(False)
    polled = select.epoll()
    polled.register(other, select.EPOLLIN | select.EPOLLOUT)
    readable = select.epoll()
    readable.register(other, select.EPOLLIN)
    in_python = sockets.poller(polled, {})
    began = time.monotonic()
    seed = inputs = 0
    while time.monotonic() - began < seconds:
        chance = random.Random(seed)  # noqa: S311 - to be repeated
        seed += 1
        for _ in range(ROUND):
            data = _input(chance)
            at = chance.randrange(len(data) + 2)
            assert native.texts(data, at) == frames.texts(data, at), (data, at)
            assert native.texts(data, 0) == frames.texts(data, 0), data
            assert native.frame(data) == frames.frame(data), data
            start, end = sorted((4 + at, 4 + chance.randrange(len(data) + 1)))
            end = min(end, len(data))
            if start <= end:
                assert native.unmask(data, start, end) == frames.unmask(data, start, end), (data, start, end)
            head = _head(chance)
            assert read(lambda _: None, upgrade.Upgrade, head) in (None, upgrade.read(head)), head
            sent = in_c.send(ours.fileno(), data)
            assert in_c.poll(polled.fileno(), {}, 0, 1 + at % 9) == in_python(0, 1), data
            if sent:
                come = data[:sent][: sockets.READ_BYTES]
                if at % 2:
                    assert in_c.receive(other.fileno()) == come, data
                else:
                    told = in_c.poll(readable.fileno(), {other.fileno(): seconds}, 0, 1 + at % 9)
                    assert told == [(seconds, select.EPOLLIN, come)], data
                while polled.poll(0)[0][1] & select.EPOLLIN:
                    sockets.receive(other.fileno())
            text = _nearly(chance, signals.USUAL, signals.PIECES)
            assert signals.outcome(parse, text) == signals.outcome(messages.parse, text), text
            inputs += 7
    print(f"{time.monotonic() - began:.0f} s, {inputs} inputs, no difference and no fault")  # noqa: T201


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Build, and run under the sanitizers for so many seconds."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    with tempfile.TemporaryDirectory() as folder:
        include = sysconfig.get_path("include")
        build = ("gcc", "-g", "-O1", "-Wall", "-Wextra", "-Werror", SANITIZERS, "-shared", "-fPIC", f"-I{include}")
        for source in SOURCES:
            subprocess.run([*build, str(source), "-o", f"{folder}/{source.stem}.so"], check=True)
        libraries = [
            subprocess.run(
                ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
            ).stdout.strip()
            for name in ("libasan.so", "libubsan.so")
        ]
        # Python itself leaks at its end, and has its own allocator, behind which nothing would be seen.
        sanitized = {
            "LD_PRELOAD": " ".join(libraries),
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "halt_on_error=1",
            "PYTHONMALLOC": "malloc",
        }
        inside = [sys.executable, "-m", "tests.fuzz.native", seconds, folder]
        sys.exit(subprocess.run(inside, env={**os.environ, **sanitized}).returncode)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _run(sys.argv[2], float(sys.argv[1]))
    else:
        main()

"""Garbage collection that does not look at every old object each time."""

import gc
import subprocess
import sys
from pathlib import Path

from signald.process.garbage import nothing_to_collect

ROOT = Path(__file__).parents[3]

CYCLES = """
import gc
from collections import deque
from signald.process.garbage import LongLived

class Node:
    alive = most = 0
    def __init__(self):
        Node.alive += 1
        Node.most = max(Node.most, Node.alive)
        self.me = self
    def __del__(self):
        Node.alive -= 1

LongLived().start()
living = deque(maxlen=30_000)
for _ in range(1_000_000):
    living.append(Node())
print(Node.most)
"""


def test_old_garbage_is_found() -> None:
    """What lived through one garbage collection and then became garbage fills the memory."""
    done = subprocess.run([sys.executable, "-c", CYCLES], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150_000


def test_what_is_loaded_is_not_looked_at() -> None:
    """Each start looks for garbage among modules that stay; or a daemon never looks for garbage again."""
    with nothing_to_collect():
        assert not gc.isenabled()
        module = ["an object"]
        module.append(module)  # type: ignore[arg-type]
    assert gc.isenabled()
    assert not any(found is module for found in gc.get_objects())

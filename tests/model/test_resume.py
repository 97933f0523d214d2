"""Sessions that outlive their connections and their homes, in orders of events that no clock would ever bring about.

``EXAMPLES=20000 pytest tests/model/test_resume.py`` tries so many; ``-rP`` shows how many steps and states those were.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.journeys import Journeys
from tests.model.steps import Step
from tests.support.redis import Commands, RedisServer

EXAMPLES = int(os.environ.get("EXAMPLES", "40"))

HOMES = {"both on one of two": (2, 0), "each on one": (1, 1), "three on two": (2, 1), "three on three": (1, 1, 1)}


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """A connection to a real store."""
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as store, Commands(store) as commands:
        yield commands


def walk(world: Journeys, choices: list[tuple[int, int]], way: list[Step]) -> None:
    """Let some clients meet, do what was chosen, and judge it."""
    for at in range(len(world.walkers)):
        world.do(("say", at, "available"))
    world.come_to_rest()
    for kind, choice in choices:
        steps: list[Step] = world.moves()
        if kind == 9:
            steps = world.faults()
        elif kind == 8:
            steps = [("second",)]
        elif kind >= 6 or not steps:
            steps = world.words()
        if steps:
            way.append(steps[choice % len(steps)])
            world.do(way[-1])
    world.mend()
    world.check()


@settings(
    max_examples=EXAMPLES,
    derandomize="EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    layout=st.sampled_from(sorted(HOMES)),
    choices=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 999)), max_size=80),
)
def test_random_orders(commands: Commands, layout: str, choices: list[tuple[int, int]]) -> None:
    """In some rare order of events a call ends that nobody ended, or a message in it is lost or comes twice."""
    way: list[Step] = []
    try:
        walk(Journeys(commands, HOMES[layout]), choices, way)
    except Exception as failure:
        failure.add_note("\n".join(map(repr, way)))
        raise

"""Sessions that outlive their connections and their homes, in orders of events that no clock would ever bring about.

``EXAMPLES=20000 pytest tests/model/test_resume.py`` tries so many; ``-m slow`` lets something break in each moment in
which a client changes its home.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.model.journeys import Journeys
from tests.model.service import RESUME_S
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


REST: Step = ("rest",)

ATTEMPTS: dict[str, list[Step]] = {
    "late at another one, good at home": [("ask late", 0, 1), ("ask", 0, 0), REST, ("arrive", 0)],
    "late at home, good at another one": [("ask late", 0, 0), ("ask", 0, 1), REST, ("arrive", 0)],
    "late and good at others": [("ask late", 0, 1), ("ask", 0, 2), REST, ("arrive", 0)],
    "late, lost again": [("ask late", 0, 2), ("ask", 0, 1), REST, ("drop", 0), ("arrive", 0), REST, ("ask", 0, 2)],
    "late, alone": [
        ("freeze store",),
        ("ask late", 0, 1),
        ("ask", 0, 0),
        REST,
        ("arrive", 0),
        REST,
        ("thaw store",),
    ],
    "in vain at home": [*[("ask in vain", 0, 0), REST] * 3, ("ask", 0, 0)],
    "in vain at each": [("ask in vain", 0, 1), REST, ("ask in vain", 0, 2), REST, ("ask in vain", 0, 0), ("ask", 0, 1)],
    "in vain at home, which dies": [("ask in vain", 0, 0), REST, ("kill", 0), ("ask", 0, 1)],
    "in vain at another one, which dies": [("ask in vain", 0, 2), REST, ("kill", 2), ("ask", 0, 0)],
    "in vain at one that stops": [("ask in vain", 0, 2), REST, ("stop", 2), REST, ("ask", 0, 0)],
    "in vain at the partner": [
        ("freeze store",),
        ("ask in vain", 0, 1),
        REST,
        ("thaw store",),
        ("ask", 0, 2),
    ],
    "in vain at one that freezes": [("ask in vain", 0, 2), REST, ("freeze", 2), ("ask", 0, 0), REST, ("thaw", 2)],
    "both at once from one home": [("ask", 0, 1), REST, ("drop", 0), ("drop", 1), ("ask", 0, 0), ("ask", 1, 2)],
    "both at once, the other first": [("ask", 0, 1), REST, ("drop", 0), ("drop", 1), ("ask", 1, 2), ("ask", 0, 0)],
}
"""Clients 0 and 1 are partners, at home on instances 0 and 1 of three; 0 has lost its connection."""


@pytest.mark.parametrize("steps", ATTEMPTS.values(), ids=ATTEMPTS)
def test_attempts(commands: Commands, steps: list[Step]) -> None:
    """Whose network gets better step by step loses the call by the attempts that did not work."""
    world = Journeys(commands, (1, 1, 0))
    for at in (0, 1):
        world.do(("say", at, "available"))
    world.come_to_rest()
    clients, before = set(world.views), [walker.view.certain for walker in world.walkers]
    for step in [("drop", 0), *steps, REST]:
        if step is not REST:
            world.do(step)
            continue
        for _ in range(6):
            world.come_to_rest()
    assert [walker.view.certain if walker.here else None for walker in world.walkers] == before
    world.mend()
    world.check()
    assert set(world.views) == clients


MOMENTS: dict[str, tuple[tuple[int, ...], list[Step], list[Step]]] = {
    "emptied, one goes": ((1, 1, 0), [("ask", 0, 2)], [("empty",)]),
    "emptied, both change places": ((1, 1, 0), [("drop", 1), ("ask", 0, 1), ("ask", 1, 0)], [("empty",)]),
    "emptied, both go": ((1, 1, 0), [("drop", 1), ("ask", 0, 2), ("ask", 1, 0)], [("empty",)]),
    "emptied, both leave one home": ((2, 0, 0), [("drop", 1), ("ask", 0, 1), ("ask", 1, 2)], [("empty",)]),
    "emptied, both meet": ((1, 1, 0), [("drop", 1), ("ask", 0, 2), ("ask", 1, 2)], [("empty",)]),
    "emptied, and the home dies": ((1, 1, 0), [("ask", 0, 2)], [("kill", 0), ("empty",)]),
    "emptied, and the partner's home dies": ((1, 1, 0), [("ask", 0, 2)], [("kill", 1), ("empty",)]),
    "emptied, and the common home dies": (
        (2, 0, 0),
        [("drop", 1), ("ask", 0, 1), ("ask", 1, 2)],
        [("kill", 0), ("empty",)],
    ),
    "cut off": ((1, 1, 0), [("ask", 0, 2)], [("cut", 2, 0)]),
    "deaf": ((1, 1, 0), [("ask", 0, 2)], [("cut", 2, 1)]),
    "frozen": ((1, 1, 0), [("ask", 0, 2)], [("freeze store",), REST, REST, REST, ("thaw store",)]),
    "frozen, both leave one home": (
        (2, 0, 0),
        [("drop", 1), ("ask", 0, 1), ("ask", 1, 2)],
        [("freeze store",), REST, REST, REST, ("thaw store",)],
    ),
    "the home stops": ((1, 1, 0), [("ask", 0, 2)], [("stop", 0)]),
    "the partner's home stops": ((1, 1, 0), [("ask", 0, 2)], [("stop", 1)]),
    "the new home stops": ((1, 1, 0), [("ask", 0, 2)], [("stop", 2)]),
    "the home dies": ((1, 1, 0), [("ask", 0, 2)], [("kill", 0)]),
    "the partner's home dies": ((1, 1, 0), [("ask", 0, 2)], [("kill", 1)]),
    "the new home dies": ((1, 1, 0), [("ask", 0, 2)], [("kill", 2)]),
    "the home hangs": ((1, 1, 0), [("ask", 0, 2)], [("freeze", 0), *[REST] * 4, ("thaw", 0)]),
    "the partner's home hangs": ((1, 1, 0), [("ask", 0, 2)], [("freeze", 1), *[REST] * 4, ("thaw", 1)]),
    "stop, emptied": ((1, 1, 0), [("stop", 0), ("ask", 0, 2)], [("empty",)]),
}
"""Clients 0 and 1 are partners, 0 has lost its connection: how many clients come to each instance, what happens then,
and what breaks in the midst of it."""


def test_a_fault_in_some_moments(commands: Commands) -> None:
    """The store is emptied just when two change their homes, and each is told that the other has left."""
    _break_in(commands, "emptied, both leave one home", apart=24)


@pytest.mark.slow
@pytest.mark.parametrize("name", MOMENTS)
def test_a_fault_in_each_moment(commands: Commands, name: str) -> None:
    """Something breaks just when a client changes its home, and one of the two is told that the other has left."""
    _break_in(commands, name, apart=1)


def _break_in(commands: Commands, name: str, *, apart: int) -> None:
    """Let things break once, in each of the moments that are so far apart; then all must be as before."""
    layout, steps, faults = MOMENTS[name]
    moment = 0
    while (world := _at_moment(commands, layout, steps, moment)) is not None:
        before = [walker.view.certain for walker in world.walkers]
        try:
            for fault in faults:
                if fault is REST:
                    world.come_to_rest()
                else:
                    world.do(fault)
            world.mend()
            world.check()
            assert [walker.view.certain for walker in world.walkers] == before
        except Exception as failure:
            failure.add_note(f"{name}, in moment {moment}")
            raise
        moment += apart
    assert moment > 50, "a session that moves takes so many steps"


def _at_moment(commands: Commands, layout: tuple[int, ...], steps: list[Step], moment: int) -> Journeys | None:
    """The world when so much has happened of what is under way; None if that is all."""
    world = Journeys(commands, layout)
    for at in (0, 1):
        world.do(("say", at, "available"))
    world.come_to_rest()
    for step in [("drop", 0), *steps]:
        world.do(step)
    return world if let_go_on(world, moment) else None


def test_home_that_could_not_park(commands: Commands) -> None:
    """Who went on by its token, when its home had given it up and could not say so, is thrown out by the next loss."""
    world = Journeys(commands, (1, 1, 0))
    walker = world.walkers[0]
    for at in (0, 1):
        world.do(("say", at, "available"))
    world.come_to_rest()
    before = [walker.view.certain for walker in world.walkers]
    for step in (("drop", 0), ("ask", 0, 2)):
        world.do(step)
    home = next(world.alive())
    while walker.view.client in home.homes():
        world.do(world.moves()[0])
    world.do(("freeze store",))
    while not walker.here:
        world.come_to_rest()
    for step in (("drop", 0), ("ask", 0, 0)):
        world.do(step)
    while not walker.here:
        world.come_to_rest()
    world.mend()
    world.check()
    assert [walker.view.certain for walker in world.walkers] == before


def test_attempt_that_is_given_up_while_its_session_comes(commands: Commands) -> None:
    """Who asked twice, and is back, is thrown out of its call after RESUME_SECONDS: it did not come back, once."""
    world = Journeys(commands, (1, 1, 0))
    walker = world.walkers[0]
    for at in (0, 1):
        world.do(("say", at, "available"))
    world.come_to_rest()
    steps: list[Step] = [("drop", 0), ("kill", 0), ("freeze", 1), ("ask in vain", 0, 2)]
    for step in steps:
        world.do(step)
    while not any(client == walker.view.client for process in world.alive() for client in process.homes()):
        world.come_to_rest()
    world.do(("ask", 0, 2))
    walker.close_unheard()
    for _ in range(4):
        world.come_to_rest()
    world.do(("thaw", 1))
    assert walker.here
    for _ in range(RESUME_S + 2):
        world.come_to_rest()
    assert walker.here
    world.mend()
    world.check()


MOVES: dict[str, tuple[tuple[int, ...], list[Step]]] = {
    "one goes": ((1, 1, 0), [("ask", 0, 2)]),
    "one leaves a common home": ((2, 0, 0), [("ask", 0, 1)]),
    "both change places": ((1, 1, 0), [("drop", 1), ("ask", 0, 1), ("ask", 1, 0)]),
    "both go": ((1, 1, 0), [("drop", 1), ("ask", 0, 2), ("ask", 1, 0)]),
    "both leave a common home": ((2, 0, 0), [("drop", 1), ("ask", 0, 1), ("ask", 1, 2)]),
}
"""As in `MOMENTS`."""

BREAKS: dict[str, list[Step]] = {
    "empty": [("empty",)],
    "freeze": [("freeze store",), REST, REST, ("thaw store",)],
    "cut": [("cut", 2, 0)],
    **{f"{how} {number}": [(how, number)] for how in ("kill", "stop") for number in range(3)},
    **{f"hang {number}": [("freeze", number), REST, REST, ("thaw", number)] for number in (0, 1)},
    **{f"drop {at}": [("drop", at)] for at in (0, 1)},
}


@settings(
    max_examples=max(EXAMPLES // 4, 1),
    derandomize="EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@example("one goes", 24, [("stop 2", 1, 60)])
@example("both change places", 25, [("freeze", 0, 11)])
@example("both change places", 73, [("empty", 0, 44)])
@example("both change places", 4, [("empty", 2, 52), ("stop 0", 0, 27)])
@example("both change places", 3, [("hang 0", 0, 17), ("kill 0", 2, 5)])
@example("one leaves a common home", 19, [("empty", 4, 15), ("kill 0", 2, 4)])
@given(
    st.sampled_from(sorted(MOVES)),
    st.integers(0, 60),
    st.lists(st.tuples(st.sampled_from(sorted(BREAKS)), st.integers(0, 8), st.integers(0, 60)), min_size=1, max_size=3),
)
def test_one_fault_after_the_other(
    commands: Commands, move: str, moment: int, breaks: list[tuple[str, int, int]]
) -> None:
    """What mends one fault is in the way of the next one, and two who only change their instances lose each other."""
    world = _at_moment(commands, *MOVES[move], moment)
    assume(world is not None)
    assert world is not None
    before = [walker.view.certain for walker in world.walkers]
    for name, where, moves in breaks:
        for step in BREAKS[name]:
            if step is REST:
                world.come_to_rest()
            elif world.can(step):
                world.do(step)
        opened = [number for number, process in world.running() if process.open]
        for at, walker in enumerate(world.walkers):
            if opened and walker.line is None and not walker.asks and where % 4:  # else it comes later
                world.do(("ask", at, opened[(where + at) % len(opened)]))
        let_go_on(world, moves)
    world.mend()
    world.check()
    assert [walker.view.certain for walker in world.walkers] == before


def let_go_on(world: Journeys, moves: int) -> bool:
    """Let so much happen of what is under way; false if there is less."""
    for _ in range(moves):
        steps = world.moves()
        if not steps:
            return False
        world.do(steps[0])
    return True


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

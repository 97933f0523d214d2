"""Match and confirm, explored: every order of what can happen to few clients, and random orders of much more.

The exhaustive part takes each state once, whatever way led to it. In the environment, ``DEPTH=1`` lets clients
say one word more, and ``EXAMPLES`` is how many random orders are tried.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signald.brokers.redis.access import Script
from signald.brokers.redis.keys import Keys
from tests.model import queue
from tests.model.world import Step, World
from tests.support.redis import Commands, RedisServer

MORE = int(os.environ.get("DEPTH", "0"))

LAYOUTS = {"2 + 1": (["a", "b"], ["c"]), "1 + 1": (["a"], ["b"]), "1 + 1 + 1": (["a"], ["b"], ["c"])}


def explore(layout: str, words: int, faults: int, seconds: int) -> tuple[int, int]:
    """Visit every state that a few words, faults and seconds can lead to, in every order.

    Returns:
        How many states there are, and how many of them were let come to rest and checked.
    """
    start = World(*LAYOUTS[layout])
    seen = {(start.key(), words, faults, seconds)}
    todo: list[tuple[bytes, int, int, int, tuple[Step, ...]]] = [(start.save(), words, faults, seconds, ())]
    checked = 0
    while todo:
        saved, words, faults, seconds, way = todo.pop()
        world = World.load(saved)
        nexts = [(step, words, faults, seconds) for step in world.moves()]
        if words:
            nexts += [(step, words - 1, faults, seconds) for step in world.words()]
        if faults and way:
            nexts += [(step, words, faults - 1, seconds) for step in world.faults()]
        if seconds and way:
            nexts.append((("second",), words, faults, seconds - 1))
        for step, *left in nexts:
            other = World.load(saved)
            path = (*way, step)
            try:
                other.do(step)
                known = (other.key(), *left)
                if known in seen:
                    continue
                seen.add(known)  # type: ignore[arg-type]
                # Where something is under way, the states in which it has ended are still to come.
                at = other.save()
                if not other.moves():
                    other.settle()
                    other.check()
                    checked += 1
            except Exception as failure:
                failure.add_note("\n".join(map(repr, path)))
                raise
            todo.append((at, *left, path))  # type: ignore[arg-type]
    return len(seen), checked


@pytest.mark.parametrize(
    ("layout", "words", "faults", "seconds"),
    [
        ("1 + 1", 3, 0, 0),
        ("1 + 1", 2, 0, 1),
        ("1 + 1", 2, 1, 0),
        ("2 + 1", 3, 0, 0),
        ("1 + 1 + 1", 3, 0, 0),
    ],
)
def test_every_order(layout: str, words: int, faults: int, seconds: int) -> None:
    """In some rare order of events two people are left alone, or three are in two rooms."""
    states, checked = explore(layout, words + MORE, faults, seconds)
    print(f"{layout} clients, {words + MORE} words, {faults} faults: {states} states, {checked} let come to rest")  # noqa: T201 - for -rP


@settings(max_examples=int(os.environ.get("EXAMPLES", "400")), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    choices=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 999)), max_size=120),
)
def test_random_orders(layout: str, choices: list[tuple[int, int]]) -> None:
    """The same, after a long life with many faults."""
    world = World(*LAYOUTS[layout])
    way: list[Step] = []
    for kind, choice in choices:
        steps = world.moves()
        if kind >= 9:
            steps = world.faults()
        elif kind >= 7 or not steps:
            steps = [*world.words(), ("second",)]
        step = steps[choice % len(steps)]
        way.append(step)
        try:
            world.do(step)
        except Exception as failure:
            failure.add_note("\n".join(map(repr, way)))
            raise
    try:
        world.settle()
        world.check()
    except Exception as failure:
        failure.add_note("\n".join(map(repr, way)))
        raise


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """A connection to a real store."""
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as store, Commands(store) as commands:
        yield commands


_TICKETS = st.builds(
    lambda instance, client, number, avoid: f"{instance}|{client}|{number}|{avoid}",
    st.sampled_from("ABC"),
    st.sampled_from("uvwxyz"),
    st.integers(1, 3),
    st.sampled_from(["", "", "u", "v"]),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    filed=st.dictionaries(_TICKETS, st.integers(0, 20), max_size=30),
    alive=st.sets(st.sampled_from("ABC")),
    own=_TICKETS,
    former=st.booleans(),
    place=st.integers(0, 20),
    shunned=st.sets(st.sampled_from("ABC")),
)
def test_script_does_what_the_model_thinks(
    commands: Commands,
    filed: dict[str, int],
    alive: set[str],
    own: str,
    former: bool,
    place: int,
    shunned: set[str],
) -> None:
    """All that the model shows would be about something else."""
    keys = Keys("model:")
    commands("FLUSHALL")
    for ticket, at in filed.items():
        commands("ZADD", keys.waiting, at, ticket)
    for instance in alive:
        commands("SET", keys.lease(instance), "boot")
    before = own.rsplit("|", 1)[0] + "|" if former and not own.endswith("|") else ""
    arguments: tuple[str | int, ...] = (keys.lease_prefix, own, before, place, 0, keys.blocks_prefix, *sorted(shunned))
    reply = commands("EVAL", Script("match").text, 1, keys.waiting, *arguments)
    taken = queue.match(filed, alive, own, before, place, frozenset(shunned))
    assert [part.decode() for part in reply] == [str(place), *([taken] if taken else [])]
    left = commands("ZRANGE", keys.waiting, 0, -1, "WITHSCORES")
    assert {ticket.decode(): int(at) for ticket, at in zip(left[::2], left[1::2], strict=True)} == filed

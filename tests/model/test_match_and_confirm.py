"""Match and confirm, explored: every order of what can happen to few clients, and random orders of much more.

The exhaustive part takes each state once, whatever way led to it. In the environment, ``DEPTH=1`` lets clients
say one word more, and ``EXAMPLES`` is how many random orders are tried.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signald.brokers.redis.access import Script
from signald.brokers.redis.keys import Keys, class_of, file_ticket, forms, side_as_json
from signald.core.ids import BrowserKey, ClientId, UserId
from signald.core.matching import Ticket
from signald.core.messages import Available, Wishes
from signald.core.wishes import NO_WISH, Side, Vocabulary, make_wish
from tests.model import queue
from tests.model.steps import Step
from tests.model.world import World
from tests.support.redis import Commands, RedisServer

MORE = int(os.environ.get("DEPTH", "0"))

WISHES = {
    "a": Available(is_={"k": ["u"]}, likes=["x", "y"]),
    "b": Available(wants={"k": ["u"]}, relax={"k": 2.0}),
    "c": Available(likes=["y"], relax={"likes": 3.0}),
}
LAYOUTS = {"2 + 1": (["a", "b"], ["c"]), "1 + 1": (["a"], ["b"]), "1 + 1 + 1": (["a"], ["b"], ["c"])}


def explore(layout: str, words: int, faults: int, seconds: int, *, neighbours: bool = False) -> tuple[int, int]:
    """Visit every state that a few words, faults and seconds can lead to, in every order.

    Returns:
        How many states there are, and how many of them were let come to rest and checked.
    """
    start = World(*LAYOUTS[layout], neighbours=neighbours)
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
        for to_come, (step, *left) in zip(reversed(range(len(nexts))), nexts, strict=True):
            # The last step is taken by the world that has said what can happen: to load one is most of the time.
            other = World.load(saved) if to_come else world
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


@pytest.mark.parametrize(("words", "faults", "seconds"), [(3, 0, 0), (2, 1, 0), (2, 0, 1)])
def test_every_order_of_neighbours(words: int, faults: int, seconds: int) -> None:
    """The same on one machine, where a letter may overtake what went through the store."""
    states, checked = explore("1 + 1", words + MORE, faults, seconds, neighbours=True)
    print(f"neighbours, {words + MORE} words, {faults} faults: {states} states, {checked} let come to rest")  # noqa: T201 - for -rP


@settings(max_examples=int(os.environ.get("EXAMPLES", "400")), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    wishing=st.booleans(),
    neighbours=st.booleans(),
    choices=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 999)), max_size=120),
)
def test_random_orders(layout: str, wishing: bool, neighbours: bool, choices: list[tuple[int, int]]) -> None:
    """The same, after a long life with many faults."""
    world = World(*LAYOUTS[layout], wishes=WISHES if wishing else None, neighbours=neighbours)
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


values = st.lists(st.sampled_from("uv"), min_size=1, max_size=2)
facts = st.dictionaries(st.sampled_from(["k", "l"]), values, max_size=2)
wishes = st.none() | st.builds(
    lambda **said: make_wish(Wishes(**said), (), Vocabulary()),
    pool=st.sampled_from(["", "", "p"]),
    is_=facts,
    wants=st.just({}) | facts,
    avoids=st.just({}) | st.just({}) | facts,
    likes=st.just([]) | st.lists(st.sampled_from("xyz"), max_size=3),
)
tickets = st.builds(
    lambda instance, client, number, avoid, user, wish, browser: (
        instance,
        Ticket(ClientId(client), number, 0.0, tuple(map(ClientId, avoid)), 0.0, user, wish, browser=browser),
    ),
    st.sampled_from("ABC"),
    st.sampled_from("uvwxyz"),
    st.integers(1, 3),
    st.just([]) | st.lists(st.sampled_from("uv"), max_size=2, unique=True),
    st.none() | st.none() | st.just(UserId("ada")),
    wishes,
    st.none() | st.sampled_from([BrowserKey("firefox"), BrowserKey("chromium")]),
)
KEYS = Keys("model:")


def filed(instance: str, ticket: Ticket, now: float, *, avoiding: bool) -> queue.Filed:
    """A ticket as it is filed at a time."""
    name = "" if ticket.wish is None else class_of(ticket.side(now))
    return queue.Filed(KEYS.pool(ticket.pool), name, file_ticket(instance, ticket, avoiding=avoiding))


def put(commands: Commands, lines: dict[queue.Filed, int], sides: dict[str, Side]) -> None:
    """File tickets as the script would."""
    for (pool, name, ticket), place in lines.items():
        if not name:
            commands("ZADD", KEYS.waiting, place, ticket)
            continue
        commands("SADD", KEYS.pools, pool)
        commands("HSET", f"{pool}sides", name, side_as_json(sides[name]))
        likes = ticket.split("|")[5].split(",") if sides[name].prefers else []
        for suffix, like in (("", ""), *((f":{like}", f":{like}") for like in likes)):
            commands("ZADD", f"{pool}line:{name}{suffix}", place, ticket)
            commands("ZADD", f"{pool}heads{like}", "LT", place, name)


def got(commands: Commands) -> dict[queue.Filed, int]:
    """What is filed; heads, sides and pools must be of that."""
    found: dict[queue.Filed, int] = {}
    heads: dict[str, dict[str, int]] = {}
    for key in sorted(word.decode() for word in commands("KEYS", "model:*")):
        of = re.fullmatch(r"(model:pool:[\w=-]+:)line:([\w=+-]+)(:[\w=-]+)?", key)
        if key == KEYS.waiting:
            found |= {queue.Filed(KEYS.pool(""), "", ticket): place for ticket, place in scores(commands, key).items()}
        elif of is not None:
            line = scores(commands, key)
            pool, name, like = of[1], of[2], of[3] or ""
            heads.setdefault(f"{pool}heads{like}", {})[name] = min(line.values())
            if like:
                assert {f for f in found if f[:2] == (pool, name) and like[1:] in f.ticket} == {
                    (pool, name, t) for t in line
                }
            else:
                found |= {queue.Filed(pool, name, ticket): place for ticket, place in line.items()}
    for key, classes in heads.items():
        assert scores(commands, key) == classes, key
    pools = {each.pool for each in found if each.name}
    assert {word.decode() for word in commands("SMEMBERS", KEYS.pools)} == pools
    for pool in pools:
        assert {word.decode() for word in commands("HKEYS", f"{pool}sides")} == set(heads[f"{pool}heads"])
    assert not [key for key in commands("KEYS", "model:*heads*") if key.decode() not in heads]
    return found


def scores(commands: Commands, key: str) -> dict[str, int]:
    words = commands("ZRANGE", key, 0, -1, "WITHSCORES")
    return {ticket.decode(): int(at) for ticket, at in zip(words[::2], words[1::2], strict=True)}


@settings(max_examples=int(os.environ.get("EXAMPLES", "150")), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    waiting=st.lists(st.tuples(tickets, st.integers(0, 20), st.sampled_from([0.0, 9.0]), st.booleans()), max_size=30),
    alive=st.sets(st.sampled_from("ABC")),
    comes=tickets,
    now=st.sampled_from([0.0, 9.0]),
    place=st.integers(0, 20),
    shunned=st.sets(st.sampled_from("ABC")),
    at_most=st.sampled_from([1_000, 1_000, 3]),
    horizon=st.sampled_from([200, 200, 3]),
)
def test_script_does_what_the_model_thinks(
    commands: Commands,
    waiting: list[tuple[tuple[str, Ticket], int, float, bool]],
    alive: set[str],
    comes: tuple[str, Ticket],
    now: float,
    place: int,
    shunned: set[str],
    at_most: int,
    horizon: int,
) -> None:
    """All that the model shows would be about something else, or who waits with wishes meets the wrong one."""
    commands("FLUSHALL")
    lines: dict[queue.Filed, int] = {}
    sides = {"": NO_WISH}
    each_once = {(instance, ticket.client, ticket.number): of for of in waiting for instance, ticket in [of[0]]}
    for (instance, ticket), at, then, avoiding in each_once.values():
        stands = filed(instance, ticket, then, avoiding=avoiding)
        sides[stands.name] = ticket.side(then)
        lines[stands] = at
    put(commands, lines, sides)
    for instance in alive:
        commands("SET", KEYS.lease(instance), "boot")
    instance, ticket = comes
    own = filed(instance, ticket, now, avoiding=True)
    all_forms = [queue.Filed(own.pool, *form) for form in forms(instance, ticket)]
    former = tuple(form for form in all_forms if form != own)
    search = queue.Search(
        own, ticket.side(now), place, former, frozenset(shunned), plain=not ticket.pool, classes_at_most=at_most
    )
    text = Script("match", "lines").text.replace(b"LOOKED_AT_MOST = 200", b"LOOKED_AT_MOST = %d" % horizon)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(queue, "LOOKED_AT_MOST", horizon)
        while True:
            found = queue.match(lines, sides, alive, search)
            reply = [part.decode() for part in run(commands, text, search)]
            expected = [str(place), *([found.taken] if found.taken else [])]
            if found.reached is not None:
                expected += ["", "{}|{}".format(*found.reached)]
            elif found.crowded:
                expected += ["", ""]
            assert reply == expected
            assert got(commands) == lines
            if found.reached is None:
                return
            search = search._replace(reached=found.reached)


def run(commands: Commands, text: bytes, search: queue.Search) -> list[bytes]:
    """Run the script."""
    pool, name, ticket = search.own
    keys = (KEYS.waiting, KEYS.pools, f"{pool}heads", f"{pool}sides", f"{pool}meets:{name.rstrip('+') or 'none'}")
    former = [word for form in search.former for word in form[1:]]
    reached = "" if search.reached is None else "{}|{}".format(*search.reached)
    arguments: tuple[Any, ...] = (
        *(pool, ticket, search.place, 0, name, side_as_json(search.side), "1" if search.plain else "", reached),
        *(KEYS.lease_prefix, KEYS.blocks_prefix, search.classes_at_most, len(former) // 2, *former),
        *sorted(search.shunned),
    )
    reply: list[bytes] = commands("EVAL", text, len(keys), *keys, *arguments)
    return reply

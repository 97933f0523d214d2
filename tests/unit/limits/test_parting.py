"""Sockets that have said their last word."""

import os
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from signald.limits.parting import AT_MOST, PARTING_S, Parting


class Kept:
    """Pairs of pipes, whose ends tell whether the other one is open."""

    def __init__(self, parting: Parting) -> None:
        self._parting = parting
        self._ends: list[int] = []

    def one(self) -> int:
        """Keep one; gives the other end."""
        kept, other = os.pipe()
        self._parting.keep(kept)
        self._ends.append(other)
        return other

    def close(self) -> None:
        for end in self._ends:
            os.close(end)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def parting(clock: Clock) -> Iterator[Parting]:
    parting = Parting(clock)
    parting.startService()
    yield parting
    parting.stopService()


@pytest.fixture
def kept(parting: Parting) -> Iterator[Kept]:
    kept = Kept(parting)
    yield kept
    kept.close()


def is_open(other: int) -> bool:
    """Whether somebody can still read what is written to it."""
    try:
        return os.write(other, b"x") == 1
    except BrokenPipeError:
        return False


def test_time_to_read(clock: Clock, parting: Parting, kept: Kept) -> None:
    """Last words are cut off before they are read; or their sockets stay for ever."""
    clock.advance(PARTING_S * 0.9)
    one = kept.one()
    clock.advance(PARTING_S * 0.9)
    assert is_open(one)
    clock.advance(PARTING_S * 1.1)
    assert not is_open(one)
    assert not parting.descriptors


def test_no_more_than_so_many(parting: Parting, kept: Kept) -> None:
    """A flood of clients that are turned away takes all open files."""
    ends = [kept.one() for _ in range(AT_MOST)]
    assert not parting.has_room
    parting.drop_oldest()
    assert parting.has_room
    assert [is_open(end) for end in ends[:2]] == [False, True]


def test_who_comes_later_has_its_time(clock: Clock, parting: Parting, kept: Kept) -> None:
    """Last words are cut off because an earlier one had to go before its time."""
    kept.one()
    clock.advance(PARTING_S)
    later = kept.one()
    parting.drop_oldest()
    clock.advance(PARTING_S)
    assert is_open(later)
    clock.advance(PARTING_S)
    assert not is_open(later)


def test_the_end(clock: Clock, parting: Parting, kept: Kept) -> None:
    """The process ends with sockets open, and its clients wait for it."""
    early = kept.one()
    clock.advance(PARTING_S)
    late = kept.one()
    parting.stopService()
    assert not is_open(early)
    assert not is_open(late)
    parting.startService()

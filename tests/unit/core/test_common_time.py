"""The time that instances agree about, with a clock that is set and one that is not."""

import pytest

from signald.core.common_time import CommonTime
from tests.support.clock import Time

UNIX = 1_800_000_000.0


def test_it_goes_on_evenly() -> None:
    """A ban ends, or lasts, an hour more, because somebody has set the clock of the machine."""
    now = Time(50.0)
    time = CommonTime(now, UNIX)
    now.now += 7
    assert time() == UNIX + 7


def test_what_the_store_says_counts() -> None:
    """An instance whose clock is behind says bans that are over for all others when they hear of them."""
    now = Time(50.0)
    time = CommonTime(now, UNIX)
    assert time.learn(UNIX + 3600, 50.0, 52.0) == pytest.approx(3599)
    now.now += 2
    assert time() == UNIX + 3601


def test_a_slow_answer_moves_nothing() -> None:
    """The time goes to and fro with each answer of a slow store."""
    now = Time(50.0)
    time = CommonTime(now, UNIX)
    for took_s in (0.5, 3.0, 0.0):
        asked_at = now.now
        now.now += took_s
        assert time.learn(UNIX + asked_at - 50.0 + took_s / 2, asked_at, now.now) == 0.0
    assert time() == UNIX + 3.5

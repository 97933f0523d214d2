"""Calls that are not answered in time: each has its own, whatever comes before or after it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from signald.brokers.redis.timeouts import Timeouts

CALLS = st.lists(
    st.tuples(
        st.integers(0, 20),  # when it is made
        st.integers(1, 10),  # how long it may take
        st.integers(0, 15),  # how long it takes
        st.booleans(),  # whether whoever called gives it up then
    ),
    max_size=12,
)


@given(CALLS)
def test_each_is_late_at_its_time(calls: list[tuple[int, int, int, bool]]) -> None:
    """A store that hangs is taken for one that works, or an answer that was in time for one that was not."""
    clock = Clock()
    late: dict[int, tuple[float, float]] = {}
    made: dict[int, Deferred[Any]] = {}

    def is_late(called: "Deferred[Any]", within_s: float) -> None:
        (number,) = (number for number, one in made.items() if one is called)
        late[number] = clock.seconds(), within_s
        called.callback("late")

    timeouts = Timeouts(clock, is_late)
    for now in range(40):
        for number, (at, _, takes, gives_up) in enumerate(calls):
            if at + takes == now and number in made and not made[number].called:
                if gives_up:
                    made[number].addErrback(lambda failure: None).cancel()
                else:
                    made[number].callback("answer")
        for number, (at, within, takes, _) in enumerate(calls):
            if at == now and takes:
                made[number] = Deferred()
                timeouts.watch(made[number], float(within))
        clock.advance(1)
    assert late == {
        number: (at + within, within) for number, (at, within, takes, _) in enumerate(calls) if takes >= within
    }
    assert not clock.getDelayedCalls(), "no timer is left"


def test_nothing_is_late_after_the_end() -> None:
    """A connection that was lost is complained of once more, seconds later."""
    clock = Clock()
    timeouts = Timeouts(clock, lambda called, within_s: called.errback(AssertionError("late")))
    timeouts.watch(Deferred(), 1.0)
    timeouts.stop()
    assert not clock.getDelayedCalls()
    timeouts.watch(Deferred(), 5.0)
    timeouts.watch(Deferred(), 2.0)
    timeouts.stop()
    assert not clock.getDelayedCalls()


def test_the_first_that_is_late_ends_it_all() -> None:
    """What is late with the old connection is held against the new one, and rooms end for it hours later."""
    clock = Clock()
    late: list[Deferred[Any]] = []

    def is_late(called: "Deferred[Any]", within_s: float) -> None:
        late.append(called)
        timeouts.stop()

    timeouts = Timeouts(clock, is_late)
    first: Deferred[Any] = Deferred()
    timeouts.watch(first, 1.0)
    timeouts.watch(Deferred(), 1.0)
    clock.advance(1)
    assert late == [first]

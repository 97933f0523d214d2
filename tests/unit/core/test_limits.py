"""Limits: the message rate (a burst of one second's worth, then an even flow), windows, skips."""

from hypothesis import given
from hypothesis import strategies as st

from signald.core.limits import MessageRate, Skips, Window


def test_burst_then_nothing() -> None:
    """A call's set-up is cut, or a flood is let through."""
    rate = MessageRate(40, 100.0)
    assert [rate.allows(100.0) for _ in range(45)] == [True] * 40 + [False] * 5


def test_refills_evenly() -> None:
    """A client that was refused once stays silent for ever, or may flood again at once."""
    rate = MessageRate(10, 0.0)
    assert all(rate.allows(0.0) for _ in range(10))
    assert not rate.allows(0.05)
    assert rate.allows(0.1)
    assert not rate.allows(0.15)
    assert [rate.allows(0.65) for _ in range(7)] == [True] * 5 + [False] * 2


def test_a_long_silence_saves_up_one_second_only() -> None:
    """A client that was idle for an hour may send 144,000 messages at once."""
    rate = MessageRate(10, 0.0)
    assert [rate.allows(3600.0) for _ in range(12)] == [True] * 10 + [False] * 2


def test_refused_messages_cost_nothing() -> None:
    """A client that goes on while it is refused is never heard again."""
    rate = MessageRate(1, 0.0)
    assert rate.allows(0.0)
    assert not any(rate.allows(at / 100) for at in range(1, 99))
    assert rate.allows(1.0)


@given(
    st.integers(1, 100),
    st.lists(st.floats(0, 2, allow_nan=False), max_size=200),
)
def test_never_more_than_one_burst_and_the_flow(per_second: int, pauses: list[float]) -> None:
    """Some rhythm of sending gets round the limit, or some is refused although it keeps to it."""
    rate = MessageRate(per_second, 0.0)
    now, allowed = 0.0, 0
    for pause in pauses:
        now += pause
        granted = rate.allows(now)
        allowed += granted
        assert allowed <= per_second + now * per_second + 1e-6
        if pause >= 1 / per_second + 1e-6:
            assert granted


def test_window_forgets() -> None:
    """Counting would fill the memory, or never forgive."""
    window = Window(2, 10)
    assert [window.allows("a", now) for now in (0, 1, 2)] == [True, True, False]
    assert window.allows("b", 3)
    assert window.allows("a", 10)
    assert len(window._counts) == 1
    assert all(Window(0, 10).allows("a", 0) for _ in range(100))


def test_skips_are_refilled() -> None:
    """A patient client would wait for ever, or one that skips would not."""
    skips = Skips(6)
    for _ in range(6):
        assert skips.wait("a", 0) == 0
        skips.left("a", 0)
    assert skips.wait("a", 0) == 0
    skips.left("a", 0)
    assert skips.wait("a", 0) == 10
    assert skips.wait("a", 10) == 0
    assert skips.wait("b", 0) == 0
    skips.forget("a")
    assert not skips._paid

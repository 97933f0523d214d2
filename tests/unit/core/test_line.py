"""A line of tickets against a sorted list."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from signald.core import line
from signald.core.line import Line, Stand

places = st.tuples(st.sampled_from([1.0, 2.0, 3.0, 4.0]), st.integers(0, 40))


@given(st.lists(st.tuples(st.booleans(), places), max_size=80), places)
def test_it_is_in_order(steps: list[tuple[bool, tuple[float, int]]], behind: tuple[float, int]) -> None:
    """Somebody is served before those who waited longer, or is lost in the line."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(line, "CHUNK", 2)
        those: Line = Line()
        expected: list[Stand] = []
        for adds, (since, number) in steps:
            stand = (since, number, "ticket")
            if adds and stand not in expected:
                those.add(stand)
                expected = sorted([*expected, stand])
            elif not adds and stand in expected:
                those.remove(stand)
                expected.remove(stand)
            assert list(those) == list(those.behind(None)) == expected
            assert bool(those) == bool(expected)
            if expected:
                assert those.first == expected[0]
            place = (*behind, "ticket")
            assert list(those.behind(place)) == [each for each in expected if each > place]

"""What the load tool takes for good, and how it reads what the operator says."""

import pytest

from signald.load.tally import Tally, percentile
from signald.load.thresholds import Allowance, Limit, parse_duration


def tally(*, begun: int = 0, failed: int = 0, matched_ms: int = 0) -> Tally:
    """A run in which one hundred clients were matched after 1, 2, … times so many milliseconds."""
    made = Tally()
    made.begun = begun
    made.errors["FULL"] = failed
    for number in range(1, 101):
        made.took("matched", number * matched_ms / 1000)
    return made


def test_percentiles_are_times_that_somebody_waited() -> None:
    """The summary shows a time that nobody has seen, or takes the slowest for the median."""
    times = [float(number) for number in range(1, 102)]
    assert [percentile(times, rank) for rank in (0, 50, 99, 100)] == [1.0, 51.0, 100.0, 101.0]
    assert percentile([7.0], 99) == 7.0


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("2s", 2), ("1.5m", 90), ("1h", 3600)])
def test_durations(text: str, seconds: float) -> None:
    """Milliseconds are taken for seconds, and a slow service passes."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["500", "-1s", "1 s", "s", "1d", "1e3s", ""])
def test_what_is_no_duration(text: str) -> None:
    """A number without a unit is taken for something that the operator did not mean."""
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("said", "failed", "good"),
    [("1%", 10, True), ("1%", 11, False), ("0", 0, True), ("0", 1, False), ("5", 5, True), ("5", 6, False)],
)
def test_calls_that_may_fail(said: str, failed: int, good: bool) -> None:
    """A pipeline goes on after a load that failed, or stops after one that was good."""
    wrong = Allowance.parse(said).broken(tally(begun=1000, failed=failed))
    assert (wrong == "") is good
    assert good or wrong == f"{failed} of 1000 calls failed, --max-errors is {said}"


@pytest.mark.parametrize("text", ["1 %", "101%", "-1", "some", "0.5", ""])
def test_what_is_no_allowance(text: str) -> None:
    """Half a call is allowed to fail."""
    with pytest.raises(ValueError, match="neither"):
        Allowance.parse(text)


def test_how_long_a_step_may_take() -> None:
    """A service that became slow passes; or the median is held against what was said of the slowest."""
    seen = tally(begun=50, matched_ms=10)
    assert Limit.parse(50, "matched=600ms").broken(seen) == ""
    assert Limit.parse(99, "matched=1s").broken(seen) == ""
    assert Limit.parse(99, "matched=600ms").broken(seen) == "matched took 990.0 ms, --p99 matched=600ms"


def test_a_step_that_nobody_got_to() -> None:
    """A service that lets nobody in is faster than any limit."""
    assert Limit.parse(99, "answer=1s").broken(tally()) == "nobody got to answer, and there is --p99 answer=1s"


@pytest.mark.parametrize("text", ["matched", "matched=", "dinner=1s", "=1s", "matched=1"])
def test_what_is_no_limit(text: str) -> None:
    """A step with a typing error is watched by nobody."""
    with pytest.raises(ValueError, match=r"no duration|with a step of connect, ready, work, matched"):
        Limit.parse(99, text)

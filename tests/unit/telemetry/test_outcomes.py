"""What clients say of their calls, as numbers."""

import pytest

from signald.core.messages import Outcome
from signald.telemetry.outcomes import Outcomes


def counted(outcomes: Outcomes) -> dict[tuple[str, str, str], int]:
    return {labels: count for labels, count in outcomes.calls.items() if count}


def test_results_and_ways() -> None:
    """An operator takes calls that nobody tried for calls that fail, or never sees that the TURN server is in use."""
    outcomes = Outcomes()
    for said in (
        Outcome("r", "connected", path="relayed"),
        Outcome("r", "connected", path="direct"),
        Outcome("r", "connected"),
        Outcome("r", "connected", candidateType="relay"),
        Outcome("r", "failed", path="direct"),
        Outcome("r", "untried", path=None),
    ):
        outcomes.add(said)
    assert counted(outcomes) == {
        ("connected", "relayed", "none"): 2,
        ("connected", "direct", "none"): 1,
        ("connected", "unknown", "none"): 1,
        ("failed", "none", "none"): 1,
        ("untried", "none", "none"): 1,
    }
    assert outcomes.candidates == {"host": 0, "srflx": 0, "prflx": 0, "relay": 1}


def test_releases() -> None:
    """Clients that make up releases fill the operator's Prometheus."""
    outcomes = Outcomes(["2026-11", "beta"])
    series = len(outcomes.calls)
    for release in ("2026-11", "beta", "", None, *map(str, range(1000))):
        outcomes.add(Outcome("r", "failed", release=release))
    assert counted(outcomes) == {
        ("failed", "none", "2026-11"): 1,
        ("failed", "none", "beta"): 1,
        ("failed", "none", "none"): 2,
        ("failed", "none", "other"): 1000,
    }
    assert len(outcomes.calls) == series


@pytest.mark.parametrize(
    ("said", "total"),
    [
        (Outcome("r", "connected", setupMs=840.0, durationMs=93_000.0, rttMs=38.0, loss=0.004), 1),
        (Outcome("r", "connected", setupMs=None), 0),
        (Outcome("r", "failed", setupMs=840.0, durationMs=93_000.0, rttMs=38.0, loss=0.004), 0),
    ],
)
def test_times(said: Outcome, total: int) -> None:
    """Calls that never came to be make all others look fast, or slow."""
    outcomes = Outcomes()
    outcomes.add(said)
    histograms = (outcomes.setups, outcomes.durations, outcomes.trips, outcomes.losses)
    assert [sum(histogram.buckets) for histogram in histograms] == [total] * 4
    assert [histogram.total for histogram in histograms] == [each * total for each in (0.84, 93.0, 0.038, 0.004)]

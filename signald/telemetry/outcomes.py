"""Counts what clients say of their calls: whether they connect, how fast, and by which way."""

from collections.abc import Iterable
from typing import Final

from signald.core.messages import Outcome
from signald.telemetry.histogram import Histogram

SETUP_BUCKETS_S: Final = (0.25, 0.5, 1, 2, 3, 5, 8, 15, 30, 60)
"""Upper bounds for the time to the connection: from a good network to that after which nobody waits any more."""

DURATION_BUCKETS_S: Final = (5, 15, 60, 300, 900, 3600)
"""The same for how long calls last: from a glance to an hour."""

TRIP_BUCKETS_S: Final = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)
"""The same for the way to the partner and back: above 0.4 s people talk at the same time."""

LOSS_BUCKETS: Final = (0.001, 0.01, 0.03, 0.1, 0.3)
"""The same for lost packets: above 0.03 sound breaks, above 0.1 the picture."""

RELEASES_AT_MOST: Final = 20
"""Releases of pages that are counted apart: each is five more series."""

OTHER: Final = "other"
"""For releases that the operator has not listed: clients can make up any."""

UNNAMED: Final = "none"
"""For those who name none."""

_KINDS: Final = (
    ("connected", "direct"),
    ("connected", "relayed"),
    ("connected", "unknown"),
    ("failed", "none"),
    ("untried", "none"),
)
"""Results, each with the ways that there are with it."""


class Outcomes:
    """Counts the calls of one instance, each by each of its two clients that says something.

    Args:
        releases: Of the page, that are counted apart.

    Attributes:
        calls: By result, way and release.
        candidates: Those that connected, by the candidate that was used.
        setups: Time from the match to the connection.
        durations: How long calls lasted.
        trips: Time to the partner and back.
        losses: Shares of packets that were lost.
    """

    __slots__ = ("_releases", "calls", "candidates", "durations", "losses", "setups", "trips")

    def __init__(self, releases: Iterable[str] = ()) -> None:
        self._releases = frozenset(releases)
        labels = (*sorted(self._releases), OTHER, UNNAMED)
        self.calls: dict[tuple[str, str, str], int] = {(*kind, label): 0 for label in labels for kind in _KINDS}
        self.candidates = dict.fromkeys(("host", "srflx", "prflx", "relay"), 0)
        self.setups = Histogram(SETUP_BUCKETS_S)
        self.durations = Histogram(DURATION_BUCKETS_S)
        self.trips = Histogram(TRIP_BUCKETS_S)
        self.losses = Histogram(LOSS_BUCKETS)

    def add(self, said: Outcome) -> None:
        """A client has said what became of a call."""
        self.calls[said.result, _way(said), self._label(said.release or "")] += 1
        if said.result != "connected":
            return
        if said.candidateType:
            self.candidates[said.candidateType] += 1
        for histogram, value, unit in (
            (self.setups, said.setupMs, 1000),
            (self.durations, said.durationMs, 1000),
            (self.trips, said.rttMs, 1000),
            (self.losses, said.loss, 1),
        ):
            if isinstance(value, float):
                histogram.add(value / unit)

    def _label(self, release: str) -> str:
        if not release:
            return UNNAMED
        return release if release in self._releases else OTHER


def _way(said: Outcome) -> str:
    if said.result != "connected":
        return "none"
    if said.path:
        return said.path
    if said.candidateType:
        return "relayed" if said.candidateType == "relay" else "unknown"
    return "unknown"

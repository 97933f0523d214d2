"""Keeps what clients report of each other until somebody has looked at it, as plain values. Times are in seconds."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import dropwhile, islice
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from signald.core.encounters import Party
from signald.core.ids import ReportId

DAY_S: Final = 86400.0

MAX_NOTE_LENGTH: Final = 500
"""Characters that a moderator may write about a report: some sentences."""

MAX_BY_LENGTH: Final = 64
"""Characters of a moderator's name."""


class ReportState(StrEnum):
    """What has become of a report."""

    OPEN = "open"
    """Nobody has looked at it yet, or not to the end."""
    DISMISSED = "dismissed"
    """There was nothing in it."""
    ACTED = "acted"
    """Something was done about it."""


class ReportParty(msgspec.Struct, frozen=True, rename="camel"):
    """One of the two in a report; `user_id` if it has proved who it is."""

    client_id: str
    user_id: str | UnsetType = UNSET


class FiledReport(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What one client says of another.

    Attributes:
        report_id: Its name, which the reporter knows, too.
        time: Seconds since 1970.
        instance_id: Which instance the reporter was connected to.
        room_id: Where the two met.
        reporter: Who reports.
        reported: Whom.
        reason: A word that the page chose.
        text: The client's own words, maybe empty.
    """

    report_id: ReportId
    time: float
    instance_id: str
    room_id: str
    reporter: ReportParty
    reported: ReportParty
    reason: str
    text: str


class Ruling(msgspec.Struct, frozen=True):
    """What somebody has made of a report.

    Attributes:
        state: What has become of it.
        by: Who says so.
        at: When; seconds since 1970.
        note: For other moderators.
    """

    state: ReportState
    by: str
    at: float
    note: str = ""


class KeptReport(NamedTuple):
    """A report, and what somebody has made of it; None as long as nobody has."""

    report: FiledReport
    ruling: Ruling | None = None

    @property
    def state(self) -> ReportState:
        """What has become of it."""
        return ReportState.OPEN if self.ruling is None else self.ruling.state

    def fits(self, state: ReportState | None, about: str) -> bool:
        """Whether this has become of it, and one of the two has this client or user id; None and empty: any."""
        sides = self.report.reporter, self.report.reported
        return state in (None, self.state) and (not about or any(about in (s.client_id, s.user_id) for s in sides))


class ReportBounds(NamedTuple):
    """How many reports are kept, and how long; seconds. Without any number none is."""

    at_most: int = 10_000
    keep_s: float = 30 * DAY_S


USUAL: Final = ReportBounds()
"""As the settings have it by default."""


class ReportShelf:
    """Keeps reports in the order in which they came; those that are too many or too old are forgotten, oldest first.

    Args:
        bounds: How many, and how long.
    """

    def __init__(self, bounds: ReportBounds) -> None:
        self._bounds = bounds
        self._kept: OrderedDict[ReportId, tuple[float, KeptReport]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, id: ReportId) -> bool:
        return id in self._kept

    def add(self, report: FiledReport, now: float) -> int:
        """Keep a report, which came now (monotonic); gives how many had to go since they were too many."""
        self._kept[report.report_id] = now, KeptReport(report)
        self.forget(now)
        beyond = max(0, len(self) - self._bounds.at_most)
        for _ in range(beyond):
            self._kept.popitem(last=False)
        return beyond

    def forget(self, now: float) -> None:
        """Forget what is too old."""
        while self._kept and next(iter(self._kept.values()))[0] <= now - self._bounds.keep_s:
            self._kept.popitem(last=False)

    def find(self, id: ReportId) -> KeptReport | None:
        """The report of this name."""
        found = self._kept.get(id)
        return None if found is None else found[1]

    def judge(self, id: ReportId, ruling: Ruling) -> KeptReport | None:
        """Note what somebody has made of a report; None if it is not here."""
        found = self._kept.get(id)
        if found is None:
            return None
        judged = KeptReport(found[1].report, ruling)
        self._kept[id] = found[0], judged
        return judged

    def oldest(self, at_most: int) -> list[KeptReport]:
        """Those that came first, so many at most."""
        return [kept for _, kept in islice(self._kept.values(), at_most)]

    def remove(self, kept: KeptReport) -> None:
        """Keep a report no longer, unless something else was made of it meanwhile."""
        if self.find(kept.report.report_id) is kept:
            del self._kept[kept.report.report_id]

    def newest_first(self, before: ReportId | None = None) -> Iterator[KeptReport]:
        """All of them, or those that came before this one."""
        ids: Iterable[ReportId] = reversed(self._kept)
        if before is not None:
            ids = islice(dropwhile(lambda id: id != before, ids), 1, None)
        return (self._kept[id][1] for id in ids)


def told_as(party: Party) -> ReportParty:
    """A party as it stands in a report."""
    return ReportParty(party.client, UNSET if party.user is None else party.user)

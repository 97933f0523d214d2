"""Keeps reports for the operator: what every inbox does, and the one of a single process."""

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple, Protocol

from signald.core.ids import ReportId
from signald.core.reports import FiledReport, KeptReport, ReportBounds, ReportShelf, ReportState, Ruling


class ReportPage(NamedTuple):
    """Some of the reports.

    Attributes:
        reports: The newest first.
        total: How many are kept, in whatever state.
        more: Whether there may be others that came before the last of these.
        complete: Whether the store was asked, if there is one.
    """

    reports: list[KeptReport]
    total: int
    more: bool
    complete: bool = True


class FoundReport(NamedTuple):
    """A report that was looked for; `complete` says whether the store was asked, if there is one."""

    kept: KeptReport | None
    complete: bool = True


class Inbox(Protocol):
    """Keeps the reports of all instances. None of these fails: a store that is away is told when it is back."""

    @property
    def held(self) -> int:
        """How many reports the store does not have yet."""
        ...

    def file(self, report: FiledReport) -> None:
        """Keep a report."""
        ...

    async def page(
        self, limit: int, before: ReportId | None = None, state: ReportState | None = None, about: str = ""
    ) -> ReportPage:
        """List reports, the newest first.

        Args:
            limit: How many at most.
            before: Only those that came before this one.
            state: Only those of which this has become.
            about: Only those of, or by, the client or user with this id.
        """
        ...

    async def find(self, id: ReportId) -> FoundReport:
        """Look for one report."""
        ...

    async def judge(self, id: ReportId, ruling: Ruling) -> FoundReport:
        """Note what somebody has made of a report; the last word counts."""
        ...


class MemoryInbox:
    """Keeps the reports of one process, until it ends.

    Args:
        bounds: How many, and how long.
        now: Seconds, monotonic.
    """

    held: int = 0

    def __init__(self, bounds: ReportBounds, now: Callable[[], float]) -> None:
        self._shelf = ReportShelf(bounds)
        self._now = now

    def file(self, report: FiledReport) -> None:
        """See `Inbox.file`."""
        self._shelf.add(report, self._now())

    async def page(
        self, limit: int, before: ReportId | None = None, state: ReportState | None = None, about: str = ""
    ) -> ReportPage:
        """See `Inbox.page`."""
        self._shelf.forget(self._now())
        wanted = (kept for kept in self._shelf.newest_first(before) if kept.fits(state, about))
        found = list(islice(wanted, limit + 1))
        return ReportPage(found[:limit], len(self._shelf), len(found) > limit)

    async def find(self, id: ReportId) -> FoundReport:
        """See `Inbox.find`."""
        self._shelf.forget(self._now())
        return FoundReport(self._shelf.find(id))

    async def judge(self, id: ReportId, ruling: Ruling) -> FoundReport:
        """See `Inbox.judge`."""
        self._shelf.forget(self._now())
        return FoundReport(self._shelf.judge(id, ruling))


def _conforms(inbox: MemoryInbox) -> Inbox:
    return inbox

"""Takes what clients report of each other to the log, to the inbox and to the operator's webhook."""

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from signald.brokers.inbox import FoundReport, Inbox
from signald.core.addresses import household
from signald.core.effects import FileReport
from signald.core.ids import ReportId
from signald.core.limits import MINUTE_S, Window
from signald.core.messages import ErrorCode, ProtocolError
from signald.core.reports import FiledReport, ReportState, Ruling, told_as
from signald.moderation.events import Tell, report_event
from signald.telemetry.counts import Counts

REPORTS_PER_MINUTE: Final = 10
"""Reports of one address in a minute: nobody meets more such people, and a flood must not bury others' reports."""

AGAIN_AFTER_S: Final = 3600.0
"""Seconds within which a client may report another only once."""


class Reports:
    """Takes reports, and limits how many.

    Args:
        inbox: Keeps them.
        instance: Gives this instance's name.
        new_id: Makes an id that was never used.
        counts: Where to count them.
        now: Seconds, monotonic.
        unix_time: Seconds since 1970.
        deliver: Sends an event to the operator; None if nobody is sent reports.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        inbox: Inbox,
        instance: Callable[[], str],
        new_id: Callable[[], str],
        counts: Counts,
        now: Callable[[], float],
        unix_time: Callable[[], float],
        deliver: Tell | None = None,
    ) -> None:
        self._inbox = inbox
        self._instance = instance
        self._new_id = new_id
        self._counts = counts
        self._now = now
        self._unix_time = unix_time
        self._deliver = deliver
        self._rate = Window(REPORTS_PER_MINUTE, MINUTE_S)
        self._pairs = Window(1, AGAIN_AFTER_S)
        self.page = inbox.page
        self.find = inbox.find

    def file(self, report: FileReport, address: str) -> ReportId:
        """Tell the operator; gives the id of the report.

        Raises:
            ProtocolError: It is dropped.
        """
        now, about = self._now(), report.about
        pair = report.by.client, about.partner.client
        if not self._pairs.has_room(pair, now):
            raise ProtocolError(ErrorCode.RATE_LIMIT, "you have reported this partner already")
        if not self._rate.allows(household(address) or report.by.client, now):
            raise ProtocolError(ErrorCode.RATE_LIMIT, "too many reports: this one was dropped")
        self._pairs.allows(pair, now)
        self._counts.reports += 1
        filed = FiledReport(
            report_id=ReportId(self._new_id()),
            time=round(self._unix_time(), 3),
            instance_id=self._instance(),
            room_id=about.room,
            reporter=told_as(report.by),
            reported=told_as(about.partner),
            reason=report.reason,
            text=report.text,
        )
        self._log.warn(
            "client {client} reports client {reported} in room {room}: {reason!r}: {text!r}",
            client=report.by.client,
            user=report.by.user,
            reported=about.partner.client,
            reported_user=about.partner.user,
            room=about.room,
            reason=report.reason,
            text=report.text,
            report=filed.report_id,
        )
        self._inbox.file(filed)
        if self._deliver is not None:
            self._deliver(report_event(filed))
        return filed.report_id

    async def rule(self, id: ReportId, state: ReportState, by: str, note: str) -> FoundReport:
        """Note what somebody has made of a report.

        Args:
            id: Which report.
            state: What has become of it.
            by: Who says so.
            note: For others.
        """
        found = await self._inbox.judge(id, Ruling(state, by, round(self._unix_time(), 3), note))
        if found.kept is not None:
            self._log.info(
                "report {report} is {state} now, says {by!r}: {note!r}", report=id, state=state.value, by=by, note=note
            )
        return found

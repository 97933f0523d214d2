"""Takes what clients report of each other to the log and to the operator's webhook."""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType
from twisted.logger import Logger

from signald.core.addresses import household
from signald.core.effects import FileReport
from signald.core.encounters import Party
from signald.core.limits import MINUTE_S, Window
from signald.telemetry.counts import Counts

REPORTS_PER_MINUTE: Final = 10
"""Reports of one address in a minute: nobody meets more such people, and a flood must not bury others' reports."""

AGAIN_AFTER_S: Final = 3600.0
"""Seconds within which a client may report another only once."""


class Reported(msgspec.Struct, rename="camel"):
    """One of the two in a `ReportEvent`; `user_id` if it has proved who it is."""

    client_id: str
    user_id: str | UnsetType = UNSET


class ReportEvent(msgspec.Struct, rename="camel", tag="report", tag_field="type"):
    """The JSON body of the webhook.

    Attributes:
        time: Seconds since 1970.
        instance_id: Which instance the reporter was connected to.
        room_id: Where the two met.
        reporter: Who reports.
        reported: Whom.
        reason: A word that the page chose.
        text: The client's own words, maybe empty.
    """

    time: float
    instance_id: str
    room_id: str
    reporter: Reported
    reported: Reported
    reason: str
    text: str


class Reports:
    """Takes reports, and limits how many.

    Args:
        instance: Gives this instance's name.
        counts: Where to count them.
        now: Seconds, monotonic.
        unix_time: Seconds since 1970.
        deliver: Sends a JSON object to the operator; None if only the log has reports.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        instance: Callable[[], str],
        counts: Counts,
        now: Callable[[], float],
        unix_time: Callable[[], float],
        deliver: Callable[[bytes], None] | None = None,
    ) -> None:
        self._instance = instance
        self._counts = counts
        self._now = now
        self._unix_time = unix_time
        self._deliver = deliver
        self._rate = Window(REPORTS_PER_MINUTE, MINUTE_S)
        self._pairs = Window(1, AGAIN_AFTER_S)

    def file(self, report: FileReport, address: str) -> str:
        """Tell the operator; returns why it is refused, for the client, or nothing."""
        now, about = self._now(), report.about
        pair = report.by.client, about.partner.client
        if not self._pairs.has_room(pair, now):
            return "you have reported this partner already"
        if not self._rate.allows(household(address) or report.by.client, now):
            return "too many reports: this one was dropped"
        self._pairs.allows(pair, now)
        self._counts.reports += 1
        self._log.warn(
            "client {client} reports client {reported} in room {room}: {reason!r}: {text!r}",
            client=report.by.client,
            user=report.by.user,
            reported=about.partner.client,
            reported_user=about.partner.user,
            room=about.room,
            reason=report.reason,
            text=report.text,
        )
        if self._deliver is not None:
            self._deliver(
                msgspec.json.encode(
                    ReportEvent(
                        time=round(self._unix_time(), 3),
                        instance_id=self._instance(),
                        room_id=about.room,
                        reporter=_reported(report.by),
                        reported=_reported(about.partner),
                        reason=report.reason,
                        text=report.text,
                    )
                )
            )
        return ""


def _reported(party: Party) -> Reported:
    return Reported(party.client, UNSET if party.user is None else party.user)

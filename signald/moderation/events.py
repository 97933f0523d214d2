"""Forms what is posted to the operator's webhook: JSON objects, told apart by ``type``."""

from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from signald.core.messages import Parting
from signald.core.reports import FiledReport, ReportParty

Tell = Callable[[bytes], None]
"""Sends an event to the operator."""


class ReportEvent(FiledReport, frozen=True, kw_only=True, rename="camel", tag="report", tag_field="type"):
    """One client has reported another."""


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something has become of a room.

    Attributes:
        time: Seconds since 1970.
        instance_id: The instance that tells of it.
        room_id: Which room.
        clients: The two in it, that of the smaller id first.
    """

    time: float
    instance_id: str
    room_id: str
    clients: tuple[ReportParty, ReportParty]


class MatchedEvent(CallEvent, frozen=True, kw_only=True, rename="camel", tag="matched", tag_field="type"):
    """Two clients have been matched."""


class EndedEvent(CallEvent, frozen=True, kw_only=True, rename="camel", tag="ended", tag_field="type"):
    """Two clients are partners no more.

    Attributes:
        reason: Why whoever left did so.
        duration_ms: Since they were matched, in milliseconds; not there if that is not known.
    """

    reason: Parting
    duration_ms: int | UnsetType = UNSET


def report_event(filed: FiledReport) -> bytes:
    """The event that tells of a report."""
    return msgspec.json.encode(ReportEvent(**msgspec.structs.asdict(filed)))

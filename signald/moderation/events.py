"""Forms what is posted to the operator's webhook: JSON objects, told apart by ``type``."""

from collections.abc import Callable

import msgspec

from signald.core.reports import FiledReport

Tell = Callable[[bytes], None]
"""Sends an event to the operator."""


class ReportEvent(FiledReport, frozen=True, kw_only=True, rename="camel", tag="report", tag_field="type"):
    """One client has reported another."""


def report_event(filed: FiledReport) -> bytes:
    """The event that tells of a report."""
    return msgspec.json.encode(ReportEvent(**msgspec.structs.asdict(filed)))

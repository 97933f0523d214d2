"""Reports: each once, and not too many."""

import pytest

from signald.brokers.inbox import MemoryInbox
from signald.core.effects import FileReport
from signald.core.encounters import Encounter, Party
from signald.core.ids import ClientId, RoomId
from signald.core.messages import ProtocolError
from signald.core.reports import USUAL
from signald.moderation.reports import Reports
from signald.telemetry.counts import Counts
from tests.support.clock import Time


def test_a_report_is_filed_once_and_from_one_place_not_often() -> None:
    """Moderators are buried in reports by one angry client; or those that were refused keep a household from others."""
    time, counts, delivered, names = Time(), Counts(), list[bytes](), iter(range(99))
    reports = Reports(
        inbox=MemoryInbox(USUAL, time),
        instance=lambda: "here",
        new_id=lambda: str(next(names)),
        counts=counts,
        now=time,
        unix_time=lambda: 1.0,
        deliver=delivered.append,
    )

    def file(by: str, about: str, address: str) -> str:
        met = Encounter(RoomId("room"), Party(ClientId(about)))
        return reports.file(FileReport(Party(ClientId(by)), met, "spam", ""), address)

    def refuse(by: str, about: str, address: str) -> str:
        with pytest.raises(ProtocolError) as caught:
            file(by, about, address)
        return caught.value.message

    assert file("a", "b", "2001:db8::1") == "0"
    for _ in range(20):
        assert "already" in refuse("a", "b", "2001:db8::1")
    filed = [file("a", f"x{number}", f"2001:db8::{number}") for number in range(9)]
    assert filed == [str(number) for number in range(1, 10)]
    assert "too many" in refuse("a", "late", "2001:db8::ffff")
    assert file("a", "late", "192.0.2.1") == "10"
    time.now += 60
    assert file("a", "later", "2001:db8::1") == "11"
    assert (counts.reports, len(delivered)) == (12, 12)

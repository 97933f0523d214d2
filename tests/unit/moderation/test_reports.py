"""Reports: each once, and not too many."""

from signald.core.effects import FileReport
from signald.core.encounters import Encounter, Party
from signald.core.ids import ClientId, RoomId
from signald.moderation.reports import Reports
from signald.telemetry.counts import Counts
from tests.support.clock import Time


def test_a_report_is_filed_once_and_from_one_place_not_often() -> None:
    """Moderators are buried in reports by one angry client; or those that were refused keep a household from others."""
    time, counts, delivered = Time(), Counts(), list[bytes]()
    reports = Reports(instance=lambda: "here", counts=counts, now=time, unix_time=lambda: 1.0, deliver=delivered.append)

    def file(by: str, about: str, address: str) -> str:
        met = Encounter(RoomId("room"), Party(ClientId(about)))
        return reports.file(FileReport(Party(ClientId(by)), met, "spam", ""), address)

    assert file("a", "b", "2001:db8::1") == ""
    for _ in range(20):
        assert "already" in file("a", "b", "2001:db8::1")
    assert [file("a", f"x{number}", f"2001:db8::{number}") for number in range(9)] == [""] * 9
    assert "too many" in file("a", "late", "2001:db8::ffff")
    assert file("a", "late", "192.0.2.1") == ""
    time.now += 60
    assert file("a", "later", "2001:db8::1") == ""
    assert (counts.reports, len(delivered)) == (12, 12)

"""Bans, blocks and the memory of who was here, as values and tables."""

import pytest

from signald.clients.client import Client
from signald.clients.questions import Seat
from signald.clients.users import by_age
from signald.core import bans as core_bans
from signald.core import blocks as core_blocks
from signald.core.bans import LOOK_S, Ban, BanKind, BanTable
from signald.core.blocks import BLOCKS_EACH, GUEST_BLOCK_S, Blocks
from signald.core.effects import FileReport
from signald.core.encounters import Encounter, Party
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.inputs import Identified
from signald.core.limits import MessageRate
from signald.core.session import AuthMode, Policy, Session
from signald.moderation import traces as moderation_traces
from signald.moderation.bans import Bans
from signald.moderation.reports import Reports
from signald.moderation.traces import REMEMBERED_S, Traces
from signald.telemetry.counts import Counts

A, B, C = (Party(ClientId(name)) for name in "abc")
ADA, BOB = Party(ClientId("a"), UserId("ada")), Party(ClientId("b"), UserId("bob"))


class Time:
    """A clock that tests move."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ban(value: str, at: float, until: float = 5000.0, keep: float = 5000.0, *, automatic: bool = False) -> Ban:
    return Ban(BanKind.USER, value, until, at, max(until, keep), automatic=automatic)


def test_the_last_word_counts_in_whatever_order_it_comes() -> None:
    """Two instances that hear of a ban and of its end in different orders disagree for ever."""
    said, lifted, again = ban("x", 1.0), ban("x", 2.0, until=2.0), ban("x", 3.0)
    for words, held in (((said, lifted), None), ((lifted, said), None), ((again, said, lifted), again)):
        table = BanTable()
        for word in words:
            table.merge([word], 10.0)
        assert table.find(BanKind.USER, "x", 10.0) == held
        assert table.in_force(10.0) == ([] if held is None else [held])


def test_only_news_is_news() -> None:
    """Each word that comes twice would close clients twice, and go round among the instances."""
    table = BanTable()
    assert table.merge([ban("x", 1.0)], 10.0) == [ban("x", 1.0)]
    assert table.merge([ban("x", 1.0), ban("x", 0.5), ban("over", 1.0, until=9.0, keep=9.0)], 10.0) == []


def test_bans_that_are_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bans fill the memory, or one look at many holds everything up."""
    monkeypatch.setattr(core_bans, "MAX_BANS", 3)
    table = BanTable()
    table.merge([ban("short", 1.0, until=20.0, keep=20.0)], 10.0)
    assert table.find(BanKind.USER, "short", 19.0)
    assert not table.find(BanKind.USER, "short", 20.0)
    table.merge([ban(f"user {number}", 1.0) for number in range(5)], 10.0 + LOOK_S)
    assert [said.value for said in table.all(30.0)] == ["user 2", "user 3", "user 4"]


def test_a_clock_that_is_late_can_still_lift() -> None:
    """A ban that an instance with a fast clock has said cannot be lifted on another for a while."""
    time = Time()
    bans = Bans(time)
    fast = Ban(BanKind.USER, "x", 9000.0, at=2000.0, keep=9000.0)
    assert bans.merge([fast]) == [fast]
    assert bans.lift(BanKind.USER, "x")
    assert not bans.holds_user(UserId("x"))
    bans.say(BanKind.USER, "x", 60.0, "again")
    assert bans.holds_user(UserId("x"))


def test_a_flood_does_not_shorten_what_an_operator_said() -> None:
    """Who is banned for a month floods, and is banned for a minute from then on."""
    shared: list[Ban] = []
    bans = Bans(Time(), 60.0, shared.extend)
    month = bans.say(BanKind.ADDRESS, "192.0.2.1", 30 * 86400.0, "spam")
    bans.ban_address("192.0.2.1")
    assert bans.in_force() == [month] == shared
    # Nor where the month was not heard of yet.
    minute = Ban(BanKind.ADDRESS, month.value, 1060.0, 1001.0, 1060.0, automatic=True)
    for words in ((month, minute), (minute, month)):
        there = Bans(Time())
        for word in words:
            there.merge([word])
        assert there.find(BanKind.ADDRESS, month.value) == month


def test_floods_push_out_no_ban_of_an_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody with many addresses ends all bans there are."""
    monkeypatch.setattr(core_bans, "MAX_BANS", 3)
    table = BanTable()
    table.merge([ban("said", 1.0)], 10.0)
    table.merge([ban(f"flooder {number}", 2.0, automatic=True) for number in range(9)], 10.0)
    assert table.find(BanKind.USER, "said", 10.0)
    assert len(table.in_force(10.0)) == 4


def test_a_ban_that_was_made_shorter_stays_shorter() -> None:
    """The longer one comes back with an instance that did not hear of it."""
    time = Time()
    here, there = Bans(time), Bans(time)
    long = here.say(BanKind.USER, "x", 600.0, "")
    there.merge([long])
    here.say(BanKind.USER, "x", 60.0, "")
    time.now += 61
    here.say(BanKind.USER, "somebody else", 60.0, "")
    time.now += LOOK_S
    assert here.merge(there.known()) == []
    assert not here.holds_user(UserId("x"))
    there.merge(here.known())
    assert not there.holds_user(UserId("x"))


def test_blocks_hold_for_users_and_else_for_clients() -> None:
    """A block ends with a page load, or it is somebody else who is not met any more."""
    blocks = Blocks(60.0)
    blocks.add(ADA, BOB, 0.0)
    blocks.add(A, C, 0.0)
    assert blocks.apart(Party(ClientId("new"), UserId("ada")), Party(ClientId("other"), UserId("bob")))
    assert blocks.apart(BOB, ADA)
    assert not blocks.apart(A, B)
    assert blocks.apart(C, A)
    assert blocks.apart(ADA, C), "what it blocked before it said who it is counts on"
    assert not blocks.apart(Party(ClientId("new"), UserId("ada")), C)


def test_blocks_end_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks fill the memory; or somebody who blocks everybody makes those of others end."""
    monkeypatch.setattr(core_blocks, "MAX_BLOCKS", 3)
    blocks = Blocks(60.0)
    for number in range(5):
        blocks.add(Party(ClientId(f"x{number}")), A, float(number))
    assert [blocks.apart(A, Party(ClientId(f"x{number}"))) for number in range(5)] == [False, False, True, True, True]
    blocks.add(B, C, 62.5)
    assert [blocks.apart(A, Party(ClientId(f"x{number}"))) for number in (2, 3)] == [False, True]


def test_who_is_blocked_cannot_undo_it() -> None:
    """Somebody who was blocked blocks a thousand others, and meets its victim again."""
    blocks = Blocks(60.0)
    blocks.add(B, A, 0.0)
    for number in range(BLOCKS_EACH + 1):
        blocks.add(A, Party(ClientId(f"x{number}")), 1.0)
    assert blocks.apart(A, B)
    assert len(blocks) == BLOCKS_EACH + 1
    assert not blocks.apart(A, Party(ClientId("x0")))
    assert blocks.apart(A, Party(ClientId("x1")))
    blocks.add(A, Party(ClientId("x1")), 2.0)
    blocks.add(A, B, 2.0)
    assert blocks.apart(A, Party(ClientId("x1"))), "what was said again is the newest"


def test_blocks_of_guests_are_short() -> None:
    """Blocks of connections that have long gone fill the store for months."""
    blocks = Blocks(90 * 86400.0)
    assert blocks.lasting(ADA, BOB) == 90 * 86400.0
    assert blocks.lasting(ADA, C) == blocks.lasting(C, ADA) == blocks.lasting(A, C) == GUEST_BLOCK_S


def client_of(user: str | None, name: str, address: str = "") -> Client:
    session = Session(ClientId(name), Policy(auth=AuthMode.OPTIONAL))
    if user is not None:
        session.receive(Identified(UserId(user), 1e9), 0.0)
    return Client(Connected(), session, MessageRate(1, 0.0), address=address)


class Connected:
    """A connection that does nothing."""

    def send(self, text: bytes) -> None: ...

    def ping(self) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def drop(self) -> None: ...

    def useless(self) -> None: ...


def test_who_was_here_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports cannot be acted on; or addresses are kept for ever, and fill the memory."""
    monkeypatch.setattr(moderation_traces, "REMEMBERED", 3)
    time = Time()
    traces = Traces(time)
    for number in range(5):
        traces.remember(client_of("ada", f"x{number}", "192.0.2.1"), UserId("ada"))
    found = [traces.find(ClientId(f"x{number}")) for number in range(5)]
    assert found == [None, None, *[(UserId("ada"), "192.0.2.1")] * 3]
    time.now += REMEMBERED_S
    assert traces.find(ClientId("x4")) is None
    traces.remember(client_of(None, "new"), None)
    assert len(traces) == 1


def test_a_report_is_filed_once_and_from_one_place_not_often() -> None:
    """Moderators are buried in reports by one angry client, or a report that came too soon can never be made."""
    time, counts, delivered = Time(), Counts(), list[bytes]()
    reports = Reports(lambda: "here", counts, time, lambda: 1.0, delivered.append)

    def file(by: str, about: str, address: str) -> str:
        met = Encounter(RoomId("room"), Party(ClientId(about)))
        return reports.file(FileReport(Party(ClientId(by)), met, "spam", ""), address)

    assert file("a", "b", "2001:db8::1") == ""
    assert "already" in file("a", "b", "2001:db8::1")
    assert [file("a", f"x{number}", f"2001:db8::{number}") for number in range(8)] == [""] * 8
    assert "too many" in file("a", "late", "2001:db8::ffff")
    assert file("a", "late", "192.0.2.1") == ""
    time.now += 60
    assert file("a", "later", "2001:db8::1") == ""
    assert (counts.reports, len(delivered)) == (11, 11)


def test_two_who_come_at_once_are_in_one_order() -> None:
    """Two instances that let in the last connection of a user at the same time close each other's, or neither's."""
    here = [Seat(50.0, ClientId("old")), Seat(0.0, ClientId("x")), Seat(0.01, ClientId("w"))]
    there = [Seat(0.01, ClientId("x")), Seat(50.0, ClientId("old")), Seat(0.0, ClientId("w"))]
    for oldest_first, expected in ((True, ["old", "w", "x"]), (False, ["w", "x", "old"])):
        for seats in (here, there):
            assert [seat.client for seat in by_age(seats, oldest_first=oldest_first)] == expected
    late = [Seat(1.0, ClientId("a")), Seat(0.0, ClientId("b"))]
    assert [seat.client for seat in by_age(late, oldest_first=False)] == ["b", "a"], "the newest takes the place"

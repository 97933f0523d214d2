"""Bans, blocks and the memory of who was here, as values and tables."""

import pytest

from signald.bans import Bans
from signald.core import moderation
from signald.core.ids import ClientId, UserId
from signald.core.moderation import BLOCKS_EACH, LOOK_S, Ban, BanKind, BanTable, Blocks, Party

A, B, C = (Party(ClientId(name)) for name in "abc")
ADA, BOB = Party(ClientId("a"), UserId("ada")), Party(ClientId("b"), UserId("bob"))


class Time:
    """A clock that tests move."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ban(value: str, at: float, until: float = 5000.0, *, lifted: bool = False) -> Ban:
    return Ban(BanKind.USER, value, until, at, lifted=lifted)


def test_the_last_word_counts_in_whatever_order_it_comes() -> None:
    """Two instances that hear of a ban and of its end in different orders disagree for ever."""
    said, lifted, again = ban("x", 1.0), ban("x", 2.0, lifted=True), ban("x", 3.0)
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
    assert table.merge([ban("x", 1.0), ban("x", 0.5), ban("over", 1.0, until=9.0)], 10.0) == []


def test_bans_that_are_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bans fill the memory, or one look at many holds everything up."""
    monkeypatch.setattr(moderation, "MAX_BANS", 3)
    table = BanTable()
    table.merge([ban("short", 1.0, until=20.0)], 10.0)
    assert table.find(BanKind.USER, "short", 19.0)
    assert not table.find(BanKind.USER, "short", 20.0)
    table.merge([ban(f"user {number}", 1.0) for number in range(5)], 10.0 + LOOK_S)
    assert [said.value for said in table.all(30.0)] == ["user 2", "user 3", "user 4"]


def test_a_clock_that_is_late_can_still_lift() -> None:
    """A ban that an instance with a fast clock has said cannot be lifted on another for a while."""
    time = Time()
    bans = Bans(time)
    fast = Ban(BanKind.USER, "x", 9000.0, at=2000.0)
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
    monkeypatch.setattr(moderation, "MAX_BLOCKED", 3)
    blocks = Blocks(60.0)
    for number in range(5):
        blocks.add(Party(ClientId(f"x{number}")), A, float(number))
    assert [blocks.apart(A, Party(ClientId(f"x{number}"))) for number in range(5)] == [False, False, True, True, True]
    blocks.add(B, C, 62.5)
    assert [blocks.apart(A, Party(ClientId(f"x{number}"))) for number in (2, 3)] == [False, True]
    monkeypatch.undo()
    blocks = Blocks(60.0)
    blocks.add(B, C, 0.0)
    for number in range(BLOCKS_EACH + 1):
        blocks.add(A, Party(ClientId(f"x{number}")), 1.0)
    assert len(blocks) == BLOCKS_EACH + 1
    assert not blocks.apart(A, Party(ClientId("x0")))
    assert blocks.apart(A, Party(ClientId("x1")))
    assert blocks.apart(B, C)

"""Bans as one instance says, hears and lifts them."""

import pytest

from signald.core import bans as core_bans
from signald.core.bans import LOOK_S, Ban, BanKind
from signald.core.ids import UserId
from signald.moderation.bans import Bans
from tests.support.clock import Time


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


def test_bans_end_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody with many addresses could fill the memory with bans."""
    monkeypatch.setattr(core_bans, "MAX_BANS", 3)
    time = Time()
    bans = Bans(time, 60)
    for number in range(5):
        bans.ban_address(f"192.0.2.{number}")
    assert [bans.holds_address(f"192.0.2.{number}") for number in range(5)] == [False, False, True, True, True]
    time.now += 61
    assert not bans.holds_address("192.0.2.4")
    assert not bans.in_force()


def test_no_ban_without_an_address_or_a_time() -> None:
    """Everybody behind a UNIX socket would be banned for the fault of one."""
    bans = Bans(Time(), 60)
    bans.ban_address("")
    assert not bans.holds_address("")
    none = Bans(Time(), 0)
    none.ban_address("192.0.2.1")
    assert not none.holds_address("192.0.2.1")

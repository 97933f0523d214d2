"""Who may connect, and the bounds of what is remembered of them."""

import pytest

from signald.core import bans as core_bans
from signald.core.addresses import household
from signald.core.limits import Skips, Window
from signald.limits.admission import Admission
from signald.moderation.bans import Bans


class Time:
    """A clock that tests move."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_household() -> None:
    """IPv6 would know no limit, or neighbours would be taken for one."""
    assert household("192.0.2.1") == "192.0.2.1"
    assert household("2001:db8::1") == household("2001:db8::ffff:ffff:ffff:ffff") == "2001:db8::/64"
    assert household("2001:db8:0:1::") != household("2001:db8::1")
    assert household("") == ""
    assert household("nonsense") == "nonsense"


def test_crowded() -> None:
    """Silent connections would use up the open files, and no client could come any more."""
    who = Admission(Time(), Bans(Time(), 60), max_sockets=10, max_connections=10, max_half_open=4)
    assert [who.is_crowded(half_open) for half_open in (1, 4, 5)] == [False, False, True]
    for _ in range(8):
        assert who.enter("") is None
    assert [who.is_crowded(half_open) for half_open in (1, 2, 3)] == [False, False, True]


def test_nothing_is_kept_of_who_left() -> None:
    """Each address that ever connected would cost memory."""
    bans = Bans(Time(), 60)
    who = Admission(Time(), bans, max_sockets=10, max_connections=10, max_half_open=4, per_address=2)
    for number in range(5):
        who.enter(f"192.0.2.{number}")
        who.leave(f"192.0.2.{number}")
    assert who.connected == 0
    assert not who._addresses


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


def test_window_forgets() -> None:
    """Counting would fill the memory, or never forgive."""
    window = Window(2, 10)
    assert [window.allows("a", now) for now in (0, 1, 2)] == [True, True, False]
    assert window.allows("b", 3)
    assert window.allows("a", 10)
    assert len(window._counts) == 1
    assert all(Window(0, 10).allows("a", 0) for _ in range(100))


def test_skips_are_refilled() -> None:
    """A patient client would wait for ever, or one that skips would not."""
    skips = Skips(6)
    for _ in range(6):
        assert skips.wait("a", 0) == 0
        skips.left("a", 0)
    assert skips.wait("a", 0) == 0
    skips.left("a", 0)
    assert skips.wait("a", 0) == 10
    assert skips.wait("a", 10) == 0
    assert skips.wait("b", 0) == 0
    skips.forget("a")
    assert not skips._paid

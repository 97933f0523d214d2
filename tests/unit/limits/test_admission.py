"""Who may connect, and the bounds of what is remembered of them."""

from signald.limits.admission import Admission
from signald.moderation.bans import Bans
from tests.support.clock import Time


def test_crowded() -> None:
    """Silent connections would use up the open files, and no client could come any more."""
    who = Admission(Time(), Bans(Time(), 60), max_sockets=10, max_connections=10, max_half_open=4)
    assert [who.is_crowded(half_open) for half_open in (1, 4, 5)] == [False, False, True]
    for _ in range(8):
        assert who.enter("") is None
    assert [who.is_full(others) for others in (1, 2, 3)] == [False, False, True]


def test_nothing_is_kept_of_who_left() -> None:
    """Each address that ever connected would cost memory."""
    bans = Bans(Time(), 60)
    who = Admission(Time(), bans, max_sockets=10, max_connections=10, max_half_open=4, per_address=2)
    for number in range(5):
        who.enter(f"192.0.2.{number}")
        who.leave(f"192.0.2.{number}")
    assert who.connected == 0
    assert not who._addresses

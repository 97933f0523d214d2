"""Who may connect, and the bounds of what is remembered of them."""

from signald.limits.admission import Admission
from signald.moderation.bans import Bans
from tests.support.clock import Time


def test_nothing_is_kept_of_who_left() -> None:
    """Each address that ever connected would cost memory."""
    bans = Bans(Time(), 60)
    who = Admission(Time(), bans, max_connections=10, per_address=2)
    for number in range(5):
        who.enter(f"192.0.2.{number}")
        who.leave(f"192.0.2.{number}")
    assert who.connected == 0
    assert not who._addresses

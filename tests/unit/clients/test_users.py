"""Who of one user's connections has to go."""

from signald.clients.questions import Seat
from signald.clients.users import by_age
from signald.core.ids import ClientId


def test_two_who_come_at_once_are_in_one_order() -> None:
    """Two instances that let in the last connection of a user at the same time close each other's, or neither's."""
    here = [Seat(50.0, ClientId("old")), Seat(0.0, ClientId("x")), Seat(0.01, ClientId("w"))]
    there = [Seat(0.01, ClientId("x")), Seat(50.0, ClientId("old")), Seat(0.0, ClientId("w"))]
    for oldest_first, expected in ((True, ["old", "w", "x"]), (False, ["w", "x", "old"])):
        for seats in (here, there):
            assert [seat.client for seat in by_age(seats, oldest_first=oldest_first)] == expected
    late = [Seat(1.0, ClientId("a")), Seat(0.0, ClientId("b"))]
    assert [seat.client for seat in by_age(late, oldest_first=False)] == ["b", "a"], "the newest takes the place"

"""The oracle of the long runs: what it forgives because its client may not have heard of it, and what not."""

import pytest

from tests.support.journeys import Journey, check_farewells
from tests.support.oracle import Broken, View, check_relays


def _waits(client: str) -> Journey:
    view = Journey(client)
    view.say("available")
    view.handled()
    return view


def _speaks(view: View) -> None:
    assert view.say("ice") is not None


def test_who_goes_before_it_hears_of_its_match_may_have_been_heard() -> None:
    """A long run would accuse the daemon of what a client said while its match was on the way, before it went."""
    one, other = _waits("one"), _waits("other")
    other.matched("room", "one")
    _speaks(one)
    other.relayed("one", 0)
    with pytest.raises(Broken, match=r"heard .0. of one, who did not say that there"):
        check_relays({"one": one, "other": other})
    one.is_over("it left")
    assert check_relays({"one": one, "other": other}) == 1


def test_what_was_said_in_the_room_before_is_not_forgiven() -> None:
    """A message that crossed a change of partner, and reached the next one, would be noticed by no long run."""
    one, next_one = _waits("one"), _waits("next")
    one.matched("before", "gone")
    _speaks(one)
    one.handled()
    one.partner_left()
    one.matched("room", "next")
    next_one.matched("room", "one")
    next_one.relayed("one", 0)
    one.is_over("it left")
    with pytest.raises(Broken, match="who did not say that there"):
        check_relays({"one": one, "next": next_one})


def test_only_its_partner_is_heard_in_a_room() -> None:
    """A message of somebody else would pass for one of the partner's if that one has said as many."""
    one, other, third = _waits("one"), _waits("other"), _waits("third")
    other.matched("room", "one")
    one.matched("room", "other")
    third.matched("elsewhere", "gone")
    for view in (one, third):
        _speaks(view)
    with pytest.raises(Broken):
        other.relayed("third", 0)


def test_a_room_with_an_old_client_may_end_for_both() -> None:
    """A long run would take for a fault what is promised: an old client cannot be told that something is missing."""

    def told(*views: View) -> dict[str, View]:
        for view, partner in zip(views, views[::-1], strict=True):
            view.say("available")
            view.handled()
            view.matched("room", partner.client)
            view.partner_left()
        return {view.client: view for view in views}

    assert check_farewells(told(Journey("new"), View("old"))) == 2
    with pytest.raises(Broken, match="told that its partner left"):
        check_farewells(told(Journey("one"), Journey("other")))
    one_sided = told(Journey("new"), View("old"))
    one_sided["old"].farewells.clear()
    with pytest.raises(Broken, match="told that its partner left"):
        check_farewells(one_sided)

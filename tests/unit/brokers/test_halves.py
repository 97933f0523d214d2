"""What becomes of a room while one of the two changes its home."""

from unittest.mock import Mock

from signald.brokers.interface import Half, Partner
from signald.brokers.redis.halves import Halves
from signald.brokers.redis.letters import Hold, Letter, Rejoin, Rejoined
from signald.brokers.redis.rooms import RemoteRoom, RemoteRooms
from signald.core.ids import ClientId, RoomId
from signald.core.passes import Attempt

ROOM, ONE, OTHER = RoomId("room"), ClientId("one"), ClientId("other")


def make_halves(remote: RemoteRooms, sent: list[tuple[str, Letter]]) -> Halves:
    """The halves of an instance whose letters are kept."""
    outside = Mock(send=lambda instance, letter: sent.append((instance, letter)))
    return Halves(remote, {}, outside, Mock(is_here=Mock(return_value=True)), "boot of a", 30.0)


def test_a_partner_is_where_it_came_last() -> None:
    """Two come back to two instances, from one that was cut off: what that one says late would part them."""
    remote, sent = RemoteRooms(), list[tuple[str, Letter]]()
    before = RemoteRooms()
    before.open(RemoteRoom(ROOM, OTHER, ONE, "", resumes=True))
    asked = Rejoin(ROOM, OTHER, 9, ONE, "", Attempt("one's", 2))
    make_halves(before, sent).rejoin("a", asked, 6, Attempt("an earlier one", 1), 0.0)
    (_, late), *_ = sent
    assert isinstance(late, Rejoined)
    assert late.partner == Partner.HERE

    halves = make_halves(remote, sent)
    halves.open(Half(ROOM, ONE, 9, OTHER, "c/boot of c", (), Attempt("one's", 2)), 0.0)
    halves.rejoin("b", Rejoin(ROOM, ONE, 7, OTHER, "", Attempt("the other's", 3)), 9, Attempt("one's", 2), 0.0)
    assert halves.instance_of(ROOM) == "b"
    assert not halves.rejoined("c", late)
    assert halves.instance_of(ROOM) == "b"
    halves.hold("c", Hold(ROOM, 30.0), 0.0)
    assert halves.goes_on(ROOM, ONE)
    assert halves.rejoined("b", Rejoined(ROOM, ONE, Partner.HERE, "", 7, Attempt("the other's", 3)))


def test_a_partner_that_is_found_later_is_there() -> None:
    """Whoever was found where it is no longer would be spoken to there for ever."""
    remote = RemoteRooms()
    halves = make_halves(remote, [])
    halves.open(Half(ROOM, ONE, 9, OTHER, "c/boot of c", (), Attempt("one's", 2)), 0.0)
    assert halves.rejoined("c", Rejoined(ROOM, ONE, Partner.AWAY, "", 6, Attempt("an earlier one", 1)))
    assert halves.rejoined("b", Rejoined(ROOM, ONE, Partner.HERE, "", 7, Attempt("the other's", 3)))
    assert halves.instance_of(ROOM) == "b"


def test_where_a_partner_was_when_the_session_went_on() -> None:
    """Two who left one instance for two others never find each other if the first has nothing to say of them."""
    remote, sent = RemoteRooms(), list[tuple[str, Letter]]()
    remote.open(RemoteRoom(ROOM, OTHER, ONE, "b", resumes=True))
    halves = make_halves(remote, sent)
    halves.forget(ROOM, OTHER, 0.0, "c")
    halves.rejoin("c", Rejoin(ROOM, ONE, 2, OTHER, "boot of a", Attempt()), 0, Attempt(), 1.0)
    assert sent == [("c", Rejoined(ROOM, OTHER, "elsewhere", "b"))]

"""How a session leaves this instance."""

from typing import Any
from unittest.mock import Mock

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from signald.brokers.redis.letters import Held, Hold, Letter
from signald.brokers.redis.moving import Moving
from signald.core.ids import ClientId, RoomId


class Rooms:
    """Where the partners of this instance's clients are: the sessions, and the halves of their rooms."""

    def __init__(self, **rooms: str) -> None:
        self.instances = rooms

    def room(self, client: ClientId) -> RoomId:
        """See `SessionEvents.room`; a client's room is called as the client."""
        return RoomId(client)

    def instance_of(self, room: RoomId) -> str:
        """See `Halves.instance_of`."""
        return self.instances[room]


def test_a_partner_that_is_found_while_the_session_leaves() -> None:
    """What it says then comes to a home that has given the session up, and is lost without a word."""
    rooms: Any = Rooms(one="a", other="")
    clock, sent = Clock(), list[tuple[str, Letter]]()
    unused: Any = None
    moving = Moving(
        store=unused,
        parked=Mock(),
        halves=rooms,
        send=lambda instance, letter: sent.append((instance, letter)),
        sessions=rooms,
        seat=str,
        boot="boot",
        clock=clock,
        seconds=30.0,
    )
    quiet = Deferred.fromCoroutine(moving._quieten(lambda: [ClientId(name) for name in rooms.instances]))
    assert sent == [("a", Hold(RoomId("one"), 30.0))]
    rooms.instances |= {"one": "b", "other": "c"}
    moving.read("a", Held(RoomId("one")))
    assert sorted(sent[1:]) == [("b", Hold(RoomId("one"), 30.0)), ("c", Hold(RoomId("other"), 30.0))]
    moving.read("c", Held(RoomId("other")))
    assert not quiet.called
    clock.advance(2.0)
    assert quiet.result == {"one"}, "b did not answer"

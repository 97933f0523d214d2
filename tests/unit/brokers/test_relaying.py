"""What one instance says to others of the rooms that it has with them."""

from typing import Any
from unittest.mock import Mock

from signald.brokers.interface import Half
from signald.brokers.redis.letters import Check, Left, Letter, Rejoin, Relayed
from signald.brokers.redis.relaying import Relaying
from signald.brokers.redis.rooms import MAX_HELD_ROOM_BYTES
from signald.core.ids import ClientId, RoomId
from signald.core.passes import Attempt

HALF = Half(RoomId("room"), ClientId("a"), 1, ClientId("B"), "two/its boot", (), Attempt())
"""Of a client that has come to instance one; its partner was on instance two."""


class Here:
    """The rooms of instance one, and what it says."""

    def __init__(self, events: Any) -> None:
        self.sent: list[Letter] = []
        self.instances: list[str] = []
        self.relaying = Relaying(Mock(send=self.send, fence=Mock(return_value=True)), events)

    def send(self, instance: str, letter: Letter) -> None:
        """See `Outside.send`."""
        self.instances.append(instance)
        self.sent.append(letter)

    def rejoined(self) -> Relaying:
        """It has the room of HALF, whose other client has come back on instance two."""
        halves = self.relaying.halves
        halves.open(HALF, 0.0)
        halves.rejoin("two", Rejoin(HALF.room, HALF.client, 1, HALF.partner, "", Attempt()), 1, Attempt(), 0.0)
        return self.relaying


def test_a_partner_who_has_not_heard_yet_that_it_was_found() -> None:
    """Two come back in the moment in which the store does, and both hear that the other has left."""
    events = Mock(is_here=Mock(return_value=True))
    found, looking = Here(events), Here(events)
    here = found.rejoined()
    half = HALF._replace(client=HALF.partner, partner=HALF.client, partner_instance="one/boot")
    looking.relaying.halves.open(half, 0.0)
    looking.relaying.check("one", [])
    (check,) = (letter for letter in looking.sent if isinstance(letter, Check))
    assert here.read("two", check)
    assert len(here) == 1
    assert not any(isinstance(letter, Left) for letter in found.sent)

    assert here.read("two", Check([], []))
    assert len(here) == 0, "a room that the other one has not, and does not look for, is over"


def test_a_process_that_took_the_name_of_one_that_died() -> None:
    """It knows none of the calls of the one before it, and to say so would end those that can go on."""
    events = Mock(resumes=Mock(return_value=True))
    here = Here(events).rejoined()
    here.gone("two", 1.0)
    assert here.left("two", Left(HALF.room))
    assert len(here) == 1
    events.partner_left.assert_not_called()


def test_a_room_with_too_much_on_its_way() -> None:
    """Whoever sends without end to a partner behind a store that is away takes the memory of all others."""
    events = Mock(is_here=Mock(return_value=True))
    here = Here(events)
    relaying = here.rejoined()
    flood = [Relayed(HALF.room, bytes(MAX_HELD_ROOM_BYTES // 4)) for _ in range(4)]
    relaying.hold(flood)
    assert relaying.held_bytes == MAX_HELD_ROOM_BYTES
    assert len(relaying) == 1, "as much as there is place for"
    one_more: list[Letter] = [Relayed(HALF.room, b"x"), Relayed(HALF.room, b"y")]
    relaying.hold(one_more)
    assert len(relaying) == 0
    events.partner_left.assert_called_once_with(HALF.client, HALF.room)
    assert [letter for letter in here.sent if isinstance(letter, Left)] == [Left(HALF.room)]
    relaying.release([*flood, *one_more])
    assert relaying.held_bytes == 0


def test_a_partner_that_goes_while_too_much_is_on_its_way() -> None:
    """A letter to nobody waits for ever, and the client is not told where it stands."""
    events = Mock(is_here=Mock(return_value=True))
    here = Here(events)
    relaying = here.rejoined()
    relaying.gone("two", 0.0)
    relaying.hold([Relayed(HALF.room, bytes(MAX_HELD_ROOM_BYTES + 1))])  # to where it was before that
    assert len(relaying) == 0
    events.partner_left.assert_called_once_with(HALF.client, HALF.room)
    assert "" not in here.instances

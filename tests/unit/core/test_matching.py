"""The queue against a list that anyone can understand."""

import hypothesis.strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from signald.core.blocks import Blocks
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.matching import Queue, Room, Rooms, Ticket, compatible

CLIENTS = [ClientId(name) for name in "abcdef"]


class QueueModel(RuleBasedStateMachine):
    """Random histories of a queue; the model is a list in order of age, searched from its head."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks(1e9)
        self.queue = Queue(self.blocks)
        self.blocked: list[tuple[str, str]] = []
        self.model: list[Ticket] = []
        self.now = 0.0
        self.numbers = 0

    @rule(
        target=tickets,
        client=st.sampled_from(CLIENTS),
        avoid=st.none() | st.sampled_from(CLIENTS),
        seconds=st.sampled_from([0.0, 1.0, 5.0]),
        user=st.none() | st.sampled_from([UserId("ada"), UserId("bob")]),
    )
    def new(self, client: ClientId, avoid: ClientId | None, seconds: float, user: UserId | None) -> Ticket:
        self.numbers += 1
        return Ticket(client, self.numbers, self.now, avoid, self.now + seconds, user)

    @rule(ticket=consumes(tickets))
    def serve(self, ticket: Ticket) -> None:
        """As a broker does: match, or wait at the tail."""
        expected = next((other for other in self.model if self.may_meet(ticket, other)), None)
        assert self.queue.match(ticket, self.now) == expected
        if expected is not None:
            self.model.remove(expected)
            if ticket in self.model:
                self.model.remove(ticket)
        else:
            self.add(ticket)

    @rule(ticket=tickets)
    def file(self, ticket: Ticket) -> None:
        self.add(ticket)

    def add(self, ticket: Ticket) -> None:
        """Behind all that wait as long."""
        self.queue.add(ticket)
        self.model = [other for other in self.model if other.client != ticket.client]
        place = len(self.model)
        while place and self.model[place - 1].since > ticket.since:
            place -= 1
        self.model.insert(place, ticket)

    @rule(ticket=tickets)
    def withdraw(self, ticket: Ticket) -> None:
        assert self.queue.withdraw(ticket) == (ticket in self.model)
        if ticket in self.model:
            self.model.remove(ticket)

    @rule(ticket=tickets)
    def match(self, ticket: Ticket) -> None:
        expected = next((other for other in self.model if self.may_meet(ticket, other)), None)
        assert self.queue.match(ticket, self.now) == expected
        if expected is not None:
            self.model = [other for other in self.model if other not in (expected, ticket)]

    @rule(one=tickets, other=tickets)
    def block(self, one: Ticket, other: Ticket) -> None:
        if one.client != other.client:
            self.blocks.add(one.party(), other.party(), self.now)
            self.blocked.append((one.party().names()[0], other.party().names()[0]))

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    def may_meet(self, one: Ticket, other: Ticket) -> bool:
        if one.client == other.client or (one.user and one.user == other.user):
            return False
        for ticket, partner in ((one, other), (other, one)):
            if ticket.avoid == partner.client and self.now < ticket.avoid_until:
                return False
        names, others = one.party().names(), other.party().names()
        return not any(
            (first in names and second in others) or (second in names and first in others)
            for first, second in self.blocked
        )

    @invariant()
    def same(self) -> None:
        assert self.queue.oldest() == self.model
        assert len(self.queue) == len(self.model)
        assert all(ticket in self.queue for ticket in self.model)


TestQueueModel = QueueModel.TestCase
"""Somebody waits while later comers are served, is matched with itself, or with one who left."""


def ticket(client: str, number: int = 1, avoid: str | None = None, until: float = 0.0) -> Ticket:
    return Ticket(ClientId(client), number, 0.0, None if avoid is None else ClientId(avoid), until)


def test_old_place() -> None:
    """Who was away for a moment is behind all who came since; or before those who have waited longer."""
    queue = Queue(Blocks(1e9))
    waiting = [Ticket(ClientId(name), 1, since) for name, since in (("a", 1.0), ("b", 2.0), ("c", 2.0), ("d", 3.0))]
    for each in waiting:
        queue.add(each)
    for place, again in enumerate(waiting):
        queue.withdraw(again)
        queue.add(again)
        expected = [each for each in waiting if each is not again]
        expected.insert(place + (again.client == "b"), again)  # as old as the next one, and came later
        assert queue.oldest() == expected
        queue = Queue(Blocks(1e9))
        for each in waiting:
            queue.add(each)


def test_compatible() -> None:
    """Two who left each other meet again at once, or never again."""
    avoiding = ticket("a", avoid="b", until=5.0)
    assert not compatible(ticket("a"), ticket("a", 2), 0.0)
    assert compatible(ticket("a"), ticket("b"), 0.0)
    for now, may in ((0.0, False), (4.9, False), (5.0, True), (6.0, True)):
        assert compatible(avoiding, ticket("b"), now) is may
        assert compatible(ticket("b"), avoiding, now) is may
        assert compatible(avoiding, ticket("c"), now)


def test_one_user_is_never_matched_with_itself() -> None:
    """Somebody with two tabs is called by the other tab, and strangers who said no name wait for ever."""
    ada, again = (Ticket(ClientId(client), 1, 0.0, user=UserId("ada")) for client in "ab")
    bob, nobody, stranger = Ticket(ClientId("c"), 1, 0.0, user=UserId("bob")), ticket("d"), ticket("e")
    assert not compatible(ada, again, 0.0)
    assert not compatible(again, ada, 0.0)
    for one, other in ((ada, bob), (ada, nobody), (nobody, ada), (nobody, stranger)):
        assert compatible(one, other, 0.0)
    queue = Queue(Blocks(1e9))
    queue.add(ada)
    queue.add(again)
    assert queue.match(bob, 0.0) == ada
    assert queue.match(ada, 0.0) is None


def test_an_old_ticket_does_not_withdraw_a_new_one() -> None:
    """A late word about the last stay costs a client its place."""
    queue = Queue(Blocks(1e9))
    queue.add(ticket("a", 2))
    assert not queue.withdraw(ticket("a", 1))
    assert ticket("a", 1) not in queue
    assert ticket("a", 2) in queue
    assert len(queue) == 1


def test_match_takes_its_own_ticket_out_too() -> None:
    """A client that is matched by a timer stays in the queue as a ghost."""
    queue = Queue(Blocks(1e9))
    queue.add(ticket("a"))
    queue.add(ticket("b"))
    assert queue.match(ticket("b"), 0.0) == ticket("a")
    assert len(queue) == 0


def test_rooms() -> None:
    """Partners do not find each other, or a room ends twice and the second end hits another one."""
    rooms = Rooms()
    room = Room(RoomId("r"), ClientId("a"), ClientId("b"))
    rooms.open(room)
    assert (rooms.get(room.id), len(rooms)) == (room, 1)
    assert (room.partner_of(ClientId("a")), room.partner_of(ClientId("b"))) == ("b", "a")
    assert rooms.end(room.id) == room
    assert rooms.end(room.id) is None
    assert (rooms.get(room.id), len(rooms)) == (None, 0)

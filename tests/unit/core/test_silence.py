"""Who owes a sign and gives none, look by look."""

import pytest

from signald.core.effects import Effects, Enqueue, LeaveRoom, Send, Withdraw
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import FellSilent, Interrupted, PartnerFound, PartnerGone, Returned, Spoke
from signald.core.matching import Ticket
from signald.core.messages import Available, Leave
from signald.core.session import Session
from signald.core.silence import Silence, Verdict
from signald.core.standing import Policy, State

ROOM, OTHER_ROOM = RoomId("room"), RoomId("other room")
SENT, PONGS, LIMIT_S = 7, 3, 8.0


class Owing:
    """A client that was matched after seven messages, and owes something."""

    def __init__(self, *, answer: bool) -> None:
        self.silence = Silence(SENT, LIMIT_S, ROOM)
        self.room = ROOM
        self.sent = SENT
        self.pongs = PONGS
        self.now = 100.0
        self.owe(answer=answer)

    def owe(self, *, answer: bool) -> None:
        self.silence.owe(self.now, answer=answer, pongs=self.pongs)

    def look(self, after_s: float, *, excused: bool = False) -> Verdict:
        self.now += after_s
        return self.silence.look(self.room, self.sent, self.pongs, self.now, excused=excused)


def test_time_is_over() -> None:
    """Whoever is matched with a phone that sleeps waits for it for ever, or it is given up too early."""
    client = Owing(answer=True)
    assert [client.look(3.9), client.look(4.0), client.look(0.2)] == [Verdict.NONE, Verdict.NONE, Verdict.SILENT]


def test_any_message_is_a_sign() -> None:
    """Who answers loses its partner."""
    client = Owing(answer=True)
    client.sent += 1
    assert client.look(20) is Verdict.SIGN


def test_who_may_not_know_that_it_has_to_begin() -> None:
    """A page of the old server that waits for an offer loses its partner, though the page is there."""
    client = Owing(answer=False)
    assert [client.look(0.5), client.look(0.5), client.look(0.5)] == [Verdict.NONE, Verdict.ASK, Verdict.NONE]
    client.pongs += 1
    assert client.look(0.5) is Verdict.SIGN
    assert client.look(100) is Verdict.SIGN


def test_an_offer_wants_an_answer() -> None:
    """A page that hangs keeps its partner for ever, because its browser answers pings."""
    client = Owing(answer=False)
    assert client.look(1) is Verdict.ASK
    client.pongs += 1
    assert client.look(1) is Verdict.SIGN
    client.owe(answer=True)
    client.pongs += 1
    assert [client.look(4), client.look(4)] == [Verdict.NONE, Verdict.SILENT]


def test_the_time_of_one_room_counts_in_the_next() -> None:
    """A phone that sleeps is handed to one stranger after the other, who each press Next after five seconds."""
    client = Owing(answer=True)
    assert client.look(5) is Verdict.NONE
    client.room = OTHER_ROOM
    assert client.look(1) is Verdict.SIGN, "nothing is owed in a room that is over"
    client.silence.matched(OTHER_ROOM)
    client.now += 60  # it waited, and owed nothing
    client.owe(answer=True)
    assert [client.look(2.5), client.look(1)] == [Verdict.NONE, Verdict.SILENT]


def test_excused() -> None:
    """Who has no network for a moment, or whose partner has none, loses its partner for saying nothing."""
    client = Owing(answer=True)
    assert [client.look(7), client.look(60, excused=True), client.look(0.5)] == [Verdict.NONE] * 3
    assert client.look(0.5) is Verdict.SILENT


# --- the session ------------------------------------------------------------------------------------------------------

CLIENT, PARTNER = ClientId("client"), ClientId("partner")
LEFT = Send(b'{"type":"partner-left"}')


def paired(*, requeue: bool = True, v1: bool = False) -> Session:
    """A client that waited since 10, and was matched at 20."""
    client = Session(CLIENT, Policy(requeue), v1=v1)
    client.receive(Available(), 10.0)
    assert client.ticket is not None
    client.receive(PartnerFound(client.ticket, ROOM, PARTNER, initiator=True), 20.0)
    return client


def since(effects: Effects) -> list[float]:
    """Since when those wait who are queued by it."""
    return [effect.ticket.since for effect in effects if isinstance(effect, Enqueue)]


def test_who_falls_silent_is_not_queued() -> None:
    """The next stranger meets the same phone that sleeps."""
    client = paired()
    assert client.receive(FellSilent(ROOM), 30.0) == (LEFT, LeaveRoom(ROOM, "silent"))
    assert (client.state, client.room) == (State.IDLE, None)


def test_a_client_of_today_is_told_why() -> None:
    """A page believes that it waits, and shows it for ever."""
    told, _ = paired(v1=True).receive(FellSilent(ROOM), 30.0)
    assert told == Send(b'{"type":"partner-left","reason":"silent"}')


def test_an_old_silence_is_ignored() -> None:
    """The next partner is lost for what was not said to the one before."""
    client = paired()
    assert client.receive(FellSilent(OTHER_ROOM), 30.0) == ()
    assert client.state is State.PAIRED


def test_the_partner_waits_in_its_old_place() -> None:
    """Who had the bad luck of a silent partner waits behind all who came meanwhile."""
    assert since(paired().receive(PartnerGone(ROOM, "silent"), 30.0)) == [10.0]
    assert since(paired().receive(PartnerGone(ROOM, "next"), 30.0)) == [30.0]


def test_the_partner_was_away_meanwhile() -> None:
    """The same for one who has no connection in that moment."""
    client = paired(v1=True)
    client.receive(Interrupted(), 25.0)
    client.receive(PartnerGone(ROOM, "silent"), 30.0)
    assert since(client.receive(Returned(lost=False), 35.0)) == [10.0]


def test_it_speaks_again() -> None:
    """A phone that wakes up is never matched again, though its page shows that it waits."""
    client = paired()
    client.receive(FellSilent(ROOM), 30.0)
    assert since(client.receive(Spoke(), 40.0)) == [40.0]
    assert client.state is State.WAITING


def test_what_it_says_counts_more() -> None:
    """Who says `leave` when it wakes up is queued all the same, or who says `available` is queued twice."""
    for said, state in ((Leave(), State.IDLE), (Available(), State.WAITING)):
        client = paired()
        client.receive(FellSilent(ROOM), 30.0)
        client.receive(said, 40.0)
        assert client.receive(Spoke(), 40.5) == ()
        assert client.state is state


def test_it_comes_back() -> None:
    """A page that resumes after a sleep is told that it is idle, and waits for nobody."""
    client = paired(v1=True)
    client.receive(FellSilent(ROOM), 30.0)
    assert client.receive(Interrupted(), 40.0) == ()
    assert since(client.receive(Returned(lost=False), 50.0)) == [40.0]
    client = paired(v1=True)
    client.receive(FellSilent(ROOM), 30.0)
    assert since(client.receive(Returned(lost=False), 50.0)) == [50.0], "nobody had noticed that it was away"


@pytest.mark.parametrize("speaks", [True, False])
def test_without_requeue(speaks: bool) -> None:
    """With REQUEUE_ON_PARTNER_LEAVE=false somebody is called who has not said `available`."""
    client = paired(requeue=False)
    client.receive(FellSilent(ROOM), 30.0)
    if speaks:
        assert client.receive(Spoke(), 40.0) == ()
    assert client.state is State.IDLE
    (enqueued,) = client.receive(Available(), 50.0)
    assert enqueued == Enqueue(Ticket(CLIENT, 2, 50.0, (), 50.0))
    assert client.receive(Leave(), 60.0) == (Withdraw(Ticket(CLIENT, 2, 50.0, (), 50.0)),)

"""How a session leaves this instance."""

from typing import Any, cast
from unittest.mock import Mock

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from signald.brokers.interface import Fetched, Origin, ParkedAll
from signald.brokers.redis.letters import Demand, Given, Held, Hold, Letter
from signald.brokers.redis.moving import LOOK_S, PARKS_AT_ONCE, Moving
from signald.brokers.redis.parked import PARKED_AT_ONCE, Turn
from signald.brokers.redis.problems import StoreUnavailable
from signald.core.ids import ClientId, RoomId
from signald.core.parcel import Parcel
from signald.core.passes import VERSION, Attempt, Pass


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


def make_moving(clock: Clock, sent: list[tuple[str, Letter]], **parts: Any) -> Moving:
    """A `Moving` whose letters are kept, and that is given what a test needs."""
    others: dict[str, Any] = {name: Mock() for name in ("store", "parked", "halves", "sessions")}
    others |= {"seat": str, "boot": "boot", "clock": clock, "seconds": 30.0}
    return Moving(send=lambda instance, letter: sent.append((instance, letter)), **others | parts)


def test_a_partner_that_is_found_while_the_session_leaves() -> None:
    """What it says then comes to a home that has given the session up, and is lost without a word."""
    rooms: Any = Rooms(one="a", other="")
    clock, sent = Clock(), list[tuple[str, Letter]]()
    moving = make_moving(clock, sent, halves=rooms, sessions=rooms)
    quiet = Deferred.fromCoroutine(moving.holds.quieten(lambda: [ClientId(name) for name in rooms.instances]))
    assert sent == [("a", Hold(RoomId("one"), 30.0))]
    rooms.instances |= {"one": "b", "other": "c"}
    moving.read("a", Held(RoomId("one")))
    assert sorted(sent[1:]) == [("b", Hold(RoomId("one"), 30.0)), ("c", Hold(RoomId("other"), 30.0))]
    moving.read("c", Held(RoomId("other")))
    assert not quiet.called
    clock.advance(2.0)
    assert quiet.result == {"one"}, "b did not answer"


def test_a_partner_whose_instance_stops_too() -> None:
    """When all instances are restarted at once, calls go on, but each is told that something may be missing."""
    rooms: Any = Rooms(one="a", other="b")
    clock, sent = Clock(), list[tuple[str, Letter]]()
    moving = make_moving(clock, sent, halves=rooms, sessions=rooms)
    quiet = Deferred.fromCoroutine(moving.holds.quieten(lambda: [ClientId(name) for name in rooms.instances]))
    rooms.instances["one"] = ""
    token = Pass(VERSION, ClientId("one"), 0, 0, 0, 0.0, "a", "boot of a")
    demanded = Deferred.fromCoroutine(moving._demand("a", token, 0, Attempt()))
    moving.farewell("a", "boot of a")
    assert demanded.result is None, "what it had stands in the store"
    assert not quiet.called, "b has yet to answer"
    moving.read("b", Held(RoomId("other")))
    assert quiet.result == set()


class Parked:
    """A store in which nothing is parked and nobody has taken anything."""

    secret = forget_secret = None

    async def take(self, said: Pass, attempt: Attempt, *, from_dead: str | None = None) -> Turn:
        """See `ParkedSessions.take`."""
        return Turn() if from_dead is None else Turn(taken=True)

    async def boot_of(self, instance: str) -> str:
        """See `ParkedSessions.boot_of`: the other instance lives."""
        return "boot-of-b"


def test_a_session_that_ends_where_it_was_before_is_over() -> None:
    """A client that was kicked would come back into its call, if it had been on another instance for a moment."""
    sent = list[tuple[str, Letter]]()
    clock, boot, client = Clock(), "boot-of-a", ClientId("client")
    sessions: Any = Mock(epoch=Mock(return_value=0), moved=Mock(return_value=RoomId("")))
    moving = make_moving(
        clock,
        sent,
        store=Mock(instance="a", reachable=True),
        parked=Parked(),
        sessions=sessions,
        seat=lambda instance: f"{instance}/boot-of-{instance}",
        boot=boot,
    )
    token = Pass(VERSION, client, 3, 0, 0, 0.0, "a", boot)

    moving.rivals.give_up(client, 2, Attempt(), home="b")
    elsewhere = Deferred.fromCoroutine(moving.fetch(token, 0, Attempt(), lambda: True))
    assert [instance for instance, _ in sent] == ["b"], "it asks there"
    assert not elsewhere.called
    moving.settled(client, Fetched(Origin.MOVED))
    kicked = Deferred.fromCoroutine(moving.fetch(token, 0, Attempt(), lambda: True))
    clock.pump([0.1] * 25)
    assert kicked.result == Fetched(Origin.GONE, why="it has ended here")


def test_a_demand_that_the_next_process_reads() -> None:
    """A home dies with the demand unread, and the process after it, which knows nobody, ends a call."""
    clock, sent, lives = Clock(), list[tuple[str, Letter]](), {"b": "boot-of-b"}
    moving = make_moving(
        clock,
        sent,
        store=Mock(instance="a", reachable=True),
        parked=Parked(),
        seat=lambda instance: f"{instance}/{lives[instance]}",
    )
    found: list[Fetched] = []
    for name, boot in (("first", "boot-of-b"), ("second", "boot of the next one")):
        token = Pass(VERSION, ClientId(name), 0, 0, 0, 0.0, "b", "boot-of-b")
        coming = Deferred.fromCoroutine(moving.fetch(token, 0, Attempt(), lambda: True))
        assert not coming.called
        lives["b"] = boot
        moving.read("b", Given(len(sent), parked=False))
        found.append(cast(Fetched, coming.result))
    assert [each.origin for each in found] == [Origin.GONE, Origin.DEAD]


def test_a_session_that_was_given_to_us_and_never_came() -> None:
    """Its home could not reach the store in time, and the second attempt at the same place ends a call."""
    clock, sent = Clock(), list[tuple[str, Letter]]()
    moving = make_moving(
        clock,
        sent,
        store=Mock(instance="a", reachable=True),
        parked=Parked(),
        sessions=Mock(epoch=Mock(return_value=0)),
        seat=lambda instance: f"{instance}/boot-of-{instance}",
        boot="boot-of-a",
    )
    token = Pass(VERSION, ClientId("client"), 0, 0, 0, 0.0, "b", "boot-of-b")
    coming = Deferred.fromCoroutine(moving.fetch(token, 0, Attempt(), lambda: True))
    moving.read("b", Given(len(sent), parked=False, to="a/boot-of-a"))
    assert cast(Fetched, coming.result).origin is Origin.DEAD


def test_a_session_that_comes_back_while_it_leaves() -> None:
    """Its partner would be told that it is away, wait for it in vain, and lose a call in which both are there."""
    clock, sent, client = Clock(), list[tuple[str, Letter]](), ClientId("client")
    sessions: Any = Mock()
    sessions.epoch.return_value, sessions.attempt.return_value, sessions.room.return_value = 5, Attempt(), "before"
    halves: Any = Mock()
    halves.instance_of = {"before": "b", "now": "b"}.get
    moving = make_moving(clock, sent, sessions=sessions, halves=halves)
    moving.read("c", Demand(1, client, 5, 0, 0, Attempt()))
    assert sent == [("b", Hold(RoomId("before"), 30.0))]
    sessions.epoch.return_value, sessions.room.return_value = 9, "now"
    clock.advance(2.0)
    assert sent[1:] == [("c", Given(1, parked=False))]
    sessions.pack.assert_not_called()


def test_a_session_that_two_want_at_once() -> None:
    """The answer to one of them would be the end of the other's wait, and of the connection to the store."""
    clock, sent, client = Clock(), list[tuple[str, Letter]](), ClientId("client")
    sessions: Any = Mock()
    sessions.epoch.return_value, sessions.attempt.return_value, sessions.room.return_value = 5, Attempt(), "room"
    sessions.pack.return_value = None
    halves: Any = Mock()
    halves.instance_of.return_value = "b"
    moving = make_moving(clock, sent, sessions=sessions, halves=halves)
    for number, instance in ((1, "c"), (2, "d")):
        moving.read(instance, Demand(number, client, 5, 0, 0, Attempt()))
    moving.read("b", Held(RoomId("room")))
    assert [instance for instance, letter in sent if type(letter) is Given] == ["c", "d"]


class Slow:
    """A store that says when sessions are parked."""

    secret = forget_secret = None

    def __init__(self) -> None:
        self.calls: list[tuple[list[Parcel], Deferred[None]]] = []

    async def park(self, parcels: list[Parcel]) -> None:
        """See `ParkedSessions.park`."""
        self.calls.append((parcels, Deferred()))
        await self.calls[-1][1]

    def answer(self, problem: Exception | None = None) -> None:
        """Answer the oldest call."""
        waiting = next(answer for _, answer in self.calls if not answer.called)
        if problem is None:
            waiting.callback(None)
        else:
            waiting.errback(problem)


def _stops(sessions: int) -> tuple[Clock, Slow, "Deferred[ParkedAll]"]:
    clock, store = Clock(), Slow()
    names = [ClientId(str(number)) for number in range(sessions)]
    here: Any = Mock()
    here.epochs.return_value = [(name, 0) for name in names]
    here.room.return_value = None
    here.pack.side_effect = lambda client, lost: Parcel(client=client, epoch=0, stands="idle", received=0, sent=0)
    moving = make_moving(clock, [], sessions=here, parked=store, store=Mock(reachable=True))
    return clock, store, Deferred.fromCoroutine(moving.park_all(3.0))


def test_many_sessions_are_parked_some_at_a_time() -> None:
    """The store would need longer for all at once than it may take for an answer, and all would be lost together."""
    clock, store, parked = _stops(1050)
    for count in range(11):
        under_way = [parcels for parcels, answer in store.calls if not answer.called]
        assert len(under_way) == min(PARKS_AT_ONCE, 11 - count)
        assert all(len(parcels) <= PARKED_AT_ONCE for parcels in under_way)
        clock.advance(0.01)
        store.answer()
    assert parked.result == ParkedAll(1050, "")
    assert {each.client for parcels, _ in store.calls for each in parcels} == {str(number) for number in range(1050)}


def test_what_was_not_parked_is_tried_again() -> None:
    """The restart of a store in that moment would cost calls, although there is time to try again."""
    clock, store, parked = _stops(250)
    first, lost = store.calls[0][0], store.calls[1][0]
    store.answer()
    store.answer(StoreUnavailable("lost"))
    store.answer()
    assert not parked.called
    clock.advance(LOOK_S)
    assert [parcels for parcels, answer in store.calls if not answer.called] == [lost]
    store.answer()
    assert parked.result == ParkedAll(250, "")
    assert len(first) == PARKED_AT_ONCE


def test_parking_ends_in_time() -> None:
    """A store that hangs would hold up the end, and nobody would know how many sessions it has."""
    clock, store, parked = _stops(250)
    store.answer()
    clock.advance(3.0)
    assert parked.result == ParkedAll(PARKED_AT_ONCE, "not within 3 s")

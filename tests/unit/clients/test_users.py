"""Who of one user's connections has to go."""

from typing import Any

import msgspec
from twisted.internet.task import Clock

from signald.brokers.interface import Answers
from signald.clients.client import Client
from signald.clients.questions import Asking, Kick, Question, Seat, WhereIs
from signald.clients.users import Users
from signald.core.ids import ClientId, UserId
from signald.core.limits import MessageRate, Overflow
from signald.core.session import Session
from signald.core.standing import Policy
from signald.identity.tokens import Identity


def make_users(clock: Clock, at_most: int, overflow: Overflow, ask: Asking | None = None) -> Users:
    """Users whose tokens are their names, and good for an hour."""
    return Users(
        verify=lambda token, now: Identity(UserId(token), now + 3600.0),
        clock=clock,
        unix_time=lambda: 1e9 + clock.seconds(),
        at_most=at_most,
        overflow=overflow,
        ask=ask,
    )


def make_client(name: str) -> Client:
    """A client without a connection."""
    nowhere: Any = None
    return Client(nowhere, Session(ClientId(name), Policy()), MessageRate(40, 0.0))


def test_the_order_of_connections_does_not_depend_on_when_it_is_asked() -> None:
    """Two instances that ask at different times close each other's connection of one user, and both are gone."""
    clock = Clock()
    users = make_users(clock, 2, Overflow.REFUSE)
    for name in ("first", "second"):
        users.identify(make_client(name), "ada")
        clock.advance(0.1)
    early = users.seats(WhereIs(UserId("ada")))
    clock.advance(5.0)
    assert [seat.client for seat in early] == ["first", "second"]
    assert users.seats(WhereIs(UserId("ada"))) == early


def test_tokens_of_two_users_in_turn_ask_the_other_instances_once_a_second() -> None:
    """A handful of connections takes all instances' time: each message of theirs is a question to every one of them."""
    clock, asked = Clock(), []

    async def ask(question: Question) -> Answers:
        asked.append(question)
        return Answers({})

    users = make_users(clock, 5, Overflow.REPLACE, ask)
    client = make_client("it")
    users.identify(client, "ada")
    assert asked == [WhereIs(UserId("ada"))]
    for _ in range(100):
        users.identify(client, "bob")
        users.identify(client, "ada")
        clock.advance(0.1)
    assert 18 <= len(asked) <= 24
    clock.pump([0.5] * 6)
    last = len(asked)
    clock.advance(10.0)
    assert len(asked) == last, "it goes on asking"
    users.identify(client, "bob")
    assert asked[last:] == [WhereIs(UserId("bob"))]


def test_a_session_that_changes_its_home_is_one() -> None:
    """A home that was frozen still counts whom another instance has by now, and throws out this one, for being two."""
    clock, kicked = Clock(), []

    async def ask(question: Question) -> Answers:
        if isinstance(question, Kick):
            kicked.append(question.client)
            return Answers({})
        (here,) = users.seats(WhereIs(UserId("ada")))
        before = [Seat(here.came - 60.0, here.client), *(Seat(here.came - 30.0, ClientId(name)) for name in others)]
        return Answers({"home": msgspec.json.encode([here]), "former home": msgspec.json.encode(before)})

    users, others = make_users(clock, 1, Overflow.REFUSE, ask), list[str]()
    client = make_client("moved")
    users.identify(client, "ada")
    assert kicked == []
    others.append("another")
    users.forget(client)
    clock.advance(2.0)
    users.identify(client, "ada")
    assert kicked == ["moved"]

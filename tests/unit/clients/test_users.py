"""Who of one user's connections has to go."""

from typing import Any

from twisted.internet.task import Clock

from signald.clients.client import Client
from signald.clients.questions import WhereIs
from signald.clients.users import Users
from signald.core.ids import ClientId, UserId
from signald.core.limits import MessageRate, Overflow
from signald.core.session import Session
from signald.core.standing import Policy
from signald.identity.tokens import Identity


def test_the_order_of_connections_does_not_depend_on_when_it_is_asked() -> None:
    """Two instances that ask at different times close each other's connection of one user, and both are gone."""
    clock = Clock()
    users = Users(
        verify=lambda token, now: Identity(UserId(token), now + 3600.0),
        clock=clock,
        unix_time=lambda: 1e9 + clock.seconds(),
        at_most=2,
        overflow=Overflow.REFUSE,
    )
    nowhere: Any = None
    for name in ("first", "second"):
        client = Client(nowhere, Session(ClientId(name), Policy()), MessageRate(40, 0.0))
        users.identify(client, "ada")
        clock.advance(0.1)
    early = users.seats(WhereIs(UserId("ada")))
    clock.advance(5.0)
    assert [seat.client for seat in early] == ["first", "second"]
    assert users.seats(WhereIs(UserId("ada"))) == early

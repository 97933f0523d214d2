"""The session's table: every state with every input."""

import pytest

from signald.core import session
from signald.core.ids import ClientId, RoomId
from signald.core.messages import Available, Leave, Next
from signald.core.session import PartnerFound, Policy, Session, State


def make() -> Session:
    return Session(ClientId("a"), Policy())


def test_every_state_has_a_rule_for_every_input() -> None:
    """A missing rule would end a client's connection with an internal error."""
    inputs = set(session.TRANSITIONS[State.IDLE])
    assert all(set(rules) == inputs for rules in session.TRANSITIONS.values())
    assert set(session.TRANSITIONS) == set(State)


def test_an_old_match_is_ignored() -> None:
    """Who left the queue and came back would be paired with somebody who was matched to the old stay."""
    client = make()
    client.receive(Available(), 0.0)
    old = client.ticket
    assert old is not None
    client.receive(Leave(), 0.0)
    client.receive(Available(), 0.0)
    assert client.receive(PartnerFound(old, RoomId("r"), ClientId("b"), initiator=True), 0.0) == ()
    assert client.state is State.WAITING


def test_next_without_partner_changes_nothing() -> None:
    """An illegal message must not lose the place in the queue."""
    client = make()
    client.receive(Available(), 0.0)
    ticket = client.ticket
    with pytest.raises(session.ProtocolError):
        client.receive(Next(), 0.0)
    assert client.ticket == ticket

"""What is remembered of those who owe their partner a sign."""

from typing import Any

import pytest
from twisted.internet.task import Clock

from signald.clients.client import Client
from signald.clients.vigil import BEAT_S, Vigil
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import Disconnected, Input, PartnerFound
from signald.core.limits import MessageRate
from signald.core.messages import Available
from signald.core.session import Session
from signald.core.standing import Policy
from signald.telemetry.counts import Counts
from tests.support.quiet import Quiet

ANSWER_S = 10.0
ROOM = RoomId("room")


def give(client: Client, given: Input) -> None:
    """Let a session receive something; nobody else is there to run what it asks for."""
    client.session.receive(given, 0.0)


def matched(clock: Clock, *, initiator: bool) -> tuple[Vigil, Client]:
    """A vigil, and a client that it was told of."""
    vigil = Vigil(clock, ANSWER_S, give, clock.seconds, Counts())
    vigil.startService()
    client = Client(Quiet(), Session(ClientId("client"), Policy()), MessageRate(40, 0.0))
    give(client, Available())
    ticket: Any = client.session.ticket
    give(client, PartnerFound(ticket, ROOM, ClientId("partner"), initiator))
    vigil.matched(client, initiator)
    return vigil, client


@pytest.mark.parametrize("owes", ["an offer", "an answer", "any word"])
def test_one_that_is_gone_is_soon_forgotten(owes: str) -> None:
    """The memory fills with clients that went before they said what they owed."""
    clock = Clock()
    vigil, client = matched(clock, initiator=owes == "an offer")
    if owes == "an answer":
        vigil.offered(client)
    elif owes == "any word":
        vigil.offered(client)
        clock.pump([BEAT_S] * (1 + int(ANSWER_S / BEAT_S)))
        assert client.session.silent
    assert len(vigil) == 1
    give(client, Disconnected())
    clock.advance(BEAT_S)
    assert len(vigil) == 0

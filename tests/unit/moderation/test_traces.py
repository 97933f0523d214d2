"""The memory of who was here."""

import pytest

from signald.clients.client import Client
from signald.core.ids import ClientId, UserId
from signald.core.limits import MessageRate
from signald.core.session import Session
from signald.core.standing import Policy
from signald.moderation import traces as moderation_traces
from signald.moderation.traces import REMEMBERED_S, Traces
from tests.support.clock import Time
from tests.support.quiet import Quiet


def client_at(name: str, address: str) -> Client:
    return Client(Quiet(), Session(ClientId(name), Policy()), MessageRate(1, 0.0), address=address)


def test_who_was_here_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports cannot be acted on; or addresses are kept for ever, and fill the memory."""
    monkeypatch.setattr(moderation_traces, "REMEMBERED", 3)
    time = Time()
    traces = Traces(time)
    for number in range(5):
        traces.remember(client_at(f"x{number}", "192.0.2.1"), UserId("ada"))
    found = [traces.find(ClientId(f"x{number}")) for number in range(5)]
    assert found == [None, None, *[(UserId("ada"), "192.0.2.1")] * 3]
    time.now += REMEMBERED_S
    assert traces.find(ClientId("x4")) is None
    traces.remember(client_at("new", "192.0.2.2"), None)
    assert len(traces) == 1

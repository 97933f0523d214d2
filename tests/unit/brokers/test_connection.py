"""Commands to the store: how many are under way, and what becomes of the rest."""

from typing import Any
from unittest.mock import Mock

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from signald.brokers.redis import connection as module
from signald.brokers.redis.connection import CALL_TIMEOUT_S, StoreConnection
from signald.brokers.redis.problems import UNREACHABLE, StoreUnavailable


class Wire:
    """A connection to a store that answers when it is told to."""

    connected = 1

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.answers: list[Deferred[Any]] = []
        self.transport = Mock()

    def execute_command(self, *command: Any) -> "Deferred[Any]":
        """See `txredisapi.RedisProtocol.execute_command`."""
        self.sent.append(command)
        self.answers.append(Deferred())
        return self.answers[-1]


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is small here."""
    monkeypatch.setattr(module, "UNDER_WAY_AT_MOST", 2)


def connect(clock: Clock) -> tuple[StoreConnection, Wire]:
    """A connection that is made."""
    connection: Any = StoreConnection("command", Mock(), Mock(), clock, float, Mock(), Mock())
    connection._protocol = wire = Wire()
    return connection, wire


def test_a_crowd_of_commands_is_sent_some_at_a_time() -> None:
    """Thousands who want a partner in the same moment would make the store look dead: the last answer is late."""
    clock = Clock()
    connection, wire = connect(clock)
    answers: list[Any] = []
    for number in range(5):
        connection.call("GET", number).addCallback(answers.append)
    assert wire.sent == [("GET", 0), ("GET", 1)]
    for answered in range(0, 5, 2):
        clock.advance(CALL_TIMEOUT_S - 0.1)  # too long for all of them, but not for any
        for number in range(answered, min(answered + 2, 5)):
            wire.answers[number].callback(number)
    assert answers == list(range(5))
    connection.call("GET", 5)
    assert wire.sent[-1] == ("GET", 5)


def test_what_waits_for_its_turn_fails_with_the_connection() -> None:
    """A client would wait without end for a partner whom nobody looks for."""
    connection, wire = connect(Clock())
    failed: list[Any] = []
    for number in range(4):
        connection.call("GET", number).addErrback(lambda failure: failed.append(failure.trap(StoreUnavailable)))
    wire.connected = 0
    for answer in wire.answers:
        answer.errback(StoreUnavailable("lost"))
    assert len(failed) == 4
    assert len(wire.sent) == 2


def test_silence_is_noticed() -> None:
    """A store that hangs would hold up all who want something of it."""
    clock = Clock()
    connection, wire = connect(clock)
    failed: list[Any] = []
    connection.call("GET", "a").addErrback(lambda failure: failed.append(failure.trap(StoreUnavailable)))
    clock.advance(CALL_TIMEOUT_S)
    assert failed == [StoreUnavailable]
    wire.transport.abortConnection.assert_called_once()


def test_why_a_steady_connection_ended_is_said_once() -> None:
    """The log says everything twice when a store falls ill that was well, as if there were two reasons."""
    clock, log = Clock(), Mock()
    connected: Any
    connected, _ = connect(clock)
    connected._log = log
    for word in ("BUSY", "LOADING", "BUSY"):  # what was a reason long before may be one again
        connected._protocol = Mock()
        clock.advance(1.0)
        connected._up()
        clock.advance(module.STEADY_S)
        connected.drop(word)
        connected._down()
        connected.complain(word, UNREACHABLE)
    assert [call.kwargs["why"] for call in log.warn.call_args_list] == ["BUSY", "LOADING", "BUSY"]


def test_nothing_is_sent_to_a_store_that_was_given_up() -> None:
    """Hundreds of searches are made of which nobody hears what they found, and those who were found wait for nobody."""
    clock = Clock()
    connection, wire = connect(clock)
    failed: list[Any] = []
    for number in range(4):
        connection.call("GET", number).addErrback(lambda failure: failed.append(failure.trap(StoreUnavailable)))
    clock.advance(CALL_TIMEOUT_S)
    connection.call("GET", 4).addErrback(lambda failure: failed.append(failure.trap(StoreUnavailable)))
    assert wire.sent == [("GET", 0), ("GET", 1)]
    wire.transport.abortConnection.assert_called_once_with()
    assert len(failed) == 5

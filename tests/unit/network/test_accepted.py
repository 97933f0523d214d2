"""Accepted connections, on real sockets and a reactor that only tests turn."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from signald.network.accepted import Accepted
from signald.network.sockets import Sockets
from tests.support.seen import MUCH, Seen
from tests.support.sockets import WAYS


class Wire:
    """A connection, what its protocol saw, and the other end."""

    def __init__(self, sockets: Sockets) -> None:
        self.reactor = MemoryReactorClock()
        ours, self.other = socket.socketpair()
        self.other.settimeout(5)
        self.protocol = Seen()
        reactor: Any = self.reactor
        ours.setblocking(False)
        self.transport = Accepted(ours.detach(), self.protocol, ("127.0.0.1", 1), reactor, sockets)
        self.protocol.makeConnection(self.transport)

    def read(self, data: bytes = b"x") -> Exception | None:
        """Let the other end send, and the reactor say that there is something to read."""
        self.other.sendall(data)
        return self.transport.doRead()

    @property
    def wants_to_write(self) -> bool:
        return self.transport in self.reactor.getWriters()

    def take(self, size: int) -> bytes:
        """Read at the other end, while the reactor says that there is room."""
        taken = b""
        while len(taken) < size:
            taken += self.other.recv(65536)
            if self.wants_to_write:
                self.transport.doWrite()
        return taken


@pytest.fixture(params=WAYS)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = Wire(request.param)
    yield wire
    wire.other.close()
    if not wire.protocol.lost:
        wire.transport.connectionLost(Failure(CONNECTION_DONE))


def test_what_is_written_leaves_at_once(wire: Wire) -> None:
    """Each small message costs two calls of epoll_ctl and an event."""
    wire.transport.write(b"now")
    assert not wire.wants_to_write
    assert wire.other.recv(10) == b"now"


def test_what_finds_no_room_keeps_its_order(wire: Wire) -> None:
    """A message overtakes the rest of the one before it."""
    wire.transport.write(MUCH)
    wire.transport.write(b"last")
    assert wire.wants_to_write
    assert wire.take(len(MUCH) + 4) == MUCH + b"last"
    assert not wire.wants_to_write


def test_the_end_comes_with_the_read_that_brought_it(wire: Wire) -> None:
    """Closing takes another turn of the reactor; or what was written before it is lost."""

    def end(data: bytes) -> None:
        wire.transport.write(b"good")
        wire.transport.loseConnection()
        wire.transport.write(b"bye")

    wire.protocol.on_data = end
    assert wire.read() is CONNECTION_DONE
    assert not wire.wants_to_write
    wire.transport.connectionLost(Failure(CONNECTION_DONE))
    assert wire.other.recv(10) == b"goodbye"
    assert wire.other.recv(10) == b""
    assert wire.protocol.lost == [ConnectionDone]


@pytest.mark.parametrize("before", [True, False])
def test_the_end_waits_for_what_is_written(wire: Wire, before: bool) -> None:
    """A client misses the last messages, and is read from although its connection ends."""

    def end(data: bytes) -> None:
        if before:
            wire.transport.write(MUCH)
        wire.transport.loseConnection()
        if not before:
            wire.transport.write(MUCH)

    wire.protocol.on_data = end
    assert wire.read() is None
    assert wire.transport not in wire.reactor.getReaders()
    taken, ended = b"", None
    while ended is None:
        taken += wire.other.recv(65536)
        ended = wire.transport.doWrite()
    assert ended is CONNECTION_DONE
    wire.transport.connectionLost(Failure(CONNECTION_DONE))
    while piece := wire.other.recv(65536):
        taken += piece
    assert taken == MUCH


def test_the_end_waits_for_a_producer(wire: Wire) -> None:
    """A page's response is cut off in its middle."""

    def end(data: bytes) -> None:
        wire.transport.registerProducer(Seen(), True)
        wire.transport.loseConnection()

    wire.protocol.on_data = end
    assert wire.read() is None
    wire.transport.unregisterProducer()
    assert wire.wants_to_write
    assert wire.transport.doWrite() is CONNECTION_DONE


def test_a_producer_that_fails_keeps_no_end_back(wire: Wire) -> None:
    """Descriptors run out one by one, and a client that is gone stays somebody's partner."""

    class Failing(Seen):
        def stopProducing(self) -> None:
            raise RuntimeError("it cannot stop")

    wire.transport.registerProducer(Failing(), True)
    with pytest.raises(RuntimeError, match="it cannot stop"):
        wire.transport.connectionLost(Failure(CONNECTION_DONE))
    assert wire.protocol.lost == [ConnectionDone]
    assert wire.other.recv(10) == b""


def test_outside_a_read_the_end_comes_in_its_own_turn(wire: Wire) -> None:
    """A protocol is told of its end while it is in the midst of something."""
    wire.transport.loseConnection()
    assert not wire.protocol.lost
    assert wire.transport.doWrite() is CONNECTION_DONE


def test_an_abort_wins(wire: Wire) -> None:
    """A client that must go gets a clean end, and its kernel waits for what we still had to say."""

    def end(data: bytes) -> None:
        wire.transport.loseConnection()
        wire.transport.abortConnection()
        wire.transport.write(b"no more")

    wire.protocol.on_data = end
    assert wire.read() is None
    wire.reactor.advance(0)
    assert wire.protocol.lost == [ConnectionAborted]
    assert wire.other.recv(10) == b""


def test_the_other_end_is_gone(wire: Wire) -> None:
    """A write to a broken connection raises in whoever wrote, such as the partner's."""
    wire.other.close()
    wire.transport.write(b"lost")
    wire.transport.write(b"too")
    assert wire.wants_to_write
    assert isinstance(wire.transport.doWrite(), Exception)


def test_last_words_are_read_by_who_speaks_on(wire: Wire) -> None:
    """A page is not told why it is turned away, since it said something in that moment."""
    kept: list[int | None] = []

    def turn_away(data: bytes) -> None:
        wire.transport.write(b"full")
        kept.append(wire.transport.part())

    wire.protocol.on_data = turn_away
    assert wire.read() is CONNECTION_DONE
    wire.transport.connectionLost(Failure(CONNECTION_DONE))
    assert wire.protocol.lost == [ConnectionDone]
    wire.other.sendall(b"heard by nobody")
    assert (wire.other.recv(10), wire.other.recv(10)) == (b"full", b"")
    (descriptor,) = kept
    assert descriptor is not None
    os.close(descriptor)
    with pytest.raises(ConnectionError):
        wire.other.sendall(b"gone")


def test_last_words_that_are_still_to_be_written(wire: Wire) -> None:
    """What found no room is cut off."""
    wire.protocol.on_data = lambda data: wire.transport.write(MUCH)
    assert wire.read() is None
    assert wire.transport.part() is None
    wire.protocol.on_data = lambda data: assert_none(wire.transport.part())
    wire.read()
    assert wire.take(len(MUCH)) == MUCH


def assert_none(part: int | None) -> None:
    assert part is None

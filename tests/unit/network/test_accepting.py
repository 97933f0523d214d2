"""Accepting, on real sockets and a reactor that only the test turns."""

import gc
import os
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.protocol import Factory

from signald.network.accepted import Accepted
from signald.network.accepting import AT_ONCE, accept_promptly
from signald.network.lane import Lane
from signald.network.output import Output
from tests.support.seen import Seen
from tests.support.waiting import PATIENCE_S


class Listening:
    """A port on a lane before a reactor, and who connects to it."""

    def __init__(self, interface: str) -> None:
        self.reactor: Any = EPollReactor()  # one of its own: the global one is nobody's here
        self.seen: list[Any] = []
        self.make: Callable[[], Any] = Seen
        factory: Any = Factory()
        factory.buildProtocol = self._build
        lane = Lane(self.reactor, Output(self.reactor), leads=True)
        self.port = self.reactor.listenTCP(0, factory, backlog=4 * AT_ONCE, interface=interface)
        accept_promptly(self.port, lane)
        lane.start()
        self.others: list[socket.socket] = []

    def _build(self, address: Any) -> Any:
        protocol = self.make()
        self.seen.append(protocol)
        return protocol

    def connect(self) -> None:
        address = self.port.getHost()
        self.others.append(socket.create_connection((address.host, address.port), 5))

    def turn_until(self, done: Callable[[], object]) -> None:
        """Turn the reactor, which waits for what comes."""
        began = time.monotonic()
        while not done():
            assert time.monotonic() - began < PATIENCE_S
            self.reactor.runUntilCurrent()
            self.reactor.doIteration(0 if done() else 1)

    def end(self) -> None:
        for other in self.others:
            other.close()
        self.turn_until(lambda: all(one.lost for one in self.seen if isinstance(one, Seen)))
        self.port.connectionLost(None)
        self.reactor.removeAll()
        self.reactor._poller.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def listening(request: pytest.FixtureRequest) -> Iterator[Listening]:
    listening = Listening(request.param)
    yield listening
    listening.end()


def test_each_is_known_by_its_address(listening: Listening) -> None:
    """A ban or a limit for one address hits nobody, or everybody."""
    listening.connect()
    listening.turn_until(lambda: listening.seen)
    transport = listening.seen[0].transport
    assert isinstance(transport, Accepted)
    ours = listening.others[0].getsockname()
    theirs: Any = transport.getPeer()
    assert (theirs.host, theirs.port) == ours[:2]
    assert isinstance(theirs, IPv6Address if len(ours) == 4 else IPv4Address)
    assert transport.getHost() == listening.port.getHost()


@pytest.mark.parametrize("listening", ["::1"], indirect=True)
def test_an_address_of_a_link_says_which(listening: Listening) -> None:
    """Where Twisted accepts, as there are no descriptors, two neighbours on two links have one address."""
    index, name = socket.if_nameindex()[0]
    ours = socket.socket(socket.AF_INET6)
    made: Any = listening.port.transport
    transport = made(ours, Seen(), ("fe80::1", 1, 0, index), listening.port, 0, listening.reactor)
    assert transport.getPeer().host == f"fe80::1%{name}"
    transport.protocol.makeConnection(transport)
    transport.abortConnection()


def test_a_storm_comes_in(listening: Listening) -> None:
    """Behind a deploy that everybody notices, some of the crowd are never let in."""
    for _ in range(3 * AT_ONCE):
        listening.connect()
    listening.turn_until(lambda: len(listening.seen) == 3 * AT_ONCE)


def test_one_that_fails_is_closed_and_the_next_comes_in(listening: Listening) -> None:
    """One connection that cannot be served, and nobody gets in until the process is started again."""

    def fail() -> Any:
        listening.seen.append(None)
        raise ValueError("no protocol")

    listening.make = fail
    listening.connect()
    listening.turn_until(lambda: listening.seen)
    assert listening.others[0].recv(1) == b""
    listening.make = Seen
    listening.connect()
    listening.turn_until(lambda: len(listening.seen) == 2)


class FailsAtOnce(Seen):
    """Cannot begin."""

    def makeConnection(self, transport: Any) -> None:
        super().makeConnection(transport)
        raise ValueError("it has no way to begin")


def test_one_that_fails_at_its_beginning_takes_no_other_down(listening: Listening) -> None:
    """Whoever gets the file descriptor of one that could not be served is never read: a door that nobody opens."""
    listening.make = FailsAtOnce
    listening.connect()
    listening.turn_until(lambda: listening.seen and listening.seen[0].lost)
    listening.make = Seen
    listening.connect()
    listening.turn_until(lambda: len(listening.seen) == 2)
    heard: list[bytes] = []
    listening.seen[1].on_data = heard.append
    listening.others[1].sendall(b"is anybody there?")
    listening.turn_until(lambda: heard)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Every number up to the limit is in use, Twisted's spare one among them, and none becomes free by a collection."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = [int(name) for name in os.listdir("/proc/self/fd")]
    taken: list[int] = []
    gc.disable()
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(in_use) + 1, most))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                taken.append(os.dup(in_use[0]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
        gc.enable()
        for number in taken:
            os.close(number)


def test_whoever_comes_while_no_descriptor_is_left_is_closed(listening: Listening) -> None:
    """A process that is out of file descriptors spins, and lets its clients wait for ever at the door."""
    listening.connect()
    listening.turn_until(lambda: listening.seen)
    address = listening.port.getHost()
    with socket.socket(listening.port.addressFamily) as late, no_descriptor_left():
        late.connect((address.host, address.port))
        late.setblocking(False)
        listening.turn_until(lambda: select.select([late], [], [], 0)[0])
        assert late.recv(1) == b""
    assert len(listening.seen) == 1
    listening.connect()
    listening.turn_until(lambda: len(listening.seen) == 2)

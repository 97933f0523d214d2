"""The lane, on real sockets: polled by a reactor that only tests turn, and before a reactor of Twisted's."""

import fcntl
import select
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from signald.network import lane as lane_module
from signald.network.accepted import Accepted
from signald.network.lane import Lane
from signald.network.output import Output
from signald.network.sockets import IN_PYTHON, Sockets
from tests.support.seen import MUCH, Seen
from tests.support.sockets import WAYS
from tests.support.waiting import PATIENCE_S


class Lanes:
    """Connections on a lane that the reactor polls."""

    leads = False

    def __init__(self, reactor: Any = None, sockets: Sockets = IN_PYTHON) -> None:
        self.reactor: Any = reactor or self.make_reactor()
        self.output = Output(self.reactor)
        self.sockets = sockets
        self.lane = Lane(self.reactor, self.output, leads=True, sockets=sockets)
        self.others: list[socket.socket] = []
        self.lane.start()
        self.at_rest = self.polled()

    def make_reactor(self) -> Any:
        return MemoryReactorClock()

    def polled(self) -> list[Any]:
        """What the reactor reads."""
        return [one for one in self.reactor.getReaders() if one is not getattr(self.reactor, "waker", None)]

    def connect(self, pair: tuple[socket.socket, socket.socket] | None = None) -> Accepted:
        ours, other = pair or socket.socketpair()
        other.settimeout(5)
        lane: Any = self.lane
        protocol = Seen()
        ours.setblocking(False)
        transport = Accepted(ours.detach(), protocol, ("127.0.0.1", 1), lane, self.sockets)
        protocol.makeConnection(transport)
        self.others.append(other)
        return transport

    def connect_as(self, number: int, waiting: socket.socket, other: socket.socket) -> Accepted:
        """A connection of these two ends, whose descriptor has a number that is free since they were made."""
        with waiting:
            ours = socket.socket(fileno=fcntl.fcntl(waiting, fcntl.F_DUPFD_CLOEXEC, number))
        return self.connect((ours, other))

    def turn(self) -> None:
        """One turn of the reactor."""
        if select.select([self.lane], [], [], 0)[0]:
            self.lane.doRead()
        self.reactor.advance(0)

    def end(self) -> None:
        self.lane.connectionLost(Failure(CONNECTION_DONE))
        for other in self.others:
            other.close()


class LeadingLanes(Lanes):
    """Connections on a lane that stands before the reactor."""

    leads = True

    def make_reactor(self) -> Any:
        return EPollReactor()  # one of its own: the global one is nobody's here

    def turn(self) -> None:
        self.reactor.runUntilCurrent()
        self.reactor.doIteration(0)

    def end(self) -> None:
        super().end()
        self.reactor.removeAll()
        self.reactor._poller.close()


@pytest.fixture(params=WAYS)
def sockets(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[Lanes, LeadingLanes], ids=["polled", "leading"])
def lanes(request: pytest.FixtureRequest, sockets: Sockets) -> Iterator[Lanes]:
    lanes = request.param(sockets=sockets)
    yield lanes
    lanes.end()


def test_each_gets_its_own(lanes: Lanes) -> None:
    """Bytes of one client reach another."""
    got: list[tuple[int, bytes]] = []
    for number in range(3):
        protocol: Any = lanes.connect().protocol
        protocol.on_data = lambda data, number=number: got.append((number, data))
    lanes.turn()
    assert got == []
    lanes.others[2].sendall(b"two")
    lanes.others[0].sendall(b"nought")
    lanes.turn()
    lanes.turn()
    assert sorted(got) == [(0, b"nought"), (2, b"two")]


def test_the_reactor_polls_a_lane_that_has_connections(lanes: Lanes) -> None:
    """A reactor that stops finds a descriptor of which nobody knows; or polls nothing, for ever."""
    used = [] if lanes.leads else [lanes.lane]
    assert lanes.polled() == []
    first, second = lanes.connect(), lanes.connect()
    assert lanes.polled() == used
    for transport in (first, second):
        transport.abortConnection()
    lanes.turn()
    assert lanes.polled() == []
    lanes.connect()
    assert lanes.polled() == used


def test_what_waits_is_written_when_there_is_room(lanes: Lanes) -> None:
    """The rest of a large message is never sent, or a paused producer never goes on."""
    transport = lanes.connect()
    transport.write(MUCH)
    taken = b""
    while len(taken) < len(MUCH):
        taken += lanes.others[0].recv(65536)
        lanes.turn()
    assert taken == MUCH
    lanes.turn()
    assert lanes.lane._wanted == {transport.fileno(): select.EPOLLIN}


def test_the_other_end_closes(lanes: Lanes) -> None:
    """A client that goes stays somebody's partner."""
    protocol: Any = lanes.connect().protocol
    lanes.others[0].sendall(b"last words")
    lanes.others[0].close()
    heard: list[bytes] = []
    protocol.on_data = heard.append
    lanes.turn()
    lanes.turn()
    assert heard == [b"last words"]
    assert protocol.lost == [ConnectionDone]


def test_the_other_end_closes_while_nobody_reads(lanes: Lanes) -> None:
    """A client that is read from slowly and goes is never missed, and the lane is polled without end."""
    transport = lanes.connect()
    protocol: Any = transport.protocol
    transport.pauseProducing()
    transport.write(MUCH)
    lanes.others[0].close()
    lanes.turn()
    assert len(protocol.lost) == 1
    assert lanes.polled() == []


def test_one_ends_another(lanes: Lanes) -> None:
    """A closed socket is read, and all that came after it in this turn is lost."""
    first, second = lanes.connect(), lanes.connect()
    protocols: Any = first.protocol, second.protocol
    for protocol, other in zip(protocols, (second, first), strict=True):
        protocol.on_data = lambda data, other=other: other.connectionLost(Failure(CONNECTION_DONE))
    for sender in lanes.others:
        sender.sendall(b"x")
    lanes.turn()
    assert sorted(len(protocol.lost) for protocol in protocols) == [0, 1]


def test_an_end_is_not_taken_for_a_newcomers(lanes: Lanes) -> None:
    """Somebody who has just come is thrown out, since whoever had the number of the descriptor before went."""
    first, second = lanes.connect(), lanes.connect()
    second.pauseProducing()
    second.write(MUCH)
    number = second.fileno()
    come: list[Accepted] = []
    ends = socket.socketpair()

    def replace(_: bytes) -> None:
        second.connectionLost(Failure(CONNECTION_DONE))
        come.append(lanes.connect_as(number, *ends))

    protocol: Any = first.protocol
    protocol.on_data = replace
    lanes.others[0].sendall(b"x")
    lanes.others[1].close()
    lanes.turn()
    (newcomer,) = come
    assert newcomer.fileno() == number
    heard: list[bytes] = []
    newcomers: Any = newcomer.protocol
    newcomers.on_data = heard.append
    lanes.others[2].sendall(b"hello")
    lanes.turn()
    assert heard == [b"hello"]


def test_what_came_for_one_that_went_is_nobodys(lanes: Lanes) -> None:
    """A client reads what another one has sent, or one that was thrown out is heard."""
    heard: list[bytes] = []
    come: list[Accepted] = []
    transports = [lanes.connect() for _ in range(3)]
    number = transports[1].fileno()
    ends = socket.socketpair()

    def hear(data: bytes) -> None:
        heard.append(data)
        for transport in transports[1:]:
            transport.abortConnection()
        transports[1].connectionLost(Failure(CONNECTION_DONE))
        come.append(lanes.connect_as(number, *ends))
        newcomer: Any = come[0].protocol
        newcomer.on_data = heard.append

    protocols: Any = [transport.protocol for transport in transports]
    protocols[0].on_data = hear
    protocols[1].on_data = protocols[2].on_data = heard.append
    for word, other in zip((b"go", b"secret", b"still here"), list(lanes.others), strict=True):
        other.sendall(word)
    lanes.turn()
    assert heard == [b"go"]
    assert come[0].fileno() == number
    lanes.others[3].sendall(b"hello")
    lanes.turn()
    assert heard == [b"go", b"hello"]
    assert [len(protocol.lost) for protocol in protocols] == [0, 1, 1]


class Late:
    """A connection with something to write, which it writes when it is told to."""

    def __init__(self, transport: Accepted) -> None:
        self.transport = transport
        self.kept: list[bytes] = []
        self.writes = 0

    def flush(self) -> None:
        self.writes += 1
        self.transport.write(b"".join(self.kept))
        self.kept.clear()


def test_what_a_poll_brought_leaves_together(lanes: Lanes) -> None:
    """Each message costs a system call of its own, which is as much as all else that is done for it."""
    receiver = lanes.connect()
    late = Late(receiver)

    def relay(data: bytes) -> None:
        if not late.kept:
            lanes.output.add(late)
        late.kept.append(data)

    for _ in range(3):
        protocol: Any = lanes.connect().protocol
        protocol.on_data = relay
    for sender in lanes.others[1:]:
        sender.sendall(b"x")
    lanes.turn()
    assert (late.writes, lanes.others[0].recv(10)) == (1, b"xxx")


def test_what_a_timer_sends_leaves_in_the_same_turn(lanes: Lanes) -> None:
    """What is sent while nobody's bytes are read, such as the news of another instance, waits for the next message."""
    late = Late(lanes.connect())

    def tell() -> None:
        late.kept.append(b"news")
        lanes.output.add(late)

    lanes.reactor.callLater(0, tell)
    lanes.turn()
    lanes.turn()
    assert lanes.others[0].recv(10) == b"news"


def test_one_that_cannot_write_costs_nobody_else(lanes: Lanes) -> None:
    """A fault of one connection keeps what all others are sent in this turn."""

    class Broken:
        def flush(self) -> None:
            raise ZeroDivisionError

    late = Late(lanes.connect())
    late.kept.append(b"mine")
    lanes.output.add(Broken())
    lanes.output.add(late)
    lanes.turn()
    assert lanes.others[0].recv(10) == b"mine"


class Letters:
    """What the reactor itself reads."""

    def __init__(self, ours: socket.socket) -> None:
        self.heard: list[bytes] = []
        self._ours = ours

    def fileno(self) -> int:
        return self._ours.fileno()

    def doRead(self) -> None:
        self.heard.append(self._ours.recv(10))

    def logPrefix(self) -> str:
        return "letters"

    def connectionLost(self, reason: Failure) -> None:
        raise AssertionError(reason)


def listen_for_letters() -> tuple[Letters, socket.socket, socket.socket]:
    ours, other = socket.socketpair()
    return Letters(ours), ours, other


def test_the_reactor_has_its_turn_beside_busy_clients() -> None:
    """While clients talk, the store and new connections are not heard."""
    lanes = LeadingLanes()
    store, ours, other = listen_for_letters()
    lanes.reactor.addReader(store)
    for _ in range(3):
        lanes.connect()
    other.sendall(b"letter")
    for sender in lanes.others:
        sender.sendall(b"x")
    lanes.turn()
    lanes.turn()
    assert store.heard == [b"letter"]
    lanes.reactor.removeReader(store)
    lanes.end()
    ours.close()
    other.close()


@pytest.mark.parametrize("leads", [True, False])
def test_timers_come_while_clients_never_pause(leads: bool) -> None:
    """Nobody is pinged, matched by relaxing or shut down as long as there is traffic."""
    reactor: Any = EPollReactor()
    lane: Any = Lane(reactor, Output(reactor), leads=leads)
    told: list[str] = []
    transports = []
    for end in socket.socketpair():
        protocol = Seen()
        end.setblocking(False)
        transports.append(Accepted(end.detach(), protocol, ("127.0.0.1", 1), lane))
        protocol.makeConnection(transports[-1])
        protocol.on_data = transports[-1].write  # back and forth for ever
    began = time.monotonic()
    echo = transports[0].write

    def listen(data: bytes) -> None:
        if not told:
            told.append("a client")
            reactor.callLater(0, told.append, "what it asked for")
            reactor.callLater(0.05, in_time)
        if time.monotonic() - began < PATIENCE_S:
            echo(data)
        else:
            reactor.crash()

    def in_time() -> None:
        told.append("a timer")
        reactor.callInThread(reactor.callFromThread, be_heard)

    def be_heard() -> None:
        told.append("a thread")
        reactor.stop()

    transports[0].protocol.on_data = listen
    reactor.callWhenRunning(lane.start)
    reactor.callWhenRunning(transports[1].write, b"x")
    reactor.run(installSignalHandlers=False)
    assert told == ["a client", "what it asked for", "a timer", "a thread"]
    reactor.removeAll()
    reactor._poller.close()


def test_a_crowd_does_not_keep_the_reactor_from_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """While thousands say something at once the store's answers would wait for all of them, and count as too late."""
    monkeypatch.setattr(lane_module, "AT_ONCE", 2)
    lanes = LeadingLanes()
    for _ in range(5):
        lanes.connect()
    store, ours, other = listen_for_letters()
    lanes.reactor.addReader(store)
    for _ in range(3):
        lanes.turn()  # until the kernel's list of what may be ready is empty
    for sender in lanes.others:
        sender.sendall(b"x")
    other.sendall(b"answer")
    lanes.turn()
    assert store.heard == [b"answer"]
    lanes.reactor.removeReader(store)
    lanes.end()
    ours.close()
    other.close()


def test_nothing_is_read_while_the_lane_rests(lanes: Lanes) -> None:
    """Thousands who answer a close frame would take the time in which their sessions have to be parked."""
    heard: list[bytes] = []
    seen: Any = lanes.connect().protocol
    seen.on_data = heard.append
    lanes.lane.rest()
    lanes.others[0].sendall(b"bye")
    lanes.connect()
    if lanes.leads:
        lanes.turn()
    else:
        assert lanes.polled() == lanes.at_rest
    assert heard == []
    lanes.lane.go_on()
    lanes.turn()
    assert heard == [b"bye"]


def test_a_reactor_that_waits_in_another_way_is_left_alone() -> None:
    """A Twisted whose inside has changed hears of no new connection, no store and no signal: the daemon hangs."""
    reactor: Any = EPollReactor()
    waits_with, reactor._poller = reactor._poller, select.epoll()
    turn = reactor.doIteration
    lane = Lane(reactor, Output(reactor), leads=True)
    lane.start()
    assert reactor.doIteration == turn
    reactor._poller.close()
    waits_with.close()


class StandIn:
    """What stands for a reactor, as in a worker process."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


def test_what_stands_for_a_reactor_is_looked_through() -> None:
    """Workers accept clients and never read what they send."""
    reactor: Any = EPollReactor()
    turn = reactor.doIteration
    lane = Lane(StandIn(reactor), Output(reactor), leads=True)
    lane.start()
    assert reactor.doIteration != turn
    reactor._poller.close()


def test_a_reactor_that_takes_other_turns_is_noticed() -> None:
    """The same, should Twisted call something else than it does today."""
    reactor: Any = EPollReactor()
    turn = reactor.doIteration
    lanes = LeadingLanes(reactor)
    reactor.doIteration = turn
    heard: list[bytes] = []
    protocol: Any = lanes.connect().protocol
    protocol.on_data = heard.append
    lanes.others[0].sendall(b"x")
    for _ in range(4):
        lanes.turn()
    assert heard == [b"x"]
    lanes.end()


def test_leading_can_be_turned_off() -> None:
    """An operator who suspects it has no way to find out."""
    reactor: Any = EPollReactor()
    turn = reactor.doIteration
    Lane(reactor, Output(reactor), leads=False).start()
    assert reactor.doIteration == turn
    reactor._poller.close()


class Faults(SynchronousTestCase):
    """What a protocol raises."""

    lanes = Lanes

    def test_a_fault_costs_one_connection(self) -> None:
        """All clients are gone, or the fault is in no log."""

        def fault(data: bytes) -> None:
            raise ZeroDivisionError

        lanes = self.lanes()
        bad, good = lanes.connect(), lanes.connect()
        protocols: Any = bad.protocol, good.protocol
        protocols[0].on_data = fault
        for other in lanes.others:
            other.sendall(b"x")
        lanes.turn()
        self.assertEqual([protocol.lost for protocol in protocols], [[ZeroDivisionError], []])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        lanes.end()
        self.assertEqual(protocols[1].lost, [ConnectionDone])


class FaultsBeforeTheReactor(Faults):
    """The same on a lane that leads."""

    lanes = LeadingLanes

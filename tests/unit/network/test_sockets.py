"""Accepting, reading, writing and polling sockets: the reference, and that in C, which must do the same."""

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from signald.network.sockets import POLL_BYTES, READ_BYTES, Sockets
from tests.support.sockets import WAYS

ways = pytest.mark.parametrize("way", WAYS)
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a TCP connection, of which the first never waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = socket.create_connection(server.getsockname(), 5)
        ours, _ = server.accept()
    ours.setblocking(False)
    with ours, other:
        yield ours, other


def _wait(ours: socket.socket) -> None:
    select.select([ours], [], [], 5)


@ways
def test_what_came_is_taken_up_to_a_bound(way: Sockets, pair: Pair) -> None:
    """Bytes of a client are lost, or one that sends without end keeps all others waiting."""
    ours, other = pair
    other.sendall(b"one\0two")
    _wait(ours)
    assert way.receive(ours.fileno()) == b"one\0two"
    much = os.urandom(3 * READ_BYTES)
    writer = threading.Thread(target=other.sendall, args=(much,))
    writer.start()
    taken = b""
    while len(taken) < len(much):
        _wait(ours)
        piece = way.receive(ours.fileno())
        assert 0 < len(piece) <= READ_BYTES
        taken += piece
    writer.join()
    assert taken == much


@ways
def test_nothing_yet_is_told_from_the_end(way: Sockets, pair: Pair) -> None:
    """Whoever says nothing for a while would be taken for gone, or who is gone be read for ever."""
    ours, other = pair
    with pytest.raises(BlockingIOError):
        way.receive(ours.fileno())
    other.shutdown(socket.SHUT_WR)
    _wait(ours)
    assert way.receive(ours.fileno()) == b""


@ways
def test_what_does_not_fit_is_not_counted(way: Sockets, pair: Pair) -> None:
    """A message to a slow client arrives in part, or twice."""
    ours, other = pair
    sent = b""
    with pytest.raises(BlockingIOError):
        while True:
            data = os.urandom(100_000)
            sent += data[: way.send(ours.fileno(), data)]
    other.settimeout(5)
    taken = b""
    while len(taken) < len(sent):
        taken += other.recv(READ_BYTES)
    assert taken == sent
    assert way.send(ours.fileno(), b"") == 0


@ways
def test_what_is_broken_raises(way: Sockets, pair: Pair) -> None:
    """The daemon would go on with a connection that is gone, or with the next one of that number."""
    ours, other = pair
    other.close()
    with pytest.raises(OSError):
        for _ in range(3):
            way.send(ours.fileno(), b"into nothing")
            _wait(ours)
    for call in (lambda: way.receive(-1), lambda: way.send(-1, b"x")):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()


def test_a_client_that_is_gone_ends_nobody(pair: Pair) -> None:
    """A whole process with all its calls would be ended by a signal of one connection (send(2), EPIPE)."""
    program = """
import signal, socket
from signald.network.sockets import choose
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
ours, other = socket.socketpair()
other.close()
try:
    choose(native=True).send(ours.fileno(), b"x")
except BrokenPipeError:
    print("told")
"""
    from signald.network import sockets

    if sockets.choose(native=True) is sockets.IN_PYTHON:
        pytest.skip("signald was built without a compiler: Python itself ignores the signal")
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "told\n"


@ways
def test_wrong_use_is_an_error_of_python(way: Sockets, pair: Pair) -> None:
    """A mistake of ours would end the process, and not one connection."""
    ours, _ = pair
    polled = select.epoll()
    for call in (
        lambda: way.receive("one"),  # type: ignore[arg-type]
        lambda: way.send("one", b""),  # type: ignore[arg-type]
        lambda: way.send(ours.fileno(), "text"),  # type: ignore[arg-type]
        lambda: way.poller(polled, {})("soon", 1),  # type: ignore[arg-type]
        lambda: way.poller(polled, {})(0, "all"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            call()
    for at_most in (0, -2):
        with pytest.raises(ValueError):
            way.poller(polled, {})(0, at_most)
    polled.close()


@ways
@pytest.mark.parametrize(
    ("host", "told"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")]
)
def test_who_comes_is_accepted_with_its_address(way: Sockets, host: str, told: str) -> None:
    """A client is taken for another one, by whose address its limits and bans are."""
    both = ":" in told
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("::" if both else host, 0), family=family, dualstack_ipv6=both) as server:
        server.setblocking(False)
        accept = way.acceptor(server)
        assert accept() is None
        clients = [socket.create_connection((host, server.getsockname()[1]), 5) for _ in range(3)]
        for client in clients:
            _wait(server)
            accepted = accept()
            assert accepted is not None
            descriptor, address = accepted
            assert address == (told, client.getsockname()[1], *((0, 0) if both else ()))
            assert not os.get_blocking(descriptor)
            assert not os.get_inheritable(descriptor)
            client.sendall(b"hello")
            with socket.socket(fileno=descriptor) as ours:
                _wait(ours)
                assert way.receive(descriptor) == b"hello"
            client.close()
        assert accept() is None


@ways
def test_what_cannot_be_accepted_raises(way: Sockets) -> None:
    """The last descriptor is gone, and the loop turns for nothing, or a worker's listening ends in silence."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        accept = way.acceptor(server)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.create_connection(server.getsockname(), 5):
            _wait(server)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limit[1]))
            try:
                with pytest.raises(OSError, match="Too many open files"):
                    accept()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            accepted = accept()
            assert accepted is not None, "it is lost"
            os.close(accepted[0])
    with pytest.raises(OSError, match="Bad file descriptor"):
        accept()


@ways
def test_poll_tells_what_is_ready(way: Sockets) -> None:
    """Some client is never read, or never written."""
    pairs = [socket.socketpair() for _ in range(5)]
    polled = select.epoll()
    poll = way.poller(polled, {ours.fileno(): ours.fileno() for ours, _ in pairs})
    for number, (ours, other) in enumerate(pairs):
        polled.register(ours, select.EPOLLIN | (select.EPOLLOUT if number % 2 else 0))
        if number < 4:
            other.send(b"x")
        if number == 0:
            other.close()
    at_first = polled.poll(0)
    ready = poll(0, 256)
    assert [(descriptor, events) for descriptor, events, _ in ready] == at_first
    assert len(ready) == 4
    assert dict(at_first)[pairs[0][0].fileno()] & select.EPOLLHUP
    assert len(poll(0, 2)) == 2
    for ours, other in pairs:
        ours.close()
        other.close()
    polled.close()
    with pytest.raises((OSError, ValueError)):
        way.poller(polled, {})(0, 1)


@ways
def test_poll_reads_what_can_only_be_read(way: Sockets, pair: Pair) -> None:
    """Bytes of a client are lost, or given to nobody; or an end is, of which its partner is to hear."""
    ours, other = pair
    holders: dict[int, object] = {}
    with select.epoll() as polled, socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        poll = way.poller(polled, holders)
        polled.register(ours, select.EPOLLIN)
        polled.register(server, select.EPOLLIN)
        assert poll(0, 256) == []
        other.sendall(b"one\0two")
        _wait(ours)
        assert poll(0, 256) == [(None, select.EPOLLIN, None)], "what nobody holds is left alone"
        holders |= {ours.fileno(): "ours", server.fileno(): "server"}
        assert poll(0, 256) == [("ours", select.EPOLLIN, b"one\0two")]
        assert poll(0, 256) == []
        with socket.create_connection(server.getsockname(), 5):
            _wait(server)
            assert poll(0, 256) == [("server", select.EPOLLIN, None)], "that is to be accepted"
            server.accept()[0].close()
        other.shutdown(socket.SHUT_WR)
        _wait(ours)
        assert poll(0, 256) == [("ours", select.EPOLLIN, None)]
        assert way.receive(ours.fileno()) == b""


@ways
def test_poll_reads_no_more_than_it_may(way: Sockets) -> None:
    """A crowd that sends without end takes the memory of the process."""
    pairs = [socket.socketpair() for _ in range(40)]
    sent = {ours.fileno(): os.urandom(READ_BYTES) for ours, _ in pairs}
    got = dict.fromkeys(sent, b"")
    with select.epoll() as polled:
        poll = way.poller(polled, {descriptor: descriptor for descriptor in sent})
        for ours, other in pairs:
            other.sendall(sent[ours.fileno()])
            polled.register(ours, select.EPOLLIN)
        while ready := poll(0, 256):
            come = {descriptor: data for descriptor, _, data in ready if data is not None}
            assert 0 < sum(map(len, come.values())) < POLL_BYTES + READ_BYTES
            for descriptor, data in come.items():
                got[descriptor] += data
    assert got == sent
    for ours, other in pairs:
        ours.close()
        other.close()


@ways
def test_poll_waits_as_long_as_it_is_told(way: Sockets) -> None:
    """A timer comes late, or the process never rests."""
    polled = select.epoll()
    poll = way.poller(polled, {})
    ours, other = socket.socketpair()
    polled.register(ours, select.EPOLLIN)
    assert poll(0, 1) == poll(0.0001, 1) == poll(0.02, 1) == []
    for forever in (None, -1, 1e6):
        waker = threading.Timer(0.01, other.send, (b"x",))
        waker.start()
        assert poll(forever, 1) == [(None, select.EPOLLIN, None)]
        waker.join()
        ours.recv(1)
    ours.close()
    other.close()


@ways
def test_poll_lets_signals_be_heard(way: Sockets) -> None:
    """SIGTERM would wait until some client says something."""
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    polled = select.epoll()
    poll = way.poller(polled, {})
    sender = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR1))
    sender.start()
    try:
        while not heard:
            poll(0.5, 1)
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1]

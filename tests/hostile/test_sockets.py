"""Attacks by connections: too many, too slow, too short."""

import select
import socket
import struct
import time
from contextlib import suppress

from tests.hostile.conftest import Attacked
from tests.support.client import Client, connect
from tests.support.daemon import DaemonProcess
from tests.support.frames import handshake
from tests.support.waiting import PATIENCE_S
from tests.support.witness import raise_file_limit

GET = b"GET /static/demo/style.css HTTP/1.1\r\nHost: localhost\r\n"


def ended(sockets: list[socket.socket], within_s: float) -> int:
    """How many of them the daemon ends in this time."""
    poll = select.poll()
    by_fd = {each.fileno(): each for each in sockets}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + within_s
    while by_fd and time.monotonic() < deadline:
        for fd, _ in poll.poll(100):
            try:
                over = not by_fd[fd].recv(65536)
            except OSError:
                over = True
            if over:
                poll.unregister(fd)
                by_fd.pop(fd).close()
    for left in by_fd.values():
        left.close()
    return len(sockets) - len(by_fd)


def reset(victim: socket.socket) -> None:
    """Close with RST in place of FIN."""
    victim.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    victim.close()


def test_slow_loris(daemon: DaemonProcess, attacked: Attacked) -> None:
    """Heads that come byte by byte, and never end, would hold the connections of everybody."""
    with attacked():
        beginnings = (b"", b"G", GET, handshake()[:-2], GET + b"X: " + b"x" * 8000)
        sockets = [connect(daemon.port) for _ in range(60) for _ in beginnings]
        for slow, beginning in zip(sockets, beginnings * 60, strict=True):
            slow.sendall(beginning)
        began = time.monotonic()
        drip = sockets[2::5]
        while time.monotonic() - began < 2:  # the time limit is for all of it, not for the next byte
            for slow in drip:
                with suppress(ConnectionError):
                    slow.sendall(b"x")
            select.select([], [], [], 0.2)
        assert ended(sockets, PATIENCE_S) == len(sockets)


def test_slow_readers_of_pages(daemon: DaemonProcess, attacked: Attacked) -> None:
    """Who asks for pages and does not read them would hold memory and connections for ever."""
    with attacked():
        sockets = []
        for _ in range(200):
            slow = socket.socket()
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            slow.settimeout(PATIENCE_S)
            slow.connect(("127.0.0.1", daemon.port))
            slow.sendall(GET + b"\r\n")
            sockets.append(slow)
        assert daemon.health()["ok"]
        for slow in sockets:
            slow.close()


def test_half_open(daemon: DaemonProcess, attacked: Attacked) -> None:
    """5,000 connections that say nothing would keep out everybody who has something to say."""
    count = raise_file_limit(5000)
    with attacked(grows_mib=96):
        sockets = [connect(daemon.port) for _ in range(count)]
        newcomer = Client(daemon.port)
        newcomer.send("ping")
        newcomer.expect("pong")
        newcomer.close()
        assert ended(sockets, 2 * PATIENCE_S) == count


def test_reset_storm(daemon: DaemonProcess, attacked: Attacked) -> None:
    """Connections that are reset at every stage would leave clients, rooms or errors behind."""
    with attacked():
        for stage in range(1500):
            victim = connect(daemon.port)
            if stage % 4:
                victim.sendall((GET + b"\r\n") if stage % 4 == 1 else handshake())
            if stage % 4 == 3:
                victim.recv(4096)
                victim.sendall(b"\x81\x93\0\0\0\0" + b'{"type":"available"'[:19])
            reset(victim)
        for _ in range(100):
            one, other = Client(daemon.port), Client(daemon.port)
            one.send("available")
            other.send("available")
            one.abort()
            other.abort()
    daemon.wait_clients(0)


def test_connect_storm(daemon: DaemonProcess, attacked: Attacked) -> None:
    """After a restart all clients come back in one moment: they would time out, and come again."""
    with attacked(grows_mib=96):
        sockets = []
        for _ in range(raise_file_limit(1500)):
            sockets.append(connect(daemon.port))
            sockets[-1].sendall(handshake())
        for each in sockets:
            assert each.recv(4096).startswith(b"HTTP/1.1 101")
        for each in sockets:
            reset(each)
    daemon.wait_clients(0)

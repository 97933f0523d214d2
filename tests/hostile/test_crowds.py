"""Many connections of one address, each within its limits, that together want all of the loop: `limits.turns`."""

import multiprocessing
import socket
import time
from multiprocessing.synchronize import Event

import pytest

from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess
from tests.support.frames import TEXT, client_frame, handshake
from tests.support.waiting import PATIENCE_S

CROWD = 800
PER_SECOND = 39
"""Messages of each: one below MAX_MSG_PER_SECOND, all of them at the same moment."""

FOR_S = 10.0
PACE_S = 0.03


def crowd(port: int, begun: Event, over: Event) -> None:
    """Hundreds of calls of one address that send candidates without end."""
    sockets: list[socket.socket] = []
    for _ in range(CROWD):
        one = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0))
        one.sendall(handshake() + client_frame(TEXT, b'{"type":"available"}'))
        said = b""
        while b"matched" not in said and (len(sockets) % 2 or b"ready" not in said):
            said += one.recv(65536)
        one.setblocking(False)
        sockets.append(one)
    burst = client_frame(TEXT, b'{"type":"ice","candidate":{"candidate":"%s"}}' % (b"x" * 80)) * PER_SECOND
    begun.set()
    while not over.is_set():
        began = time.monotonic()
        for one in sockets:
            try:
                one.send(burst)
                while len(one.recv(65536)) == 65536:
                    pass
            except BlockingIOError:
                continue
        time.sleep(max(0.0, began + 1.0 - time.monotonic()))


@pytest.mark.slow
def test_a_crowd_of_one_address_delays_nobody_else() -> None:
    """Every message of everybody waits until hundreds of connections of one machine have had theirs."""
    fork = multiprocessing.get_context("fork")
    begun, over, delays = fork.Event(), fork.Event(), []
    with DaemonProcess() as daemon, Client(daemon.port) as one, Client(daemon.port) as other:
        pair(one, other)
        flood = fork.Process(target=crowd, args=(daemon.port, begun, over), daemon=True)
        flood.start()
        try:
            assert begun.wait(4 * PATIENCE_S)
            time.sleep(2.0)  # until it is noticed that the loop is late
            until = time.monotonic() + FOR_S
            while time.monotonic() < until:
                began = time.monotonic()
                one.send("ice", candidate=None)
                other.expect("ice")
                delays.append(time.monotonic() - began)
                time.sleep(PACE_S)
        finally:
            over.set()
            flood.join(PATIENCE_S)
            flood.kill()
        delays.sort()
        median, most = (round(delays[int(len(delays) * share)] * 1000) for share in (0.5, 0.95))
        print(f"a bystander waits {median} ms, 95 % up to {most} ms, {delays[-1] * 1000:.0f} ms at worst")  # noqa: T201
        assert most < 200, "as long as without turns"
        assert daemon.errors == []

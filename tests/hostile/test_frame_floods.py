"""Attacks by frames on an open connection: too large, endless, too many, never read."""

import socket
import time

import pytest

from tests.hostile.conftest import Attacked
from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess
from tests.support.frames import BINARY, CONTINUATION, PING, PONG, TEXT, client_frame
from tests.support.waiting import PATIENCE_S

MIB = 1024 * 1024


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "autobahn"])
def fast_path(request: pytest.FixtureRequest) -> bool:
    """Both ways of reading frames."""
    return bool(request.param)


def pour(client: Client, data: bytes, total: int, *, for_s: float = PATIENCE_S) -> int:
    """Send `data` over and over, up to so many bytes, not reading; gives how many the daemon took before it closed."""
    deadline = time.monotonic() + for_s
    sent = 0
    client.socket.settimeout(1.0)
    try:
        while sent < total and time.monotonic() < deadline:
            sent += client.socket.send(data)
    except (ConnectionError, TimeoutError):
        pass
    return sent


def test_ten_megabyte_frames(daemon: DaemonProcess, attacked: Attacked) -> None:
    """A few frames would fill the memory: the limit must hold before the payload is here."""
    with attacked(grows_mib=32):
        for opcode in (TEXT, BINARY):
            clients = [Client(daemon.port) for _ in range(10)]
            frame = client_frame(opcode, b"x" * 10 * MIB)
            for client in clients:
                pour(client, frame, len(frame))
            for client in clients:
                assert client.wait_closed() in (1009, None)
        announcer = Client(daemon.port)
        announcer.socket.sendall(client_frame(TEXT, b"", length_bytes=8, announced=2**62))
        assert announcer.wait_closed() == 1009


def test_endless_fragments(daemon: DaemonProcess, attacked: Attacked) -> None:
    """A message that never ends would fill the memory, by small pieces or by empty ones."""
    with attacked(grows_mib=32):
        client = Client(daemon.port)
        client.socket.sendall(client_frame(TEXT, b"x", fin=False))
        pour(client, client_frame(CONTINUATION, b"x" * 1000, fin=False), MIB)
        assert client.wait_closed() in (1009, None)
        for piece in (b"", b"x"):
            client = Client(daemon.port)
            client.socket.sendall(client_frame(TEXT, piece, fin=False))
            pour(client, client_frame(CONTINUATION, piece, fin=False) * 1000, 4 * MIB, for_s=2)
            client.abort()


@pytest.mark.parametrize("slow", [False, True], ids=["", "after-a-fragment"])
@pytest.mark.parametrize("opcode", [PING, PONG])
@pytest.mark.parametrize("size", [0, 125])
def test_control_frame_floods(daemon: DaemonProcess, attacked: Attacked, opcode: int, size: int, slow: bool) -> None:
    """Pings, which no limit on messages counts, would take the whole processor or fill the memory with pongs."""
    frames = client_frame(opcode, b"x" * size)
    with attacked(grows_mib=32):
        client = Client(daemon.port)
        if slow:
            client.socket.sendall(client_frame(TEXT, b"", fin=False))
        pour(client, frames * (65536 // len(frames)), 3 * MIB, for_s=1)
        client.abort()


def test_partner_that_never_reads(daemon: DaemonProcess, attacked: Attacked) -> None:
    """Somebody could fill the memory by the hand of an innocent partner, who would never learn of it."""
    with attacked(grows_mib=32):
        deaf, partner = Client(daemon.port, answers=False), Client(daemon.port)
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        pair(deaf, partner)
        deadline = time.monotonic() + 2 * PATIENCE_S
        left = False
        while not left and time.monotonic() < deadline:
            partner.send("offer", sdp="x" * 60_000)
            left = "partner-left" in [message["type"] for message in partner.sync()]
        assert left
        deaf.socket.close()


def test_floods_of_messages(daemon: DaemonProcess, attacked: Attacked) -> None:
    """One client above its limit, or that asks and does not read, would slow down everybody."""
    for text in (b'{"type":"ping"}', b"x", b'{"type":"ice","candidate":{}}', b"[" * 60_000):
        frame = client_frame(TEXT, text)
        with attacked(grows_mib=32):
            client = Client(daemon.port)
            pour(client, frame * max(1, 65536 // len(frame)), 2 * MIB, for_s=1)
            client.abort()

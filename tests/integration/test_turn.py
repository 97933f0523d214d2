"""What signald hands out for TURN, judged by a real coturn."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from signald.core.ice import password
from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess
from tests.support.turn import TurnServer, allocate, find_turnserver

SECRET = "only signald and coturn know this"
UNAUTHORIZED = 401


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[TurnServer]:
    """A TURN server that shares a secret with the daemon."""
    if not find_turnserver():
        missing = "coturn is needed: apt-get install coturn"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with TurnServer(tmp_path, SECRET) as server:
        yield server


@pytest.fixture
def daemon(turn: TurnServer) -> Iterator[DaemonProcess]:
    """A daemon that hands it out."""
    urls = f"stun:127.0.0.1:{turn.port},turn:127.0.0.1:{turn.port}?transport=tcp"
    with DaemonProcess(variables={"ICE_SERVERS": urls, "TURN_SECRET": SECRET, "TURN_TTL": "60"}) as process:
        yield process


@pytest.mark.parametrize("tcp", [True, False], ids=["tcp", "udp"])
def test_an_allocation_with_what_the_client_was_told(daemon: DaemonProcess, turn: TurnServer, tcp: bool) -> None:
    """Nobody behind a strict firewall has a call, though the operator runs a TURN server."""
    with Client(daemon.port) as one, Client(daemon.port) as other:
        for message in (one.ready, *pair(one, other)):
            _, server = message["iceServers"]
            assert allocate(turn.port, server["username"], server["credential"], tcp=tcp) == 0


def test_altered_or_expired(daemon: DaemonProcess, turn: TurnServer) -> None:
    """Anybody relays through the operator's server for as long as they like."""
    with Client(daemon.port) as client:
        _, server = client.ready["iceServers"]
    username, credential = server["username"], server["credential"]
    expiry, _, user = username.partition(":")
    assert user == client.id
    assert 0 < int(expiry) - time.time() <= 60
    later = f"{int(expiry) + 3600}:{user}"
    swapped = credential[:-2] + ("B" if credential[-2] == "A" else "A") + "="
    for name, altered, secret in (
        ("another time", later, credential),
        ("another user", f"{expiry}:root", credential),
        ("another password", username, swapped),
        ("no password", username, ""),
    ):
        assert allocate(turn.port, altered, secret, tcp=True) == UNAUTHORIZED, name
    assert allocate(turn.port, username, credential, tcp=True) == 0
    with (
        DaemonProcess(
            variables={"ICE_SERVERS": f"turn:127.0.0.1:{turn.port}", "TURN_SECRET": "another secret, not coturn's"}
        ) as stranger,
        Client(stranger.port) as client,
    ):
        (server,) = client.ready["iceServers"]
        assert allocate(turn.port, server["username"], server["credential"], tcp=True) == UNAUTHORIZED


def test_it_ends(turn: TurnServer) -> None:
    """A password that was copied from a page is good for ever."""
    expired = f"{int(time.time()) - 1}:ada"
    assert allocate(turn.port, expired, password(SECRET, expired), tcp=True) == UNAUTHORIZED
    fresh = f"{int(time.time()) + 60}:ada"
    assert allocate(turn.port, fresh, password(SECRET, fresh), tcp=True) == 0

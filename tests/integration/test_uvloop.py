"""``twistd --reactor=uvloop``: the same daemon on another event loop."""

import signal

import pytest

from tests.support.client import Client, pair
from tests.support.daemon import TWISTD, DaemonProcess


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_same_daemon(number: signal.Signals) -> None:
    """What is documented as faster would not pair, relay, or end."""
    with DaemonProcess(twistd=(str(TWISTD), "--reactor=uvloop")) as daemon:
        assert "AsyncioSelectorReactor" in daemon.log
        clients = [Client(daemon.port) for _ in range(4)]
        one, other = clients[:2]
        pair(one, other)
        one.send("offer", sdp="v=0" * 10_000)
        assert other.expect("offer")["sdp"] == "v=0" * 10_000
        assert daemon.health()["clients"] == 4
        status, codes, took = daemon.stop(*clients, number=number)
        assert (status, codes) == (0, [1001] * 4)
        assert took < 5
        assert daemon.errors == []

"""The process is stopped for a while, as a suspended machine, a debugger or a full disk does it."""

import os
import signal
import time

from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess
from tests.support.frames import TEXT, client_frame

PAUSE_S = 2.5
"""More than twice the burst that any client is allowed, and than a heartbeat."""


def test_nobody_pays_for_a_pause() -> None:
    """What clients said meanwhile is dropped as too much, or they are, for pongs that nobody read."""
    with DaemonProcess(variables={"HEARTBEAT_SECONDS": "2"}) as daemon:
        with Client(daemon.port) as one, Client(daemon.port) as other:
            pair(one, other)
            until_pinged = one.pings
            while one.pings == until_pinged:
                one.sync()
                other.sync()
            os.kill(daemon.pid, signal.SIGSTOP)
            try:
                one.socket.sendall(client_frame(TEXT, b'{"type":"ice","candidate":null}') * int(PAUSE_S * 40))
                time.sleep(PAUSE_S)  # it is what is tried
            finally:
                os.kill(daemon.pid, signal.SIGCONT)
            for _ in range(int(PAUSE_S * 40)):
                other.expect("ice")
            assert one.sync() == []
        assert daemon.stop()[0] == 0

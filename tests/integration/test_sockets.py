"""What only real sockets show: Nagle's algorithm, full buffers, large messages."""

import gc
import json
import os
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from signald.clients import client as clients
from signald.core.session import Session
from signald.network.accepted import Accepted
from signald.network.front import Front
from signald.settings import settings
from signald.websocket.base import ClientConnection
from signald.wiring.daemon import make_daemon
from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess
from tests.support.frames import TEXT, client_frame, close_frame, handshake
from tests.support.waiting import PATIENCE_S
from tests.support.witness import resident


class NoDelay(TestCase):
    """TCP_NODELAY on the accepted socket, read back from the kernel."""

    async def test_every_accepted_socket(self) -> None:
        """Each step of a call's set-up takes 43 ms (Nagle against delayed ACKs) in place of 1 to 2 ms."""
        from twisted.internet import reactor  # noqa: TID251

        for fast_path in ("true", "false"):
            chosen = settings.parse({"LISTEN": "tcp:0:interface=127.0.0.1", "FAST_PATH": fast_path})
            daemon = make_daemon(chosen, reactor)
            daemon.privilegedStartService()
            (port,) = daemon._ports
            address: Any = port.getHost()
            browser = Browser()
            await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", address.port), browser)
            await browser.answered
            (client,) = daemon._clients
            transport: Any = getattr(client.connection, "transport")  # noqa: B009
            self.assertIsInstance(transport, Accepted)
            with socket.socket(fileno=os.dup(transport.fileno())) as same:
                option = same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            self.assertNotEqual(option, 0)
            client.connection.drop()
            await browser.gone
            stopped: Any = port.stopListening()
            await stopped


class Gone(TestCase):
    """What is left of clients that went."""

    async def test_nothing_is_left_for_the_garbage_collector(self) -> None:
        """The daemon takes old objects out of garbage collections (`process.garbage`): its memory grows."""
        from twisted.internet import reactor  # noqa: TID251

        for fast_path in ("true", "false"):
            chosen = settings.parse({"LISTEN": "tcp:0:interface=127.0.0.1", "FAST_PATH": fast_path})
            daemon = make_daemon(chosen, reactor)
            daemon.privilegedStartService()
            (port,) = daemon._ports
            address: Any = port.getHost()
            gc.collect()
            before = _connections()
            gc.disable()
            try:
                for number in range(4):
                    browser = Browser()
                    await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", address.port), browser)
                    await browser.answered
                    self.assertEqual(daemon._admission.connected, 1)
                    transport: Any = browser.transport
                    if number % 2:
                        transport.write(close_frame(1000))
                    else:
                        transport.loseConnection()
                    await browser.gone
                    while daemon._admission.connected:
                        await deferLater(reactor, 0.01)
                await deferLater(reactor, 0.01)
                self.assertEqual(_connections(), before)
            finally:
                gc.enable()
            stopped: Any = port.stopListening()
            await stopped


def _connections() -> list[str]:
    kinds = (Accepted, ClientConnection, Front, clients.Client, Session)
    return sorted(type(found).__name__ for found in gc.get_objects() if isinstance(found, kinds))


class Browser(Protocol):
    """Shakes hands; `answered` and `gone` fire when what they are named for has happened."""

    def __init__(self) -> None:
        self.answered: Deferred[None] = Deferred()
        self.gone: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(handshake())

    def dataReceived(self, data: bytes) -> None:
        if not self.answered.called:
            self.answered.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)


@pytest.mark.parametrize("fast_path", ["true", "false"])
def test_large_messages_both_ways(fast_path: str) -> None:
    """A message that does not fit into one write arrives cut, or out of order with the next."""
    with (
        DaemonProcess(variables={"FAST_PATH": fast_path, "MAX_MSG_PER_SECOND": "100000"}) as daemon,
        Client(daemon.port) as one,
        Client(daemon.port) as other,
    ):
        pair(one, other)
        for number in range(40):
            one.send("offer", sdp=f"{number} " + "x" * (64_000 if number % 2 else 10))
            if number % 8 == 7:
                one.send_text(b"x")
        assert [message["type"] for message in one.sync()] == ["error"] * 5
        received = [other.expect("offer")["sdp"] for _ in range(40)]
        assert [int(sdp.split()[0]) for sdp in received] == list(range(40))
        assert {len(sdp) for sdp in received} == {12, 13, 64_002, 64_003}
        assert daemon.stop(one, other)[0] == 0
        assert daemon.errors == []


@pytest.mark.parametrize("fast_path", ["true", "false"])
def test_a_client_that_does_not_read(fast_path: str) -> None:
    """One client that stops reading fills the memory; its partner is not told."""
    with (
        DaemonProcess(variables={"FAST_PATH": fast_path, "MAX_MSG_PER_SECOND": "1000000"}) as daemon,
        Client(daemon.port) as deaf,
        Client(daemon.port) as partner,
    ):
        pair(deaf, partner)
        frame = client_frame(TEXT, json.dumps({"type": "ice", "candidate": {"x": "x" * 60_000}}).encode())
        sent = 0
        while not (told := partner.sync()):
            for _ in range(10):
                partner.socket.sendall(frame)
            sent += 10
            assert sent < 3000, "180 MB went into it, and nobody said stop"
        assert told[0]["type"] == "partner-left"
        daemon.wait_clients(1)
        assert partner.sync() is not None
        assert resident(daemon.pid) < 150
        assert daemon.stop(partner)[0] == 0
        assert daemon.errors == []


def test_origin() -> None:
    """A page from elsewhere uses the operator's server."""
    with DaemonProcess("--allowed-origin", "https://example.com") as daemon:
        with Client(daemon.port, origin="https://example.com") as listed:
            assert listed.sync() == []
        for origin in ("https://evil.example", None):
            with pytest.raises(AssertionError, match="403"):
                Client(daemon.port, origin=origin)
        assert daemon.health()["clients"] in (0, 1)
        assert daemon.stop()[0] == 0
        assert daemon.errors == []


def test_web_side() -> None:
    """Who opens the address in a browser sees nothing, or monitoring fails."""
    with DaemonProcess() as daemon:
        base = f"http://127.0.0.1:{daemon.port}"
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/", timeout=PATIENCE_S) as page:
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert "<title>" in page.read().decode()
        for path, status in (("/nothing", 404), ("/static/../setup.py", 404), ("/ws", 426)):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(base + path, timeout=PATIENCE_S)  # noqa: S310
            assert caught.value.code == status
            caught.value.close()
        assert daemon.stop()[0] == 0
        assert daemon.errors == []


def test_who_resets_the_connection_is_gone() -> None:
    """A browser that crashes leaves its partner hanging, or an error in the log."""
    with DaemonProcess() as daemon, Client(daemon.port) as one, Client(daemon.port) as other:
        pair(one, other)
        one.abort()
        assert other.expect("partner-left") == {"type": "partner-left"}
        assert daemon.stop(other)[0] == 0
        assert daemon.errors == []


def test_a_broken_frame_closes_one_client_only() -> None:
    """What one client sends ends another one's call."""
    with DaemonProcess() as daemon, Client(daemon.port) as bad:
        one, other = Client(daemon.port), Client(daemon.port)
        pair(one, other)
        bad.socket.sendall(client_frame(TEXT, b"\xff"))
        assert bad.wait_closed() == 1007
        one.send("ice", candidate=None)
        assert other.expect("ice")["candidate"] is None
        assert daemon.stop(one, other)[0] == 0
        assert daemon.errors == []
        one.socket.close()
        other.socket.close()

"""Clients written for the old server, acted as they are: they know the fields of section 2, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client import Client, Message
from tests.support.daemon import DaemonProcess

SDP = "v=0\r\no=- 46117317 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
CANDIDATE = {
    "candidate": "candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host",
    "sdpMid": "0",
    "sdpMLineIndex": 0,
    "usernameFragment": "EsAw",
}


class SwitchPage:
    """A page with ``switch (message.type)``: what it does not know ends it, as a `throw` in ``default`` would."""

    def __init__(self, port: int) -> None:
        self.socket = Client(port)
        self.id = self.socket.ready["clientId"]
        self.partner = ""
        self.room = ""
        self.remote: list[Any] = []
        self.socket.send("auth", userId="page")
        self.socket.send("available")

    def step(self) -> str:
        """Take one message, as ``ws.onmessage`` does."""
        message = self.socket.receive()
        match message["type"]:
            case "matched":
                self.room, self.partner = message["roomId"], message["partnerId"]
                # Nothing said who offers, so pages compared ids, or both offered.
                if self.id < self.partner:
                    self.socket.send("offer", sdp=SDP)
            case "offer":
                self.remote.append(message["sdp"])
                self.socket.send("answer", sdp=SDP)
                self.socket.send("ice", candidate=CANDIDATE)
            case "answer":
                self.remote.append(message["sdp"])
                self.socket.send("ice", candidate=CANDIDATE)
            case "ice":
                self.remote.append(message["candidate"])
            case "partner-left":
                self.partner = self.room = ""
                self.socket.send("available")
            case "pong":
                pass
            case other:
                raise AssertionError(f"the page does not know {other}: {message}")
        return str(message["type"])

    def until(self, kind: str) -> None:
        """Go on to the first message of this type."""
        while self.step() != kind:
            pass


class Hook:
    """A React hook: a reducer over exactly the documented fields; ``sdp`` is the browser's `{type, sdp}` object."""

    FIELDS = {  # noqa: RUF012
        "matched": {"roomId", "partnerId"},
        "offer": {"from", "sdp"},
        "answer": {"from", "sdp"},
        "ice": {"from", "candidate"},
        "partner-left": set(),
        "error": {"code", "message"},
    }

    def __init__(self, port: int) -> None:
        self.socket = Client(port)
        self.state: dict[str, Any] = {"status": "idle", "partner": None, "errors": []}
        self.received: list[Message] = []

    def find(self) -> None:
        """The button."""
        self.socket.send("available")
        self.state["status"] = "searching"

    def skip(self) -> None:
        """The other button: the old client waits for a match afterwards, and does not say `available`."""
        self.socket.send("next")
        self.state = {**self.state, "status": "searching", "partner": None}

    def effect(self) -> Message:
        """One message through the reducer."""
        message = self.socket.receive()
        known = self.FIELDS[message["type"]]
        assert known <= set(message), f"a field is missing in {message}"
        action = {"type": message["type"], **{name: message[name] for name in known}}
        match action["type"]:
            case "matched":
                assert self.state["status"] == "searching"
                self.state = {**self.state, "status": "connected", "partner": action["partnerId"]}
            case "partner-left":
                self.state = {**self.state, "status": "searching", "partner": None}
            case "error":
                self.state["errors"].append(action["code"])
            case _:
                assert action["from"] == self.state["partner"]
                self.received.append(action)
        return action


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess(variables={"REMATCH_DELAY_SECONDS": "0.2"}) as process:
        yield process
        assert process.stop()[0] == 0
        assert process.errors == []


def test_two_pages(daemon: DaemonProcess) -> None:
    """The pages of today have no calls after the change of server."""
    one, other = SwitchPage(daemon.port), SwitchPage(daemon.port)
    caller, called = sorted((one, other), key=lambda page: page.id)
    caller.until("matched")
    called.until("offer")
    caller.until("ice")
    called.until("ice")
    assert (one.partner, other.partner, one.room) == (other.id, one.id, other.room)
    assert caller.remote == [SDP, CANDIDATE]
    assert called.remote == [SDP, CANDIDATE]
    for page in (one, other):
        page.socket.socket.close()


def test_a_page_whose_partner_closes_its_tab(daemon: DaemonProcess) -> None:
    """A page that says `available` after `partner-left`, as it always did, gets an error or waits twice."""
    one, other = SwitchPage(daemon.port), SwitchPage(daemon.port)
    one.until("matched")
    one.socket.sync()  # the server has what it said to its partner
    other.socket.abort()
    one.until("partner-left")
    assert one.socket.sync() == []
    third = SwitchPage(daemon.port)
    one.until("matched")
    third.until("matched")
    assert (one.partner, third.partner) == (third.id, one.id)
    fourth = Hook(daemon.port)
    fourth.find()
    assert fourth.socket.sync() == []
    for page in (one, third, fourth):
        page.socket.socket.close()


def test_a_hook_that_skips(daemon: DaemonProcess) -> None:
    """Who presses Next waits for ever, as with the old server."""
    hooks = [Hook(daemon.port) for _ in range(2)]
    for hook in hooks:
        hook.find()
    for hook in hooks:
        assert hook.effect()["type"] == "matched"
    one, other = hooks
    one.socket.send("offer", sdp={"type": "offer", "sdp": SDP})
    other.effect()
    other.socket.send("answer", sdp={"type": "answer", "sdp": SDP})
    other.socket.send("ice", candidate=None)
    one.effect()
    one.effect()
    assert other.received == [{"type": "offer", "from": one.socket.id, "sdp": {"type": "offer", "sdp": SDP}}]
    assert [action["type"] for action in one.received] == ["answer", "ice"]
    one.skip()
    assert other.effect()["type"] == "partner-left"
    third, fourth = Hook(daemon.port), Hook(daemon.port)
    third.find()
    fourth.find()
    for hook in (one, other, third, fourth):
        assert hook.effect()["type"] == "matched"
    assert len({hook.state["partner"] for hook in (one, other, third, fourth)}) == 4
    assert all(hook.state["errors"] == [] for hook in (one, other, third, fourth))
    for hook in (one, other, third, fourth):
        hook.socket.socket.close()


def test_a_hook_and_a_page(daemon: DaemonProcess) -> None:
    """Two kinds of old clients cannot call each other."""
    hook, page = Hook(daemon.port), SwitchPage(daemon.port)
    hook.find()
    hook.effect()
    page.until("matched")
    hook.socket.send("ice", candidate={"candidate": ""})
    page.until("ice")
    assert page.remote[-1] == {"candidate": ""}
    hook.socket.send("dance")
    hook.socket.send("offer")
    while len(hook.state["errors"]) < 2:
        hook.effect()
    assert hook.state["errors"] == ["UNKNOWN_TYPE", "INVALID_FORMAT"]
    assert hook.state["status"] == "connected"
    for client in (hook, page):
        client.socket.socket.close()

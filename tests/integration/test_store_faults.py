"""The store dies, freezes, comes back, is cut off: what clients see."""

import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.client import Client
from tests.support.ports import free_port
from tests.support.proxy import Proxy
from tests.support.redis import RedisServer
from tests.support.service import Service, meet, met, talk
from tests.support.waiting import until

Note = Callable[[str, float], None]


def test_store_restarts_empty(store: RedisServer, measured: Note) -> None:
    """After the loss of the store everybody would have to reload the page."""
    with Service(store.url, store.url) as service:
        one, other = service.client(0), service.client(1)
        meet(one, other)
        local, neighbour = service.client(0), service.client(0)
        meet(local, neighbour)
        waiting = service.client(0)
        waiting.send("available")
        assert waiting.sync() == []
        store.kill()
        talk(local, neighbour)
        service.wait_joined(joined=False)
        store.start()
        began = time.monotonic()
        service.wait_joined()
        measured("joined again after a restart of the store, empty", time.monotonic() - began)
        # Nothing was under way, so nothing was missed: the rooms go on.
        talk(one, other)
        talk(local, neighbour)
        newcomer = service.client(1)
        newcomer.send("available")
        met(waiting, newcomer)
        measured("a waiting client was matched with a newcomer elsewhere", time.monotonic() - began)
        assert service.errors() == []


def test_messages_lost_with_the_store(store: RedisServer, measured: Note) -> None:
    """A call set-up of which the store has lost a part would hang without a word."""
    with Service(store.url, store.url) as service:
        one, other = service.client(0), service.client(1)
        meet(one, other)
        one.send("offer", sdp="first")
        assert other.expect("offer")["sdp"] == "first"
        # The second one answers the read that waits in the store. The third stands in the stream, and nobody
        # reads it before it is lost. The fourth shows that its sender knows that: one at a time is on its way.
        service[1].hang()
        for sdp in ("second", "third", "fourth"):
            one.send("offer", sdp=sdp)
            until(partial(_holds, store, sdp), f"the {sdp} one is in the store")
        store.kill()
        store.start()
        service[1].kill(signal.SIGCONT)
        began = time.monotonic()
        service.wait_joined()
        told = other.receive()
        if told["type"] == "offer":  # it was in no read if the instance was just about to ask
            assert told["sdp"] == "second"
            told = other.receive()
        assert told["type"] == "partner-left"
        one.expect("partner-left")
        measured("told after a restart of the store, empty", time.monotonic() - began)
        met(one, other)
        talk(one, other)
        assert service.errors() == []


def _holds(store: RedisServer, sdp: str) -> bool:
    """Whether it stands in the stream of the second instance."""
    return sdp in str(store.command("XRANGE", "webrtc:signal:b", "-", "+"))


def test_messages_on_their_way_to_the_store(store: RedisServer, measured: Note) -> None:
    """What was said in the moment in which the store ends is lost, and a call set-up hangs without a word."""
    with Service(store.url, store.url) as service:
        one, other = service.client(0), service.client(1)
        meet(one, other)
        store.freeze()
        one.send("offer", sdp="on its way")
        assert one.sync() == []
        store.kill()
        store.start()
        began = time.monotonic()
        service.wait_joined()
        told = other.receive()
        measured("got it late, or told, after a restart of the store, empty", time.monotonic() - began)
        if told["type"] == "partner-left":  # one instance came back so late that the other took it for dead
            one.expect("partner-left")
            met(one, other)
        else:
            assert (told["type"], told["sdp"]) == ("offer", "on its way")
        talk(one, other)
        assert service.errors() == []


def test_store_flushed(store: RedisServer, measured: Note) -> None:
    """An operator's FLUSHALL would end the service until its instances are restarted."""
    with Service(store.url, store.url) as service:
        one, other = service.client(0), service.client(1)
        meet(one, other)
        waiting = service.client(0)
        waiting.send("available")
        assert waiting.sync() == []
        began = time.monotonic()
        store.command("FLUSHALL")
        newcomer = service.client(1)
        newcomer.send("available")
        met(waiting, newcomer)
        measured("a waiting client was matched after FLUSHALL", time.monotonic() - began)
        talk(one, other)
        talk(waiting, newcomer)
        assert service.errors() == []


def test_store_restarts_with_its_data(tmp_path: Path, measured: Note) -> None:
    """A restart of the store, an upgrade for example, would end calls or lose messages."""
    with RedisServer(tmp_path, keeps=True) as store, Service(store.url, store.url) as service:
        one, other = service.client(0), service.client(1)
        meet(one, other)
        waiting = [service.client(number % 2) for number in (0, 1)]
        _keep_apart(store, service, waiting)
        store.kill()
        service.wait_joined(joined=False)
        for number in range(20):
            one.send("ice", candidate={"candidate": str(number)})
        assert one.sync() == []
        store.start()
        began = time.monotonic()
        got = [other.expect("ice")["candidate"]["candidate"] for _ in range(20)]
        measured("held relays delivered after a restart of the store with its data", time.monotonic() - began)
        assert got == [str(number) for number in range(20)]
        talk(one, other)
        assert service.errors() == []


def _keep_apart(store: RedisServer, service: Service, clients: list[Client]) -> None:
    """Let clients wait at once: they were partners and one of them said ``next``."""
    meet(clients[0], clients[1])
    clients[0].send("next")
    clients[1].expect("partner-left")
    until(lambda: store.command("ZCARD", "webrtc:waiting") == len(clients), "all of them wait")


def test_store_frozen_5_s(store: RedisServer, measured: Note) -> None:
    """A short hiccup of the store would end calls, lose messages, or refuse newcomers."""
    _freeze(store, 5.0, measured)


def test_store_frozen_30_s(store: RedisServer, measured: Note) -> None:
    """A long one would."""
    _freeze(store, 30.0, measured)


def _freeze(store: RedisServer, seconds: float, measured: Note) -> None:
    with Service(store.url, store.url, HEARTBEAT_SECONDS="3600") as service:  # nobody answers while it is frozen
        one, other = service.client(0), service.client(1)
        other.send("available")
        assert other.sync() == []
        one.send("available")
        met(one, other)
        store.freeze()
        frozen = time.monotonic()
        try:
            for number in range(100):
                one.send("ice", candidate={"candidate": str(number)})
                if number % 20 == 19:
                    one.sync()
            # Newcomers are served, and those of one instance meet without the store.
            local, neighbour = service.client(0), service.client(0)
            meet(local, neighbour)
            measured(f"two of one instance matched while the store is frozen for {seconds:g} s", _since(frozen))
            talk(local, neighbour)
            waiting = service.client(1)
            waiting.send("available")
            until(lambda: time.monotonic() - frozen >= seconds, "the freeze is over")
            service.wait_joined(joined=False)
            assert waiting.sync() == []
        finally:
            store.thaw()
        began = time.monotonic()
        got = [other.expect("ice")["candidate"]["candidate"] for _ in range(100)]
        measured(f"held relays delivered after {seconds:g} s", _since(began))
        assert got == [str(number) for number in range(100)]
        talk(one, other)
        talk(local, neighbour)
        newcomer = service.client(0)
        newcomer.send("available")
        met(waiting, newcomer)
        measured(f"who waited was matched with a newcomer elsewhere after {seconds:g} s", _since(began))
        assert service.errors() == []


def test_start_without_the_store(tmp_path: Path, measured: Note) -> None:
    """A store that is down at the wrong moment would keep the whole service down."""
    with RedisServer(tmp_path) as store:
        store.kill()
        with Service(store.url, store.url, joined=False) as service:
            assert [instance.health()["redis"] for instance in service] == [False, False]
            one, other = service.client(0), service.client(0)
            began = time.monotonic()
            meet(one, other)
            measured("two of one instance matched, the store being down from the start", _since(began))
            here, there = service.client(0), service.client(1)
            here.send("available")
            there.send("available")
            store.start()
            began = time.monotonic()
            service.wait_joined()
            measured("joined after the store came up", _since(began))
            met(here, there)
            talk(here, there)
            talk(one, other)
            assert service.errors() == []
            warnings = [line for line in service[0].log.splitlines() if "#warn]" in line]
            assert len(warnings) <= 2, "one complaint for one outage"


def test_nothing_listens_for_long() -> None:
    """An operator could not find out, from one clear line, that the store's address is wrong."""
    port = free_port()
    with Service(f"redis://:secret@127.0.0.1:{port}", joined=False) as service:
        one, other = service.client(0), service.client(0)
        meet(one, other)
        service[0].wait_for("#warn]")
        warnings = [line for line in service[0].log.splitlines() if "#warn]" in line]
        assert len(warnings) == 1, warnings
        assert f"redis://127.0.0.1:{port}" in warnings[0]
        assert "refused" in warnings[0]
        assert "secret" not in service[0].log


def test_connection_cut_in_a_call(store: RedisServer, measured: Note) -> None:
    """A network hiccup between an instance and the store would lose, double or shuffle messages."""
    with Proxy(store.port) as proxy, Service(f"redis://127.0.0.1:{proxy.port}", store.url) as service:
        one, other = service.client(0), service.client(1)
        meet(one, other)
        began = time.monotonic()
        for number in range(300):
            one.send("ice", candidate={"candidate": f"up {number}"})
            other.send("ice", candidate={"candidate": f"down {number}"})
            if number % 30 == 15:
                until(proxy.cut, "the instance is back, and is cut off again")
        down = [one.expect("ice")["candidate"]["candidate"] for _ in range(300)]
        up = [other.expect("ice")["candidate"]["candidate"] for _ in range(300)]
        measured("600 relays of a call that was cut off ten times", _since(began))
        assert down == [f"down {number}" for number in range(300)]
        assert up == [f"up {number}" for number in range(300)]
        talk(one, other)
        assert service.errors() == []


def test_one_direction_lost(store: RedisServer, measured: Note) -> None:
    """A broken firewall that lets one direction through would hold messages for ever."""
    for direction in ("up", "down"):
        with Proxy(store.port) as proxy, Service(f"redis://127.0.0.1:{proxy.port}", store.url) as service:
            one, other = service.client(0), service.client(1)
            meet(one, other)
            proxy.lose(direction)
            began = time.monotonic()
            one.send("offer", sdp="sent")
            other.send("answer", sdp="back")
            # Known by the first call that is not answered.
            until(lambda service=service: service[0].health()["redis"] is False, "noticed")  # type: ignore[misc]
            measured(f"noticed that the way {direction} is lost", _since(began))
            proxy.lose()
            began = time.monotonic()
            assert other.expect("offer")["sdp"] == "sent"
            assert one.expect("answer")["sdp"] == "back"
            measured(f"held relays delivered when the way {direction} is open again", _since(began))
            talk(one, other)
            assert service.errors() == []


def test_slow_way_to_the_store(store: RedisServer, measured: Note) -> None:
    """A store in another region would not be usable."""
    with Proxy(store.port) as proxy, Service(f"redis://127.0.0.1:{proxy.port}", store.url) as service:
        proxy.delay(0.1)
        one, other = service.client(0), service.client(1)
        began = time.monotonic()
        meet(one, other)
        measured("matched with 0.1 s of delay each way", _since(began))
        for number in range(30):
            one.send("ice", candidate={"candidate": str(number)})
        got = [other.expect("ice")["candidate"]["candidate"] for _ in range(30)]
        assert got == [str(number) for number in range(30)]
        assert service.errors() == []


def test_room_that_says_too_much_meanwhile(store: RedisServer, measured: Note) -> None:
    """Without a bound an outage of the store would fill the memory; without a word a call would miss messages."""
    with Service(store.url, store.url) as service:
        one, other = service.client(0), service.client(1)
        meet(one, other)
        store.freeze()
        try:
            began = time.monotonic()
            for _ in range(30):
                one.send("offer", sdp="x" * 10_000)
            one.expect("partner-left")
            measured("partner-left for a room with too much held", _since(began))
            # What it had sent meanwhile has no partner to go to.
            assert {message["code"] for message in one.sync()} <= {"NOT_PAIRED"}
        finally:
            store.thaw()
        while other.receive()["type"] == "offer":
            pass
        met(one, other)
        talk(one, other)
        assert service.errors() == []


def _since(began: float) -> float:
    return time.monotonic() - began

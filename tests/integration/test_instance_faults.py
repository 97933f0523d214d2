"""Instances that die, stop, hang or take each other's name: what the clients of the others see."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.support.client import Client
from tests.support.redis import RedisServer
from tests.support.service import GONE_WITHIN_S, Service, meet, met, talk
from tests.support.waiting import until

Note = Callable[[str, float], None]


def test_clients_of_three_instances_meet_and_talk(store: RedisServer, measured: Note) -> None:
    """Two instances would be two services: nobody meets anybody on the other one."""
    with Service(store.url, store.url, store.url) as service:
        for here, there in ((0, 1), (1, 2), (2, 0), (1, 1)):
            one, other = service.client(here), service.client(there)
            began = time.monotonic()
            meet(one, other)
            if here != there:
                measured(f"matched on instances {here} and {there}", time.monotonic() - began)
            for number in range(50):
                one.send("ice", candidate={"candidate": str(number)})
                if number % 25 == 0:
                    other.send("offer", sdp=str(number))
            assert [other.expect("ice")["candidate"]["candidate"] for _ in range(50)] == [str(n) for n in range(50)]
            assert [one.expect("offer")["sdp"] for _ in range(2)] == ["0", "25"]
            one.send("leave")
            other.expect("partner-left")
            one.close()
            other.close()
        until(lambda: not store.keys("webrtc:waiting"), "the queue is empty")
        assert service.errors() == []


def test_killed_instance(store: RedisServer, measured: Note) -> None:
    """Partners of a killed instance's clients would look at a frozen picture, and newcomers be matched with ghosts."""
    with Service(store.url, store.url, store.url) as service:
        partner, its = service.client(0), service.client(1)
        meet(partner, its)
        ghost = service.client(1)
        ghost.send("available")
        until(lambda: store.command("ZCARD", "webrtc:waiting") == 1, "the ghost waits")
        service[1].kill(signal.SIGKILL)
        began = time.monotonic()
        newcomer = service.client(2)
        newcomer.send("available")
        partner.expect("partner-left", GONE_WITHIN_S)
        measured("partner-left after kill -9 of the partner's instance", time.monotonic() - began)
        # The partner waits again: it meets the newcomer, and neither ever saw the ghost.
        met(newcomer, partner, GONE_WITHIN_S)
        talk(newcomer, partner)
        measured("both of them matched with each other", time.monotonic() - began)
        until(lambda: store.keys() == {f"webrtc:{key}" for key in _keys("a", "c")}, "nothing of it is left")
        assert service.errors() == []


def test_a_client_of_another_instance_that_sleeps(store: RedisServer) -> None:
    """Whoever is matched with a phone that sleeps waits for it if the two are on two instances."""
    with Service(store.url, store.url, MATCH_ANSWER_SECONDS="1") as service:
        ghost, stranger = service.client(0), service.client(1)
        ghost.send("available")
        until(lambda: store.command("ZCARD", "webrtc:waiting") == 1, "the ghost waits")
        stranger.send("available")
        stranger.expect("matched")
        stranger.send("offer", sdp="for nobody")
        stranger.expect("partner-left")
        until(lambda: store.command("ZCARD", "webrtc:waiting") == 1, "the stranger waits again")
        newcomer = service.client(0)
        newcomer.send("available")
        met(newcomer, stranger)
        talk(newcomer, stranger)
        assert [ghost.receive()["type"] for _ in range(3)] == ["matched", "offer", "partner-left"]
        ghost.send("ping")  # it wakes up
        until(lambda: store.command("ZCARD", "webrtc:waiting") == 1, "it waits again")
        assert service.errors() == []


def test_stopped_instance(store: RedisServer, measured: Note) -> None:
    """Each deployment would leave partners with a frozen picture, and ghosts in the queue."""
    with Service(store.url, store.url) as service:
        partner, its = service.client(0), service.client(1)
        meet(partner, its)
        waiting = service.client(1)
        waiting.send("available")
        until(lambda: store.command("ZCARD", "webrtc:waiting") == 1, "one waits")
        began = time.monotonic()
        service[1].kill(signal.SIGTERM)
        partner.expect("partner-left")
        measured("partner-left after SIGTERM of the partner's instance", time.monotonic() - began)
        assert (its.wait_closed(), waiting.wait_closed()) == (1001, 1001)
        assert service[1].wait_exit() == 0
        assert partner.sync() == [], "nobody is there, and yet it was matched"
        until(lambda: store.command("ZCARD", "webrtc:waiting") == 1, "only the partner waits")
        assert store.keys() == {*(f"webrtc:{key}" for key in _keys("a")), "webrtc:waiting"}
        assert service[0].stop(partner)[0] == 0
        assert store.keys() == set(), "all is gone with the last instance"
        assert service.errors() == []


def test_stop_of_both_at_once(store: RedisServer) -> None:
    """A deployment that replaces all instances at once would leave keys behind, or hang."""
    with Service(store.url, store.url) as service:
        clients = [service.client(number % 2) for number in range(20)]
        for client in clients:
            client.send("available")
        for client in clients:
            client.expect("matched")
        for instance in service:
            instance.kill(signal.SIGTERM)
        assert [client.wait_closed() for client in clients] == [1001] * 20
        assert [instance.wait_exit() for instance in service] == [0, 0]
        assert store.keys() == set()
        assert service.errors() == []


def test_hung_instance(store: RedisServer, measured: Note) -> None:
    """An instance whose machine hangs would catch every newcomer in the queue."""
    with Service(store.url, store.url) as service:
        hung = service.client(1)
        hung.send("available")
        until(lambda: store.command("ZCARD", "webrtc:waiting") == 1, "one waits")
        service[1].hang()
        try:
            began = time.monotonic()
            one, other = service.client(0), service.client(0)
            one.send("available")
            assert one.sync() == []
            other.send("available")
            met(one, other)
            measured("matched past the ticket of a hung instance", time.monotonic() - began)
        finally:
            service[1].kill(signal.SIGCONT)
        # What it had in its hands is given up; its client still waits, in truth and in the queue.
        # It may have read the claim, but not yet that the claim was given up: a match that ends at once.
        third = service.client(0)
        third.send("available")
        while (found := hung.expect("matched"))["partnerId"] != third.id:
            hung.expect("partner-left")
        assert third.expect("matched")["roomId"] == found["roomId"]
        talk(hung, third)
        assert service.errors() == []


def test_restarted_instance(store: RedisServer, measured: Note) -> None:
    """After a crash and a quick restart the rooms of the old process would never end."""
    with Service(store.url, store.url) as service:
        partner, its = service.client(0), service.client(1)
        meet(partner, its)
        service[1].kill(signal.SIGKILL)
        began = time.monotonic()
        service.restart(1)
        partner.expect("partner-left", GONE_WITHIN_S)
        measured("partner-left after kill -9 and restart under the same name", time.monotonic() - began)
        again = service.client(1)
        again.send("available")
        met(partner, again)
        talk(partner, again)
        assert service.errors() == []


def test_same_instance_id(store: RedisServer) -> None:
    """Two processes of one name would read each other's letters: clients of both lose messages."""
    with Service(store.url, INSTANCE_ID="twin") as first, Service(store.url, INSTANCE_ID="twin") as second:
        assert first[0].health()["instanceId"] == "twin"
        name = second[0].health()["instanceId"]
        assert name.startswith("twin-")
        second[0].wait_for(f"this process calls itself {name}")
        one, other = first.client(0), second.client(0)
        meet(one, other)
        talk(one, other)
        assert store.keys("webrtc:instance:") == {"webrtc:instance:twin", f"webrtc:instance:{name}"}
        assert first.errors() + second.errors() == []


def test_200_clients_at_once(store: RedisServer, measured: Note) -> None:
    """In a rush many would wait for ever, as they did on the old server."""
    with Service(store.url, store.url, store.url) as service:
        clients = [service.client(number % 3) for number in range(200)]
        began = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda client: client.send("available"), clients))
        rooms: dict[str, list[Client]] = {}
        partners = {}
        for client in clients:
            matched = client.expect("matched")
            rooms.setdefault(matched["roomId"], []).append(client)
            partners[client.id] = matched["partnerId"]
        measured("200 clients asking at once over three instances, all matched", time.monotonic() - began)
        assert [len(room) for room in rooms.values()] == [2] * 100
        assert all(partners[partners[client]] == client for client in partners)
        for one, other in rooms.values():
            talk(one, other)
        assert store.keys("webrtc:waiting") == set()
        assert service.errors() == []


def _keys(*instances: str) -> list[str]:
    return [
        "instances",
        "resume-key",
        *(f"{kind}:{instance}" for instance in instances for kind in ("instance", "signal")),
    ]

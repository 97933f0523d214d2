"""A store of more than one server: Sentinels name the primary, or a cluster moves the slot; real servers of Redis."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon import DaemonProcess
from tests.support.service import Service, meet, met, talk
from tests.support.stores import Cluster, Watched, cluster, watched
from tests.support.waiting import until

ENGLISH = {"pool": "p", "is": {"lang": ["en"]}, "wants": {"lang": ["en"]}, "likes": ["chess"]}
POLISH = ENGLISH | {"is": {"lang": ["pl"]}}
"""Two who do not meet."""


@pytest.fixture
def behind_sentinels(tmp_path: Path) -> Iterator[Watched]:
    """A primary, its replica, three Sentinels."""
    with watched(tmp_path) as store:
        yield store


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    """Six nodes."""
    with cluster(tmp_path) as store:
        yield store


def test_failover_in_a_call(behind_sentinels: Watched, measured: Callable[[str, float], None]) -> None:
    """When the primary dies, all matching between instances ends for good, and calls that are set up are lost."""
    store = behind_sentinels
    with Service(store.url, store.url) as service:
        far = [service.client(number) for number in (0, 1)]
        near = [service.client(0) for _ in range(2)]
        with far[0] as one, far[1] as other, near[0] as here, near[1] as too:
            meet(one, other)
            meet(here, too)
            store.lose_primary()
            began = time.monotonic()
            talk(here, too)  # on one instance: nobody notices
            one.send("ice", candidate={"candidate": "said meanwhile"})
            store.wait_for_failover()
            measured("joined the new primary after Sentinel's failover", service.wait_joined())
            measured("joined it after the end of the old one", time.monotonic() - began)
            # What the old primary alone had is lost, or the room has ended for both: nobody hangs.
            if other.receive()["type"] == "ice":
                talk(one, other)
            else:
                one.expect("partner-left")
        with service.client(0) as later, service.client(1) as last:
            meet(later, last)


def test_failover_while_waiting(behind_sentinels: Watched) -> None:
    """Whoever waited for a partner when the primary died waits for ever."""
    store = behind_sentinels
    with Service(store.url, store.url) as service, service.client(0) as one, service.client(1) as other:
        one.send("available")
        one.sync()
        store.lose_primary()
        store.wait_for_failover()
        service.wait_joined()
        other.send("available")
        met(one, other)


def test_a_planned_failover(behind_sentinels: Watched) -> None:
    """The old primary goes on as a replica, and an instance that holds on to it can do nothing."""
    store = behind_sentinels
    with Service(store.url, store.url) as service:
        store.fail_over()
        with service.client(0) as one, service.client(1) as other:
            meet(one, other)
            talk(one, other)


def test_a_sentinel_that_lies(behind_sentinels: Watched) -> None:
    """One Sentinel that is behind sends an instance to a replica, again and again."""
    store = behind_sentinels
    liar = store.sentinels[0]
    liar.command("SENTINEL", "REMOVE", "the-primary")
    liar.command("SENTINEL", "MONITOR", "the-primary", "127.0.0.1", store.replica.port, 2)
    with Service(store.url_of(liar, store.sentinels[1])) as service:
        assert service[0].health()["redis"] is True


def test_sentinels_that_know_nothing(behind_sentinels: Watched) -> None:
    """A slip in the primary's name is not told of."""
    url = behind_sentinels.url.replace("the-primary", "another")
    with DaemonProcess(variables={"REDIS_URL": url}) as daemon:
        daemon.wait_for("knows no primary called 'another'")
        assert daemon.health()["redis"] is False


def test_a_cluster(nodes: Cluster, measured: Callable[[str, float], None]) -> None:
    """Instances on a cluster do not find each other; or a node that dies ends it."""
    with Service(nodes.url, nodes.url) as service, service.client(0) as patient, service.client(1) as comes:
        with service.client(0) as one, service.client(1) as other:
            meet(one, other)
            talk(one, other)
        patient.send("available", **ENGLISH)
        assert patient.sync() == []
        owner = nodes.owner("{webrtc:}waiting")
        assert owner.keys("{webrtc:}instance:") == {"{webrtc:}instance:a", "{webrtc:}instance:b"}
        nodes.lose(owner)
        began = time.monotonic()
        service.wait_joined(joined=False)
        until(lambda: nodes.owner("{webrtc:}waiting").is_running, "another node takes over")
        measured("joined the node that took over after it did", service.wait_joined())
        measured("joined it after the end of the old one", time.monotonic() - began)
        comes.send("available", **ENGLISH)
        met(patient, comes)
        with service.client(0) as one, service.client(1) as other:
            meet(one, other)
            talk(one, other)


def test_a_slot_that_moves(nodes: Cluster) -> None:
    """While the cluster is resharded, instances go on with the node that has the slot no longer."""
    with (
        Service(nodes.url, nodes.url) as service,
        service.client(0) as one,
        service.client(1) as other,
        service.client(0) as english,
        service.client(0) as polish,
    ):
        meet(one, other)
        for waits, wish in ((polish, POLISH), (english, ENGLISH)):
            waits.send("available", **wish)
            assert waits.sync() == []
        until(lambda: len(nodes.owner("{webrtc:}waiting").keys("{webrtc:}pool:")) == 8, "both stand in the store")
        nodes.move("{webrtc:}waiting")
        talk(one, other)
        with service.client(0) as later, service.client(1) as last:
            meet(later, last)
            talk(later, last)
        with service.client(1) as comes:
            comes.send("available", **ENGLISH)
            met(english, comes)
        assert polish.sync() == []

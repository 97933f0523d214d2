"""Sessions that outlive their home: what clients notice when instances stop, die, freeze, or lose the store."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.client import Client, Message
from tests.support.daemon import DaemonProcess
from tests.support.redis import RedisServer
from tests.support.service import Service, meet, talk
from tests.support.waiting import until

Note = Callable[[str, float], None]


@pytest.fixture
def service(store: RedisServer) -> Iterator[Service]:
    """Three instances on one store."""
    with Service(store.url, store.url, store.url) as service:
        yield service


def call(service: Service, here: int, there: int) -> tuple[Client, Client]:
    """Two of today's clients that are partners, on these instances."""
    one, other = service.modern(here), service.modern(there)
    meet(one, other)
    talk(one, other)
    return one, other


def good(answer: Message, *, partner: str = "here", lost: bool = False) -> None:
    """The answer to a `resume` that goes on with a call."""
    assert answer["type"] == "resumed", answer
    assert (answer["state"], answer["partner"], answer["lost"]) == ("paired", partner, lost), answer
    assert answer["data"] is True, "what the partner knows comes along, wherever the session was"


@pytest.mark.parametrize(("here", "there"), [(0, 0), (0, 1), (0, 2)])
def test_moves_to_another_instance(service: Service, measured: Note, here: int, there: int) -> None:
    """A balancer sends a client that lost its network to another instance, and the call is over."""
    one, other = call(service, here, there)
    other.send("ice", candidate={"candidate": "heard"})
    assert one.expect("ice")["candidate"]["candidate"] == "heard"
    one.abort()
    other.expect("partner-away")
    for number in range(20):
        other.send("ice", candidate={"candidate": str(number)})
    began = time.monotonic()
    again, answer = service.resume(1, one)
    measured("moved to another instance", time.monotonic() - began)
    good(answer)
    assert [again.expect("ice")["candidate"]["candidate"] for _ in range(20)] == [str(n) for n in range(20)]
    assert other.expect("partner-back")["lost"] is False
    talk(again, other)
    again.send("data", data={"typing": True}, id="typing")
    assert other.expect("data")["data"] == {"typing": True}
    assert again.expect("ok")["id"] == "typing"
    # And back again, while the old connection still looks alive.
    home, answer = service.resume(0, again)
    good(answer)
    assert again.wait_closed() == 4001
    talk_through_a_move(home, other)
    assert service.errors() == []


def talk_through_a_move(mover: Client, partner: Client) -> None:
    """Partners say something to each other; either may have heard of the other's network before."""
    for speaker, listener in ((mover, partner), (partner, mover)):
        speaker.send("ice", candidate={"candidate": "x"})
        heard = [listener.receive()["type"]]
        while heard[-1] != "ice":
            heard.append(listener.receive()["type"])
        assert set(heard) <= {"partner-away", "partner-back", "ice"}, heard


def test_both_move_at_once(service: Service) -> None:
    """Two that move at the same time never find each other again."""
    one, other = call(service, 0, 1)
    one.abort()
    other.abort()
    first, answer = service.resume(2, one)
    assert answer["type"] == "resumed"
    second, answer = service.resume(0, other)
    assert (answer["type"], answer["lost"]) == ("resumed", False)
    talk_through_a_move(first, second)
    assert service.errors() == []


def test_home_stops(service: Service, measured: Note) -> None:
    """Every deploy ends every call."""
    one, other = call(service, 0, 1)
    began = time.monotonic()
    service[0].kill()
    other.expect("partner-away")
    other.send("ice", candidate={"candidate": "meanwhile"})
    assert one.wait_closed() == 1012
    goodbye = one.expect("goodbye")
    assert (goodbye["action"], goodbye["reason"]) == ("resume", "stopping")
    assert goodbye["afterMs"] <= 1, "two clients need no time to come back, and another instance is there"
    again, answer = service.resume(2, one)
    good(answer)
    measured("away while the home stopped", time.monotonic() - began)
    assert again.expect("ice")["candidate"]["candidate"] == "meanwhile"
    assert other.expect("partner-back")["lost"] is False
    talk(again, other)
    assert service[0].wait_exit() == 0


def test_all_stop(service: Service) -> None:
    """All instances are restarted at once: nobody is there to hold anything."""
    one, other = call(service, 0, 1)
    for number in range(2):
        service[number].kill()
    for client in (one, other):
        assert client.wait_closed() == 1012
    first, answer = service.resume(2, one)
    assert (answer["state"], answer["lost"]) == ("paired", False)
    second, answer = service.resume(2, other)
    good(answer)
    talk_through_a_move(first, second)


def test_home_is_killed(service: Service, measured: Note) -> None:
    """A process that dies takes all its calls with it."""
    one, other = call(service, 0, 1)
    service[0].kill(signal.SIGKILL)
    service[0].wait_exit()
    one.wait_closed()
    began = time.monotonic()
    again, answer = service.resume(2, one)
    good(answer, lost=True)
    measured("resumed after kill -9 of the home", time.monotonic() - began)
    until_back(other)
    talk(again, other)
    # The lease of the dead runs out while they talk, and nobody is told anything.
    until(lambda: "is dead" in service[1].log, "the dead instance is buried", 30)
    talk(again, other)


def until_back(client: Client) -> None:
    """A client hears that its partner is back, and that something is lost."""
    message = client.receive()
    if message["type"] == "partner-away":
        message = client.receive()
    assert message == {"type": "partner-back", "lost": True}


def test_both_homes_are_killed(service: Service) -> None:
    """A machine with two instances loses its power."""
    one, other = call(service, 0, 1)
    for number in range(2):
        service[number].kill(signal.SIGKILL)
        service[number].wait_exit()
    first, answer = service.resume(2, one)
    good(answer, partner="away", lost=True)
    second, answer = service.resume(2, other)
    good(answer, lost=True)
    talk_through_a_move(first, second)


def test_common_home_is_killed(service: Service) -> None:
    """Both were on the process that died, and come back on two others."""
    one, other = call(service, 0, 0)
    service[0].kill(signal.SIGKILL)
    service[0].wait_exit()
    first, answer = service.resume(1, one)
    good(answer, partner="away", lost=True)
    second, answer = service.resume(2, other)
    good(answer, lost=True)
    talk_through_a_move(first, second)


def test_frozen_home_gives_way(service: Service) -> None:
    """A home that was only frozen goes on, and one session is on two instances, or its partner is told it left."""
    one, other = call(service, 0, 1)
    service[0].hang()
    again, answer = service.resume(2, one)
    good(answer, lost=True)
    until_back(other)
    talk(again, other)
    service[0].kill(signal.SIGCONT)
    assert one.wait_closed() == 4001
    talk(again, other)
    assert again.sync() == []


def test_home_frozen_for_long_gives_way(service: Service) -> None:
    """The same, after its lease has run out and it was buried."""
    one, other = call(service, 0, 1)
    service[0].hang()
    again, answer = service.resume(2, one)
    good(answer, lost=True)
    until_back(other)
    until(lambda: "is dead" in service[1].log, "the frozen instance is buried", 30)
    service[0].kill(signal.SIGCONT)
    assert one.wait_closed() == 4001
    talk(again, other)
    assert again.sync() == []


def test_emptied_store(service: Service, store: RedisServer) -> None:
    """The store is restarted with nothing while somebody is away."""
    one, other = call(service, 0, 1)
    one.abort()
    other.expect("partner-away")
    store.kill()
    store.start(empty=True)
    service.wait_joined(joined=True)
    again, answer = service.resume(2, one)
    assert answer["type"] == "resumed", answer
    talk_through_a_move(again, other)


def test_store_that_is_away(service: Service, store: RedisServer) -> None:
    """While the store is away nobody can go on, not even on the same instance."""
    one, other = call(service, 0, 0)
    store.kill()
    service.wait_joined(joined=False)
    one.abort()
    other.expect("partner-away")
    again, answer = service.resume(0, one)
    good(answer)
    other.expect("partner-back")
    talk(again, other)
    store.start()


def test_waiting_moves_with_its_place(service: Service, store: RedisServer) -> None:
    """Who waits and comes back on another instance is last."""
    one, other = call(service, 0, 1)
    one.send("block")
    one.send("leave")
    other.expect("partner-left")
    for client in (one, other):
        client.send("leave")

    def until_waiting(count: int) -> None:
        until(lambda: store.command("ZCARD", "webrtc:waiting") == count, f"{count} stand in the queue")

    until_waiting(0)
    for count, client in enumerate((one, other), start=1):
        client.send("available")
        until_waiting(count)
        client.sync()
    one.abort()
    until_waiting(1)
    again, answer = service.resume(2, one)
    assert (answer["type"], answer["state"]) == ("resumed", "waiting")
    until_waiting(2)
    newcomer = service.client(1)
    newcomer.send("available")
    assert newcomer.expect("matched")["partnerId"] == one.id
    again.expect("matched")


def test_exactly_one_wins(service: Service) -> None:
    """Two connections with one token, on two instances: the session is doubled."""
    one, other = call(service, 0, 1)
    one.abort()
    other.expect("partner-away")
    rivals = [service.modern(number) for number in (1, 2, 2, 0)]
    for rival in rivals:
        rival.send("resume", token=one.token, received=one.received)
    answers = [rival.receive() for rival in rivals]
    assert sorted(answer["type"] for answer in answers) == ["error"] * 3 + ["resumed"], answers
    winner = next(rival for rival, answer in zip(rivals, answers, strict=True) if answer["type"] == "resumed")
    talk_through_a_move(winner, other)


def test_restart_of_the_only_process() -> None:
    """Every deploy of a small service ends all its calls."""
    secret = {"RESUME_SECRET": "0123456789abcdef"}
    with DaemonProcess(variables=secret) as daemon:
        one, other = (Client(daemon.port, protocols=["signald.v1"]) for _ in range(2))
        meet(one, other)
        daemon.kill()
        assert (one.wait_closed(), other.wait_closed()) == (1012, 1012)
    with DaemonProcess(variables=secret) as daemon:
        first, second = (Client(daemon.port, protocols=["signald.v1"]) for _ in range(2))
        good(first.resume(one), partner="away", lost=True)
        good(second.resume(other), lost=True)
        until_back(first)
        talk(first, second)


def test_killed_process_is_started_again(store: RedisServer) -> None:
    """An instance that is restarted under its name after kill -9 loses the calls of both sides."""
    with Service(store.url, store.url) as service:
        one, other = call(service, 0, 0)
        service[0].kill(signal.SIGKILL)
        service[0].wait_exit()
        service.restart(0)
        first, answer = service.resume(0, one)
        good(answer, partner="away", lost=True)
        second, answer = service.resume(1, other)
        good(answer, lost=True)
        talk_through_a_move(first, second)

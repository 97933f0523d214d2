"""Known users over several processes and one store."""

import time

import pytest

from tests.support.client import Client, Closed
from tests.support.proxy import Proxy
from tests.support.redis import RedisServer
from tests.support.service import Service, meet, talk
from tests.support.tokens import SECRET, sign
from tests.support.waiting import until


def known(client: Client, user: str) -> Client:
    """The client, once it has shown a token."""
    client.send("auth", token=sign({"sub": user, "exp": time.time() + 600}))
    assert client.sync() == []
    return client


def test_one_user_on_two_instances(store: RedisServer) -> None:
    """Somebody with a tab here and a tab there calls itself, while others wait; or known users do not meet at all."""
    with Service(store.url, store.url, AUTH_MODE="required", JWT_SECRET=SECRET) as service:
        here, there, other = (service.client(number) for number in (0, 1, 1))
        here.send("available")
        assert here.receive()["code"] == "AUTH_REQUIRED"
        for client in (here, there):
            known(client, "ada@example.org")
            client.send("available")
            assert client.sync() == []
        meet(here, known(other, "bob"))
        assert there.sync() == []
        filed = store.command("ZRANGE", "webrtc:waiting", 0, -1)
        assert [b"ada" in ticket for ticket in filed] == [False], "no name stands in the store"
        assert service.errors() == []


@pytest.mark.parametrize("overflow", ["refuse", "replace"])
def test_connections_of_a_user_on_all_instances(store: RedisServer, overflow: str) -> None:
    """A limit of one connection is one for each instance; or the wrong one of them is closed."""
    variables = {"AUTH_MODE": "required", "JWT_SECRET": SECRET, "MAX_CONNECTIONS_PER_USER": "2"}
    with Service(store.url, store.url, joined=True, USER_OVERFLOW=overflow, **variables) as service:
        first, second, third = (service.client(number) for number in (0, 1, 0))
        bob = known(service.client(1), "bob")
        for client in (first, second):
            known(client, "ada")
        third.send("auth", token=sign({"sub": "ada", "exp": time.time() + 600}))
        gone = third if overflow == "refuse" else first
        with pytest.raises(Closed) as caught:
            gone.expect("never")
        assert caught.value.code == 1008
        stays = [client for client in (first, second, third, bob) if client is not gone]
        known(stays[0], "ada")
        assert [client.sync() for client in stays] == [[], [], []]
        meet(stays[0], bob)
        assert service.errors() == []


@pytest.mark.parametrize("overflow", ["refuse", "replace"])
def test_who_comes_back_is_counted_on_all_instances(store: RedisServer, overflow: str) -> None:
    """Whoever loses connections, makes others elsewhere and takes up the first again has as many as it likes."""
    variables = {"AUTH_MODE": "optional", "JWT_SECRET": SECRET, "MAX_CONNECTIONS_PER_USER": "1"}
    with Service(store.url, store.url, joined=True, USER_OVERFLOW=overflow, **variables) as service:
        first, bob = known(service.modern(0), "ada"), service.modern(1)
        meet(first, bob)
        eve = [known(service.modern(number), "eve") for number in (0, 1)]
        until(lambda: any(map(_is_out, eve)), "all are counted who came up to now")
        first.abort()
        bob.expect("partner-away")
        tab, cat = known(service.client(1), "ada"), service.client(0)
        meet(tab, cat)
        talk(tab, cat)  # letters keep their order: what was asked for the sake of the tab is answered
        again, answer = service.resume(0, first)
        assert answer["type"] == "resumed"
        gone, stays = (again, tab) if overflow == "refuse" else (tab, again)
        assert gone.wait_closed() == 1008
        stays.sync()
        assert not stays.ended
        assert service.errors() == []


@pytest.mark.parametrize("overflow", ["refuse", "replace"])
def test_two_connections_at_once_through_a_slow_store(store: RedisServer, overflow: str) -> None:
    """Of two connections that come together each instance closes the other one's, and the user is out."""
    variables = {"AUTH_MODE": "required", "JWT_SECRET": SECRET, "MAX_CONNECTIONS_PER_USER": "1"}
    with Proxy(store.port) as way:
        url = f"redis://127.0.0.1:{way.port}"
        with Service(url, url, joined=True, USER_OVERFLOW=overflow, **variables) as service:
            way.delay(0.1)
            clients = [service.client(number) for number in (0, 1)]
            for client in clients:
                client.send("auth", token=sign({"sub": "ada", "exp": time.time() + 600}))
            until(lambda: any(_is_out(client) for client in clients), "one of them is closed")
            stays = next(client for client in clients if not client.ended)
            # A question of the one that stays has gone to and fro after all that might close it.
            known(stays, "ada")
            meet(stays, known(service.client(1), "bob"))


def _is_out(client: Client) -> bool:
    """Whether a client was closed since it was one too many."""
    try:
        client.sync()
    except Closed as closed:
        assert closed.code == 1008
        return True
    return False

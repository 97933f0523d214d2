"""Every form of `REDIS_URL` against a server that insists on it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.redis import RedisServer, lacks_tls, make_certificates, rights
from tests.support.service import Service, meet, talk
from tests.support.waiting import until


def test_unix_socket_and_database(store: RedisServer) -> None:
    """Who runs the store on the same machine could not use its socket, or would share another service's database."""
    url = f"unix://{store.path}?db=5"
    with Service(url, f"redis://127.0.0.1:{store.port}/5") as service:
        one, other = service.client(0), service.client(1)
        meet(one, other)
        talk(one, other)
        assert store.keys() == set()
        leases = store.command("KEYS", "webrtc:instance:*", database=5)
        assert set(leases) == {b"webrtc:instance:a", b"webrtc:instance:b"}
        assert service.errors() == []


def test_password(tmp_path: Path) -> None:
    """A store that is protected could not be used."""
    with RedisServer(tmp_path, password="s3cret/%") as store:
        url = f"redis://:s3cret%2F%25@127.0.0.1:{store.port}"
        with Service(url, url) as service:
            one, other = service.client(0), service.client(1)
            meet(one, other)
            assert "s3cret" not in service[0].log
            assert service.errors() == []


def test_user_with_few_rights(tmp_path: Path) -> None:
    """There could be no user for signald alone that cannot touch other keys."""
    options: Sequence[Sequence[str]] = [["user", "daemon", "on", ">pa%ss", *rights("signald:")]]
    with RedisServer(tmp_path, options=options) as store:
        url = f"redis://daemon:pa%25ss@127.0.0.1:{store.port}"
        with Service(url, url, REDIS_PREFIX="signald:") as service:
            one, other = service.client(0), service.client(1)
            meet(one, other)
            talk(one, other)
            keys = store.keys()
            assert {name.split(":")[0] for name in keys} == {"signald"}
            assert service[1].stop(other)[0] == 0
            assert service[0].stop(one)[0] == 0
            assert store.keys() == set()
            assert service.errors() == []


@pytest.mark.parametrize("user", ["", "daemon"])
def test_wrong_password(tmp_path: Path, user: str) -> None:
    """A typing error in the password would keep the service down, or show the password in the log."""
    options: Sequence[Sequence[str]] = [["user", "daemon", "on", ">right", "~*", "+@all"]]
    with RedisServer(tmp_path, password="right", options=options) as store:
        url = f"redis://{user}:wr0ng@127.0.0.1:{store.port}"
        with Service(url, joined=False) as service:
            one, other = service.client(0), service.client(0)
            meet(one, other)
            talk(one, other)
            assert service[0].health()["redis"] is False
            service[0].wait_for("WRONGPASS")
            (warning,) = _warnings(service)
            assert "WRONGPASS" in warning
            assert "wr0ng" not in service[0].log
            assert service[0].stop(one, other)[0] == 0
            assert service.errors() == []


@pytest.mark.parametrize("form", ["redis://daemon:s3cret@{0}", "redis+sentinel://{0}/main?sentinel_password=s3cret"])
def test_a_store_that_quotes_the_login(tmp_path: Path, form: str) -> None:
    """A store, or a proxy before it, that knows no AUTH answers with all of its words, and they would be in the log."""
    with (
        RedisServer(tmp_path, options=[["rename-command", "AUTH", '""']]) as store,
        Service(form.format(f"127.0.0.1:{store.port}"), joined=False) as service,
    ):
        service[0].wait_for("unknown command")
        assert len(_warnings(service)) == 1
        assert "s3cret" not in service[0].log


def test_no_password_where_one_is_needed(tmp_path: Path) -> None:
    """An operator who forgot the password would have to guess."""
    with (
        RedisServer(tmp_path, password="right") as store,
        Service(f"redis://127.0.0.1:{store.port}", joined=False) as service,
    ):
        service[0].wait_for("unauthenticated")  # so it says of a script: it is longer than whoever is unknown may send
        assert "password" in service[0].log
        assert len(_warnings(service)) == 1
        assert service.errors() == []


@pytest.mark.skipif(lacks_tls(), reason="this server was built without TLS")
def test_certificate_is_verified(tmp_path: Path) -> None:
    """Somebody in between could read and change every call's set-up, or the password."""
    good, wrong = make_certificates(tmp_path / "good"), make_certificates(tmp_path / "wrong", "elsewhere.example")
    with RedisServer(tmp_path / "good", tls=good, password="s3cret") as store:
        ca = str(good / "ca.pem")
        with Service(store.url, store.url, REDIS_CA_FILE=ca) as service:
            one, other = service.client(0), service.client(1)
            meet(one, other)
            talk(one, other)
            assert service.errors() == []
        _refused(store.url, "certificate")
        _refused(store.url, "certificate", REDIS_CA_FILE=str(wrong / "ca.pem"))
        _refused(store.url.replace("localhost", "127.0.0.1"), "127.0.0.1", REDIS_CA_FILE=ca)
    with RedisServer(tmp_path / "wrong", tls=wrong, password="s3cret") as store:
        _refused(store.url, "localhost", REDIS_CA_FILE=str(wrong / "ca.pem"))
        # Without TLS, what comes back is no Redis.
        with Service(store.url.replace("rediss", "redis"), joined=False) as service:
            until(lambda: _warnings(service), "a warning")
            assert service[0].health()["redis"] is False
            assert "s3cret" not in service[0].log


def _refused(url: str, word: str, **variables: str) -> None:
    with Service(url, joined=False, **variables) as service:
        one, other = service.client(0), service.client(0)
        meet(one, other)
        assert service[0].health()["redis"] is False
        until(lambda: _warnings(service), "a warning")
        (warning,) = _warnings(service)
        assert word in warning, warning
        assert "s3cret" not in service[0].log
        assert service.errors() == []


def _warnings(service: Service) -> list[str]:
    return [line for line in service[0].log.splitlines() if "#warn]" in line]

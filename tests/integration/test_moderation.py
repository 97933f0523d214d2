"""Reports, blocks, kicks and bans over several processes and one store, as an operator's tools see them."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import NamedTuple

import pytest

from tests.support.client import Client, Closed
from tests.support.daemon import DaemonProcess
from tests.support.operator import TOKEN, Operator
from tests.support.ports import free_port
from tests.support.redis import RedisServer
from tests.support.service import Service, meet, met
from tests.support.tokens import SECRET, sign
from tests.support.waiting import PATIENCE_S, until
from tests.support.witness import processor_s

NO_BANS = {"total": 0, "bans": []}
MODERATED = {"ADMIN_TOKEN": TOKEN, "AUTH_MODE": "optional", "JWT_SECRET": SECRET, "REMATCH_DELAY_SECONDS": "0"}


class Moderated(Service):
    """Two instances, each with an admin endpoint of its own.

    Args:
        store: Which both use.
        variables: More settings.
    """

    def __init__(self, store: RedisServer, **variables: str) -> None:
        all_variables = {"ADMIN_LISTEN": "tcp:0:interface=127.0.0.1", **MODERATED, **variables}
        super().__init__(store.url, store.url, joined=True, **all_variables)
        for instance in self:
            instance.wait_for("listening on", times=2)

    def operator(self, number: int) -> Operator:
        """Who asks one instance."""
        return Operator(_admin_port(self[number]))


def _admin_port(daemon: DaemonProcess) -> int:
    (admin,) = [port for port in daemon.ports if port != daemon.port]
    return admin


def known(client: Client, user: str) -> Client:
    """The client, once it has shown a token."""
    client.send("auth", token=sign({"sub": user, "exp": time.time() + 600}))
    assert client.sync() == []
    return client


def closed(client: Client) -> int | None:
    """With which code a client is closed; waits for it."""
    with pytest.raises(Closed) as caught:
        client.expect("pong")
    return caught.value.code


@pytest.fixture
def hook() -> Iterator["Hook"]:
    """A webhook's endpoint."""
    with Hook() as running:
        yield running


class Endpoints(NamedTuple):
    """Ports of one daemon: of clients, and of the operator; and its process."""

    port: int
    admin: int
    pid: int


class Hook:
    """An HTTP server that keeps what is posted to it."""

    def __init__(self) -> None:
        self.posted: Queue[tuple[dict[str, str], dict[str, object]]] = Queue()
        keep = self.posted.put

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                keep(({name.lower(): value for name, value in self.headers.items()}, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/reports?key=hidden"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "Hook":
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def test_a_report_reaches_the_operator(store: RedisServer, hook: Hook) -> None:
    """Who is harassed presses a button, and nobody ever hears of it."""
    with Moderated(store, REPORT_WEBHOOK_URL=hook.url, REPORT_WEBHOOK_SECRET="s" * 16) as service:
        ada, bob = known(service.client(0), "ada"), known(service.client(1), "bob")
        room = meet(ada, bob)
        bob.send("leave")
        ada.expect("partner-left")
        ada.send("report", reason="spam", text="sells \u00e4nd\n{room}")
        assert ada.sync() == []
        headers, report = hook.posted.get(timeout=PATIENCE_S)
        assert abs(float(str(report.pop("time"))) - time.time()) < 60
        filed = report.pop("reportId")
        assert report == {
            "type": "report",
            "instanceId": "a",
            "roomId": room,
            "reporter": {"clientId": ada.id, "userId": "ada"},
            "reported": {"clientId": bob.id, "userId": "bob"},
            "reason": "spam",
            "text": "sells \u00e4nd\n{room}",
        }
        assert headers["content-type"] == "application/json"
        assert set(headers) >= {"webhook-id", "webhook-timestamp", "webhook-signature"}
        service[0].wait_for(f"client {ada.id} reports client {bob.id} in room {room}: 'spam': 'sells \u00e4nd\\n")
        assert "hidden" not in service[0].log
        for operator in map(service.operator, (0, 1)):  # on whatever instance it was made
            until(lambda: operator.ask("GET", f"/reports/{filed}")[0] == 200, "the report is written down")  # noqa: B023
        ruling = {"state": "acted", "by": "eve", "note": "told him off"}
        assert service.operator(1).ask("POST", f"/reports/{filed}", ruling)[0] == 200
        service[1].wait_for(f"report {filed} is acted now, says 'eve': 'told him off'")
        listed = service.operator(0).ask("GET", "/reports?state=acted")[1]["reports"]
        assert [{name: one[name] for name in ruling} for one in listed if one["reportId"] == filed] == [ruling]
        ada.send("report", reason="spam")
        assert ada.expect("error")["code"] == "RATE_LIMIT"
        assert service.errors() == []


def test_a_room_is_told_of_once(store: RedisServer, hook: Hook) -> None:
    """Each of two instances tells of the room they share; or who moves between them ends the call in the books."""
    variables = {"REPORT_WEBHOOK_URL": hook.url, "REPORT_WEBHOOK_SECRET": "s" * 16, "WEBHOOK_EVENTS": "matched,ended"}
    with Moderated(store, **variables) as service:
        ada, bob = known(service.modern(0), "ada"), known(service.modern(1), "bob")
        room = meet(ada, bob)
        _, matched = hook.posted.get(timeout=PATIENCE_S)
        ada.abort()
        bob.expect("partner-away")
        ada, answer = service.resume(1, ada)
        assert answer["type"] == "resumed"
        bob.expect("partner-back")
        bob.send("leave")
        ada.expect("partner-left")
        headers, ended = hook.posted.get(timeout=PATIENCE_S)
        assert set(headers) >= {"webhook-id", "webhook-timestamp", "webhook-signature"}
        service[0].stop()  # what else they had to say they would say now
        service[1].stop(ada, bob)
        assert hook.posted.empty()
        assert service.errors() == []
    both = ({"clientId": ada.id, "userId": "ada"}, {"clientId": bob.id, "userId": "bob"})
    clients = sorted(both, key=_client_id)
    assert matched["clients"] == ended["clients"] == clients
    assert [matched["type"], matched["roomId"]] == ["matched", room]
    assert [ended["type"], ended["roomId"], ended["reason"]] == ["ended", room, "leave"]
    assert [matched["instanceId"], ended["instanceId"]] == (["a", "b"] if clients[0]["userId"] == "ada" else ["b", "b"])
    took_ms = (float(str(ended["time"])) - float(str(matched["time"]))) * 1000
    assert 0 <= int(str(ended["durationMs"])) <= took_ms + 1000


def _client_id(party: dict[str, str]) -> str:
    return party["clientId"]


def test_who_is_blocked_is_not_met_again(store: RedisServer) -> None:
    """Somebody is called again and again by the one whom it has blocked, through another tab or after a restart."""
    with Moderated(store) as service:
        ada, bob = known(service.client(0), "ada"), known(service.client(1), "bob")
        meet(ada, bob)
        ada.send("block")
        ada.send("next")
        assert bob.expect("partner-left")
        assert ada.sync() == [] == bob.sync()
        again, other = known(service.client(0), "bob"), service.client(1)
        again.send("available")
        assert again.sync() == []
        service.restart(1)
        service[1].wait_for("listening on", times=2)
        service.wait_joined()
        fresh = known(service.client(1), "ada")
        ada.send("leave")
        fresh.send("available")
        assert fresh.sync() == []
        other = service.client(1)
        other.send("available")
        met(again, other)
        assert fresh.sync() == [] == ada.sync()
        assert service.errors() == []


def test_the_operator_sees_and_closes_clients_anywhere(store: RedisServer) -> None:
    """A moderator finds only who happens to be on the instance that it asks, or sees where people live."""
    with Moderated(store) as service:
        ada, bob, idle = known(service.client(0), "ada"), service.client(1), service.client(1)
        room = meet(ada, bob)
        operator = service.operator(0)
        status, listed = operator.ask("GET", "/clients")
        assert status == 200
        assert (listed["complete"], listed["silent"]) == (True, [])
        clients = {client.pop("clientId"): client for client in listed["clients"]}
        assert set(clients) == {ada.id, bob.id, idle.id}
        for client in clients.values():
            assert 0 <= client.pop("connectedSeconds") < 60
            assert client.pop("messages") >= 0
        assert clients[ada.id] == {
            "instanceId": "a",
            "state": "paired",
            "userId": "ada",
            "roomId": room,
            "partnerId": bob.id,
        }
        assert clients[idle.id] == {"instanceId": "b", "state": "idle"}
        assert service[1].says("/online") == {"online": 3, "waiting": 0, "complete": True}
        assert service[1].says("/online?pool=") == {"online": 2, "waiting": 0, "complete": True}
        pools = [{"pool": "", "online": 2, "waiting": 0, "longestSeconds": 0.0}]
        assert operator.ask("GET", "/pools") == (200, {"total": 1, "pools": pools, "complete": True, "silent": []})
        idle.send("available", pool="Chess")
        assert idle.sync() == []
        waits = {"online": 1, "waiting": 1, "complete": True}
        until(lambda: service[0].says("/online?pool=chess") == waits, "each instance counts once a second")
        assert len(operator.ask("GET", "/clients?limit=1")[1]["clients"]) == 1
        status, one = operator.ask("GET", f"/clients/{bob.id}?addresses=true")
        assert (status, one["partnerId"], one["address"]) == (200, ada.id, "127.0.0.1")
        assert operator.ask("GET", "/clients/nobody") == (404, {"error": "no such client"})
        assert operator.ask("DELETE", f"/clients/{bob.id}?reason=enough") == (204, None)
        assert closed(bob) == 1008
        ada.expect("partner-left")
        assert operator.ask("DELETE", f"/clients/{bob.id}")[0] == 404
        service[1].wait_for(f"client {bob.id} kicked by admin: 'enough'")
        assert service.errors() == []


def test_a_banned_user_stays_out(store: RedisServer) -> None:
    """Who was banned connects again, to another instance or with the next page load."""
    with Moderated(store) as service:
        mallory, ada = known(service.client(1), "mallory"), known(service.client(1), "ada")
        ban = {"user": "mallory", "seconds": 600, "reason": "spam"}
        status, answer = service.operator(0).ask("POST", "/bans", ban)
        (said,) = answer["bans"]
        assert 590 < said.pop("until") - time.time() <= 600
        lifted_by = said.pop("id")
        assert (status, said) == (201, {"kind": "user", "value": "mallory", "reason": "spam", "automatic": False})
        assert closed(mallory) == 1008
        assert ada.sync() == []
        for number in (0, 1):
            again = service.client(number)
            again.send("auth", token=sign({"sub": "mallory", "exp": time.time() + 600}))
            refused = again.expect("error")
            assert (refused["code"], refused["message"]) == ("AUTH_FAILED", "this user is banned")
            assert len(service.operator(number).ask("GET", "/bans")[1]["bans"]) == 1
        assert service.operator(1).ask("DELETE", f"/bans/id/{lifted_by}") == (204, None)
        assert service.operator(1).ask("DELETE", "/bans/user/mallory")[0] == 404
        until(lambda: service.operator(0).ask("GET", "/bans") == (200, NO_BANS), "lifted everywhere")
        known(service.client(0), "mallory")
        assert service.errors() == []


def test_a_user_who_is_banned_while_it_has_no_home(store: RedisServer) -> None:
    """The partner of somebody who was banned during a deploy waits for it until its time is over."""
    with Moderated(store) as service:
        mallory, ada = known(service.modern(0), "mallory"), service.modern(1)
        meet(mallory, ada)
        service[0].kill()
        assert mallory.wait_closed() == 1012
        ada.expect("partner-away")
        assert service[0].wait_exit() == 0
        assert service.operator(1).ask("POST", "/bans", {"user": "mallory", "seconds": 60})[0] == 201
        _, answer = service.resume(1, mallory)
        assert answer["code"] == "RESUME_FAILED"
        assert ada.expect("partner-left")["reason"] == "removed"
        assert service.errors() == []


def test_a_ban_outlasts_the_token(store: RedisServer) -> None:
    """Who is in a call when its token ends cannot be thrown out of it; and the ban of a user named None, all guests."""
    with Moderated(store, JWT_LEEWAY_SECONDS="0") as service:
        mallory, guest = service.client(0), service.client(1)
        life_s = 1
        while True:  # one that is over before it is read proves nothing
            life_s *= 2
            soon = int(time.time()) + life_s
            mallory.send("auth", token=sign({"sub": "mallory", "exp": soon}))
            if not mallory.sync():
                break
        meet(mallory, guest)
        until(lambda: time.time() > soon, "the token has ended")
        operator = service.operator(1)
        assert operator.ask("GET", f"/clients/{mallory.id}")[1]["userId"] == "mallory"
        assert operator.ask("POST", "/bans", {"user": "None", "seconds": 60})[0] == 201
        assert operator.ask("POST", "/bans", {"client": mallory.id, "seconds": 60})[1]["bans"][0]["value"] == "mallory"
        assert closed(mallory) == 1008
        guest.expect("partner-left")
        assert operator.ask("POST", "/bans", {"client": guest.id, "seconds": 60, "kinds": ["user"]})[0] == 409
        assert guest.sync() == []
        assert service.errors() == []


def test_a_banned_crowd_is_met_no_more(store: RedisServer) -> None:
    """While somebody's twenty connections are closed its partner is matched with each of them in turn."""
    with Moderated(store, MAX_WAITING_PER_USER="0") as service:
        crowd = [known(service.client(0), "mallory") for _ in range(20)]
        guest = service.client(0)
        for client in crowd:
            client.send("available")
            assert client.sync() == []  # in this order, whatever connection is read first
        guest.send("available")
        met(crowd[0], guest)
        assert service.operator(0).ask("POST", "/bans", {"user": "mallory", "seconds": 60})[0] == 201
        assert [closed(client) for client in crowd] == [1008] * 20
        assert guest.expect("partner-left")
        assert guest.sync() == []
        assert service.errors() == []


def test_an_operator_who_hangs_up(store: RedisServer) -> None:
    """Each request that is given up looks like a bug in the log."""
    with Moderated(store) as service:
        store.freeze()
        with socket.create_connection(("127.0.0.1", _admin_port(service[0]))) as connection:
            connection.sendall(
                b"GET /clients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
            )
            assert service.operator(0).ask("GET", "/bans") == (200, NO_BANS)
        store.thaw()
        service.wait_joined()
        assert service.operator(0).ask("GET", "/clients")[1]["complete"] is True
        assert service.errors() == []


def test_forms_hold_nobody_up(moderated: "Endpoints") -> None:
    """A page that an operator looks at sends a form of megabytes to the operator's own machine: calls stand still."""
    form = b"a=1&" * (200 * 1024)
    with Client(moderated.port) as bystander, socket.create_connection(("127.0.0.1", moderated.admin)) as browser:
        head = b"POST /bans HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        before = processor_s(moderated.pid)
        browser.sendall(head + b"Content-Length: %d\r\n\r\n" % len(form) + form)
        assert browser.recv(1024).startswith(b"HTTP/1.1 401 ")
        bystander.sync()
        assert processor_s(moderated.pid) - before < 1.0, "reading it as a form takes longer"
    with socket.create_connection(("127.0.0.1", moderated.admin)) as browser, pytest.raises(OSError):
        browser.sendall(head + b"Content-Length: 1000000000\r\n\r\n")
        while True:
            browser.sendall(b"x" * 65536)


def test_a_banned_address_stays_out(store: RedisServer) -> None:
    """A ban holds on one instance only, or for those who come later only, or a restart lifts it."""
    with Moderated(store) as service:
        here, there = service.client(0), service.client(1)
        assert service.operator(0).ask("POST", "/bans", {"address": "127.0.0.1", "seconds": 600})[0] == 201
        assert closed(here) == 1008 == closed(there)
        service.restart(1)
        service[1].wait_for("listening on", times=2)
        until(lambda: service.operator(1).ask("GET", "/bans")[1]["total"] == 1, "it knows the ban")
        for number in (0, 1):
            with pytest.raises(AssertionError, match="403"):
                service.client(number)
        assert service.operator(1).ask("DELETE", "/bans/address/127.0.0.1") == (204, None)
        until(lambda: service.operator(0).ask("GET", "/bans") == (200, NO_BANS), "lifted everywhere")
        service.client(0)
        service.client(1)
        assert service.errors() == []


def test_who_has_gone_can_be_banned_by_its_client_id(store: RedisServer) -> None:
    """Reports are read later than they are written: by then the offender has another id."""
    with Moderated(store) as service:
        mallory, guest = known(service.client(1), "mallory"), service.client(1)
        for client in (mallory, guest):
            client.socket.close()
        service[1].wait_clients(0)
        operator = service.operator(0)
        status, answer = operator.ask("POST", "/bans", {"client": mallory.id, "seconds": 600})
        assert (status, [(ban["kind"], ban["value"]) for ban in answer["bans"]]) == (201, [("user", "mallory")])
        status, answer = operator.ask("POST", "/bans", {"client": guest.id, "seconds": 600})
        assert (status, [(ban["kind"], ban["value"]) for ban in answer["bans"]]) == (201, [("address", "127.0.0.1")])
        assert operator.ask("POST", "/bans", {"client": "nobody", "seconds": 600})[0] == 404
        assert service.errors() == []


def test_a_flooder_is_banned_on_every_instance(store: RedisServer) -> None:
    """On n instances somebody has to be banned n times."""
    with Moderated(store, VIOLATIONS_PER_MINUTE="5", MAX_MSG_PER_SECOND="1", BAN_SECONDS="600") as service:
        bystander = service.client(1)
        flooder = service.client(0)
        for _ in range(20):
            flooder.send("ping")
        with pytest.raises(Closed):
            while True:
                flooder.receive()
        until(lambda: len(service.operator(1).ask("GET", "/bans")[1]["bans"]) == 1, "the other instance knows")
        with pytest.raises(AssertionError, match="403"):
            service.client(1)
        bystander.send("ping")
        assert bystander.expect("pong"), "an address is often shared: who is connected stays"
        assert service.errors() == []


def test_an_operator_can_act_while_the_store_is_away(store: RedisServer) -> None:
    """In an outage, when somebody has to look, the operator's requests hang or do nothing."""
    with Moderated(store) as service:
        here, there = service.client(0), service.client(1)
        store.kill()
        service.wait_joined(joined=False)
        operator = service.operator(0)
        status, listed = operator.ask("GET", "/clients")
        assert (status, listed["complete"], [c["clientId"] for c in listed["clients"]]) == (200, False, [here.id])
        assert operator.ask("GET", f"/clients/{there.id}")[0] == 503
        assert service[0].says("/online") == {"online": 1, "waiting": 0, "complete": False}
        assert operator.ask("DELETE", f"/clients/{here.id}") == (204, None)
        assert closed(here) == 1008
        assert operator.ask("POST", "/bans", {"address": "127.0.0.1", "seconds": 600})[0] == 201
        store.start(empty=True)
        service.wait_joined()
        assert closed(there) == 1008


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1]], ids=str)
def test_only_who_has_the_token(moderated: Endpoints, token: str | None) -> None:
    """Anybody who reaches the port could throw everybody out."""
    stranger = Operator(moderated.admin, token)
    for method, path in (("GET", "/clients"), ("DELETE", "/clients/x"), ("GET", "/bans"), ("POST", "/bans")):
        status, answer = stranger.ask(method, path)
        assert status == 401
        assert set(answer) == {"error"}
        assert stranger.headers["www-authenticate"].startswith("Bearer")


BAD = [
    ("GET", "/clients?limit=0", None, 400, "limit"),
    ("GET", "/clients?limit=x", None, 400, "limit"),
    ("PUT", "/clients", None, 405, "GET"),
    ("GET", "/clients/a/b", None, 404, "nothing here"),
    ("DELETE", "/clients/x?reason=" + "x" * 101, None, 400, "reason"),
    ("GET", "/bans/user/x", None, 404, "no ban"),
    ("PUT", "/bans/user/x", None, 405, "DELETE"),
    ("GET", "/bans/planet/x", None, 404, "nothing here"),
    ("DELETE", "/bans/address/192.0.2.9", None, 404, "no ban"),
    ("POST", "/bans", b"", 400, "JSON"),
    ("POST", "/bans", b"\xff", 400, "JSON"),
    ("POST", "/bans", b"[]", 400, "object"),
    ("POST", "/bans", b"x" * 20_000, 413, "16384"),
    ("POST", "/bans", {"seconds": 60}, 400, "exactly one"),
    ("POST", "/bans", {"address": "192.0.2.1"}, 400, "seconds"),
    ("POST", "/bans", {"address": "192.0.2.1", "client": "x", "seconds": 60}, 400, "exactly one"),
    ("POST", "/bans", {"address": "", "seconds": 60}, 400, "address"),
    ("POST", "/bans", {"client": "", "seconds": 60}, 400, "client"),
    ("POST", "/bans", {"client": "x", "seconds": 60}, 404, "no such client"),
    ("POST", "/bans", {"client": "x", "seconds": 60, "kinds": ["planet"]}, 400, "kinds"),
    ("POST", "/bans", {"address": "example.org", "seconds": 60}, 400, "address"),
    ("POST", "/bans", {"address": "192.0.2.1", "seconds": 0}, 400, "seconds"),
    ("POST", "/bans", {"address": "192.0.2.1", "seconds": 1e300}, 400, "seconds"),
    ("POST", "/bans", {"address": "192.0.2.1", "second": 60}, 400, "second"),
    ("POST", "/bans", {"address": "192.0.2.1", "seconds": 60, "reason": "x" * 101}, 400, "reason"),
    ("POST", "/bans", {"address": "192.0.2.1", "seconds": 60, "kinds": ["address"]}, 400, "kinds"),
    ("POST", "/bans", {"user": "ada", "seconds": 60}, 409, "AUTH_MODE"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "word"), BAD)
def test_mistakes_are_told(moderated: Endpoints, method: str, path: str, body: object, status: int, word: str) -> None:
    """An operator in a hurry gets a traceback, or a ban that is not the one that was meant."""
    operator = Operator(moderated.admin)
    answered, answer = operator.ask(method, path, body)
    assert (answered, word in answer["error"]) == (status, True), (answered, answer)
    assert operator.ask("GET", "/bans") == (200, NO_BANS)


def test_an_ipv4_address_is_one_however_it_is_written(moderated: "Endpoints") -> None:
    """Whoever copies an address from a log with IPv6 sockets bans all of the IPv4 internet, or nobody."""
    operator = Operator(moderated.admin)
    status, answer = operator.ask("POST", "/bans", {"address": "::ffff:203.0.113.9", "seconds": 60})
    assert (status, answer["bans"][0]["value"]) == (201, "203.0.113.9")
    assert operator.ask("GET", "/bans/address/203.0.113.9")[1]["value"] == "203.0.113.9"
    assert operator.ask("DELETE", "/bans/address/::ffff:203.0.113.9") == (204, None)


def test_ipv6_is_banned_by_its_network(moderated: Endpoints) -> None:
    """Who has one address of a /64 has them all."""
    operator = Operator(moderated.admin)
    status, answer = operator.ask("POST", "/bans", {"address": "2001:DB8::1", "seconds": 60})
    assert (status, answer["bans"][0]["value"]) == (201, "2001:db8::/64")
    assert operator.ask("DELETE", "/bans/address/2001:db8::%2F64") == (204, None)
    assert operator.ask("POST", "/bans", {"address": "2001:db8::2", "seconds": 60})[0] == 201
    assert operator.ask("DELETE", "/bans/address/2001:db8::7") == (204, None)


def test_without_a_token_there_is_no_api() -> None:
    """An operator who has not thought of it leaves a door open."""
    port = free_port()
    with DaemonProcess(variables={"ADMIN_LISTEN": f"tcp:{port}:interface=127.0.0.1"}, ready=2):
        assert Operator(port, "").ask("GET", "/clients") == (403, {"error": "set ADMIN_TOKEN to use this"})


@pytest.fixture(scope="module")
def moderated() -> Iterator["Endpoints"]:
    """The ports of a daemon without a store."""
    port = free_port()
    variables = {"ADMIN_LISTEN": f"tcp:{port}:interface=127.0.0.1", "ADMIN_TOKEN": TOKEN}
    with DaemonProcess(variables=variables, ready=2) as daemon:
        yield Endpoints(daemon.port if daemon.port != port else daemon.ports[1], port, daemon.pid)
        assert daemon.errors == []

"""How many people are here, for the front page of a site; and in which pools, for the operator."""

import json
from typing import Any

import msgspec

from signald.brokers.interface import Answers
from signald.brokers.memory import MemoryBroker
from tests.support.frames import Response
from tests.support.memory import MemoryDaemon, MemoryTest
from tests.support.operator import TOKEN


def ask(daemon: MemoryDaemon, *headers: str, path: str = "/online", listener: int = 0) -> Response:
    """The answer to ``/online``, or to another path."""
    client = daemon.connect(listener=listener)
    client.write(
        "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", "")).encode()
    )
    daemon.settle()
    assert client.gone
    return client.response


def in_pool(daemon: MemoryDaemon, pool: str) -> Any:
    """What ``/online`` says of a pool."""
    return json.loads(ask(daemon, path=f"/online?pool={pool}").rest)


class OnlineTest(MemoryTest):
    """Of one process in memory."""

    def test_who_is_here_and_who_waits(self) -> None:
        """A front page shows nobody, or people who have gone."""
        daemon = self.start()
        self.assertEqual(json.loads(ask(daemon).rest), {"online": 0, "waiting": 0, "complete": True})
        daemon.pair()
        daemon.client().send("available")
        away = daemon.modern()
        away.vanish()
        self.assertEqual(json.loads(ask(daemon).rest)["online"], 0, "asked again within a second")
        daemon.advance(1.0)
        self.assertEqual(json.loads(ask(daemon).rest), {"online": 4, "waiting": 1, "complete": True})

    def test_who_is_in_a_pool(self) -> None:
        """A page for chess shows how many people are here for anything else; a friend sees nobody in the room."""
        daemon = self.start()
        self.assertEqual(in_pool(daemon, "chess"), {"online": 0, "waiting": 0, "complete": True})
        one, other, third = (daemon.modern() for _ in range(3))
        for client in (one, other, third):
            client.send("available", pool="Chess")
        away = daemon.modern()
        away.send("available", pool="Caf\u00e9")
        away.vanish()
        daemon.client().send("available")
        daemon.client()
        self.assertEqual(in_pool(daemon, "chess"), {"online": 0, "waiting": 0, "complete": True}, "asked in a second")
        daemon.advance(1.0)
        self.assertEqual(in_pool(daemon, "chess"), {"online": 3, "waiting": 1, "complete": True})
        self.assertEqual(in_pool(daemon, "CAFE%CC%81"), {"online": 1, "waiting": 0, "complete": True})
        self.assertEqual(in_pool(daemon, ""), {"online": 1, "waiting": 1, "complete": True})
        self.assertEqual(json.loads(ask(daemon).rest), {"online": 6, "waiting": 2, "complete": True})
        third.send("leave")
        daemon.advance(1.0)
        self.assertEqual(in_pool(daemon, "CHESS"), {"online": 2, "waiting": 0, "complete": True})

    def test_an_answer_that_cannot_be_read(self) -> None:
        """After one wrong answer of an instance no page ever shows again who is here, and each waits for ever."""

        async def nonsense(broker: MemoryBroker, question: bytes) -> Answers:
            return Answers({broker.instance: b'{"online":"many"}'})

        daemon = self.start()
        patched = self.patch(MemoryBroker, "ask", nonsense)
        for path in ("/online", "/online?pool=chess"):
            answer = ask(daemon, path=path)
            self.assertEqual((answer.status, answer.headers["cache-control"]), (500, "no-store"))
            self.assertIn("error", json.loads(answer.rest))
        self.assertEqual(len(self.flushLoggedErrors(msgspec.ValidationError)), 2)
        patched.restore()
        self.assertEqual(json.loads(ask(daemon).rest), {"online": 0, "waiting": 0, "complete": True})

    def test_a_pool_without_end(self) -> None:
        """Whoever asks for names of megabytes makes all instances read them."""
        daemon = self.start()
        self.assertEqual(ask(daemon, path=f"/online?pool={32 * 'x'}").status, 200)
        answer = ask(daemon, path=f"/online?pool={33 * 'x'}")
        self.assertEqual((answer.status, json.loads(answer.rest)), (400, {"error": "pool: at most 32 characters"}))

    def test_pools_for_the_operator_alone(self) -> None:
        """An operator does not see where people wait for ever; or a stranger finds the rooms of two."""
        daemon = self.start(ADMIN_LISTEN="tcp:9101:interface=127.0.0.1", ADMIN_TOKEN=TOKEN)
        clients = [daemon.modern() for _ in range(4)]
        clients[0].send("available", pool="b", wants={"x": ["y"]})
        daemon.advance(10.0)
        clients[1].send("available", pool="b", wants={"x": ["y"]})
        clients[2].send("available")
        clients[3].send("available", pool="a")
        shown = f"Authorization: Bearer {TOKEN}"
        self.assertEqual(ask(daemon, path="/pools", listener=1).status, 401)
        self.assertEqual(ask(daemon, shown, path="/pools").status, 404)
        _, chunk, _ = ask(daemon, shown, path="/pools?limit=2", listener=1).rest.split(b"\r\n", 2)
        answer = json.loads(chunk)
        self.assertEqual(
            answer,
            {
                "total": 3,
                "pools": [
                    {"pool": "b", "online": 2, "waiting": 2, "longestSeconds": 10.0},
                    {"pool": "", "online": 1, "waiting": 1, "longestSeconds": 0.0},
                ],
                "complete": True,
                "silent": [],
            },
        )

    def test_other_sites(self) -> None:
        """The page of the site, on its own domain, may not read the number; or anybody's may."""
        self.assertEqual(ask(self.start(), "Origin: https://x.example").headers["access-control-allow-origin"], "*")
        daemon = self.start(ALLOWED_ORIGIN="https://*.example.com")
        for origin, allowed in (("https://www.example.com", True), ("https://example.org", False)):
            headers = ask(daemon, f"Origin: {origin}").headers
            self.assertEqual(headers.get("access-control-allow-origin"), origin if allowed else None)
            self.assertEqual(headers["vary"], "Origin")
            self.assertEqual(headers["cache-control"], "public, max-age=1")

    def test_who_does_not_want_it(self) -> None:
        """An operator cannot keep to itself how many users there are."""
        self.assertEqual(ask(self.start(PUBLIC_ONLINE="false")).status, 404)

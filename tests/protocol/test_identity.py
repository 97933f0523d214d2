"""Tokens on the wire: how they come, what an error looks like, and when a connection ends by them."""

from collections.abc import Sequence
from typing import Any

from tests.support.frames import CLOSE, handshake
from tests.support.memory import STARTED_AT, MemoryClient, MemoryDaemon, MemoryTest
from tests.support.tokens import SECRET, sign

BAD = sign({"sub": "ada", "exp": 1})


def token(user: str, seconds: float = 3600) -> str:
    """A good one, for so long after the daemon's start."""
    return sign({"sub": user, "exp": STARTED_AT + seconds})


class IdentityTest(MemoryTest):
    """A daemon that checks tokens."""

    mode = "required"

    def setUp(self) -> None:
        self.daemon = self.begin()

    def begin(self, **variables: str) -> MemoryDaemon:
        return self.start(
            AUTH_MODE=self.mode, JWT_SECRET=SECRET, JWT_LEEWAY_SECONDS="0", HEARTBEAT_SECONDS="3600", **variables
        )

    def client(self, user: str | None = None, seconds: float = 3600) -> MemoryClient:
        client = self.daemon.client()
        if user is not None:
            client.send("auth", token=token(user, seconds))
            self.assertEqual(client.take(), [])
        return client

    def connect(self, path: str = "/ws", protocols: Sequence[str] = ()) -> MemoryClient:
        """A client whose handshake is of a form of its own."""
        client = self.daemon.connect()
        client.write(handshake(path=path, protocols=protocols))
        self.assertEqual(client.response.status, 101)
        return client

    def codes(self, client: MemoryClient) -> list[Any]:
        return [message.get("code", message["type"]) for message in client.take()]


class Required(IdentityTest):
    """Nobody waits without a token."""

    def test_without_a_token(self) -> None:
        """Strangers get in; or they never learn why they are not called."""
        stranger = self.client()
        for fields in ({}, {"userId": "ada"}, {"token": None}, {"token": ""}):
            stranger.send("auth", **fields)
            self.assertEqual(stranger.take(), [])
            stranger.send("available")
            self.assertEqual(self.codes(stranger), ["AUTH_REQUIRED"])
        ada = self.client("ada")
        ada.send("available")
        self.assertEqual(ada.take(), [])

    def test_two_users(self) -> None:
        """Known users are not paired, or a call of theirs does not go on as any other."""
        ada, bob = self.client("ada"), self.client("bob")
        for client in (ada, bob):
            client.send("available")
        self.assertEqual((ada.types(), bob.types()), (["matched"], ["matched"]))
        ada.send("offer", sdp="v=0")
        self.assertEqual(bob.types(), ["offer"])
        ada.send("next")
        self.assertEqual(bob.types(), ["partner-left"])

    def test_one_user_twice(self) -> None:
        """Somebody with two tabs calls itself, while others wait."""
        tabs = [self.client("ada") for _ in range(3)]
        for tab in tabs:
            tab.send("available")
        self.assertEqual([tab.take() for tab in tabs], [[], [], []])
        bob = self.client("bob")
        bob.send("available")
        self.assertEqual((tabs[0].types(), bob.types()), (["matched"], ["matched"]))

    def test_bad_tokens(self) -> None:
        """Somebody tries tokens one after the other for as long as it likes."""
        client = self.client()
        for _ in range(2):
            client.send("auth", token=BAD)
            (error,) = client.take()
            self.assertEqual((error["code"], error["message"]), ("AUTH_FAILED", "the token has expired"))
        client.send("auth", token="x" * 8193)
        self.assertEqual(self.codes(client), ["INVALID_FORMAT"])
        client.send("auth", token="no token")
        self.assertEqual(self.codes(client), ["AUTH_FAILED"])
        self.assertEqual(client.close_code, 1008)
        self.assertTrue(client.gone)
        self.assertEqual(self.daemon.clients, 0)

    def test_a_bad_token_takes_nothing_away(self) -> None:
        """A page that sends an old token once more loses its place or its call."""
        ada, bob = self.client("ada"), self.client("bob")
        ada.send("available")
        ada.send("auth", token=BAD)
        self.assertEqual(self.codes(ada), ["AUTH_FAILED"])
        bob.send("available")
        self.assertEqual((ada.types(), bob.types()), (["matched"], ["matched"]))

    def test_the_end_of_a_token(self) -> None:
        """A closed account goes on being called; or a call breaks off in its midst."""
        waits, talks, other = self.client("ada", 60), self.client("bob", 60), self.client("carl")
        talks.send("available")
        other.send("available")
        waits.send("available")
        self.assertEqual((talks.types(), other.types()), (["matched"], ["matched"]))
        self.daemon.advance(59)
        self.assertEqual(waits.take(), [])
        self.daemon.advance(2)
        (error,) = waits.take()
        self.assertEqual((error["type"], error["code"]), ("error", "AUTH_REQUIRED"))
        self.assertEqual(talks.take(), [])
        talks.send("ice", candidate=None)
        self.assertEqual(other.types(), ["ice"])
        talks.send("next")
        self.assertEqual(self.codes(talks), ["AUTH_REQUIRED"])
        other.send("leave")
        self.assertEqual(self.codes(talks), ["partner-left", "AUTH_REQUIRED"])
        other.send("available")
        self.assertEqual(other.take(), [], "neither of them waits")
        waits.send("auth", token=token("ada"))
        waits.send("available")
        self.assertEqual((waits.types(), other.types()), (["matched"], ["matched"]))

    def test_a_token_that_is_renewed(self) -> None:
        """Who renews its token in time is thrown out at the end of the old one."""
        ada = self.client("ada", 60)
        ada.send("available")
        self.daemon.advance(50)
        ada.send("auth", token=token("ada", 600))
        self.daemon.advance(100)
        self.assertEqual(ada.take(), [])
        bob = self.client("bob")
        bob.send("available")
        self.assertEqual(ada.types(), ["matched"])

    def test_nothing_is_left_behind(self) -> None:
        """The memory grows by each token that was ever shown."""
        (users,) = [service for service in self.daemon.daemon.services if type(service).__name__ == "Users"]
        clients = [self.client(f"user{number}", 60 + number) for number in range(5)]
        clients[0].send("auth", token=token("ada", 99))
        clients[1].close()
        clients[2].vanish()
        for _ in range(3):
            clients[3].send("auth", token=BAD)
        self.daemon.advance(5)
        self.assertEqual(len(users), 2)
        for client in clients:
            client.vanish()
        self.assertEqual([len(users), users._known, users._of_user, users._ending], [0, {}, {}, {}])


class AtTheHandshake(IdentityTest):
    """A token that comes with the connection."""

    def available(self, client: MemoryClient) -> list[Any]:
        client.send("available")
        return self.codes(client)

    def test_as_a_subprotocol(self) -> None:
        """A page cannot show its token while it connects."""
        client = self.connect(protocols=["signald.v1", f"bearer.{token('ada')}"])
        self.assertEqual(client.response.headers["sec-websocket-protocol"], "signald.v1")
        self.assertEqual(self.available(client), ["ready"])

    def test_it_is_never_answered(self) -> None:
        """The token stands in the log of every proxy that logs responses."""
        secret = token("ada")
        for protocols in ([f"bearer.{secret}"], [f"bearer.{secret}", "signald.v1"]):
            client = self.connect(protocols=protocols)
            self.assertNotIn(secret.encode(), client.raw)
            self.assertEqual("sec-websocket-protocol" in client.response.headers, "signald.v1" in protocols)
            self.assertEqual(self.available(client), ["ready"])

    def test_in_the_query(self) -> None:
        """A client whose library cannot offer subprotocols cannot show its token while it connects."""
        for query in (
            f"?token={token('ada')}",
            f"?x=1&token={token('ada')}&y",
            f"?token={token('ada').replace('.', '%2E')}",
        ):
            self.assertEqual(self.available(self.connect(f"/ws{query}")), ["ready"], query)

    def test_by_either_way_of_reading(self) -> None:
        """A handshake that is unusual in some other way loses its token."""
        client = self.daemon.connect()
        client.write(handshake(path=f"/ws?token={token('ada')}", x=", ").replace(b"x: , ", b"X-A: 1\r\nX-A: 2"))
        self.assertEqual(client.response.status, 101)
        self.assertEqual(self.available(client), ["ready"])
        client = self.daemon.connect()
        offers = ["signald.v1", f"bearer.{token('ada')}"]
        client.write(handshake(protocols=offers, x=", ").replace(b"x: , ", b"X-A: 1\r\nX-A: 2"))
        self.assertEqual(self.available(client), ["ready"])

    def test_a_bad_one(self) -> None:
        """A page with an old token does not learn why it is not let in; or it gets in."""
        for client in (self.connect(f"/ws?token={BAD}"), self.connect(protocols=[f"bearer.{BAD}"])):
            self.assertEqual(self.codes(client), ["ready", "AUTH_FAILED"])
            self.assertEqual(self.available(client), ["AUTH_REQUIRED"])
            client.send("auth", token=token("ada"))
            self.assertEqual(self.available(client), [])
            client.send("leave")

    def test_odd_ones(self) -> None:
        """Some address ends the connection with an internal error."""
        for query in (
            "?token=",
            "?token",
            "?",
            "?token=%",
            "?token=%ff%00",
            "?" + "token=a&" * 900,
            "?token=" + "x" * 9000,
        ):
            client = self.connect(f"/ws{query}")
            self.assertEqual(self.codes(client)[0], "ready", query[:20])
            self.assertEqual(self.available(client), ["AUTH_REQUIRED"], query[:20])


class Limited(IdentityTest):
    """So many connections of one user."""

    def test_the_newest_is_refused(self) -> None:
        """One user takes all places, or is shut out by its own old connections."""
        self.daemon = self.begin(MAX_CONNECTIONS_PER_USER="2")
        first, _ = self.client("ada"), self.client("ada")
        third = self.client()
        third.send("auth", token=token("ada"))
        (error,) = third.take()
        self.assertEqual(
            (error["code"], error["message"]), ("AUTH_FAILED", "this user has too many connections already")
        )
        modern = self.daemon.modern()
        modern.take()
        modern.send("auth", token=token("ada"))
        self.assertEqual(modern.take()[-1]["code"], "TOO_MANY_OF_USER")
        third.send("available")
        self.assertEqual(self.codes(third), ["AUTH_REQUIRED"])
        first.send("auth", token=token("ada", 7200))
        self.assertEqual(first.take(), [], "it has its place already")
        self.client("bob")
        first.close()
        third.send("auth", token=token("ada"))
        self.assertEqual(third.take(), [])

    def test_the_oldest_is_replaced(self) -> None:
        """Who comes back after its network failed waits until the server notices; or the wrong connection is closed."""
        self.daemon = self.begin(MAX_CONNECTIONS_PER_USER="2", USER_OVERFLOW="replace")
        first, second, bob = self.client("ada"), self.client("ada"), self.client("bob")
        for client in (first, bob):
            client.send("available")
        self.assertEqual((first.types(), bob.types()), (["matched"], ["matched"]))
        third = self.client("ada")
        self.assertEqual((first.close_code, second.close_code, third.close_code), (1008, None, None))
        self.assertEqual(bob.types(), ["partner-left"])
        third.send("available")
        self.assertEqual((third.types(), bob.types()), (["matched"], ["matched"]))
        (frame,) = [frame for frame in first.frames if frame.opcode == CLOSE]
        self.assertIn(b"newer connection", frame.payload)


class Optional(IdentityTest):
    """A token names a user; guests are welcome."""

    mode = "optional"

    def test_guests_and_users(self) -> None:
        """Guests are shut out; or a user meets itself among them."""
        guest, ada, again = self.client(), self.client("ada"), self.client("ada")
        for client in (ada, again, guest):
            client.send("available")
        self.assertEqual((ada.types(), again.types(), guest.types()), (["matched"], [], ["matched"]))

    def test_named_while_waiting(self) -> None:
        """Who waits as a guest and then shows its token is called by its own other tab."""
        waits, ada = self.client(), self.client("ada")
        waits.send("available")
        waits.send("auth", token=token("ada"))
        ada.send("available")
        self.assertEqual((waits.types(), ada.types()), ([], []))


class Off(MemoryTest):
    """The default, as the old server."""

    def test_nothing_is_looked_at(self) -> None:
        """A client of the old server gets an error that it does not know, or is not paired with its other tab."""
        daemon = self.start()
        clients = [daemon.client(protocols=["signald.v1", f"bearer.{BAD}"]), daemon.connect()]
        clients[1].write(handshake(path=f"/ws?token={BAD}"))
        self.assertEqual(clients[1].types(), ["ready"])
        for client in clients:
            for _ in range(5):
                client.send("auth", userId="ada", token=BAD)
            self.assertEqual(client.take(), [])
            client.send("available")
        self.assertEqual([client.types() for client in clients], [["matched"], ["matched"]])


class SlowRequired(Required):
    """The same by Autobahn."""

    fast_path = False


class SlowAtTheHandshake(AtTheHandshake):
    """The same by Autobahn."""

    fast_path = False


class SlowOff(Off):
    """The same by Autobahn."""

    fast_path = False

"""Whom clients want to meet: what they say, what they are told, and what stays as it was for all others."""

import jwt

from signald.clients.bulletins import BULLETINS_S
from tests.support.memory import MemoryTest

SECRET = "0123456789abcdef0123456789abcdef"


class WishTest(MemoryTest):
    """The daemon in memory."""

    def test_likes_in_common(self) -> None:
        """A page cannot say "you both like …", or says what the other one wrote."""
        daemon = self.start()
        one, other, third = daemon.modern(), daemon.modern(), daemon.client()
        one.send("available", likes=["Caf\u00e9", "chess"])
        third.send("available", likes=["go"])
        other.send("available", likes=["cafe\u0301", "go", "CHESS"])
        (told,) = one.take()
        self.assertEqual(told["common"], {"likes": ["Caf\u00e9", "chess"], "relaxed": []})
        (told,) = other.take()
        self.assertEqual(told["common"], {"likes": ["cafe\u0301", "CHESS"], "relaxed": []})
        self.assertEqual(third.take(), [])

    def test_old_clients_see_nothing_new(self) -> None:
        """A client of the first protocol meets a field or a message that it does not know."""
        daemon = self.start()
        old, modern = daemon.client(), daemon.modern()
        old.send("available", likes=["x"])
        daemon.advance(2 * BULLETINS_S)
        self.assertEqual(old.take(), [])
        modern.send("available")
        for client, more in ((old, set()), (modern, {"resume", "data"})):
            (told,) = client.take()
            self.assertEqual(set(told), {"type", "roomId", "partnerId", "initiator"} | more)

    def test_what_wore_off_is_told(self) -> None:
        """A page cannot say why somebody speaks another language than was asked for."""
        daemon = self.start()
        one, other = daemon.modern(), daemon.modern()
        one.send("available", **{"is": {"lang": ["en"]}, "wants": {"lang": ["en"]}, "relax": {"lang": 10}})
        other.send("available", **{"is": {"lang": ["de"]}})
        daemon.advance(9.5)
        self.assertEqual([kind for kind in one.types() if kind == "matched"], [])
        daemon.advance(0.5)
        told = one.take()[-1]
        self.assertEqual(told["common"], {"likes": [], "relaxed": ["lang"]})
        self.assertEqual(other.take()[-1]["common"], {"likes": [], "relaxed": []})

    def test_who_waits_is_told_so(self) -> None:
        """Somebody who wants to meet somebody special looks at a page on which nothing happens."""
        daemon = self.start()
        crowd = [daemon.modern() for _ in range(11)]
        for number, client in enumerate(crowd):
            client.send("available", pool="p", wants={"k": [str(number)]})
        daemon.advance(BULLETINS_S)
        for client in crowd:
            self.assertEqual(client.take(), [{"type": "waiting", "seconds": 5, "atLeast": 10}])
        for client in crowd[2:]:
            client.send("leave")
        daemon.advance(BULLETINS_S)
        self.assertEqual(crowd[0].take(), [{"type": "waiting", "seconds": 10, "atLeast": 1}])
        self.assertEqual(crowd[5].take(), [])

    def test_next_keeps_wishes_and_changes_them(self) -> None:
        """Somebody who asked for a language once gets anybody from the second partner on."""
        daemon = self.start()
        one, other, third = (daemon.modern() for _ in range(3))
        one.send("available", pool="p")
        other.send("available", pool="p")
        one.take()
        one.send("next")
        third.send("available")
        self.assertEqual(one.take(), [])
        other.send("leave")
        third.send("available", pool="P")
        self.assertEqual(one.types(), ["matched"])
        one.send("next", pool="q")
        other.send("available", pool="q")
        daemon.advance(4)
        self.assertEqual(one.types(), ["matched"])
        one.send("leave")
        one.send("available")
        self.assertEqual(one.take(), [], "what `available` does not say does not hold")

    def test_who_waits_may_change_its_mind(self) -> None:
        """Somebody has to leave the queue, and lose the place, to ask for less."""
        daemon = self.start()
        first, second, comes = (daemon.modern() for _ in range(3))
        first.send("available", pool="p")
        daemon.advance(1)
        second.send("available", wants={"x": ["y"]})
        daemon.advance(1)
        first.send("available", wants={"x": ["y"]})
        first.send("available")
        comes.send("available", **{"is": {"x": ["y"]}})
        self.assertEqual((first.types(), second.types()), (["matched"], []))

    def test_a_mistake_changes_nothing(self) -> None:
        """Somebody waits for what nobody understood, or loses the place or the partner by a slip."""
        daemon = self.start(MATCH_KEYS="lang;gender=f,m,x")
        client, other = daemon.client(), daemon.client()
        for fields in ({"pool": 5}, {"wants": {"hair": ["red"]}}, {"is": {"gender": ["q"]}}, {"relax": {"hair": 1}}):
            client.send("available", **fields)
            (told,) = client.take()
            self.assertEqual((told["type"], told["code"]), ("error", "INVALID_FORMAT"))
            self.assertIn(f"$.{next(iter(fields))}", told["message"])
        other.send("available")
        client.send("available")
        self.assertEqual((client.types(), other.types()), (["matched"], ["matched"]))
        client.send("next", likes=5)
        self.assertEqual((client.types(), other.types()), (["error"], []))

    def test_the_last_eight_are_avoided(self) -> None:
        """Whoever presses "next" among a few meets the same two again and again."""
        daemon = self.start()
        one = daemon.modern()
        met = []
        one.send("available", pool="p")
        for _ in range(10):
            other = daemon.modern()
            other.send("available", pool="p")
            met.append(one.take()[-1]["partnerId"])
            one.send("next")
            other.send("leave")
            other.take()
        self.assertEqual(len(set(met)), 10)
        second = other
        second.send("available", pool="p")
        self.assertEqual(one.take(), [])
        daemon.advance(3)
        self.assertEqual(one.types()[-1], "matched")

    def test_facts_from_the_token(self) -> None:
        """Somebody says that it is an adult, and is believed."""
        daemon = self.start(AUTH_MODE="optional", JWT_SECRET=SECRET, MATCH_CLAIMS="adult")
        now = int(daemon.unix_time())
        wants, good, liar = daemon.modern(), daemon.modern(), daemon.modern()
        wants.send("available", wants={"adult": ["true"]})
        liar.send("available", **{"is": {"adult": ["true"]}})
        self.assertEqual(liar.take(), [])
        good.send("auth", token=jwt.encode({"sub": "ada", "exp": now + 60, "adult": True}, SECRET, "HS256"))
        good.send("available")
        self.assertEqual((wants.types()[-1:], good.types()), (["matched"], ["matched"]))

    def test_one_user_waits_with_some_connections(self) -> None:
        """One user fills the queue with connections that may meet nobody, and each search passes them all."""
        daemon = self.start(AUTH_MODE="optional", JWT_SECRET=SECRET, MAX_WAITING_PER_USER="2")
        token = jwt.encode({"sub": "ada", "exp": int(daemon.unix_time()) + 60}, SECRET, "HS256")
        clients = [daemon.client() for _ in range(3)]
        for client in clients:
            client.send("auth", token=token)
            client.send("available")
        self.assertEqual([client.types() for client in clients], [[], [], ["error"]])
        clients[0].send("leave")
        clients[2].send("available")
        self.assertEqual(clients[2].take(), [])
        guest = daemon.client()
        guest.send("available")
        self.assertEqual((clients[1].types(), guest.types()), (["matched"], ["matched"]))

    def test_wishes_outlive_the_connection(self) -> None:
        """Somebody who comes back through a tunnel is called by whom it did not want."""
        daemon = self.start()
        one, stranger = daemon.modern(), daemon.modern()
        one.send("available", pool="p", likes=["x"])
        one.vanish()
        again = daemon.resume(one)
        stranger.send("available")
        other = daemon.modern()
        other.send("available", pool="p", likes=["x"])
        self.assertEqual(again.take()[-1]["common"], {"likes": ["x"], "relaxed": []})
        self.assertEqual(stranger.take(), [])


class WishSlowTest(WishTest):
    """The same with all frames by Autobahn."""

    fast_path = False

"""Two tabs of one browser are not matched with each other while others wait."""

from tests.support.memory import MemoryClient, MemoryTest

BROWSER = "0123456789abcdefghijkl"


class Browsers(MemoryTest):
    """`browser` in `available` and `next`."""

    def setUp(self) -> None:
        self.daemon = self.start()

    def tab(self, **wishes: object) -> MemoryClient:
        tab = self.daemon.modern()
        tab.send("available", browser=BROWSER, **wishes)
        return tab

    def test_others_first(self) -> None:
        """Somebody who opens a second tab sees itself."""
        one, other = self.tab(), self.tab()
        self.assertEqual((one.types(), other.types()), ([], []))
        stranger = self.daemon.client()
        stranger.send("available")
        self.assertEqual((one.types(), other.types(), stranger.types()), (["matched"], [], ["matched"]))

    def test_alone(self) -> None:
        """Somebody who tries a page with two tabs believes that it does not work."""
        one, other = self.tab(), self.tab(likes=["chess"])
        self.daemon.advance(2.5)
        self.assertEqual((one.types(), other.types()), ([], []))
        self.daemon.advance(1)
        self.assertEqual((one.types(), other.types()), (["matched"], ["matched"]))

    def test_it_holds_for_the_session(self) -> None:
        """After a partner left, the two tabs see each other at once."""
        one, two, three = self.tab(), self.daemon.modern(), self.tab()
        two.send("available")
        one.take()
        two.send("leave")
        self.assertEqual((one.types(), three.types()), (["partner-left"], []))

    def test_said_while_waiting(self) -> None:
        """A page that knows its browser late is matched with its other tab."""
        one = self.daemon.modern()
        one.send("available", likes=["chess"])
        one.send("available", browser=BROWSER)
        other = self.tab(likes=["chess"])
        self.assertEqual((one.types(), other.types()), ([], []))
        third = self.daemon.modern()
        third.send("available", likes=["chess"])
        self.assertEqual(one.take()[0]["common"], {"likes": ["chess"], "relaxed": []}, "what it wants is as before")

    def test_bad_ones(self) -> None:
        """A page that says the same for all its users keeps them all apart, and nobody tells its author."""
        client = self.daemon.modern()
        for bad in ("short", "x" * 65, 17, None, {"a": 1}):
            client.send("available", browser=bad, pool="elsewhere")
            (error,) = client.take()
            self.assertEqual(error["code"], "INVALID_FORMAT")
            self.assertIn("browser", error["message"])
        client.send("available")
        other = self.daemon.client()
        other.send("available")
        self.assertEqual(client.types(), ["matched"], "nothing has changed")

    def test_old_clients_may_send_what_they_like(self) -> None:
        """A page of the old server that sends the browser's name is refused."""
        one, other = self.daemon.client(), self.daemon.client()
        for client in (one, other):
            client.send("available", browser="Firefox")
        self.assertEqual((one.types(), other.types()), (["matched"], ["matched"]))

    def test_nobody_can_read_it(self) -> None:
        """What was made to keep two tabs apart follows a person around, through logs and stores."""
        tab = self.tab()
        ticket = self.daemon.connections.find(tab.id).session.ticket  # type: ignore[union-attr,arg-type]
        self.assertNotIn(BROWSER, repr(ticket))


class BrowsersBySlowPath(Browsers):
    """The same by Autobahn alone."""

    fast_path = False

"""Nobody waits for a partner who says nothing: MATCH_ANSWER_SECONDS, by the daemon as it is wired."""

from tests.support.memory import MemoryClient, MemoryDaemon, MemoryTest

ANSWER_S = 8.0
LATE_S = 9.0
"""After so long whoever owed a sign has given it, or is found silent."""


class Silent(MemoryTest):
    """A phone that sleeps, a page that hangs, and their partners."""

    def setUp(self) -> None:
        self.daemon = self.start()

    def waiting(
        self, *, modern: bool = False, sleeps: bool = False, daemon: MemoryDaemon | None = None
    ) -> MemoryClient:
        daemon = daemon or self.daemon
        client = daemon.modern() if modern else daemon.client()
        client.send("available")
        client.answers_pings = not sleeps
        return client

    def counted(self) -> int:
        return self.daemon.daemon._counts.silent

    def test_a_phone_that_sleeps(self) -> None:
        """Whoever is matched with a phone that sleeps waits for it until the heartbeat ends it, a minute later."""
        ghost = self.waiting(sleeps=True)
        stranger = self.waiting()
        ghost.take()
        stranger.take()
        self.daemon.advance(ANSWER_S - 1)
        self.assertEqual((ghost.types(), stranger.types()), ([], []))
        self.daemon.advance(2)
        self.assertEqual((ghost.types(), stranger.types()), (["partner-left"], ["partner-left"]))
        self.assertEqual(self.counted(), 1)
        newcomer = self.waiting()
        self.assertEqual((newcomer.types(), stranger.types(), ghost.types()), (["matched"], ["matched"], []))

    def test_it_is_handed_to_nobody_else(self) -> None:
        """One stranger after the other meets the same phone that sleeps."""
        ghost = self.waiting(sleeps=True)
        met = 0
        for _ in range(5):
            stranger = self.waiting()
            met += bool(ghost.types())
            self.daemon.advance(5)
            stranger.send("leave")
            stranger.take()
            ghost.take()
            self.daemon.advance(1)
        self.assertEqual(met, 2, "five seconds with the first, three with the second")

    def test_it_wakes_up(self) -> None:
        """A phone that wakes up waits for ever, though its page shows that it looks for somebody."""
        ghost = self.waiting(sleeps=True)
        self.waiting()
        self.daemon.advance(LATE_S)
        stranger = self.waiting()
        stranger.take()
        ghost.take()
        ghost.answers_pings = True
        ghost.send("offer", sdp="of the call that is over")
        self.assertEqual([error["code"] for error in ghost.take()], ["NOT_PAIRED"])
        self.daemon.advance(1)
        third = self.waiting()
        self.assertEqual((ghost.types(), third.types()), (["matched"], ["matched"]))

    def test_old_place(self) -> None:
        """Who had the bad luck of a silent partner waits behind all who came meanwhile."""
        self.waiting(sleeps=True)
        unlucky, later = self.daemon.client(), self.daemon.client()
        for client, own, other in ((unlucky, "u", "l"), (later, "l", "u")):  # the two may not meet
            client.send("available", **{"is": {"side": [own]}, "avoids": {"side": [other]}})
            self.daemon.advance(1)
        self.daemon.advance(LATE_S)
        self.assertEqual((unlucky.types(), later.types()), (["matched", "partner-left"], []))
        self.waiting()
        self.assertEqual((unlucky.types(), later.types()), (["matched"], []))

    def test_two_pages_of_the_old_server_that_say_nothing(self) -> None:
        """Two old pages that show their users something else first lose each other; they know of no such rule."""
        one, other = self.daemon.pair()
        self.daemon.advance(120)
        self.assertEqual((one.types(), other.types()), ([], []))
        self.assertLess(len(one.pings), 7, "one ping more than the heartbeat's")

    def test_an_old_page_that_offers_though_it_is_not_the_initiator(self) -> None:
        """Pages that compare ids to find out who offers lose each other."""
        initiator, other = self.daemon.pair()
        self.daemon.advance(20)  # asked for the camera
        other.send("offer", sdp="")
        self.daemon.advance(7)
        initiator.send("answer", sdp="")
        self.daemon.advance(60)
        self.assertEqual((initiator.types(), other.types()), (["offer"], ["answer"]))

    def test_a_page_that_hangs(self) -> None:
        """A page that hangs keeps its partner for ever: its browser answers pings for it."""
        initiator, hangs = self.daemon.pair()
        self.daemon.advance(30)
        initiator.send("offer", sdp="")
        self.daemon.advance(LATE_S)
        self.assertEqual((initiator.types(), hangs.types()), (["partner-left"], ["offer", "partner-left"]))

    def test_who_waits_for_an_offer_owes_nothing(self) -> None:
        """Two who write to each other, and take their time, lose each other."""
        initiator, other = self.daemon.pair(modern=True)
        self.daemon.advance(20)
        initiator.send("data", data="hello")
        self.daemon.advance(60)
        self.assertEqual((initiator.types(), other.types()), ([], ["data"]))

    def test_a_sign_is_enough(self) -> None:
        """Somebody whose user is asked for the camera, and who sends `ping` meanwhile, loses its partner."""
        initiator, other = self.daemon.pair(modern=True)
        self.daemon.advance(5)
        initiator.send("ping")
        self.daemon.advance(10)
        initiator.send("offer", sdp="")
        self.daemon.advance(5)
        other.send("ping")
        self.daemon.advance(60)
        self.assertEqual((initiator.types(), other.types()), (["pong"], ["offer", "pong"]))

    def test_clients_of_today_are_told_why(self) -> None:
        """A page that wakes up shows that it waits, and its partner's cannot say what was wrong."""
        initiator, other = self.daemon.pair(modern=True)
        initiator.answers_pings = False
        self.daemon.advance(LATE_S)
        self.assertEqual([message["reason"] for message in initiator.take()], ["silent"])
        self.assertEqual([message["reason"] for message in other.take()], ["gone"])

    def test_offers_later_in_a_call_owe_nothing(self) -> None:
        """A call that is up ends because the partner is slow to answer a change of it."""
        initiator, other = self.daemon.pair()
        initiator.send("offer", sdp="")
        other.send("answer", sdp="")
        self.daemon.advance(10)
        initiator.send("offer", sdp="again")
        self.daemon.advance(60)
        self.assertEqual((initiator.types(), other.types()), (["answer"], ["offer", "offer"]))

    def test_who_is_away_is_excused(self) -> None:
        """Who loses its network at the wrong moment loses its partner too, though it could come back."""
        initiator, other = self.daemon.pair(modern=True)
        initiator.answers_pings = False
        self.daemon.advance(7)
        initiator.vanish()
        self.daemon.advance(20)
        back = self.daemon.resume(initiator)
        self.assertEqual(back.types(), ["resumed"])
        self.daemon.advance(20)
        self.assertEqual((back.types(), other.types()), ([], ["partner-away", "partner-back"]))

    def test_whose_partner_is_away_is_excused(self) -> None:
        """The same, from the other side."""
        initiator, other = self.daemon.pair(modern=True)
        initiator.answers_pings = False
        other.vanish()
        self.daemon.advance(20)
        back = self.daemon.resume(other)
        self.assertEqual((back.types(), initiator.types()), (["resumed"], ["partner-away", "partner-back"]))
        self.daemon.advance(LATE_S)
        self.assertEqual((back.types(), initiator.types()), (["partner-left"], ["partner-left"]))

    def test_leave_after_a_silence(self) -> None:
        """Somebody who wakes up and leaves is called."""
        ghost = self.waiting(sleeps=True)
        self.waiting().send("ping")
        self.daemon.advance(LATE_S)
        ghost.answers_pings = True
        ghost.send("leave")
        self.daemon.advance(2)
        self.waiting()
        self.waiting()
        self.assertEqual(ghost.types(), ["matched", "partner-left"])

    def test_off(self) -> None:
        """An operator whose users take their time cannot let them."""
        self.daemon = self.start(MATCH_ANSWER_SECONDS="0")
        initiator, other = self.daemon.pair(modern=True)
        initiator.answers_pings = other.answers_pings = True
        self.daemon.advance(120)
        self.assertEqual((initiator.types(), other.types()), ([], []))

    def test_what_it_costs(self) -> None:
        """Clients that said something long ago would be looked at for ever."""
        pairs = [self.daemon.pair() for _ in range(20)]
        for one, other in pairs:
            one.send("offer", sdp="")
            other.send("answer", sdp="")
        self.daemon.advance(1)
        self.assertEqual(len(self.daemon.connections.vigil), 0)


class SilentBySlowPath(Silent):
    """The same by Autobahn alone."""

    fast_path = False

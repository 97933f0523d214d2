"""What every broker must do, told by `signald.brokers.interface`: one suite, run over each implementation.

An implementation subclasses `BrokerContract` and makes brokers: one, or two instances that share a store. Nothing here
sleeps: a test waits for events, and that something does not happen is shown by what would have come after it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from signald.brokers.interface import Answers, Broker, BrokerEvents, Half, ModerationEvents, Partner
from signald.core import classes
from signald.core.bans import Ban, BanKind
from signald.core.blocks import BLOCKS_EACH
from signald.core.encounters import Party
from signald.core.ids import BrowserKey, ClientId, ReportId, RoomId, UserId
from signald.core.inputs import PartnerFound
from signald.core.matching import Ticket
from signald.core.messages import ErrorCode, Parting, ProtocolError, Wishes
from signald.core.passes import Attempt
from signald.core.reports import FiledReport, ReportBounds, ReportParty, ReportState, Ruling
from signald.core.wishes import Vocabulary, make_wish
from tests.support.waiting import PATIENCE_S

REMATCH_DELAY_S = 0.3

BLOCK_S = 3600.0

REPORTS = ReportBounds(at_most=5, keep_s=3600.0)
"""Which reports are kept."""

RESUME_S = 2.0
"""How long a room waits for one of its two."""


class Recorder:
    """The clients of all instances in a test: accepts matches as the daemon does, and keeps what it is told.

    Attributes:
        tickets: The ticket with which each client waits.
        refuses: Clients whose matches are refused: they are gone, and their `withdraw` is still on its way.
        rooms: The room and partner of each client.
        matches: Every accepted match, in order.
        asked: Every client that was asked, in order.
        refusals: Every client for whose ticket there was no place, and what it is told.
        relayed_to: What each client was sent in each room.
        offers: Every (client, room) in which an offer came, and how many messages had come with it.
        left: Every (client, room) of which a partner left.
        reasons: Why, for each of these.
        partner_news: What each client heard of its partner's connection in each room.
        away: Clients without a connection.
    """

    def __init__(self) -> None:
        self.tickets: dict[str, Ticket] = {}
        self.refuses: set[str] = set()
        self.rooms: dict[str, tuple[RoomId, str]] = {}
        self.matches: list[PartnerFound] = []
        self.asked: list[str] = []
        self.refusals: list[tuple[str, ErrorCode]] = []
        self.relayed_to: dict[tuple[str, RoomId], list[bytes]] = {}
        self.offers: list[tuple[str, RoomId, int]] = []
        self.left: list[tuple[str, RoomId]] = []
        self.reasons: dict[tuple[str, RoomId], Parting] = {}
        self.partner_news: dict[tuple[str, RoomId], list[tuple[str, float | bool]]] = {}
        self.away: set[str] = set()
        self._waits: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def matched(self, found: PartnerFound) -> bool:
        """See `BrokerEvents.matched`."""
        client = found.ticket.client
        self.asked.append(client)
        accepted = client not in self.refuses and self.tickets.get(client) == found.ticket
        if accepted:
            del self.tickets[client]
            self.rooms[client] = (found.room, found.partner)
            self.matches.append(found)
        self._happened()
        return accepted

    def refused(self, ticket: Ticket, problem: ProtocolError) -> None:
        """See `BrokerEvents.refused`."""
        del self.tickets[ticket.client]
        self.refusals.append((ticket.client, problem.code))
        self._happened()

    def relayed(self, client: ClientId, room: RoomId, text: bytes, is_offer: bool = False) -> None:
        """See `BrokerEvents.relayed`."""
        self.relayed_to.setdefault((client, room), []).append(text)
        if is_offer:
            self.offers.append((client, room, len(self.relayed_to[client, room])))
        self._happened()

    def partner_left(self, client: ClientId, room: RoomId, why: Parting = "gone") -> None:
        """See `BrokerEvents.partner_left`."""
        self.left.append((client, room))
        self.reasons[client, room] = why
        if self.rooms.get(client, (None, ""))[0] == room:
            del self.rooms[client]
        self._happened()

    def partner_away(self, client: ClientId, room: RoomId, seconds: float) -> None:
        """See `BrokerEvents.partner_away`."""
        self.partner_news.setdefault((client, room), []).append(("away", seconds))
        self._happened()

    def partner_back(self, client: ClientId, room: RoomId, lost: bool) -> None:
        """See `BrokerEvents.partner_back`."""
        self.partner_news.setdefault((client, room), []).append(("back", lost))
        self._happened()

    def resumes(self, client: ClientId) -> bool:
        """See `BrokerEvents.resumes`."""
        return False

    def is_here(self, client: ClientId) -> bool:
        """See `BrokerEvents.is_here`."""
        return client not in self.away

    def until(self, holds: Callable[[], bool]) -> "Deferred[None]":
        """Wait until something holds; it is looked at after each event."""
        from twisted.internet import reactor  # noqa: TID251

        waiting: Deferred[None] = Deferred()
        self._waits.append((holds, waiting))
        waiting.addTimeout(PATIENCE_S, reactor)
        self._happened()
        return waiting

    def _happened(self) -> None:
        for wait in list(self._waits):
            holds, waiting = wait
            if not waiting.called and holds():
                self._waits.remove(wait)
                waiting.callback(None)


class Moderator:
    """Hears of bans and questions on one instance."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.known: dict[str, Ban] = {}

    def banned(self, bans: Sequence[Ban]) -> None:
        """See `ModerationEvents.banned`."""
        self.known.update((ban.key, ban) for ban in bans)

    def bans(self) -> list[Ban]:
        """See `ModerationEvents.bans`."""
        return list(self.known.values())

    def asked(self, question: bytes) -> bytes:
        """See `ModerationEvents.asked`."""
        return f"{self.name} heard {question.decode()}".encode()


def _moderator_conforms(moderator: Moderator) -> ModerationEvents:
    return moderator


def _recorder_conforms(recorder: Recorder) -> BrokerEvents:
    return recorder


class Brokers(TestCase):
    """Brokers and clients: those whose names begin with a capital live on the last instance, others on the first."""

    __test__ = False
    timeout = 2 * PATIENCE_S
    moderators: list[Moderator]

    async def make(self, events: BrokerEvents) -> list[Broker]:
        """Started brokers, one for each instance, of which all report to `events`."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Wait until the store has seen all calls up to now."""

    async def clean(self) -> None:
        """End what `make` began, after the brokers were stopped."""

    # --- setting up ---------------------------------------------------------------------------------------------------

    def setUp(self) -> "Deferred[None]":  # type: ignore[override]
        return ensureDeferred(self._set_up())

    async def _set_up(self) -> None:
        self.events = Recorder()
        self._numbers: dict[str, int] = {}
        self.brokers = await self.make(self.events)

    def tearDown(self) -> "Deferred[None]":  # type: ignore[override]
        return ensureDeferred(self._tear_down())

    async def _tear_down(self) -> None:
        for broker in self.brokers:
            await broker.stop()
        await self.clean()

    def broker(self, client: str) -> Broker:
        """The broker of the instance on which a client lives."""
        return self.brokers[-1 if client[0].isupper() else 0]

    def now(self) -> float:
        from twisted.internet import reactor  # noqa: TID251

        seconds: float = reactor.seconds()
        return seconds

    async def enqueue(
        self,
        client: str,
        avoid: str | None = None,
        user: str | None = None,
        delay_s: float = REMATCH_DELAY_S,
        takes_data: bool = False,
        browser: str | None = None,
        **wishes: Any,
    ) -> Ticket:
        """A client becomes waiting, and the store knows it."""
        self._numbers[client] = self._numbers.get(client, 0) + 1
        now = self.now()
        avoided = () if avoid is None else (ClientId(avoid),)
        until = now + delay_s if avoid or browser else now
        known = UserId(user) if user else None
        ticket = Ticket(ClientId(client), self._numbers[client], now, avoided, until, known, takes_data=takes_data)
        if browser is not None:
            ticket = msgspec.structs.replace(ticket, browser=BrowserKey(browser))
        if wishes:
            ticket = msgspec.structs.replace(ticket, wish=make_wish(Wishes(**wishes), (), Vocabulary()))
        self.events.tickets[client] = ticket
        self.broker(client).enqueue(ticket)
        await self.settle()
        return ticket

    def withdraw(self, client: str) -> None:
        """A client waits no longer."""
        self.broker(client).withdraw(self.events.tickets.pop(client))

    def leave(self, client: str, why: Parting = "gone") -> RoomId:
        """A client leaves its room."""
        room, _ = self.events.rooms.pop(client)
        self.broker(client).leave(room, ClientId(client), why)
        return room

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of which no event tells."""
        from twisted.internet import reactor  # noqa: TID251

        began = self.now()
        while not holds():
            self.assertLess(self.now() - began, PATIENCE_S)
            await deferLater(reactor, 0.01)

    def relay(self, client: str, text: bytes) -> None:
        """A client says something to its partner."""
        self.broker(client).relay(self.events.rooms[client][0], ClientId(client), text)

    async def paired(self, one: str, other: str) -> RoomId:
        """Wait until two are partners; gives their room."""
        await self.events.until(lambda: one in self.events.rooms and other in self.events.rooms)
        (room, partner), (same, back) = self.events.rooms[one], self.events.rooms[other]
        self.assertEqual((partner, back, room), (other, one, same))
        return room

    async def pair(self, one: str, other: str) -> RoomId:
        """Make two partners."""
        await self.enqueue(one)
        await self.enqueue(other)
        return await self.paired(one, other)


class BrokerContract(Brokers):
    """The suite."""

    # --- matching -----------------------------------------------------------------------------------------------------

    async def test_two_meet(self) -> None:
        """Nobody is ever matched."""
        for one, other in (("a", "b"), ("a2", "B"), ("A", "b2"), ("A2", "B2")):
            await self.pair(one, other)
        self.assertEqual(len(self.events.matches), 8)
        self.assertEqual(len({found.room for found in self.events.matches}), 4)

    async def test_exactly_one_initiator(self) -> None:
        """Both offer at once, or nobody does: the call never begins."""
        for one, other in (("a", "B"), ("A", "b")):
            await self.pair(one, other)
            flags = {found.ticket.client: found.initiator for found in self.events.matches[-2:]}
            self.assertEqual(sorted(flags.values()), [False, True])
            self.assertTrue(flags[ClientId(one)], "who waited longer offers")

    async def test_oldest_first(self) -> None:
        """Somebody waits while later comers are served."""
        # Two that never meet each other, so that more than one waits.
        await self.enqueue("x", user="ada")
        await self.enqueue("y", user="ada")
        await self.enqueue("C")
        await self.paired("x", "C")
        await self.enqueue("d")
        await self.paired("y", "d")

    async def test_never_with_itself(self) -> None:
        """A client calls itself."""
        first = await self.enqueue("a")
        self.broker("a").enqueue(first)
        self.withdraw("a")
        again = await self.enqueue("a")
        self.broker("a").enqueue(again)
        await self.settle()
        await self.enqueue("B")
        await self.paired("a", "B")
        self.assertEqual(len(self.events.matches), 2)

    async def test_one_user_is_never_matched_with_itself(self) -> None:
        """Somebody with two tabs, here or on another instance, is called by the other tab."""
        ada = "ada|<ada@example.org>|\u00e4"
        for client in ("a", "b", "C", "D"):
            await self.enqueue(client, user=ada)
        await self.settle()
        self.assertEqual(self.events.asked, [])
        await self.enqueue("E", user="bob")
        await self.paired("a", "E")
        await self.enqueue("f")
        await self.paired("b", "f")
        self.withdraw("C")
        await self.settle()
        await self.enqueue("g", user="bob")
        await self.paired("D", "g")
        self.assertNotIn("C", self.events.asked)
        self.assertEqual(self.events.left, [])

    async def test_partners_are_known_to_each_other(self) -> None:
        """A report would not say who it is about, and a block would end with the connection."""
        for one, other in (("a", "b"), ("c", "D"), ("E", "f")):
            await self.enqueue(one, user=f"user {one}")
            await self.enqueue(other, user=f"user {other}")
            await self.paired(one, other)
            users = {found.ticket.client: found.user for found in self.events.matches[-2:]}
            self.assertEqual(users, {one: f"user {other}", other: f"user {one}"})
        await self.pair("g", "H")
        self.assertEqual([found.user for found in self.events.matches[-2:]], [None, None])

    async def test_partners_know_what_the_other_can(self) -> None:
        """A page sends its partner what it cannot read, or nothing though it could."""
        for one, other, can in (("a", "b", True), ("c", "D", True), ("E", "f", False)):
            await self.enqueue(one, takes_data=can)
            await self.enqueue(other, takes_data=not can)
            await self.paired(one, other)
            heard = {found.ticket.client: found.takes_data for found in self.events.matches[-2:]}
            self.assertEqual(heard, {one: not can, other: can})

    async def test_who_is_kept_apart_never_meets(self) -> None:
        """Somebody who was blocked is called again, or who blocked is called by the one that it fled from."""
        parties = {
            "a": Party(ClientId("a"), UserId("ada")),
            "B": Party(ClientId("B"), UserId("bob")),
            "c": Party(ClientId("c")),
            "D": Party(ClientId("D")),
        }
        for by, whom in (("a", "B"), ("D", "c"), ("a", "D")):
            self.broker(by).block(parties[by], parties[whom])
        await self.settle()
        await self.enqueue("a", user="ada")
        await self.enqueue("B", user="bob")
        await self.enqueue("B2", user="bob")  # the block is about the users, wherever they are
        await self.enqueue("D")
        await self.settle()
        await self.paired("B", "D")
        self.assertNotIn("a", self.events.rooms)
        self.withdraw("B2")
        await self.enqueue("c")
        await self.paired("a", "c")
        self.assertEqual(len(self.events.matches), 4)

    async def test_who_is_blocked_cannot_undo_it(self) -> None:
        """Somebody who was blocked blocks a thousand others, and meets its victim again."""
        ada, bob = Party(ClientId("a"), UserId("ada")), Party(ClientId("B"), UserId("bob"))
        self.broker("a").block(ada, bob)
        for number in range(BLOCKS_EACH + 1):
            self.broker("B").block(bob, Party(ClientId(f"x{number}")))
        await self.settle()
        await self.enqueue("a", user="ada")
        await self.enqueue("B", user="bob")
        await self.enqueue("c")
        await self.paired("a", "c")

    async def test_a_block_keeps_nobody_else(self) -> None:
        """One block takes somebody out of the queue of all."""
        self.broker("a").block(Party(ClientId("a")), Party(ClientId("B")))
        await self.settle()
        await self.enqueue("a")
        await self.enqueue("B")
        await self.enqueue("c")
        await self.paired("a", "c")
        await self.enqueue("D")
        await self.paired("B", "D")

    async def test_all_are_asked(self) -> None:
        """An operator who looks for a client does not find it, since it is on another instance."""
        for broker in self.brokers:
            answers = await broker.ask(b"who is there?")
            expected = {other.instance: f"{other.instance} heard who is there?".encode() for other in self.brokers}
            self.assertEqual(answers, Answers(expected))

    def report(self, number: int, client: str = "a") -> ReportId:
        """A client reports somebody; gives the id of the report."""
        id, whom = ReportId(f"report {number}"), ReportParty(f"villain {number}", "bob")
        self.broker(client).inbox.file(
            FiledReport(
                report_id=id,
                time=float(number),
                instance_id="here",
                room_id="room",
                reporter=ReportParty(client),
                reported=whom,
                reason="spam",
                text="sells \u00e4nd\n",
            )
        )
        return id

    async def listed(self, broker: Broker, limit: int = 100, **which: Any) -> list[str]:
        """Ids of reports, as one instance lists them."""
        page = await broker.inbox.page(limit, **which)
        self.assertTrue(page.complete)
        return [kept.report.report_id for kept in page.reports]

    async def written(self) -> None:
        """Wait until all that was filed is where all instances find it."""
        while any(broker.inbox.held for broker in self.brokers):
            await self.settle()

    async def test_reports_are_found_by_all(self) -> None:
        """A moderator sees what was reported on one instance alone, or twice, or cannot go on where the page ended."""
        ids = [self.report(number, client) for number, client in enumerate("aBcD")]
        await self.written()
        for broker in self.brokers:
            self.assertEqual(set(await self.listed(broker)), set(ids))
            first = await broker.inbox.page(3)
            self.assertEqual((len(first.reports), first.total, first.more), (3, 4, True))
            rest = await broker.inbox.page(3, first.reports[-1].report.report_id)
            self.assertFalse(rest.more)
            self.assertEqual({kept.report.report_id for kept in (*first.reports, *rest.reports)}, set(ids))
            found = await broker.inbox.find(ids[1])
            assert found.kept is not None
            self.assertEqual(found.kept.report.reported, ReportParty("villain 1", "bob"))
            self.assertEqual((found.kept.report.text, found.kept.state), ("sells \u00e4nd\n", ReportState.OPEN))
            self.assertEqual(await broker.inbox.find(ReportId("none")), (None, True))
            self.assertEqual(await self.listed(broker, before=ReportId("none")), [])

    async def test_what_becomes_of_a_report_is_known_to_all(self) -> None:
        """Two moderators look at the same report, or one that is done is open again."""
        ids = [self.report(number) for number in range(3)]
        await self.written()
        one, other = self.brokers[0], self.brokers[-1]
        ruling = Ruling(ReportState.ACTED, "ada", 1.5, "banned for a day")
        judged = await one.inbox.judge(ids[1], ruling)
        assert judged.kept is not None
        self.assertEqual((judged.kept.report.report_id, judged.kept.ruling), (ids[1], ruling))
        self.assertEqual((await other.inbox.find(ids[1])).kept, judged.kept)
        self.assertEqual(await self.listed(other, state=ReportState.ACTED), [ids[1]])
        self.assertEqual(await self.listed(other, 1, state=ReportState.OPEN), [ids[2]])
        self.assertEqual(await self.listed(other, state=ReportState.OPEN), [ids[2], ids[0]])
        await other.inbox.judge(ids[1], Ruling(ReportState.OPEN, "bob", 2.5))
        self.assertEqual(await self.listed(one, state=ReportState.OPEN), [ids[2], ids[1], ids[0]])
        self.assertEqual(await one.inbox.judge(ReportId("none"), ruling), (None, True))

    async def test_reports_are_bounded(self) -> None:
        """A flood of reports fills the memory of the store, or leaves its beginning and drops what is new."""
        ids = [self.report(number) for number in range(12)]
        await self.written()
        ids += [self.report(number) for number in range(12, 14)]
        await self.written()
        for broker in self.brokers:
            self.assertEqual(await self.listed(broker), ids[: -REPORTS.at_most - 1 : -1])
            self.assertEqual(await broker.inbox.find(ids[0]), (None, True))

    async def test_bans_reach_all(self) -> None:
        """Who was banned comes back through another instance."""
        ban = Ban(BanKind.USER, "mallory", self.now() + 60, self.now(), self.now() + 60, "spam")
        self.moderators[0].known[ban.key] = ban
        self.brokers[0].share([ban])
        await self.until(lambda: all(moderator.known == {ban.key: ban} for moderator in self.moderators))

    async def test_one_user_after_next(self) -> None:
        """Who is named and says `next` stays in the queue as a ghost, filed in a form that nobody takes out."""
        await self.enqueue("a", user="ada")
        await self.enqueue("B", user="bob")
        await self.paired("a", "B")
        self.leave("a")
        await self.events.until(lambda: bool(self.events.left))
        await self.enqueue("a", avoid="B", user="ada")
        self.withdraw("a")
        await self.settle()
        await self.enqueue("B", user="bob")
        await self.enqueue("c")
        await self.paired("B", "c")
        self.assertEqual(self.events.asked.count("a"), 1)

    async def test_enqueued_twice(self) -> None:
        """A client stands in the queue twice, and is matched a second time as a ghost of itself."""
        ticket = await self.enqueue("a")
        self.broker("a").enqueue(ticket)
        await self.enqueue("B")
        await self.paired("a", "B")
        self.broker("a").enqueue(ticket)
        await self.settle()
        await self.enqueue("c")
        await self.enqueue("D")
        await self.paired("c", "D")
        self.assertEqual(len(self.events.matches), 4)
        self.assertEqual(self.events.left, [])

    async def test_withdrawn(self) -> None:
        """Somebody who left is called; who calls waits for ever."""
        await self.enqueue("a")
        self.withdraw("a")
        await self.settle()
        await self.enqueue("B")
        await self.enqueue("c")
        await self.paired("B", "c")
        self.assertNotIn("a", self.events.asked)

    async def test_withdraw_is_harmless(self) -> None:
        """A late word about an old stay takes a client out of the queue, or out of its room."""
        old = await self.enqueue("a")
        self.withdraw("a")
        self.broker("a").withdraw(old)
        await self.enqueue("a")
        self.broker("a").withdraw(old)
        await self.settle()
        current = self.events.tickets["a"]
        await self.enqueue("B")
        room = await self.paired("a", "B")
        self.broker("a").withdraw(current)
        self.broker("a").withdraw(Ticket(ClientId("nobody"), 1, 0.0))
        self.relay("a", b'"still here"')
        await self.events.until(lambda: ("B", room) in self.events.relayed_to)
        self.assertEqual(self.events.left, [])

    async def test_refused_by_the_older(self) -> None:
        """A client that went a moment ago takes another one's turn with it."""
        self.events.refuses.add("a")
        await self.enqueue("a")
        await self.enqueue("B")
        await self.events.until(lambda: "a" in self.events.asked)
        await self.settle()
        await self.enqueue("c")
        await self.paired("B", "c")
        self.assertNotIn("a", self.events.rooms)
        self.assertEqual(self.events.left, [])

    async def test_refused_by_the_younger(self) -> None:
        """The same the other way round: the older one either hears nothing, or at once that its partner left."""
        self.events.refuses.add("B")
        await self.enqueue("a")
        await self.enqueue("B")
        await self.events.until(lambda: "B" in self.events.asked)
        await self.settle()
        if any(found.ticket.client == "a" for found in self.events.matches):
            await self.events.until(lambda: len(self.events.left) == 1)
            self.assertEqual(self.events.left[0][0], "a")
            await self.enqueue("a")
        await self.enqueue("c")
        await self.paired("a", "c")

    async def test_rematch_delay(self) -> None:
        """Who says `next` gets the same person again at once."""
        await self.pair("a", "B")
        self.leave("a")
        await self.events.until(lambda: bool(self.events.left))
        began = self.now()
        await self.enqueue("a", avoid="B")
        await self.enqueue("B")
        await self.paired("a", "B")
        self.assertGreaterEqual(self.now() - began, REMATCH_DELAY_S * 0.95)

    async def test_rematch_delay_is_for_the_two_alone(self) -> None:
        """Who says `next` waits although somebody else is there."""
        await self.pair("a", "B")
        self.leave("a")
        await self.events.until(lambda: bool(self.events.left))
        await self.enqueue("B")
        await self.enqueue("a", avoid="B", delay_s=2 * PATIENCE_S)
        await self.enqueue("C")
        await self.paired("B", "C")
        await self.enqueue("d")
        await self.paired("a", "d")

    async def test_avoided_from_either_side(self) -> None:
        """The delay holds only if the asker comes second."""
        await self.pair("a", "B")
        self.leave("B")
        await self.events.until(lambda: bool(self.events.left))
        began = self.now()
        await self.enqueue("B", avoid="a")
        await self.enqueue("a")
        await self.paired("a", "B")
        self.assertGreaterEqual(self.now() - began, REMATCH_DELAY_S * 0.95)

    async def test_many_at_once(self) -> None:
        """Two hundred that ask at once leave some waiting for ever, or get two partners (the old server's fault)."""
        names = [f"{'xX'[number % 2]}{number}" for number in range(200)]
        for name in names:
            now = self.now()
            ticket = Ticket(ClientId(name), 1, now)
            self.events.tickets[name] = ticket
            self.broker(name).enqueue(ticket)
        await self.events.until(lambda: len(self.events.rooms) == 200)
        self.assertEqual(len(self.events.matches), 200)
        for name in names:
            room, partner = self.events.rooms[name]
            self.assertEqual(self.events.rooms[partner], (room, name))
        self.assertEqual(self.events.left, [])

    # --- sessions that go on ------------------------------------------------------------------------------------------

    async def test_partners_hear_of_each_others_network(self) -> None:
        """A person sits before a frozen picture, and nobody says that the partner may come back."""
        for one, other in (("a", "b"), ("a2", "B"), ("A", "b2"), ("A2", "B2")):
            room = await self.pair(one, other)
            self.broker(one).away(room, ClientId(one), 5.0)
            self.broker(one).back(room, ClientId(one), lost=True, epoch=1, attempt=Attempt())
            await self.events.until(lambda other=other, room=room: len(self.news(other, room)) == 2)  # type: ignore[misc]
            self.assertEqual(self.news(other, room), [("away", 5.0), ("back", True)])
        self.broker("a").away(RoomId("unknown"), ClientId("a"), 5.0)
        self.broker("a").back(RoomId("unknown"), ClientId("a"), lost=False, epoch=1, attempt=Attempt())
        self.assertEqual(self.events.left, [])

    def news(self, client: str, room: RoomId) -> list[tuple[str, float | bool]]:
        """What a client heard of its partner's connection."""
        return self.events.partner_news.get((client, room), [])

    async def test_both_halves_of_a_room_meet_again(self) -> None:
        """Both lost their home, and each waits for the other until the time is over."""
        for one, other in (("a", "b"), ("a2", "B"), ("A", "b2")):
            room = RoomId(f"room of {one}")
            self.assertIs(await self.rejoin(room, one, other), Partner.AWAY)
            self.broker(one).relay(room, ClientId(one), b'"said before"')
            self.assertIs(await self.rejoin(room, other, one), Partner.HERE)
            self.broker(one).relay(room, ClientId(one), b'"said after"')
            self.broker(other).relay(room, ClientId(other), b'"answer"')
            await self.events.until(
                lambda one=one, other=other, room=room: (  # type: ignore[misc]
                    len(self.events.relayed_to.get((other, room), ())) == 2
                    and len(self.events.relayed_to.get((one, room), ())) == 1
                )
            )
            self.assertEqual(self.events.relayed_to[other, room], [b'"said before"', b'"said after"'])
            self.broker(one).leave(room, ClientId(one))
            await self.events.until(lambda other=other, room=room: (other, room) in self.events.left)  # type: ignore[misc]
        self.assertEqual(len(self.events.left), 3)

    async def test_half_that_waits_in_vain(self) -> None:
        """Somebody waits for ever for a partner who does not come back."""
        room = RoomId("half")
        self.assertIs(await self.rejoin(room, "a", "b"), Partner.AWAY)
        await self.events.until(lambda: ("a", room) in self.events.left)
        self.assertEqual(self.broker("a").rooms, 0)

    async def test_half_whose_partner_has_left(self) -> None:
        """Who comes second waits for somebody who did not want to wait."""
        room = RoomId("left")
        await self.rejoin(room, "a", "b")
        self.broker("a").leave(room, ClientId("a"))
        self.assertIsNot(await self.rejoin(room, "b", "a"), Partner.HERE)

    async def rejoin(self, room: str, client: str, partner: str) -> Partner:
        """A client has come from elsewhere with its half of a room."""
        return await self.broker(client).rejoin(Half(RoomId(room), ClientId(client), 1, ClientId(partner), ""))

    # --- relays -------------------------------------------------------------------------------------------------------

    async def test_relay_order(self) -> None:
        """A candidate comes before its offer, twice, or not at all."""
        room = await self.pair("a", "B")
        sent = [b'{"n":%d}' % number for number in range(300)]
        back = [b'{"m":%d}' % number for number in range(300)]
        for one, other in zip(sent, back, strict=True):
            self.relay("a", one)
            self.relay("B", other)
        received: Any = self.events.relayed_to
        await self.events.until(
            lambda: len(received.get(("B", room), [])) >= 300 and len(received.get(("a", room), [])) >= 300
        )
        self.assertEqual(received["B", room], sent)
        self.assertEqual(received["a", room], back)

    async def test_relay_text_is_untouched(self) -> None:
        """SDP with characters of some language, or of some size, arrives broken."""
        room = await self.pair("a", "B")
        texts = [
            '{"sdp":"größer \U0001f600 \\u0000 \\" \x7f"}'.encode(),
            b'{"x":"' + b"x" * 65_600 + b'"}',
            b'"\\r\\n $3 *1 {}"',
        ]
        for text in texts:
            self.relay("a", text)
        await self.events.until(lambda: len(self.events.relayed_to.get(("B", room), [])) == 3)
        self.assertEqual(self.events.relayed_to["B", room], texts)

    async def test_rooms_are_apart(self) -> None:
        """Strangers see somebody's addresses."""
        first = await self.pair("a", "B")
        second = await self.pair("c", "D")
        self.relay("a", b'"for B"')
        self.relay("D", b'"for c"')
        await self.events.until(lambda: len(self.events.relayed_to) == 2)
        self.assertEqual(self.events.relayed_to, {("B", first): [b'"for B"'], ("c", second): [b'"for c"']})

    async def test_relay_after_the_end(self) -> None:
        """A late candidate reaches the partner's next room."""
        room = await self.pair("a", "B")
        self.leave("a")
        self.broker("a").relay(room, ClientId("a"), b'"too late"')
        await self.events.until(lambda: ("B", room) in self.events.left)
        self.broker("B").relay(room, ClientId("B"), b'"too late"')
        self.broker("B").relay(RoomId("unknown"), ClientId("B"), b'"nowhere"')
        again = await self.pair("a", "B")
        self.relay("a", b'"in time"')
        self.relay("B", b'"in time"')
        await self.events.until(lambda: len(self.events.relayed_to) == 2)
        self.assertEqual(set(self.events.relayed_to), {("B", again), ("a", again)})

    async def test_relay_just_before_leave(self) -> None:
        """The last words before `leave` are lost, or come after the partner has left."""
        room = await self.pair("a", "B")
        self.relay("a", b'"last words"')
        self.leave("a")
        await self.events.until(lambda: ("B", room) in self.events.left)
        self.assertEqual(self.events.relayed_to, {("B", room): [b'"last words"']})

    # --- ends ---------------------------------------------------------------------------------------------------------

    async def test_left_once(self) -> None:
        """A partner is not told, or is told twice: the second time ends its next call."""
        room = await self.pair("a", "B")
        self.leave("a")
        self.broker("a").leave(room, ClientId("a"))
        await self.events.until(lambda: bool(self.events.left))
        self.broker("a").leave(room, ClientId("a"))
        self.broker("B").leave(room, ClientId("B"))
        again = await self.pair("B", "a")
        self.relay("a", b'"here"')
        self.relay("B", b'"here"')
        await self.events.until(lambda: len(self.events.relayed_to) == 2)
        self.assertEqual(self.events.left, [("B", room)])
        self.leave("B")
        await self.events.until(lambda: len(self.events.left) == 2)
        self.assertEqual(self.events.left[1], ("a", again))

    async def test_two_of_one_browser(self) -> None:
        """Somebody who opens a second tab sees itself, though others wait; or who is alone never sees that it works."""
        for name in ("a", "B"):
            await self.enqueue(name, browser="firefox", delay_s=60)
        self.assertEqual(self.events.matches, [])
        await self.enqueue("c", browser="chromium")
        await self.paired("a", "c")
        await self.enqueue("D")
        await self.paired("B", "D")
        for name in ("e", "F"):
            await self.enqueue(name, browser="firefox", delay_s=0.3)
        await self.paired("e", "F")

    async def test_who_owes_an_answer(self) -> None:
        """A page that hangs keeps its partner for ever, or one that nobody offered anything loses it."""
        for one, other in (("a", "b"), ("c", "D"), ("E", "f")):
            room = await self.pair(one, other)
            self.relay(one, b"1")
            self.broker(one).relay(room, ClientId(one), b"2", is_offer=True)
            self.relay(one, b"3")
            relayed_to = self.events.relayed_to.setdefault((other, room), [])
            await self.events.until(lambda texts=relayed_to: len(texts) == 3)  # type: ignore[misc]
            self.assertEqual(self.events.relayed_to[other, room], [b"1", b"2", b"3"])
            self.assertEqual(self.events.offers.pop(), (other, room, 2))
        self.leave("E")
        self.broker("E").relay(room, ClientId("E"), b"too late", is_offer=True)
        self.assertEqual(self.events.offers, [])

    async def test_why_a_partner_left(self) -> None:
        """A page says that somebody pressed next whose network has failed."""
        ways: tuple[Parting, ...] = ("next", "leave", "gone", "removed", "stopping", "silent")
        pairs = (("a", "b"), ("c", "D"), ("E", "f"), ("G", "h"), ("i", "J"), ("k", "L"))
        for why, (one, other) in zip(ways, pairs, strict=True):
            room = await self.pair(one, other)
            self.leave(one, why)
            await self.events.until(lambda: bool(self.events.reasons))
            self.assertEqual(self.events.reasons, {(other, room): why})
            self.events.reasons.clear()

    async def test_both_leave_at_once(self) -> None:
        """Two that hang up together are told of each other in a room that is none any more, or errors are logged."""
        room = await self.pair("a", "B")
        for client in ("a", "B"):
            self.events.rooms.pop(client, None)
            self.broker(client).leave(room, ClientId(client))
        await self.pair("a", "B")
        self.relay("a", b'"here"')
        await self.events.until(lambda: bool(self.events.relayed_to))
        self.assertEqual(len(self.events.matches), 4)
        self.assertEqual(len(self.events.rooms), 2)

    async def test_nothing_after_stop(self) -> None:
        """A stopping instance matches its clients with each other in its last moment."""
        await self.enqueue("a")
        for broker in self.brokers:
            await broker.stop()
        told = len(self.events.asked), len(self.events.left)
        self.events.tickets["b"] = Ticket(ClientId("b"), 1, self.now())
        for broker in self.brokers:
            broker.withdraw(self.events.tickets["a"])
            await broker.stop()
        self.assertEqual((len(self.events.asked), len(self.events.left)), told)

    async def test_counts(self) -> None:
        """Metrics and /healthz tell the operator of clients that wait although there are none."""
        await self.enqueue("a")
        self.assertEqual((self.brokers[0].waiting, self.brokers[0].rooms), (1, 0))
        await self.enqueue("b")
        await self.paired("a", "b")
        self.assertEqual((self.brokers[0].waiting, self.brokers[0].rooms), (0, 1))
        self.leave("a")
        await self.events.until(lambda: bool(self.events.left))
        self.assertEqual((self.brokers[0].waiting, self.brokers[0].rooms), (0, 0))


class WishContract(Brokers):
    """What brokers guarantee to those who say whom they want to meet."""

    async def test_pools_are_apart(self) -> None:
        """A stranger comes into a private room, or somebody who wants to write is called by video."""
        await self.enqueue("a", pool="text")
        await self.enqueue("B")
        await self.enqueue("c", pool="video")
        await self.enqueue("D", pool="text")
        await self.paired("a", "D")
        await self.enqueue("e", pool="video")
        await self.paired("c", "e")
        await self.enqueue("F")
        await self.paired("B", "F")

    async def test_both_must_be_content(self) -> None:
        """Somebody is called by one whom it does not want, or whom it avoids."""
        english, german = {"lang": ["en"]}, {"lang": ["de"]}
        await self.enqueue("a", is_=english, wants=english)
        await self.enqueue("B", is_=german)
        await self.enqueue("c", is_={"lang": ["de", "en"]}, avoids=german)
        await self.paired("a", "c")
        await self.enqueue("D", wants=english)
        await self.enqueue("e")
        await self.paired("B", "e")
        await self.enqueue("f", is_=english)
        await self.paired("D", "f")

    async def test_the_oldest_of_all_classes(self) -> None:
        """Somebody waits while others who may be met by the same ones are served."""
        wants = {"role": ["host"]}
        for client, lang in (("a", "en"), ("B", "de"), ("c", "fr"), ("D", "en")):
            await self.enqueue(client, is_={"lang": [lang]}, wants=wants)
        for client, partner in (("e", "a"), ("F", "B"), ("g", "c"), ("H", "D")):
            await self.enqueue(client, is_={"role": ["host"]})
            await self.paired(partner, client)

    async def test_who_shares_most_comes_first(self) -> None:
        """Interests that somebody tells do nothing."""
        far = {"likes": 600.0}
        await self.enqueue("a", likes=["chess"], relax=far)
        await self.enqueue("B", likes=["music", "art"], relax=far)
        await self.enqueue("c", likes=["Dance", "Tango"], relax=far)
        await self.enqueue("D", likes=["tango", "art", "dance"], relax=far)
        await self.paired("c", "D")
        likes = {found.ticket.client: set(found.likes) for found in self.events.matches[-2:]}
        self.assertEqual(likes, {"c": {"tango", "art", "dance"}, "D": {"dance", "tango"}})
        await self.enqueue("e", likes=["art", "music"], relax=far)
        await self.paired("B", "e")
        await self.enqueue("F")
        await self.paired("a", "F")

    async def test_what_binds_wears_off(self) -> None:
        """Somebody who would take anybody after a while waits for ever, though there is somebody."""
        await self.enqueue("a", wants={"lang": ["en"]}, relax={"lang": 0.2})
        await self.enqueue("B", likes=["x"], relax={"likes": 0.1})
        await self.paired("a", "B")
        await self.enqueue("c", likes=["x"], relax={"likes": 0.3})
        await self.enqueue("D", likes=["y"], relax={"likes": 0.3})
        await self.paired("c", "D")

    async def test_who_avoids_several_meets_another_first(self) -> None:
        """Whoever presses "next" meets the same few again and again, though others are there."""
        ticket = await self.enqueue("a", pool="p")
        self.withdraw("a")
        for client in ("x", "Y"):
            await self.enqueue(client, pool="p", user="ada")
        again = msgspec.structs.replace(
            ticket, number=2, avoid=(ClientId("x"), ClientId("Y")), avoid_until=self.now() + 600
        )
        self._numbers["a"] = 2
        self.events.tickets["a"] = again
        self.broker("a").enqueue(again)
        await self.settle()
        await self.enqueue("z", pool="p", user="ada")
        await self.paired("a", "z")

    async def test_a_crowd_that_may_not_meet_me_hides_nobody(self) -> None:
        """One user with a thousand connections, or a thousand guests who blocked somebody, end all matching for it."""
        for number in range(600):
            await self.enqueue(f"x{number}", user="ada", is_={"a": ["b"]})
        await self.enqueue("A", is_={"a": ["b"]}, wants={"c": ["d"]})
        await self.enqueue("y", user="ada", is_={"c": ["d"]})
        await self.paired("A", "y")
        await self.enqueue("B", is_={"a": ["b"]})
        await self.paired("x0", "B")

    async def test_a_pool_has_room_for_so_many_classes(self) -> None:
        """Whoever makes up wishes makes each match slower for all others, without end."""
        self.patch(classes, "CLASSES_AT_MOST", 3)
        for number, client in enumerate(("a", "A", "b")):
            await self.enqueue(client, pool="p", is_={"k": [str(number)]}, wants={"x": ["y"]})
        await self.enqueue("c", pool="p", is_={"k": ["3"]})
        await self.events.until(lambda: self.events.refusals == [("c", ErrorCode.CROWDED)])
        self.assertEqual(sum(broker.waiting for broker in self.brokers), 3)
        await self.enqueue("C", pool="p", is_={"x": ["y"], "k": ["0"]})
        await self.paired("a", "C")
        await self.enqueue("d", pool="p", is_={"k": ["3"]})
        await self.settle()
        self.assertEqual(len(self.events.refusals), 1)

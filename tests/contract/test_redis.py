"""The broker of many processes keeps the contract, and what only a store can break."""

import re

from signald.brokers.interface import Answers
from signald.brokers.redis import store as redis_store
from signald.brokers.redis.keys import names
from signald.brokers.redis.letters import Claim, Confirm, decode
from signald.brokers.redis.links import Outgoing
from signald.core.bans import Ban, BanKind
from signald.core.blocks import BLOCKS_EACH
from signald.core.encounters import Party
from signald.core.ids import ClientId, ReportId, UserId
from signald.core.matching import Ticket
from signald.core.reports import ReportState, Ruling
from tests.contract import suite
from tests.contract.on_redis import OnRedis


class Redis(OnRedis, suite.BrokerContract, suite.WishContract):
    """The contract, and what only a store can break."""

    __test__ = True

    # --- the store ----------------------------------------------------------------------------------------------------

    async def test_queue_holds_who_waits(self) -> None:
        """An operator cannot see who waits, or entries stay for ever."""
        await self.enqueue("a")
        self.assertEqual(self.waiting(), ["one|a|1|"])
        self.withdraw("a")
        await self.settle()
        self.assertEqual(self.waiting(), [])
        await self.pair("a", "B")
        self.assertEqual(self.waiting(), [])

    async def test_a_line_that_was_lost(self) -> None:
        """Somebody has deleted a key, and for ever those who have gone are met by whoever likes the same."""
        await self.enqueue("a", likes=["chess", "go"])
        lost = {key for key in self.store.keys(self.prefix) if re.search(":line:[^:]*$", key)}
        self.assertEqual(len(lost), 1)
        self.store.command("DEL", *lost)
        self.withdraw("a")
        await self.settle()
        self.assertEqual({key for key in self.store.keys(f"{self.prefix}pool") if ":meets:" not in key}, set())

    async def test_ghost(self) -> None:
        """A ticket whose client is gone catches a newcomer."""
        self.file("two", "Ghost", "Ghost2")
        await self.enqueue("a")
        await self.enqueue("B")
        await self.paired("a", "B")
        self.assertEqual({found.ticket.client for found in self.events.matches}, {"a", "B"})

    async def test_dead_lease(self) -> None:
        """Tickets of a dead instance stay for ever, and each newcomer waits for their answer."""
        self.file("dead", *(f"d{number}" for number in range(50)))
        await self.pair("a", "B")
        self.assertEqual(self.waiting(), [])
        self.assertNotIn(f"{self.prefix}signal:dead", self.store.keys(self.prefix), "it was asked")

    async def test_instance_that_does_not_answer(self) -> None:
        """One hung process catches every newcomer."""
        self.file("hung", *(f"h{number}" for number in range(50)))
        self._live("hung")
        self.left_behind = frozenset(self.prefix + key for key in ("instance:hung", "signal:hung", "waiting"))
        await self.enqueue("a")
        await self.enqueue("B")
        await self.paired("a", "B")
        self.assertLessEqual(len(self._claims("hung")), 2, "each of the two has waited for it once")

    async def test_lost_store(self) -> None:
        """After a restart of the store, empty, who waits waits for ever, and in a new order."""
        await self.pair("x", "y")
        self.leave("x")
        await self.enqueue("x", avoid="y")
        await self.enqueue("y", avoid="x")
        await self._restart()
        await self.events.until(lambda: "x" in self.events.rooms)
        await self.paired("x", "y")
        await self.pair("a", "B")

    # --- moderation ---------------------------------------------------------------------------------------------------

    def ban(self, value: str, seconds: float = 60.0) -> Ban:
        """A ban that was said now."""
        now = self.now()
        return Ban(BanKind.ADDRESS, value, now + seconds, now, now + seconds)

    def say(self, ban: Ban) -> None:
        """Say it on the first instance."""
        self.moderators[0].known[ban.key] = ban
        self.redis_brokers[0].share([ban])

    async def test_bans_are_there_for_who_comes_later(self) -> None:
        """A restart of an instance would let in who was banned."""
        ban = self.ban("192.0.2.1")
        self.say(ban)
        await self.until(lambda: bool(self.moderators[1].known))
        await self._newcomer({ban.key: ban})

    async def test_bans_survive_an_empty_store(self) -> None:
        """A restart of the store would let in who was banned."""
        ban = self.ban("192.0.2.1")
        self.say(ban)
        await self.until(lambda: bool(self.moderators[1].known))
        await self._restart()
        await self.until(lambda: self.store.command("HLEN", f"{self.prefix}bans") == 1)
        await self._newcomer({ban.key: ban})

    async def test_bans_survive_a_store_that_lost_them_in_silence(self) -> None:
        """After a FLUSHALL, of which no connection tells, the next restart lets in who was banned."""
        ban = self.ban("192.0.2.1")
        self.say(ban)
        await self.until(lambda: bool(self.moderators[1].known))
        self.store.command("DEL", *self.store.keys(self.prefix))
        await self.until(lambda: self.store.command("HLEN", f"{self.prefix}bans") == 1)

    async def test_bans_survive_the_end_of_who_said_them(self) -> None:
        """An operator bans somebody, restarts the instance, and the ban was never there."""
        ban = self.ban("192.0.2.1")
        self.say(ban)
        await self.redis_brokers[0].stop()
        self.assertEqual(self.store.command("HLEN", f"{self.prefix}bans"), 1)
        await self.until(lambda: self.moderators[1].known == {ban.key: ban})

    async def test_many_bans(self) -> None:
        """Beyond some hundred bans the others are not told, or not found."""
        bans = [self.ban(f"198.51.{number // 250}.{number % 250}") for number in range(1200)]
        for ban in bans:
            self.say(ban)
        await self.until(lambda: len(self.moderators[1].known) == len(bans))
        await self._newcomer({ban.key: ban for ban in bans})

    async def test_what_is_no_ban_harms_nobody(self) -> None:
        """One entry of a newer version, or a slip of an operator, takes every instance off the store."""
        good = self.ban("192.0.2.1")
        for key, text in ((b"x", b"garbage"), (b"device:1", b'{"kind":"device"}'), (b"address:192.0.2.2", b"[")):
            self.store.command("HSET", f"{self.prefix}bans", key, text)
        self.say(good)
        mended = self.ban("192.0.2.2")
        self.say(mended)
        await self._newcomer({good.key: good, mended.key: mended})
        await self.pair("a", "B")

    async def test_a_letter_that_cannot_be_read_harms_nobody(self) -> None:
        """One letter of a newer version costs the letters of everybody else."""
        await self.pair("a", "B")
        self.store.command("XADD", f"{self.prefix}signal:one", "*", "d", b"garbage")
        self.relay("B", b'"still here"')
        room, _ = self.events.rooms["a"]
        await self.events.until(lambda: ("a", room) in self.events.relayed_to)

    async def test_blocks_that_the_store_lost(self) -> None:
        """After a restart of the store, empty, somebody meets at once whom it has blocked a moment ago."""
        for by, whom in (("a", "b"), ("a", "C")):
            self.broker(by).block(Party(ClientId(by)), Party(ClientId(whom)))
        await self.settle()  # else it is told once more
        await self._restart()
        for client in ("a", "b", "C"):
            await self.enqueue(client)
        await self.paired("b", "C")
        self.assertNotIn("a", self.events.rooms)
        await self.enqueue("d")
        await self.paired("a", "d")

    async def test_blocks_that_the_claimant_alone_knows(self) -> None:
        """The same, if whoever was blocked has waited for longer, on an instance that never heard of it."""
        ada, bob = Party(ClientId("a"), UserId("ada")), Party(ClientId("B"), UserId("bob"))
        self.broker("a").block(ada, bob)
        self.broker("c").block(Party(ClientId("c")), Party(ClientId("D")))
        await self.settle()
        await self._restart()
        await self.enqueue("D")
        await self.enqueue("c")
        await self.until(lambda: len(self.waiting()) == 2)
        self.assertEqual(self.events.asked, [])
        await self.enqueue("e")
        await self.paired("D", "e")
        await self.enqueue("F")
        await self.paired("c", "F")
        await self.enqueue("B", user="bob")
        await self.enqueue("a", user="ada")
        await self.events.until(lambda: "B" in dict(self.events.left))  # its instance could not know better
        self.assertNotIn("a", self.events.asked)
        await self.until(lambda: len(self.waiting()) == 1)
        await self.enqueue("G")
        await self.paired("a", "G")

    async def test_bans_and_blocks_said_while_the_store_was_away(self) -> None:
        """A ban or a block during an outage would be forgotten, but for the instance on which it was said."""
        self.store.kill()
        await self.until(lambda: not any(broker.store_reachable for broker in self.redis_brokers))
        ban = self.ban("192.0.2.1")
        self.say(ban)
        self.redis_brokers[0].block(Party(ClientId("a")), Party(ClientId("B")))
        self.store.start()
        await self.joined()
        await self.until(lambda: self.moderators[1].known == {ban.key: ban})
        await self.enqueue("a")
        await self.enqueue("B")
        await self.enqueue("C")
        await self.paired("a", "C")

    async def test_a_late_word_does_not_undo_a_later_one(self) -> None:
        """A ban that was lifted comes back with an instance that was cut off."""
        early = self.ban("192.0.2.1")
        lifted = Ban(early.kind, early.value, early.at, early.at + 1, early.keep)
        for ban in (lifted, early):
            await self.redis_brokers[0]._store.save_bans([ban], (), self.now())
        await self._newcomer({early.key: lifted})

    async def test_bans_that_are_over_are_swept(self) -> None:
        """The list of bans in the store grows for ever."""
        over, lasting = self.ban("192.0.2.1", 0.0), self.ban("192.0.2.2")
        await self.redis_brokers[0]._store.save_bans([over, lasting], (), self.now())
        self.redis_brokers[1]._moderation.up()
        await self.until(lambda: self.store.command("HLEN", f"{self.prefix}bans") == 1)
        self.assertEqual(self.store.command("HKEYS", f"{self.prefix}bans"), [lasting.key.encode()])

    async def test_a_question_ends_in_time(self) -> None:
        """An operator's request hangs, because one process does or the store is away, and nobody says so."""
        self.store.command("ZADD", f"{self.prefix}instances", int(self.now()), "hung")
        self._live("hung")
        self.left_behind = frozenset(self.prefix + key for key in ("instance:hung", "signal:hung", "instances"))
        answers = await self.redis_brokers[0].ask(b"?")
        self.assertEqual(answers, Answers({"one": b"one heard ?", "two": b"two heard ?"}, ("hung",)))
        self.store.kill()
        await self.until(lambda: not self.redis_brokers[0].store_reachable)
        answers = await self.redis_brokers[0].ask(b"?")
        self.assertEqual(answers, Answers({"one": b"one heard ?"}, (), reached_all=False))
        self.store.start()

    async def test_blocks_are_bounded_and_end(self) -> None:
        """One client fills the store with blocks."""
        store = self.redis_brokers[0]._store
        for by, at_most in ((Party(ClientId("a"), UserId("ada")), BLOCKS_EACH), (Party(ClientId("a")), 50)):
            for number in range(at_most + 5):
                await store.block(by, Party(ClientId(f"b{number}")), suite.BLOCK_S)
            key = f"{self.prefix}blocks:{names(by)[0]}"
            self.assertEqual(self.store.command("ZCARD", key), at_most)
            self.assertLessEqual(self.store.command("TTL", key), suite.BLOCK_S)

    async def test_blocks_of_guests_go_with_them(self) -> None:
        """Guests who come, block and go fill the store until it refuses everything."""
        self.patch(redis_store, "GUESTS_WITH_BLOCKS", 3)
        here, there = self.redis_brokers
        for number in range(5):
            here.block(Party(ClientId(f"g{number}")), Party(ClientId("B")))
        await self.settle()
        await self.settle()
        here.block(Party(ClientId("u"), UserId("ada")), Party(ClientId("B")))
        here.ended(ClientId("g4"), moved=False)
        there.ended(ClientId("g3"), moved=True)
        there.ended(ClientId("g2"), moved=False)
        await self.settle()
        await self.settle()
        kept = {key.decode().rsplit(":", 1)[1] for key in self.store.command("KEYS", f"{self.prefix}blocks:c:*")}
        self.assertEqual(kept, {"g2"})
        self.assertEqual(self.store.command("ZRANGE", f"{self.prefix}blockers", 0, -1), [b"c:g2"])
        self.assertEqual(len(self.store.command("KEYS", f"{self.prefix}blocks:u:*")), 1)

    async def _newcomer(self, known: dict[str, Ban]) -> None:
        """Start another instance, and wait until it knows these bans and no others."""
        moderator = suite.Moderator("three")
        broker = self._broker("three")
        self.redis_brokers.append(broker)
        self.brokers.append(broker)
        broker.start(self.events, moderator)
        await self.joined()
        await self.until(lambda: moderator.known.keys() >= known.keys())
        self.assertEqual(moderator.known, known)

    async def _restart(self) -> None:
        """Restart the store, empty."""
        self.store.kill()
        await self.until(lambda: not any(broker.store_reachable for broker in self.redis_brokers))
        self.store.start()
        await self.joined()

    async def test_scripts_are_loaded_again(self) -> None:
        """After SCRIPT FLUSH nobody is matched any more."""
        self.store.command("SCRIPT", "FLUSH")
        await self._pair_in_time("a", "B")

    async def test_commands_for_a_match_do_not_grow(self) -> None:
        """A long queue slows every match down."""
        far = Outgoing("far", ("boot of far", 1))
        self._live("far")
        self.left_behind = frozenset(self.prefix + key for key in ("instance:far", "signal:far", "waiting"))
        counted = []
        for clients in (range(100), range(100, 10_000)):
            self.file("far", *(f"f{number}" for number in clients))
            before = self._commands()
            for number in range(20):
                name = f"a{clients.start + number}"
                await self.enqueue(name)
                claim = await self._claim(name)
                far.add(Confirm(claim.room))
                self.store.command("XADD", f"{self.prefix}signal:one", "*", "d", far.send() or b"")
                far.arrived()
                await self.events.until(lambda name=name: name in self.events.rooms)  # type: ignore[misc]
            counted.append((self._commands() - before) / 20)
        few, many = counted
        print(f"commands for a match with 100 and with 10,000 waiting: {few:g}, {many:g}")  # noqa: T201 - for -rP
        self.assertLess(many, 15)
        self.assertLess(abs(many - few), 3)

    async def test_a_report_waits_for_the_store(self) -> None:
        """Whatever is reported while the store is away is lost, or nobody here can work with it until then."""
        late = self._broker("three")
        self.brokers.append(late)
        id, ruling = self.report(1, "A"), Ruling(ReportState.ACTED, "ada", 1.0, "at once")
        page = await late.inbox.page(10)
        self.assertEqual([kept.report.report_id for kept in page.reports], [id])
        self.assertFalse(page.complete)
        self.assertEqual(await late.inbox.judge(ReportId("another"), ruling), (None, False))
        await late.inbox.judge(id, ruling)
        self.assertEqual(await self.listed(self.brokers[0]), [])
        late.start(self.events, suite.Moderator("three"))
        await self.until(lambda: not late.inbox.held)
        found = await self.brokers[0].inbox.find(id)
        assert found.kept is not None
        self.assertEqual(found.kept.ruling, ruling)

    async def test_search_has_a_limit(self) -> None:
        """Thousands of tickets that may not be taken for now would stop the store, or hide who stands behind them."""
        self._live("hung")
        self.left_behind = frozenset(self.prefix + key for key in ("instance:hung", "signal:hung", "waiting"))
        self.redis_brokers[0]._errands._shunned["hung"] = self.now() + 60
        self.file("hung", *(f"h{number}" for number in range(10_000)))
        before, scripts = self._commands(), self._commands("evalsha")
        ticket = await self.enqueue("a")
        stay = self.redis_brokers[0]._pairing._stays[ticket.client]
        await self.until(lambda: not stay.busy)
        scripts = self._commands("evalsha") - scripts
        self.assertGreaterEqual(scripts, 10_000 // 200, "somebody behind them would not be found")
        self.assertLess((self._commands() - before) / scripts, 40)
        self.withdraw("a")

    def _live(self, instance: str) -> None:
        """Let an instance seem to live."""
        self.store.command("SET", f"{self.prefix}instance:{instance}", f"boot of {instance}", "EX", 60)
        self.store.command("XADD", f"{self.prefix}signal:{instance}", "*", "d", "")

    async def _claim(self, claimant: str) -> Claim:
        """The claim that a client has made at instance far."""
        found: list[Claim] = []

        def made() -> bool:
            found[:] = [claim for claim in self._claims("far") if claim.claimant == claimant]
            return bool(found)

        await self.until(made)
        return found[0]

    def _claims(self, instance: str) -> list[Claim]:
        """All claims that were made at an instance that does not read them."""
        entries = self.store.command("XRANGE", f"{self.prefix}signal:{instance}", "-", "+")
        letters = [letter for _, (_, batch) in entries if batch for letter in decode(batch).letters]
        return [letter for letter in letters if isinstance(letter, Claim)]

    def _commands(self, of: str = "") -> int:
        """How many commands the store has done, in scripts too, but for those of this test; or how many of one."""
        info: bytes = self.store.command("INFO", "commandstats")
        lines = [line for line in info.decode().split("\r\n") if line.startswith("cmdstat_")]
        ours = ("info", "xrange", "ping", "zadd")
        return sum(
            int(line.split("calls=")[1].split(",")[0])
            for line in lines
            if line[8:].startswith(of) and not line[8:].startswith(ours)
        )

    async def _pair_in_time(self, one: str, other: str) -> None:
        for client in (one, other):
            ticket = Ticket(ClientId(client), 1, self.now())
            self.events.tickets[client] = ticket
            self.broker(client).enqueue(ticket)
        await self.paired(one, other)

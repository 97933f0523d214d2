"""What all instances know and say together: bans, blocks, questions to everybody.

What the store was not told yet, because it was away, is kept and told when it is back.
"""

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from twisted.internet.defer import Deferred

from signald.brokers.interface import Answers, ModerationEvents
from signald.brokers.redis.letters import Answer, Ask, Banned, Letter
from signald.brokers.redis.store import PAGE, Store
from signald.core.bans import Ban
from signald.core.blocks import Blocks
from signald.core.encounters import Party

ANSWER_WITHIN_S: Final = 2.0
"""How long a question waits for the instances, the time to ask them included."""

BLOCKS_KEPT: Final = 10_000
"""Blocks that are to be told, as long as the store is away; 5 MB. The oldest are forgotten first."""

COMPARE_S: Final = 600.0
"""Between two comparisons with the bans of the store: mends what a letter that was lost left behind."""


class Question:
    """One that not all have answered."""

    __slots__ = ("answered", "answers", "deadline", "missing")

    def __init__(self, deadline: float) -> None:
        self.answers: dict[str, bytes] = {}
        self.missing: set[str] | None = None  # until it is known who lives
        self.deadline = deadline
        self.answered: Deferred[Answers] = Deferred()

    def end(self) -> None:
        """Give what there is."""
        if not self.answered.called:  # else who asked has gone
            missing = tuple(sorted(self.missing or ()))
            self.answered.callback(Answers(self.answers, missing, self.missing is not None))


class Fleet:
    """One instance among all.

    Args:
        store: Where bans and blocks are.
        send: Sends a letter to another instance.
        events: Who is told of bans and questions.
        blocks: What this process remembers of who has blocked whom.
        now: Seconds, monotonic.
        unix_time: Seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        send: Callable[[str, Letter], None],
        events: ModerationEvents,
        blocks: Blocks,
        now: Callable[[], float],
        unix_time: Callable[[], float],
    ) -> None:
        self._store = store
        self._send = send
        self._events = events
        self._blocks = blocks
        self._now = now
        self._unix_time = unix_time
        # What was said here and the store was not told yet.
        self._bans: OrderedDict[str, Ban] = OrderedDict()
        self._pairs: OrderedDict[tuple[Party, Party], None] = OrderedDict()
        self._questions: dict[int, Question] = {}
        self._asked = 0
        self._comparing = False
        self._compare_at = 0.0
        self._read: Mapping[type[Any], Callable[[str, Any], None]] = {
            Ask: self._answer,
            Answer: self._answered,
            Banned: self._banned,
        }
        self.letters = frozenset(self._read)
        """The letters that are for this."""

    # --- Broker -------------------------------------------------------------------------------------------------------

    def block(self, by: Party, whom: Party) -> None:
        """See `Broker.block`. The store is told at once: before it is asked for the next partner of either."""
        self._blocks.add(by, whom, self._now())
        self._pairs[by, whom] = None
        if len(self._pairs) > BLOCKS_KEPT:
            self._pairs.popitem(last=False)
        self._tell_pairs()

    def share(self, bans: Sequence[Ban]) -> None:
        """See `Broker.share`. They leave together at the next tick."""
        self._bans.update((ban.key, ban) for ban in bans)

    async def ask(self, question: bytes) -> Answers:
        """See `Broker.ask`."""
        self._asked += 1
        asked = self._questions[self._asked] = Question(self._now() + ANSWER_WITHIN_S)
        asked.answers[self._store.instance] = self._events.asked(question)
        if self._store.reachable:
            self._do(self._put(self._asked, question))
        else:
            self._end(self._asked)
        return await asked.answered

    # --- the store and the time ---------------------------------------------------------------------------------------

    def up(self) -> None:
        """The store can be asked (again), or has lost its data: each learns what the other does not know."""
        self._compare_at = self._now()
        self.tick()

    def tick(self) -> None:
        """Time has passed: what was said is told, questions run out."""
        now = self._now()
        if self._store.reachable:
            self._tell_pairs()
            if self._bans:
                self._do(self._tell_bans())
            if now >= self._compare_at and not self._comparing:
                self._do(self._compare())
        for number in [number for number, asked in self._questions.items() if asked.deadline <= now]:
            self._end(number)

    async def stop(self) -> None:
        """Say what was not said yet."""
        while self._bans and self._store.reachable:
            await self._tell_bans()

    def read(self, instance: str, letter: Letter) -> None:
        """A letter of another instance; one of `letters`."""
        self._read[type(letter)](instance, letter)

    # --- bans ---------------------------------------------------------------------------------------------------------

    async def _compare(self) -> None:
        """Learn the bans of the store, and tell it those that it does not know."""
        self._comparing, began = True, self._now()
        try:
            known: dict[str, float] = {}
            async for bans in self._store.bans():
                now = self._unix_time()
                self._events.banned(bans)
                known.update((ban.key, ban.at) for ban in bans)
                over = [ban.key for ban in bans if ban.keep <= now]
                if over:
                    await self._store.save_bans((), over, now)
            self.share([ban for ban in self._events.bans() if known.get(ban.key, 0.0) < ban.at])
            self._compare_at = began + COMPARE_S
        finally:
            self._comparing = False

    async def _tell_bans(self) -> None:
        told = list(islice(self._bans.values(), PAGE))
        for ban in told:
            del self._bans[ban.key]
        try:
            await self._store.save_bans(told, (), self._unix_time())
            others = await self._others()
        except BaseException:
            for ban in told:
                self._bans.setdefault(ban.key, ban)
            raise
        for instance in others:
            self._send(instance, Banned(told))

    def _banned(self, instance: str, letter: Banned) -> None:
        self._events.banned(letter.bans)

    # --- blocks -------------------------------------------------------------------------------------------------------

    def _tell_pairs(self) -> None:
        if self._pairs and self._store.reachable:
            pairs, self._pairs = self._pairs, OrderedDict()
            for by, whom in pairs:
                self._do(self._tell_pair(by, whom))

    async def _tell_pair(self, by: Party, whom: Party) -> None:
        try:
            await self._store.block(by, whom, self._blocks.lasting(by, whom))
        except BaseException:
            self._pairs[by, whom] = None
            raise

    # --- questions ----------------------------------------------------------------------------------------------------

    async def _put(self, number: int, question: bytes) -> None:
        others = await self._others()
        asked = self._questions.get(number)
        if asked is None:
            return
        asked.missing = others
        for instance in others:
            self._send(instance, Ask(number, question))
        self._end_if_whole(number)

    async def _others(self) -> set[str]:
        return set(await self._store.instances()) - {self._store.instance}

    def _answer(self, instance: str, letter: Ask) -> None:
        self._send(instance, Answer(letter.number, self._events.asked(letter.question)))

    def _answered(self, instance: str, letter: Answer) -> None:
        asked = self._questions.get(letter.number)
        if asked is not None:
            asked.answers[instance] = letter.text
            self._end_if_whole(letter.number)

    def _end_if_whole(self, number: int) -> None:
        asked = self._questions[number]
        if asked.missing is not None:
            asked.missing -= asked.answers.keys()
            if not asked.missing:
                self._end(number)

    def _end(self, number: int) -> None:
        self._questions.pop(number).end()

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(step).addErrback(self._store.failed)

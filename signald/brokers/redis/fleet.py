"""What all instances know and say together: bans, who is kept apart, questions to everybody.

What the store was not told yet, because it was away, is kept and told when it is back.
"""

from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred

from signald.brokers.interface import Answers, ModerationEvents
from signald.brokers.redis.letters import Answer, Ask, Banned, Letter
from signald.brokers.redis.store import Store
from signald.core.moderation import Ban, Blocks, Party

ANSWER_WITHIN_S: Final = 2.0
"""How long a question waits for the instances, the time to ask them included."""

PAIRS_KEPT: Final = 10_000
"""Who is to be kept apart, as long as the store is away; 5 MB. The oldest are forgotten first."""

BANS_IN_ONE_LETTER: Final = 500
"""About 50 kB."""

FleetLetter = Ask | Answer | Banned


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
        self.answered.callback(Answers(self.answers, tuple(sorted(self.missing or ())), self.missing is not None))


class Fleet:
    """One instance among all.

    Args:
        store: Where the bans are.
        send: Sends a letter to another instance.
        events: Who is told of bans and questions.
        blocks: What this process remembers of who is kept apart.
        lasting_s: How long two are kept apart.
        now: Seconds, monotonic.
        unix_time: Seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        send: Callable[[str, Letter], None],
        events: ModerationEvents,
        blocks: Blocks,
        lasting_s: float,
        now: Callable[[], float],
        unix_time: Callable[[], float],
    ) -> None:
        self._store = store
        self._send = send
        self._events = events
        self._blocks = blocks
        self._lasting_s = lasting_s
        self._now = now
        self._unix_time = unix_time
        # What was said here and the store was not told yet.
        self._bans: dict[str, Ban] = {}
        self._pairs: OrderedDict[tuple[Party, Party], None] = OrderedDict()
        self._questions: dict[int, Question] = {}
        self._asked = 0

    def keep_apart(self, one: Party, other: Party) -> None:
        """See `Broker.keep_apart`. The store is told at once: before it is asked for the next partner of either."""
        self._blocks.add(one, other, self._now())
        self._pairs[one, other] = None
        if len(self._pairs) > PAIRS_KEPT:
            self._pairs.popitem(last=False)
        if self._store.reachable:
            self._do(self._tell_pair((one, other)))

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

    async def up(self) -> None:
        """The store can be asked (again): each learns what the other does not know."""
        theirs = await self._store.load_bans(self._unix_time())
        self._events.banned(theirs)
        known = {ban.key: ban.at for ban in theirs}
        self.share([ban for ban in self._events.bans() if known.get(ban.key, 0.0) < ban.at])
        for pair in list(self._pairs):
            await self._tell_pair(pair)

    def tick(self) -> None:
        """Time has passed: bans are told, questions run out."""
        if self._bans and self._store.reachable:
            bans, self._bans = self._bans, {}
            self._do(self._tell_bans(bans))
        now = self._now()
        for number in [number for number, asked in self._questions.items() if asked.deadline <= now]:
            self._end(number)

    def read(self, instance: str, letter: FleetLetter) -> None:
        """A letter of another instance."""
        if isinstance(letter, Ask):
            self._send(instance, Answer(letter.number, self._events.asked(letter.question)))
        elif isinstance(letter, Banned):
            self._events.banned(letter.bans)
        else:
            asked = self._questions.get(letter.number)
            if asked is not None:
                asked.answers[instance] = letter.text
                self._look(letter.number)

    async def _tell_pair(self, pair: tuple[Party, Party]) -> None:
        await self._store.keep_apart(*pair, self._lasting_s)
        self._pairs.pop(pair, None)

    async def _tell_bans(self, bans: dict[str, Ban]) -> None:
        told = False
        try:
            await self._store.save_bans(list(bans.values()))
            others = await self._others()
            told = True
        finally:
            if not told:
                self._bans = bans | self._bans
        said = list(bans.values())
        for instance in others:
            for start in range(0, len(said), BANS_IN_ONE_LETTER):
                self._send(instance, Banned(said[start : start + BANS_IN_ONE_LETTER]))

    async def _put(self, number: int, question: bytes) -> None:
        others = await self._others()
        asked = self._questions.get(number)
        if asked is None:
            return
        asked.missing = others
        for instance in others:
            self._send(instance, Ask(number, question))
        self._look(number)

    async def _others(self) -> set[str]:
        return set(await self._store.instances()) - {self._store.instance}

    def _look(self, number: int) -> None:
        asked = self._questions[number]
        if asked.missing is not None:
            asked.missing -= asked.answers.keys()
            if not asked.missing:
                self._end(number)

    def _end(self, number: int) -> None:
        self._questions.pop(number).end()

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(step).addErrback(self._store.failed)

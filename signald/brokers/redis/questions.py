"""Carries questions to all instances, and their answers: one letter each way.

The words of a question are none of the broker's business; see `signald.brokers.interface.Broker.ask`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred

from signald.brokers.interface import Answers
from signald.brokers.redis.letters import Ask, Letter, Reply
from signald.brokers.redis.store import Store

ANSWER_WITHIN_S: Final = 2.0
"""Seconds that a question waits for the instances, the time to ask them included."""


class OpenQuestion:
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


class SharedQuestions:
    """The questions of one instance among all.

    Args:
        store: Knows which instances there are.
        send: Sends a letter to another instance.
        answer: Answers a question here.
        now: Seconds, monotonic.
    """

    def __init__(
        self,
        store: Store,
        send: Callable[[str, Letter], None],
        answer: Callable[[bytes], bytes],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._send = send
        self._answer_here = answer
        self._now = now
        self._questions: dict[int, OpenQuestion] = {}
        self._asked = 0
        self._read: Mapping[type[Any], Callable[[str, Any], None]] = {Ask: self._answer, Reply: self._answered}
        self.letters = frozenset(self._read)
        """The letters that are for this."""

    async def ask(self, question: bytes) -> Answers:
        """See `Broker.ask`."""
        self._asked += 1
        asked = self._questions[self._asked] = OpenQuestion(self._now() + ANSWER_WITHIN_S)
        asked.answers[self._store.instance] = self._answer_here(question)
        if self._store.reachable:
            Deferred.fromCoroutine(self._put(self._asked, question)).addErrback(self._store.failed)
        else:
            self._end(self._asked)
        return await asked.answered

    def tick(self) -> None:
        """End the questions whose time is over."""
        now = self._now()
        for number in [number for number, asked in self._questions.items() if asked.deadline <= now]:
            self._end(number)

    def read(self, instance: str, letter: Letter) -> None:
        """A letter of another instance; one of `letters`."""
        self._read[type(letter)](instance, letter)

    async def _put(self, number: int, question: bytes) -> None:
        others = await self._store.others()
        asked = self._questions.get(number)
        if asked is None:
            return
        asked.missing = others
        for instance in others:
            self._send(instance, Ask(number, question))
        self._end_if_whole(number)

    def _answer(self, instance: str, letter: Ask) -> None:
        self._send(instance, Reply(letter.number, self._answer_here(letter.question)))

    def _answered(self, instance: str, letter: Reply) -> None:
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

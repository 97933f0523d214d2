"""Counts who is here and who waits, over all instances, for whoever shows it on a page."""

from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from signald.brokers.interface import Broker
from signald.clients.clients import Clients
from signald.clients.questions import Headcount, HowMany, Questions, read, silent

FRESH_S: Final = 1.0
"""How long an answer is given again: pages ask as often as they are looked at, instances are asked once a second."""


class Online:
    """Asks all instances how many clients they have, at most once a second.

    Args:
        clients: Of this instance.
        broker: Knows who of them waits.
        questions: Puts it to all instances; here this answers.
        clock: Tells the time.
    """

    def __init__(self, clients: Clients, broker: Broker, questions: Questions, clock: IReactorTime) -> None:
        self._clients = clients
        self._broker = broker
        self._questions = questions
        self._clock = clock
        self._known: dict[str, Any] = {}
        self._until = 0.0
        self._asking: list[Deferred[dict[str, Any]]] = []
        questions.on(HowMany, self._here)

    def count(self) -> "Deferred[dict[str, Any]]":
        """What ``/online`` says; all who ask while the instances are being asked get the same answer."""
        if self._known and self._clock.seconds() < self._until:
            return succeed(self._known)
        waiting: Deferred[dict[str, Any]] = Deferred()
        self._asking.append(waiting)
        if len(self._asking) == 1:
            Deferred.fromCoroutine(self._ask())
        return waiting

    async def _ask(self) -> None:
        answers = await self._questions.ask(HowMany())
        counts = list(read(answers, Headcount))
        self._known = {
            "online": sum(each.online for each in counts),
            "waiting": sum(each.waiting for each in counts),
            "complete": answers.reached_all and not silent(answers),
        }
        self._until = self._clock.seconds() + FRESH_S
        asking, self._asking = self._asking, []
        for waiting in asking:
            waiting.callback(self._known)

    def _here(self, asked: HowMany) -> Headcount:
        return Headcount(len(self._clients) + self._clients.away, self._broker.waiting)

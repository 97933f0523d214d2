"""Counts who is here and who waits, over all instances, for whoever shows it on a page."""

from itertools import islice
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from signald.brokers.interface import Broker
from signald.clients.clients import Clients
from signald.clients.pools import Pools
from signald.clients.questions import Headcount, HowMany, Questions, read, silent

FRESH_S: Final = 1.0
"""How long an answer is given again: pages ask as often as they are looked at, instances are asked once a second."""

POOLS_AT_ONCE: Final = 100
"""Pools that one question is about; others are asked for with the next. A letter of 13 kB at most."""

Said = dict[str, Any]
"""What ``/online`` says."""


class _Known(NamedTuple):
    said: Said
    until: float


class Online:
    """Asks all instances how many clients they have, of everybody and of each pool at most once a second.

    One question is under way at a time; whoever asks meanwhile is answered by the next one.

    Args:
        clients: Of this instance.
        broker: Knows who of them waits.
        pools: The same by pool.
        questions: Puts it to all instances; here this answers.
        clock: Tells the time.
    """

    def __init__(
        self, clients: Clients, broker: Broker, pools: Pools, questions: Questions, clock: IReactorTime
    ) -> None:
        self._clients = clients
        self._broker = broker
        self._pools = pools
        self._questions = questions
        self._clock = clock
        self._known: dict[str | None, _Known] = {}
        self._asking: dict[str | None, list[Deferred[Said]]] = {}
        self._busy = False
        questions.on(HowMany, self._here)

    def count(self, pool: str | None = None) -> "Deferred[Said]":
        """What ``/online`` says of a pool, or of everybody."""
        known = self._known.get(pool)
        if known is not None and self._clock.seconds() < known.until:
            return succeed(known.said)
        answer: Deferred[Said] = Deferred()
        self._asking.setdefault(pool, []).append(answer)
        if not self._busy:
            Deferred.fromCoroutine(self._ask())
        return answer

    async def _ask(self) -> None:
        self._busy = True
        while self._asking:
            asking = {pool: self._asking.pop(pool) for pool in list(islice(self._asking, POOLS_AT_ONCE))}
            pools = [pool for pool in asking if pool is not None]
            answers = await self._questions.ask(HowMany(pools))
            counts = list(read(answers, Headcount))
            complete = answers.reached_all and not silent(answers)
            now = self._clock.seconds()
            self._known = {pool: known for pool, known in self._known.items() if now < known.until}
            for pool, waiting in asking.items():
                if pool is None:
                    numbers = [(each.online, each.waiting) for each in counts]
                else:
                    place = pools.index(pool)
                    numbers = [each.pools[place] for each in counts if each.pools]
                online, wait = (sum(each) for each in zip((0, 0), *numbers, strict=True))
                said = {"online": online, "waiting": wait, "complete": complete}
                self._known[pool] = _Known(said, now + FRESH_S)
                for answer in waiting:
                    answer.callback(said)
        self._busy = False

    def _here(self, asked: HowMany) -> Headcount:
        here = Headcount(len(self._clients) + self._clients.away, self._broker.waiting)
        if asked.pools:
            counts = self._pools.counts()
            found = [counts.get(pool) for pool in asked.pools]
            here.pools = [(0, 0) if facts is None else (facts.online, facts.waiting) for facts in found]
        return here

"""Counts who is here and who waits, over all instances, for whoever shows it on a page."""

from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

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
        """What ``/online`` says of a pool, or of everybody. Fails if an instance answers what cannot be read."""
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
        try:
            while self._asking:
                asking = {pool: self._asking.pop(pool) for pool in list(islice(self._asking, POOLS_AT_ONCE))}
                try:
                    found = await self._ask_about(list(asking))
                except Exception:
                    failure = Failure()
                    for answer in chain.from_iterable(asking.values()):
                        answer.errback(failure)
                    continue
                for pool, waiting in asking.items():
                    for answer in waiting:
                        answer.callback(found[pool])
        finally:
            self._busy = False

    async def _ask_about(self, wanted: Sequence[str | None]) -> Mapping[str | None, Said]:
        """Ask all instances, and remember what they say."""
        pools = [pool for pool in wanted if pool is not None]
        answers = await self._questions.ask(HowMany(pools))
        counts = list(read(answers, Headcount))
        complete = answers.reached_all and not silent(answers)
        now = self._clock.seconds()
        self._known = {pool: known for pool, known in self._known.items() if now < known.until}
        found: dict[str | None, Said] = {}
        for pool in wanted:
            if pool is None:
                numbers = [(each.online, each.waiting) for each in counts]
            else:
                place = pools.index(pool)
                numbers = [each.pools[place] for each in counts if each.pools]
            online, wait = (sum(each) for each in zip((0, 0), *numbers, strict=True))
            found[pool] = {"online": online, "waiting": wait, "complete": complete}
            self._known[pool] = _Known(found[pool], now + FRESH_S)
        return found

    def _here(self, asked: HowMany) -> Headcount:
        here = Headcount(len(self._clients) + self._clients.away, self._broker.waiting)
        if asked.pools:
            counts = self._pools.counts()
            found = [counts.get(pool) for pool in asked.pools]
            here.pools = [(0, 0) if facts is None else (facts.online, facts.waiting) for facts in found]
        return here

"""Counts the clients of this instance by pool, for pages and for the operator."""

from collections.abc import Iterable, Mapping
from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.clients.clients import Clients
from signald.clients.questions import LookAtPools, PoolFacts, PoolList, Questions
from signald.core.standing import State

COUNTED_S: Final = 1.0
"""How long a count holds. Counting looks at every client, 0.7 µs each, and strangers may ask at any time."""


class Pools:
    """Who waits in which pool of this instance, and who is in a call that came of it.

    Args:
        clients: Of this instance.
        questions: Puts the operator's question to all instances; here this answers.
        clock: Tells the time.
    """

    def __init__(self, clients: Clients, questions: Questions, clock: IReactorTime) -> None:
        self._clients = clients
        self._clock = clock
        self._counted: dict[str, PoolFacts] = {}
        self._until = float("-inf")
        questions.on(LookAtPools, self._look)

    def counts(self) -> Mapping[str, PoolFacts]:
        """What is known of each pool with somebody in it; a second old at most."""
        now = self._clock.seconds()
        if now >= self._until:
            self._count(now)
            self._until = now + COUNTED_S
        return self._counted

    def _count(self, now: float) -> None:
        counted: dict[str, PoolFacts] = {}
        for client in self._clients:
            session = client.session
            state = session.stands if session.state is State.AWAY else session.state
            if state is not State.WAITING and state is not State.PAIRED:
                continue
            pool = "" if session.wish is None else session.wish.pool
            facts = counted.get(pool)
            if facts is None:
                facts = counted[pool] = PoolFacts(pool, 0, 0, 0.0)
            facts.online += 1
            ticket = session.ticket  # one that is away stands in no queue
            if ticket is not None:
                facts.waiting += 1
                facts.longest_seconds = max(facts.longest_seconds, round(now - ticket.since, 1))
        self._counted = counted

    def _look(self, asked: LookAtPools) -> PoolList:
        counted = self.counts()
        return PoolList(len(counted), fullest(counted.values())[: asked.limit])


def fullest(pools: Iterable[PoolFacts]) -> list[PoolFacts]:
    """Pools, those first in which most wait."""
    return sorted(pools, key=lambda each: (-each.waiting, -each.online, each.pool))


def together(lists: Iterable[PoolList]) -> list[PoolFacts]:
    """What several instances know of their pools, as if they were one; the fullest first."""
    merged: dict[str, PoolFacts] = {}
    for facts in (facts for of_one in lists for facts in of_one.pools):
        known = merged.get(facts.pool)
        if known is None:
            merged[facts.pool] = facts
        else:
            known.online += facts.online
            known.waiting += facts.waiting
            known.longest_seconds = max(known.longest_seconds, facts.longest_seconds)
    return fullest(merged.values())

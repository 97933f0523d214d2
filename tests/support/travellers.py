"""Clients that lose their connections all the time, and a few of the first protocol among them."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable

from tests.support.journeys import Journey, check_absences, check_farewells
from tests.support.line import Line
from tests.support.oracle import Broken, View, check_pairs
from tests.support.swarm import Swarm
from tests.support.traveller import Traveller

LATELY_S = 10.0
"""Words that were answered within this tell how busy the machine is."""

LOSSES = ("reset", "reset", "end", "hole", "hole", "code")
"""How connections are lost: all are as likely."""


class Travellers(Swarm):
    """All clients.

    Args:
        rng: Decides everything.
        size: How many travellers there are.
        old: How many clients of the first protocol.
        resume_s: After which a client that was away may be refused.
        vanishing: How many of those that go do so without a word, and are waited for.

    Attributes:
        holes: Connections that nobody listens on any more.
        closes: Codes with which the server closed.
        absences: How long clients were away that went on.
        resumptions: How many went on.
        losses: Of these, how many were told that something may be missing.
        refused: How many were not.
        unanswered: How many attempts.
    """

    def __init__(self, rng: random.Random, size: int, old: int, *, resume_s: float, vanishing: float = 0.0) -> None:
        super().__init__(rng, old)
        self._count = size
        self.resume_s = resume_s
        self._vanishing = vanishing
        self.asks_twice = True
        """Whether some ask for their session by two connections at once."""
        self.answer_s = 5.0
        """How long a client waits for an answer to `resume`."""
        self.travellers: dict[Traveller, asyncio.Task[None]] = {}
        self.holes: list[Line] = []
        self.closes: Counter[int] = Counter()
        self.absences: list[float] = []
        self.resumptions = 0
        self.losses = 0
        self.refused = 0
        self.unanswered = 0
        self._trips: deque[tuple[float, float]] = deque()

    def any_port(self) -> int | None:
        """Where to connect; None while nothing listens."""
        return self.ports[self.rng.choice(sorted(self.ports))] if self.ports else None

    def judge(self, event: Callable[[], object]) -> None:
        """See `Swarm.judge`; the diaries of all that a broken promise names are added."""
        try:
            event()
        except Broken as broken:
            self.accuse(str(broken))

    def accuse(self, what: str) -> None:
        """Note a broken promise."""
        self.broken.append(self.with_diaries(what))

    def with_diaries(self, what: str) -> str:
        """A sentence, and what all whom it names have said and heard."""
        diaries = [
            f"\n  {view.client}: " + "; ".join(view.diary)
            for view in self.views.values()
            if isinstance(view, Journey) and view.client in what
        ]
        return "".join([what, *diaries])

    def resumed(self, *, lost: bool) -> None:
        """A client went on."""
        self.resumptions += 1
        self.losses += lost

    def answered(self, said_at: float) -> None:
        """What a client said then was handled."""
        now = time.monotonic()
        self._trips.append((now, now - said_at))

    def late_s(self) -> float:
        """See `Swarm.late_s`; on a machine that does much else it takes longer."""
        now = time.monotonic()
        while self._trips and self._trips[0][0] < now - LATELY_S:
            self._trips.popleft()
        return super().late_s() + max((took for _, took in self._trips), default=0.0)

    def check_gone(self, view: View, partner: str, since: float | None = None) -> None:
        """Nobody is matched with one who is gone or away, but for a claim that was on its way."""
        super().check_gone(view, partner, since)
        other = self.views[partner]
        now, late_s = time.monotonic() if since is None else since, self.late_s()
        calm = self.calm_since is not None and now - self.calm_since > late_s
        if isinstance(other, Journey) and other.away_at is not None and now - other.away_at > late_s and calm:
            raise Broken(f"{view.client} is matched with {partner}, away for {now - other.away_at:.1f} s")

    async def fill(self) -> None:
        """Let there be enough clients."""
        self.travellers = {one: task for one, task in self.travellers.items() if not task.done() or task.result()}
        while len(self.travellers) < self._count:
            traveller = Traveller(self)
            self.travellers[traveller] = asyncio.create_task(traveller.live())
        if len(self.clients) < self._size:
            await super().fill()

    def act(self, count: int) -> None:
        """Let some clients do something, and some lose their connection."""
        super().act(max(1, count * self._size // (self._count + self._size)))
        here = [one for one in self.travellers if one.here]
        for traveller in self.rng.sample(here, min(count, len(here))):
            choice = self.rng.random()
            self.words += 1
            if choice < 0.06:
                traveller.twice = self.rng.random() < 0.25
                traveller.drop(self.rng.choice(LOSSES))
            elif choice < 0.07:
                traveller.go(politely=self.rng.random() >= self._vanishing)
            elif traveller.free and traveller.view is not None:
                traveller.say(self.word_for(traveller.view, self.rng.random()))
        if len(self.holes) > 20:
            for line in self.holes[:10]:
                line.abort()
            del self.holes[:10]

    def storm(self, share: float) -> None:
        """Let a share of all lose their connections at once: a mobile network that restarts."""
        here = [one for one in self.travellers if one.here]
        for traveller in self.rng.sample(here, int(share * len(here))):
            traveller.drop(self.rng.choice(LOSSES))

    def settle(self) -> None:
        """At rest: those who cannot know where they stand find out."""
        for traveller in self.travellers:
            if traveller.free and traveller.view is not None and traveller.view.needs_certainty:
                traveller.say("available")

    def absent(self) -> str:
        """At rest: who has not come back yet; empty if all have."""
        for task in self.travellers.values():
            if task.done():
                task.result()
        views = [one.view for one in self.travellers if not one.here and one.view is not None]
        away = [view.client for view in views if view.gone_at is None]  # the others have left, and are not yet replaced
        return f"{away} are away" if away else ""

    def wrong(self) -> str:
        """At rest: what does not hold yet; empty if all does."""
        if away := self.absent():
            return away
        busy = [client.view.client for client in self.clients if client.view and client.view.word]
        busy += [one.view.client for one in self.travellers if one.view and (one.view.word or one.view.blurred)]
        return f"{busy} were not answered" if busy else check_pairs(self.views) or check_absences(self.views)

    def forget(self) -> None:
        """See `Swarm.forget`; what was told of partners who left is judged before."""
        self.judge(lambda: check_farewells(self.views))
        super().forget()
        rooms = {state.room for view in self.views.values() for state in view.states if view.gone_at is None}
        for view in self.views.values():
            view.knew &= rooms
            view.left &= rooms

    async def end(self) -> None:
        """Let everybody leave."""
        for traveller, task in self.travellers.items():
            if traveller.here:
                traveller.go(politely=True)
            else:
                task.cancel()
        await asyncio.wait(self.travellers.values())
        for line in self.holes:
            line.abort()
        for client in list(self.clients):
            client.go(politely=True)

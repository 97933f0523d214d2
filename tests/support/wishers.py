"""Clients that say whom they want to meet, and who of them waits though somebody is there, or is overtaken."""

import json
import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

from signald.core.messages import SUBPROTOCOL
from tests.support.matchmaking import CLAIM, REMEMBERED, Asked, Heard, make_wish, may_meet, shared
from tests.support.oracle import IDLE, WAITING, Broken, Said, View, check_partners
from tests.support.swarm import Swarm, SwarmClient
from tests.support.tokens import sign

REFUSALS = frozenset({"ALREADY_PAIRED", "NOT_PAIRED"})
"""Answers to a wish that was not taken."""

NOT_BLOCKED = frozenset({"RATE_LIMIT", "NOT_PAIRED"})
"""Answers to a block: too many of them, or two others were met meanwhile, of whom it has not heard yet."""

TOKEN_S = 86_400
"""For which tokens are good."""

SETTLED_S = 2.0
"""Who has waited for longer than this is in the line for certain, and is known to all others."""

OVERTAKEN_S = 1.0
"""For which a claim may be under way; who still waits after this was overtaken."""

ROUND_TRIPS = 8
"""So many times a message and its answer may add to that: a claim goes by the store and another instance, and back."""


class Block(NamedTuple):
    """One client has blocked another.

    Attributes:
        by: User or client that did.
        whom: User or client that was blocked.
        client: Which client said it.
        at: Until when it was handled.
        home: Process that has handled it.
        calm: Whether the store could be told at once.
    """

    by: str
    whom: str
    client: str
    at: float
    home: tuple[int, int]
    calm: bool


class Wisher(SwarmClient):
    """One client of `signald.v1`.

    Args:
        swarm: All of them.
        instance: To which it connects.
        user: Whose client it is; empty for nobody's.

    Attributes:
        asked: What it wants; one of these is in force.
        earliest: Since when it may wait; None if it does not.
        latest: Since when it waits for certain.
        changed: When it has last said something else.
        stays: How often it has begun to wait.
        lately: Its last partners.
    """

    def __init__(self, swarm: "Wishers", instance: int, user: str) -> None:
        self.crowd = swarm
        self.user = user
        self.facts: dict[str, list[str]] = {}
        protocols = [SUBPROTOCOL]
        if user:
            claims: dict[str, Any] = {"sub": user, "exp": int(time.time()) + TOKEN_S}
            if user.endswith(("1", "2", "3")):
                claims[CLAIM] = "Gold"
                self.facts = {CLAIM: ["Gold"]}
            protocols.append(f"bearer.{sign(claims)}")
        super().__init__(swarm, instance, protocols)
        self.home = instance, swarm.lives[instance]
        self.asked = [Asked({}, self.facts)]
        self.earliest: float | None = None
        self.latest: float | None = None
        self.changed = 0.0
        self.stays = 0
        self.lately: deque[str] = deque(maxlen=REMEMBERED + 2)
        self._waited_before = 0.0  # since when it may have waited at its last match
        self._said_at = 0.0
        self._proved_at = 0.0  # when it said what was handled last: what it hears now came to pass after that
        self._refused = False
        self._fields: dict[str, Any] | None = None
        self._blocked = ""

    @property
    def name(self) -> str:
        """Under which blocks are known."""
        return self.user or self.client

    @property
    def client(self) -> str:
        """Its id."""
        return "" if self.view is None else self.view.client

    @property
    def waits(self) -> bool:
        """Whether it waits for certain, and it is certain for what."""
        view = self.view
        return view is not None and view.certain == WAITING and len(self.asked) == 1 and self.latest is not None

    def say(self, word: str) -> None:
        """See `SwarmClient.say`."""
        assert self.view is not None
        rng, now = self.crowd.rng, time.monotonic()
        self._said_at, self._refused, self._fields = now, False, None
        if word in ("available", "next"):
            if self.earliest is None or word == "next":
                self._begin(now)
            # Without fields `available` means anybody if it is idle, and nothing else if it waits.
            if rng.random() < (0.15 if self.view.certain == IDLE else 0.5 if word == "next" else 0.0):
                self._fields = {} if word == "available" else None
            else:
                self._fields = make_wish(rng)
            if self._fields is not None:
                self.asked = [*self.asked, Asked(self._fields, self.facts)]
        elif word == "block":
            self._blocked = self.view.certain.partner if self.view.certain else ""
        super().say(word)

    def text_of(self, word: str, said: Said | None) -> bytes:
        """See `SwarmClient.text_of`."""
        if word == "block":
            return json.dumps({"type": word, "partnerId": self._blocked}).encode()
        if word in ("available", "next") and self._fields:
            return json.dumps({"type": word, **self._fields}).encode()
        return super().text_of(word, said)

    def handled(self, view: View) -> None:
        """See `SwarmClient.handled`."""
        now, word = time.monotonic(), view.word
        self.crowd.trips.append((now, now - self._said_at))
        self._proved_at = self._said_at
        super().handled(view)
        if self._fields is not None and not self._refused:
            self.asked, self.changed = self.asked[-1:], now
        if word == "block" and not self._refused:
            self.crowd.block(self, self._blocked, now)
        if word in ("available", "next") and self.earliest is not None and self.latest is None:
            self.latest = now
        if view.certain is not None and view.certain != WAITING:
            self.earliest = self.latest = None

    def receive(self, message: dict[str, Any]) -> None:
        """See `SwarmClient.receive`."""
        kind, now = message["type"], time.monotonic()
        if kind == "waiting":
            self.crowd.judge(lambda: self._check_bulletin(message["seconds"], now))
            return
        if kind == "goodbye":  # its instance stops
            return
        code = message.get("code")
        if code in NOT_BLOCKED and self.view is not None and self.view.word == "block":
            self._refused = True
            return
        if code in REFUSALS and self._fields is not None:
            self._refused = True
            self.asked = self.asked[:-1]
        super().receive(message)
        if kind == "matched":
            self.crowd.judge(lambda: self.crowd.heard(self, message, now))
            self.lately.append(message["partnerId"])
            self._waited_before = self.earliest or 0.0
            # It may have left this one already, and wait again.
            self.earliest = self._said_at if self.view is not None and self.view.word == "next" else None
            self.latest = None
        elif kind == "partner-left":
            self._begin(max(self._waited_before, self._proved_at))
            self.latest = now

    def _begin(self, earliest: float) -> None:
        self.earliest = earliest if self.earliest is None else min(self.earliest, earliest)
        self.latest = None
        self.stays += 1

    def _check_bulletin(self, seconds: int, now: float) -> None:
        """It is told how long it waits. What came just after another word is not judged."""
        if self.waits and self.earliest is not None and seconds > now - self.earliest + 1:
            raise Broken(f"{self.client} is told that it waits for {seconds} s, after {now - self.earliest:.1f} s")

    def over(self, now: float) -> set[str]:
        """What of its wish binds no more, for certain."""
        assert self.latest is not None
        return self.asked[0].over(now - self.latest)


class Overtaking(NamedTuple):
    """Somebody was left standing though it could have been taken.

    Attributes:
        who: That one.
        stay: Its stay.
        what: Who met whom instead.
        at: When.
    """

    who: Wisher
    stay: int
    what: str
    at: float


class Wishers(Swarm):
    """All clients.

    Args:
        rng: Decides everything.
        size: How many clients there are.

    Attributes:
        lives: How often each instance has begun.
        store_lost_at: When the store last forgot something.
        strict_since: Since when nothing but clients disturbs; None while something may.
        trips: When words of late were handled, and how long that took.
        judged: Matches of which both sides were heard.
        looked_at: Matches of which was looked who else might have been taken.
        doubts: Of these, those in which somebody older was under way to somebody else.
        relaxed: What had worn off in matches, and how often.
        longest: How long two waited at worst who might meet; seconds.
    """

    def __init__(self, rng: random.Random, size: int) -> None:
        super().__init__(rng, size)
        self._users = [f"user {number}" for number in range(size // 5)]
        self.lives: Counter[int] = Counter()
        self.store_lost_at = 0.0
        self.strict_since: float | None = None
        self.trips: deque[tuple[float, float]] = deque()
        self.judged = 0
        self.looked_at = 0
        self.doubts = 0
        self.relaxed: Counter[str] = Counter()
        self.liked = 0
        self.longest = 0.0
        self._halves: dict[str, tuple[Heard, Wisher]] = {}
        self._blocks: list[Block] = []
        self._apart: dict[frozenset[str], list[Block]] = {}
        self._overtakings: list[Overtaking] = []
        self._together: dict[frozenset[tuple[str, int]], float] = {}

    @property
    def blocks(self) -> int:
        """How many there were."""
        return len(self._blocks)

    def make(self, instance: int) -> Wisher:
        """See `Swarm.make`. A third are users, with some clients each."""
        user = self.rng.choice(self._users) if self.rng.random() < 0.4 else ""
        if user and sum(one.user == user for one in self._wishers()) >= 5:
            user = ""
        return Wisher(self, instance, user)

    def word_for(self, view: View, choice: float) -> str:
        """See `Swarm.word_for`."""
        if view.certain is not None and view.certain.kind == "paired" and self.rng.random() < 0.004:
            return "block"
        if view.certain == WAITING and self.rng.random() < 0.7:
            return "ping"  # people wait
        return super().word_for(view, choice)

    def _wishers(self) -> Iterator[Wisher]:
        return (one for one in self.clients if isinstance(one, Wisher))

    # --- blocks -------------------------------------------------------------------------------------------------------

    def block(self, by: Wisher, whom: str, now: float) -> None:
        """Somebody has blocked its partner."""
        other = next((one for one in self._wishers() if one.client == whom), None)
        if other is not None and other.name != by.name:
            said = Block(by.name, other.name, by.client, now, by.home, calm=self.calm_since is not None)
            self._blocks.append(said)
            self._apart.setdefault(frozenset((by.name, other.name)), []).append(said)

    def _holds(self, block: Block, homes: dict[str, tuple[int, int]]) -> bool:
        """Whether a block is known to whoever matches these two, on processes by client."""
        if homes.get(block.client) == block.home:
            return True
        lives = self.lives[block.home[0]] == block.home[1]
        return (block.calm or lives) and block.at > self.store_lost_at and self.strict_since is not None

    # --- matches ------------------------------------------------------------------------------------------------------

    def heard(self, client: Wisher, message: dict[str, Any], now: float) -> None:
        """One has heard of its match; if it is the second of the two, they are judged."""
        room, common = message["roomId"], message.get("common")
        if common is not None:
            self.relaxed.update(common["relaxed"])
            self.liked += bool(common["likes"])
        if client.earliest is None:
            raise Broken(f"{client.client} did not wait and was matched")
        half = Heard(client.client, client.user, tuple(client.asked), client.earliest, now, common)
        if room not in self._halves:
            self._halves[room] = half, client
            return
        other, partner = self._halves.pop(room)
        self.judged += 1
        other.judge(half)
        homes = {client.client: client.home, partner.client: partner.home}
        for block in self._apart.get(frozenset((client.name, partner.name)), ()):
            if min(half.earliest, other.earliest) > block.at and self._holds(block, homes):
                raise Broken(f"{client.client} met {partner.client}, and there was {block}")
        pair = (client, half), (partner, other)
        self._look_for_overtaken(*sorted(pair, key=lambda each: each[1].earliest))

    def _look_for_overtaken(self, older: tuple[Wisher, Heard], newer: tuple[Wisher, Heard]) -> None:
        """A newcomer met one of those who wait: nobody who waits for longer might have been taken."""
        (one, waited), (comes, heard) = older, newer
        now = time.monotonic()
        if self.strict_since is None or self.strict_since > heard.earliest - SETTLED_S:
            return
        if heard.at - heard.earliest > SETTLED_S or waited.earliest > heard.earliest - SETTLED_S:
            return
        if len(heard.asked) > 1 or len(waited.asked) > 1:
            return
        self.looked_at += 1
        (wants,), (theirs,) = heard.asked, waited.asked
        told = [set(half.common["relaxed"]) if half.common else set() for half in (heard, waited)]
        met = shared(wants, told[0], theirs, told[1])
        for other in self._wishers():
            if other in (one, comes) or not other.waits or other.latest is None:
                continue
            if other.latest >= waited.earliest or max(other.latest, other.changed) > heard.earliest - SETTLED_S:
                continue
            recent = other.client in comes.lately or comes.client in other.lately
            if not recent and self._strangers(other, comes) and self._was_there(other, comes, wants, heard, met):
                what = f"{comes.client} met {one.client}, and not {other.client}, who has waited for longer"
                self._overtakings.append(Overtaking(other, other.stays, what, now))

    def _was_there(self, other: Wisher, comes: Wisher, wants: Asked, heard: Heard, met: int) -> bool:
        """Whether a newcomer could have had another one all the time, and shares as much with it."""
        asked = other.asked[0]
        for moment in (heard.earliest, heard.at):
            own, theirs = wants.over(moment - heard.earliest), other.over(moment)
            if not may_meet(wants, own, asked, theirs) or shared(wants, own, asked, theirs) < met:
                return False
        return True

    def _strangers(self, one: Wisher, other: Wisher) -> bool:
        """Whether nothing speaks against two as persons for long."""
        same = one.user and one.user == other.user
        return not same and frozenset((one.name, other.name)) not in self._apart

    def late_s(self) -> float:
        """See `Swarm.late_s`; on a machine that does much else it takes longer."""
        return super().late_s() + self.patience_s()

    # --- those who wait -----------------------------------------------------------------------------------------------

    def patience_s(self) -> float:
        """How long something may take that goes to and fro some times, by how long words took of late."""
        now = time.monotonic()
        while self.trips and self.trips[0][0] < now - 5.0:
            self.trips.popleft()
        return OVERTAKEN_S + ROUND_TRIPS * max((took for _, took in self.trips), default=0.0)

    def look(self) -> None:
        """Judge who was overtaken a while ago, and who waits though another does who might be met."""
        if self.strict_since is None:
            self._overtakings.clear()
            self._together.clear()
            return
        now, patience_s = time.monotonic(), self.patience_s()
        due = [each for each in self._overtakings if now - each.at > patience_s]
        self._overtakings = [each for each in self._overtakings if now - each.at <= patience_s]
        for each in due:
            if each.who in self.clients and each.who.waits and each.who.stays == each.stay:
                self.broken.append(f"{each.what}, and still waits after {now - each.at:.1f} s")
            else:
                self.doubts += 1
        together = {
            frozenset(((one.client, one.stays), (other.client, other.stays))) for one, other in self._may_meet()
        }
        self._together = {pair: self._together.get(pair, now) for pair in together}
        for pair, since in self._together.items():
            self.longest = max(self.longest, now - since)
            if now - since > patience_s:
                self.broken.append(f"{sorted(pair)} wait for {now - since:.1f} s, and might meet")

    def _may_meet(self) -> Iterator[tuple[Wisher, Wisher]]:
        """Pairs of those who wait for certain that might meet."""
        now = time.monotonic()
        waiting = [(one, one.asked[0], one.over(now)) for one in self._wishers() if one.waits]
        for (one, asked, over), (other, theirs, other_over) in combinations(waiting, 2):
            if may_meet(asked, over, theirs, other_over) and self._strangers(one, other):
                yield one, other

    def wrong(self) -> str:
        """See `Swarm.wrong`: nobody waits who might meet another."""
        busy = [client.view.client for client in self.clients if client.view and client.view.word]
        if busy:
            return f"{busy} were not answered"
        pair = next(self._may_meet(), None)
        return check_partners(self.views) or ("" if pair is None else f"{pair[0].client} and {pair[1].client} wait")

    def forget(self) -> None:
        """See `Swarm.forget`."""
        super().forget()
        here = {one.client for one in self._wishers()}
        self._halves = {room: half for room, half in self._halves.items() if half[0].client in here}

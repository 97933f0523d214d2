"""The queue against a list that anyone can understand, in which each search looks at every ticket."""

import os
import random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from signald.core.blocks import Blocks
from signald.core.classes import IDLE_KEPT
from signald.core.ids import BrowserKey, ClientId, RoomId, UserId
from signald.core.matching import CANDIDATES, Queue, Ticket, compatible
from signald.core.messages import Wishes
from signald.core.rooms import Room
from signald.core.wishes import Vocabulary, Wish, make_wish

CLIENTS = [ClientId(name) for name in "abcdefgh"]
STEPS = int(os.environ.get("STEPS", "50"))
EXAMPLES = int(os.environ.get("EXAMPLES", "100"))

facts = st.dictionaries(
    st.sampled_from(["k", "l"]), st.lists(st.sampled_from("uv"), min_size=1, max_size=2), max_size=2
)
words = st.lists(st.sampled_from("xyz"), max_size=2)


def wish(**said: object) -> Wish | None:
    """What becomes of a client's words."""
    return make_wish(Wishes(**said), (), Vocabulary(likes_s=2.0))  # type: ignore[arg-type]


wishes = st.none() | st.builds(
    wish,
    pool=st.sampled_from(["", "", "", "p"]),
    is_=facts,
    wants=st.just({}) | facts,
    avoids=st.just({}) | st.just({}) | facts,
    likes=st.just([]) | words,
    relax=st.dictionaries(st.sampled_from(["k", "l", "likes"]), st.sampled_from([0.0, 1.0, 2.5]), max_size=2),
)


class Everybody:
    """Who waits, as a list in order of age, with the rules said as plainly as can be."""

    def __init__(self) -> None:
        self.waiting: list[Ticket] = []
        self.blocked: list[tuple[str, str]] = []

    def binds(self, ticket: Ticket, key: str, now: float) -> bool:
        relax = {} if ticket.wish is None else dict(ticket.wish.relax)
        return key not in relax or now < ticket.since + relax[key]

    def content(self, one: Ticket, other: Ticket, now: float) -> bool:
        """Whether the other one has what this one wants, and nothing that it avoids."""
        own, theirs = one.wish or Wish(), dict((other.wish or Wish()).is_)
        for key, values in own.wants:
            if self.binds(one, key, now) and not set(values) & set(theirs.get(key, ())):
                return False
        return not any(
            self.binds(one, key, now) and set(values) & set(theirs.get(key, ())) for key, values in own.avoids
        )

    def prefers(self, ticket: Ticket, now: float) -> bool:
        return bool(ticket.likes) and self.binds(ticket, "likes", now)

    def shared(self, one: Ticket, other: Ticket, now: float) -> int:
        both = self.prefers(one, now) and self.prefers(other, now)
        return len(set(one.likes) & set(other.likes)) if both else 0

    def apart(self, one: Ticket, other: Ticket, now: float) -> bool:
        """Whether two are kept apart as persons."""
        if one.client == other.client or (one.user and one.user == other.user):
            return True
        for ticket, partner in ((one, other), (other, one)):
            if partner.client in ticket.avoid and now < ticket.avoid_until:
                return True
            if ticket.browser and ticket.browser == partner.browser and now < ticket.avoid_until:
                return True
        names, others = one.party().names(), other.party().names()
        return any(
            (first in names and second in others) or (second in names and first in others)
            for first, second in self.blocked
        )

    def may_meet(self, one: Ticket, other: Ticket, now: float) -> bool:
        if self.apart(one, other, now) or one.pool != other.pool:
            return False
        if not (self.content(one, other, now) and self.content(other, one, now)):
            return False
        both = self.prefers(one, now) and self.prefers(other, now)
        return not both or self.shared(one, other, now) > 0

    def match(self, ticket: Ticket, now: float) -> Ticket | None:
        candidates = [other for other in self.waiting if self.may_meet(ticket, other, now)][:CANDIDATES]
        if not candidates:
            return None
        found = max(candidates, key=lambda other: (self.shared(ticket, other, now), -candidates.index(other)))
        self.waiting = [other for other in self.waiting if other not in (found, ticket)]
        return found

    def add(self, ticket: Ticket) -> None:
        """Behind all that wait as long."""
        self.waiting = [other for other in self.waiting if other.client != ticket.client]
        place = len(self.waiting)
        while place and self.waiting[place - 1].since > ticket.since:
            place -= 1
        self.waiting.insert(place, ticket)


class QueueModel(RuleBasedStateMachine):
    """Random histories of a queue, beside the list."""

    tickets = Bundle("tickets")
    passed_over = 1_000

    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks(1e9)
        self.queue = Queue(self.blocks, self.passed_over)
        self.model = Everybody()
        self.now = 0.0
        self.numbers = 0
        self.settled = True
        """Whether each that waits has looked for whom it may meet."""

    @rule(
        target=tickets,
        client=st.sampled_from(CLIENTS),
        avoid=st.just([]) | st.lists(st.sampled_from(CLIENTS), max_size=3),
        seconds=st.sampled_from([1.0, 5.0]),
        user=st.none() | st.none() | st.sampled_from([UserId("ada"), UserId("bob")]),
        wish=wishes,
        browser=st.none() | st.sampled_from([BrowserKey("firefox"), BrowserKey("chromium")]),
    )
    def new(
        self,
        client: ClientId,
        avoid: list[ClientId],
        seconds: float,
        user: UserId | None,
        wish: Wish | None,
        browser: BrowserKey | None,
    ) -> Ticket:
        self.numbers += 1
        return Ticket(client, self.numbers, self.now, tuple(avoid), self.now + seconds, user, wish, browser=browser)

    @rule(ticket=consumes(tickets))
    def serve(self, ticket: Ticket) -> None:
        """As a broker does: match, or wait at the tail."""
        expected = self.model.match(ticket, self.now)
        assert self.queue.match(ticket, self.now) == expected
        if expected is None:
            self.queue.add(ticket, self.now)
            self.model.add(ticket)

    @rule(ticket=tickets)
    def file(self, ticket: Ticket) -> None:
        self.queue.add(ticket, self.now)
        self.model.add(ticket)
        self.settled = False

    @rule(ticket=tickets)
    def withdraw(self, ticket: Ticket) -> None:
        assert self.queue.withdraw(ticket) == (ticket in self.model.waiting)
        if ticket in self.model.waiting:
            self.model.waiting.remove(ticket)

    @rule(ticket=tickets)
    def match(self, ticket: Ticket) -> None:
        assert self.queue.match(ticket, self.now) == self.model.match(ticket, self.now)

    @rule()
    def serve_all(self) -> None:
        """All that wait look again."""
        for ticket in list(self.model.waiting):
            if ticket in self.model.waiting:
                self.match(ticket)
        self.settled = True

    @rule(one=tickets, other=tickets)
    def block(self, one: Ticket, other: Ticket) -> None:
        if one.client != other.client:
            self.blocks.add(one.party(), other.party(), self.now)
            self.model.blocked.append((one.party().names()[0], other.party().names()[0]))

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        """Whoever may meet somebody more looks again at that moment."""
        until = self.now + seconds
        while (due := self.queue.next_change()) is not None and due <= until:
            self.now = max(self.now, due)
            for ticket in self.queue.changed(self.now):
                if ticket in self.queue:
                    self.match(ticket)
        self.now = until

    @invariant()
    def same(self) -> None:
        waiting = self.model.waiting
        assert self.queue.oldest() == waiting
        assert len(self.queue) == len(waiting)
        assert all(ticket in self.queue for ticket in waiting)
        crowds = self.queue.crowds()
        assert crowds.tickets == {pool: n for pool in ("", "p") if (n := sum(t.pool == pool for t in waiting))}
        assert bool(waiting) <= crowds.classes <= len(waiting)

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Two that may meet do not both wait."""
        if self.settled:
            waiting, now = self.model.waiting, self.now
            assert not [(one, other) for one in waiting for other in waiting if self.model.may_meet(one, other, now)]


TestQueueModel = QueueModel.TestCase
"""Somebody waits while later comers are served, meets whom it does not want to meet, or waits for ever."""
TestQueueModel.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None)


class ImpatientQueue(RuleBasedStateMachine):
    """A queue whose searches stop at two tickets of persons who are kept apart, and go on a moment later."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks(1e9)
        self.queue = Queue(self.blocks, passed_over=2)
        self.model = Everybody()
        self.now = 0.0
        self.numbers = 0

    @rule(
        client=st.sampled_from([ClientId(f"{name}{number}") for name in "abcd" for number in range(5)]),
        user=st.sampled_from([None, UserId("ada"), UserId("ada"), UserId("bob")]),
        wants=st.sampled_from([None, wish(is_={"k": ["u"]}), wish(is_={"k": ["u"]}, wants={"k": ["u"]})]),
    )
    def serve(self, client: ClientId, user: UserId | None, wants: Wish | None) -> None:
        self.numbers += 1
        self.now += 1.0
        ticket = Ticket(client, self.numbers, self.now, user=user, wish=wants)
        before = next((waits for waits in self.model.waiting if waits.client == client), None)
        if before is not None:
            self.queue.withdraw(before)
            self.model.waiting.remove(before)
        expected = self.model.match(ticket, self.now)
        found = self.queue.match(ticket, self.now)
        if found is None:
            self.queue.add(ticket, self.now)
            while found is None and (due := self.queue.next_change()) is not None:
                self.now = due
                assert self.queue.changed(due) in ([ticket], [])
                found = self.queue.match(ticket, due)
        assert found == expected
        if expected is None:
            self.model.add(ticket)

    @rule(one=st.sampled_from("abcd"), other=st.sampled_from("abcd"))
    def block(self, one: str, other: str) -> None:
        """Somebody blocks five others."""
        for number in range(5):
            by, whom = Ticket(ClientId(f"{one}0"), 1, 0.0), Ticket(ClientId(f"{other}{number}"), 1, 0.0)
            if by.client != whom.client:
                self.blocks.add(by.party(), whom.party(), self.now)
                self.model.blocked.append((by.party().names()[0], whom.party().names()[0]))

    @invariant()
    def same(self) -> None:
        assert self.queue.oldest() == self.model.waiting


TestImpatientQueue = ImpatientQueue.TestCase
"""Some who may not meet me hide the one who may."""
TestImpatientQueue.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None)


def ticket(client: str, number: int = 1, avoid: str | None = None, until: float = 0.0) -> Ticket:
    return Ticket(ClientId(client), number, 0.0, () if avoid is None else (ClientId(avoid),), until)


def test_old_place() -> None:
    """Who was away for a moment is behind all who came since; or before those who have waited longer."""
    queue = Queue(Blocks(1e9))
    waiting = [Ticket(ClientId(name), 1, since) for name, since in (("a", 1.0), ("b", 2.0), ("c", 2.0), ("d", 3.0))]
    for each in waiting:
        queue.add(each, 0.0)
    for place, again in enumerate(waiting):
        queue.withdraw(again)
        queue.add(again, 0.0)
        expected = [each for each in waiting if each is not again]
        expected.insert(place + (again.client == "b"), again)  # as old as the next one, and came later
        assert queue.oldest() == expected
        queue = Queue(Blocks(1e9))
        for each in waiting:
            queue.add(each, 0.0)


def test_compatible() -> None:
    """Two who left each other meet again at once, or never again."""
    avoiding = ticket("a", avoid="b", until=5.0)
    assert not compatible(ticket("a"), ticket("a", 2), 0.0)
    assert compatible(ticket("a"), ticket("b"), 0.0)
    for now, may in ((0.0, False), (4.9, False), (5.0, True), (6.0, True)):
        assert compatible(avoiding, ticket("b"), now) is may
        assert compatible(ticket("b"), avoiding, now) is may
        assert compatible(avoiding, ticket("c"), now)


def test_two_of_one_browser() -> None:
    """Somebody who opens a second tab sees itself, though others wait; or who is alone never sees that it works."""
    queue = Queue(Blocks(1e9))
    first, second, later = (
        Ticket(ClientId(name), 1, since, (), since + 3.0, browser=BrowserKey("firefox"))
        for name, since in (("a", 0.0), ("b", 10.0), ("c", 11.0))
    )
    queue.add(first, 0.0)
    assert queue.match(second, 10.0) is None, "the first one has waited long, the second one has not"
    queue.add(second, 10.0)
    assert queue.match(ticket("stranger"), 10.5) == first
    assert queue.match(later, 11.0) is None
    queue.add(later, 11.0)
    assert queue.changed(13.0) == [first, second][1:]
    assert queue.match(second, 13.0) is None, "the later one may not yet"
    assert queue.changed(14.0) == [later]
    assert queue.match(later, 14.0) == second


def test_one_user_is_never_matched_with_itself() -> None:
    """Somebody with two tabs is called by the other tab, and strangers who said no name wait for ever."""
    ada, again = (Ticket(ClientId(client), 1, 0.0, user=UserId("ada")) for client in "ab")
    bob, nobody, stranger = Ticket(ClientId("c"), 1, 0.0, user=UserId("bob")), ticket("d"), ticket("e")
    assert not compatible(ada, again, 0.0)
    assert not compatible(again, ada, 0.0)
    for one, other in ((ada, bob), (ada, nobody), (nobody, ada), (nobody, stranger)):
        assert compatible(one, other, 0.0)
    queue = Queue(Blocks(1e9))
    queue.add(ada, 0.0)
    queue.add(again, 0.0)
    assert queue.match(bob, 0.0) == ada
    assert queue.match(ada, 0.0) is None


def test_an_old_ticket_does_not_withdraw_a_new_one() -> None:
    """A late word about the last stay costs a client its place."""
    queue = Queue(Blocks(1e9))
    queue.add(ticket("a", 2), 0.0)
    assert not queue.withdraw(ticket("a", 1))
    assert ticket("a", 1) not in queue
    assert ticket("a", 2) in queue
    assert len(queue) == 1


def test_match_takes_its_own_ticket_out_too() -> None:
    """A client that is matched by a timer stays in the queue as a ghost."""
    queue = Queue(Blocks(1e9))
    queue.add(ticket("a"), 0.0)
    queue.add(ticket("b"), 0.0)
    assert queue.match(ticket("b"), 0.0) == ticket("a")
    assert len(queue) == 0


def test_each_is_the_partner_of_the_other() -> None:
    """What one of the two says comes back to itself."""
    room = Room(RoomId("r"), ClientId("a"), ClientId("b"))
    assert (room.partner_of(ClientId("a")), room.partner_of(ClientId("b"))) == ("b", "a")


def test_what_somebody_makes_up_is_forgotten() -> None:
    """Whoever thinks of ever new wishes and pools fills the memory, though nobody waits."""
    queue = Queue(Blocks(1e9))
    queue.add(Ticket(ClientId("a"), 1, 0.0, wish=wish(wants={"k": ["u"]})), 0.0)
    for number in range(200):
        for made_up in (wish(is_={"l": [str(number)]}), wish(pool=str(number), is_={"l": ["x"]})):
            comes = Ticket(ClientId("b"), number, 0.0, wish=made_up)
            assert queue.match(comes, 0.0) is None
            queue.add(comes, 0.0)
            queue.withdraw(comes)
    assert list(queue._pools) == [""]
    assert len(queue._pools[""]._classes) <= 2 * (1 + IDLE_KEPT)
    found = queue.match(Ticket(ClientId("c"), 1, 0.0, wish=wish(is_={"k": ["u"]})), 0.0)
    assert found is not None and found.client == "a"


@pytest.mark.slow
def test_a_long_walk() -> None:
    """The same as of the queue beside the list, so many steps that what is rare comes too (STEPS, SEED)."""
    rng = random.Random(int(os.environ.get("SEED", "1")))  # noqa: S311 - to be repeated, not to be secret
    done = 0
    while done < STEPS:
        model, tickets = QueueModel(), list[Ticket]()
        for _ in range(min(1_000, STEPS - done)):
            walk(model, tickets, rng)
            done += 1
    print(f"{done} steps")  # noqa: T201 - for -s


def some_wish(rng: random.Random) -> Wish | None:
    """The same as `wishes`, of this generator."""

    def facts(share: float) -> dict[str, list[str]]:
        return {key: rng.sample("uv", rng.choice([1, 2])) for key in "kl" if rng.random() < share}

    if rng.random() < 0.3:
        return None
    return wish(
        pool=rng.choice(["", "", "", "p"]),
        is_=facts(0.5),
        wants=facts(0.25),
        avoids=facts(0.15),
        likes=rng.sample("xyz", rng.choice([0, 0, 1, 2])),
        relax={key: rng.choice([0.0, 1.0, 2.5]) for key in ("k", "l", "likes") if rng.random() < 0.3},
    )


def walk(model: QueueModel, tickets: list[Ticket], rng: random.Random) -> None:
    """One step."""
    choice = rng.random()
    if choice < 0.35 or not tickets:
        ticket: Any = model.new(
            rng.choice(CLIENTS),
            rng.sample(CLIENTS, rng.choice([0, 0, 0, 1, 3])),
            rng.choice([1.0, 5.0]),
            rng.choice([None, None, UserId("ada"), UserId("bob")]),
            some_wish(rng),
            rng.choice([None, None, BrowserKey("firefox"), BrowserKey("chromium")]),
        )
        model.serve(ticket)
        tickets.append(ticket)
        del tickets[:-30]
    elif choice < 0.8:
        rng.choice([model.serve, model.file, model.withdraw, model.match])(rng.choice(tickets))
    elif choice < 0.82:
        model.block(rng.choice(tickets), rng.choice(tickets))
    elif choice < 0.9:
        model.serve_all()
    else:
        model.wait(rng.choice([0.5, 1.0, 4.0]))
    model.same()
    model.nobody_waits_in_vain()

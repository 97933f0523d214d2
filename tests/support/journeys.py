"""What a client may see that can lose its connection and go on: the rules of `tests.support.oracle`, and resume's.

While nothing is lost an absence is invisible to these rules: what was missed comes later, in order, and each word is
heard once. After `lost` a view knows what it was told, until a ping tells that all has come.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.support.oracle import IDLE, LEAVING, WAITING, Broken, State, View

SENT_AGAIN = frozenset({"available", "next", "leave"})
"""Words that a client sends again after `lost`; of the others nobody needs an old one."""


@dataclass
class Journey(View):
    """What one client knows that can go on.

    Attributes:
        lost: How often.
        blurred: Whether it was told that, and does not know yet that all has come.
        partner_away: Whether its partner is, as far as it was told.
        away_at: When it lost its connection; None while it has one.
        was_away_at: When it lost the one before.
        excused: Why its session may be over although it said nothing of the kind.
        diary: The last things that it said and heard, for whoever reads of a broken promise.
    """

    lost: int = 0
    blurred: bool = False
    partner_away: bool = False
    away_at: float | None = None
    was_away_at: float | None = None
    excused: str = ""
    diary: deque[str] = field(default_factory=lambda: deque(maxlen=24))
    _met: dict[str, str] = field(default_factory=dict)
    _unsure: bool = False
    _leaves: bool = False
    _before: set[tuple[str, str]] = field(default_factory=set)

    def note(self, what: str) -> None:
        """Write into the diary."""
        self.diary.append(f"{time.monotonic() % 1000:.2f} {what}")

    @property
    def needs_certainty(self) -> bool:
        """Whether only another word can tell in which state it is."""
        return self._unsure and len(self.states) > 1 and not self.word

    def matched(self, room: str, partner: str) -> None:
        self._met[partner] = room
        if not self.blurred:
            super().matched(room, partner)
        else:
            self.knew.add(room)
            self._now(State("paired", room, partner))
            if self.word in LEAVING or self._leaves:
                self.left.add(room)
        self.partner_away = False

    def partner_left(self) -> None:
        if not self.blurred:
            super().partner_left()
        else:
            partners = self._partners | self._before  # none if it had heard that already: its home has forgotten so
            by_itself = any(room in self.left for room, _ in partners)  # its home has forgotten its word, too
            if partners and not by_itself:
                self.farewells.append(partners)
            self._now(WAITING)

    def answered(self, answer: str) -> None:
        if not self.blurred:
            super().answered(answer)

    def relayed(self, sender: str, number: int) -> None:
        if not self.blurred:
            super().relayed(sender, number)
            return
        room = self._met.get(sender)
        if room is None:
            raise Broken(f"{self.client} heard {sender}, whom it never met")
        self._heard(room, sender, number)

    def partner_is(self, *, away: bool, lost: bool = False) -> None:
        """`partner-away`, or `partner-back`."""
        rooms = {state.room for state in self.states if state.kind == "paired"}
        if not rooms and not self.blurred:
            raise Broken(f"{self.client} hears of the absence of a partner that it cannot have: {self.states}")
        self.partner_away = away
        if lost:
            self._lose(rooms)

    def resumed(self, told: dict[str, Any], again: list[str]) -> None:
        """The session goes on.

        Args:
            told: The server's message.
            again: The words that are sent again.
        """
        self.was_away_at, self.away_at = self.away_at, None
        self.partner_away = told.get("partner") == "away"
        if not told["lost"]:
            return
        state = State(told["state"], told.get("roomId", ""), told.get("partnerId", ""))
        self._before = self._partners
        self.blurred, self._unsure, self.lost = True, bool(again) or self.word in SENT_AGAIN, self.lost + 1
        self._leaves = bool(LEAVING & set(again))  # in whichever room they find it
        if state.kind == "paired":
            self.knew.add(state.room)
            self._met[state.partner] = state.room
            self._lose({state.room})
            if LEAVING & set(again):
                self.left.add(state.room)
        for said in self.said.values():
            said.certain = False
        if self.word == "ice":
            self.said[self.count - 1].anywhere = True
        self._now(state)

    def handled(self) -> None:
        if not self.blurred:
            super().handled()
            return
        self.blurred, self.word = False, ""
        if self._unsure:
            self.states |= {IDLE, WAITING}

    def is_over(self, why: str) -> None:
        """The session has ended, and may have."""
        self.excused = self.excused or why
        self.end()

    @property
    def _partners(self) -> set[tuple[str, str]]:
        return {(state.room, state.partner) for state in self.states if state.kind == "paired"}

    def _now(self, state: State) -> None:
        self.states = {state}

    def _lose(self, rooms: set[str]) -> None:
        self.lost_in |= dict.fromkeys(rooms, time.monotonic())
        for said in self.said.values():
            if said.rooms & rooms:
                said.certain = False


def check_farewells(views: dict[str, View]) -> int:
    """Nobody was told that its partner left unless the partner did, or stayed away too long; gives how many were.

    A room with a client of the first protocol also ends, for both, when a letter is lost, or when one of their
    instances counts as dead: that client cannot be told that something is missing.
    """
    count = 0
    told = {(client, room) for client, view in views.items() for possible in view.farewells for room, _ in possible}
    for view in views.values():
        for possible in view.farewells:
            count += 1
            if not any(
                _may_have_left(views.get(partner), room)
                or ((partner, room) in told and not (isinstance(view, Journey) and isinstance(views[partner], Journey)))
                for room, partner in possible
            ):
                raise Broken(f"{view.client} was told that its partner left, which it had not: {possible}")
        view.farewells.clear()
    return count


def _may_have_left(partner: View | None, room: str) -> bool:
    if partner is None or partner.gone_at is not None:
        return True
    return room in partner.left or room not in partner.knew


def check_absences(views: dict[str, View]) -> str:
    """At rest, with everybody there: nobody is thought to be away, and partners agree on whether something was lost.

    Returns:
        What does not hold yet; empty if all does.
    """
    for view in views.values():
        state = view.certain
        if view.gone_at is not None or not isinstance(view, Journey) or state is None or state.kind != "paired":
            continue
        if view.partner_away:
            return f"{view.client} thinks that its partner {state.partner} is away"
        partner = views[state.partner]
        if isinstance(partner, Journey) and (state.room in view.lost_in) != (state.room in partner.lost_in):
            return f"only one of {view.client} and {state.partner} knows that something was lost"
    return ""

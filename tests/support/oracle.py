"""What a client may see, judged from outside: the rules of the protocol, and no knowledge of how signald works.

A client's words and the server's cross on their way, so a view holds every state in which the client may be; an event
that none of them allows is a broken promise.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple


class Broken(AssertionError):
    """A promise was broken."""


class State(NamedTuple):
    """One state in which a client may be."""

    kind: str
    """``idle``, ``waiting`` or ``paired``."""
    room: str = ""
    partner: str = ""
    pending: bool = False
    """Whether its last word has not been handled yet."""


IDLE, WAITING = State("idle"), State("waiting")

LEAVING = frozenset({"next", "leave"})
"""The words that end a room."""


def _paired_or(code: str, to: Callable[[State], State]) -> Callable[[State], tuple[State, str]]:
    return lambda state: (to(state), "") if state.kind == "paired" else (state, code)


_WORDS: dict[str, Callable[[State], tuple[State, str]]] = {
    "available": lambda state: (state, "ALREADY_PAIRED") if state.kind == "paired" else (WAITING, ""),
    "next": _paired_or("NOT_PAIRED", lambda state: WAITING),
    "leave": lambda state: (IDLE, ""),
    "ice": _paired_or("NOT_PAIRED", lambda state: state),
    "block": lambda state: (state, ""),
    "ping": lambda state: (state, "pong"),
    "nonsense": lambda state: (state, "INVALID_FORMAT"),
    "unknown": lambda state: (state, "UNKNOWN_TYPE"),
}
"""What a word does in a state: the state after it, and the answer that the client sees, if any."""


@dataclass
class Said:
    """One relayed message.

    Attributes:
        sender: Client id.
        number: Counts the sender's messages.
        rooms: In which rooms it may have been sent.
        certain: Whether it is known in which room it was sent: ``rooms`` then has that one.
        at: When, in seconds, monotonic.
        anywhere: Whether it may have been in a room that its sender never heard of, since that news was lost.
    """

    sender: str
    number: int
    rooms: set[str]
    certain: bool = False
    anywhere: bool = False
    at: float = field(default_factory=time.monotonic)


@dataclass
class View:
    """What one client knows.

    Attributes:
        client: Its id.
        states: In which it may be.
        word: What it said last, until that was handled.
        gone_at: When its connection ended.
        count: How many messages it has sent.
        said: Its messages, by number.
        heard: Numbers of its partner's messages, by room.
        heard_from: Who that was.
        knew: The rooms that it was told of.
        left: The rooms that its own words may have ended.
        farewells: For each `partner-left`, the rooms and partners that it may be about.
        lost_in: Rooms in which it was told that something may be missing, and when it last was.
    """

    client: str
    states: set[State] = field(default_factory=lambda: {IDLE})
    word: str = ""
    gone_at: float | None = None
    count: int = 0
    said: dict[int, Said] = field(default_factory=dict)
    heard: dict[str, list[int]] = field(default_factory=dict)
    heard_from: dict[str, str] = field(default_factory=dict)
    knew: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    farewells: list[set[tuple[str, str]]] = field(default_factory=list)
    lost_in: dict[str, float] = field(default_factory=dict)

    def must_have(self, said: Said, room: str) -> bool:
        """Whether a message that was said in its room has to have come, or will come."""
        return said.certain and said.at > self.lost_in.get(room, 0.0)

    @property
    def certain(self) -> State | None:
        """The state, if there is but one, and nothing that was said is on its way."""
        if self.word or len(self.states) != 1:
            return None
        (state,) = self.states
        return state

    def say(self, word: str) -> Said | None:
        """The client says something; it says nothing more until `handled`."""
        said = None
        if word == "ice":
            rooms = {state.room for state in self.states if state.kind == "paired"}
            said = Said(self.client, self.count, rooms, certain=len(self.states) == 1 and len(rooms) == 1)
            self.said[self.count] = said
            self.count += 1
        elif word in LEAVING:
            self.left |= {state.room for state in self.states if state.kind == "paired"}
        self.word = word
        self.states = {state._replace(pending=True) for state in self.states}
        self._close()
        return said

    def handled(self) -> None:
        """The server has handled the last word."""
        self._keep("handled", lambda state: None if state.pending else state)
        self.word = ""

    def matched(self, room: str, partner: str) -> None:
        if partner == self.client:
            raise Broken(f"{self.client} is matched with itself")
        self._keep(
            f"matched with {partner}",
            lambda state: State("paired", room, partner, state.pending) if state.kind == "waiting" else None,
        )
        self.knew.add(room)
        if self.word == "ice":
            self.said[self.count - 1].rooms.add(room)
            self.said[self.count - 1].certain = False
        elif self.word in LEAVING:
            self.left.add(room)

    def partner_left(self) -> None:
        self.farewells.append({(state.room, state.partner) for state in self.states if state.kind == "paired"})
        self._keep(
            "partner-left", lambda state: State("waiting", pending=state.pending) if state.kind == "paired" else None
        )
        if self.word == "ice":
            self.said[self.count - 1].certain = False

    def answered(self, answer: str) -> None:
        """An error code, or ``pong``."""

        def after(state: State) -> State | None:
            to, seen = _WORDS[self.word](state._replace(pending=False)) if state.pending else (state, "")
            return to if seen == answer and state.pending else None

        self._keep(answer, after)

    def relayed(self, sender: str, number: int) -> None:
        self._keep(f"a message from {sender}", lambda state: state if state.partner == sender else None)
        (room,) = {state.room for state in self.states if state.partner == sender}
        self._heard(room, sender, number)

    def end(self) -> None:
        """The client is gone. What it said last may have been heard in a room that it was not told of any more."""
        self.gone_at = time.monotonic()
        if self.word == "ice":
            self.said[self.count - 1].anywhere = True

    def _heard(self, room: str, sender: str, number: int) -> None:
        heard = self.heard.setdefault(room, [])
        if heard and number <= heard[-1]:
            raise Broken(f"{self.client} heard message {number} of {sender} after {heard[-1]} in room {room}")
        if self.heard_from.setdefault(room, sender) != sender:
            raise Broken(f"{self.client} heard {sender} in room {room}, where {self.heard_from[room]} is with it")
        heard.append(number)

    def _keep(self, what: str, after: Callable[[State], State | None]) -> None:
        kept = {to for state in self.states if (to := after(state)) is not None}
        if not kept:
            raise Broken(f"{self.client} got {what!r} in {self.states}, having said {self.word!r}")
        self.states = kept
        self._close()

    def _close(self) -> None:
        """A word that has no visible answer may have been handled at any moment."""
        for state in [state for state in self.states if state.pending]:
            to, seen = _WORDS[self.word](state._replace(pending=False))
            if not seen:
                self.states.add(to)


def check_relays(views: dict[str, View]) -> int:
    """Every message came to the right room, once, in order, with no gap; gives how many there were."""
    count = 0
    said_in: dict[str, list[Said]] = {}
    for view in views.values():
        for said in view.said.values():
            for room in said.rooms:
                said_in.setdefault(room, []).append(said)
    for view in views.values():
        for room, heard in view.heard.items():
            count += len(heard)
            partner = view.heard_from[room]
            of_partner = [said for said in said_in.get(room, ()) if said.sender != view.client]
            known = {said.number for said in views[partner].said.values() if room in said.rooms or said.anywhere}
            strange = set(heard) - known
            if strange or {said.sender for said in of_partner} - {partner}:
                raise Broken(f"in room {room} {view.client} heard {strange} of {partner}, who did not say that there")
            sure = [said.number for said in of_partner if said.number <= heard[-1] and view.must_have(said, room)]
            missed = set(sure) - set(heard)
            if missed:
                raise Broken(f"{view.client} missed {missed} of room {room}, and heard {heard[-1]}")
    return count


def waiting(views: dict[str, View]) -> list[str]:
    """Who waits, as far as that is certain."""
    return [client for client, view in views.items() if view.gone_at is None and view.certain == WAITING]


def check_pairs(views: dict[str, View]) -> str:
    """At rest: all of `check_partners`, and at most one client waits."""
    return check_partners(views) or (f"{waiting(views)} wait" if len(waiting(views)) > 1 else "")


def check_partners(views: dict[str, View]) -> str:
    """At rest: partners agree, and all that was said in their room was heard.

    Returns:
        What does not hold yet; empty if all does.
    """
    alive = {view.client: view for view in views.values() if view.gone_at is None}
    for view in alive.values():
        state = view.certain
        if state is None:
            return f"{view.client} may be in {view.states}"
        if state.kind != "paired":
            continue
        partner = alive.get(state.partner)
        if partner is None or partner.certain != State("paired", state.room, view.client):
            return f"{view.client} is in {state}, its partner in {partner and partner.certain}"
        said_there = [said for said in view.said.values() if said.rooms == {state.room}]
        sure = [said.number for said in said_there if partner.must_have(said, state.room)]
        if not set(sure) <= set(partner.heard.get(state.room, ())):
            return f"{partner.client} has not heard all of {sure}"
    return ""

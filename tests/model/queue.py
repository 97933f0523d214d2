"""What ``match.lua`` does, said again in Python: the lines of the store for the model, compared with the script itself.

It looks at every ticket, and knows no heads and no lines of likes.
"""

from collections.abc import Iterable
from typing import NamedTuple

from signald.core.wishes import Side, may_meet

LOOKED_AT_MOST = 200
CANDIDATES = 32


class Filed(NamedTuple):
    """A ticket in the store: the keys of its pool, its class (empty for those who say nothing), and its text."""

    pool: str
    name: str
    ticket: str


class Search(NamedTuple):
    """What a script is asked.

    Attributes:
        own: The ticket as it is to be filed.
        side: Of its class.
        place: Its place.
        former: How it may have been filed before.
        shunned: Instances whose tickets are left alone.
        reached: Place and ticket behind which the search goes on.
        plain: Whether those who say nothing are in this pool.
        classes_at_most: How many classes a pool may have.
    """

    own: Filed
    side: Side
    place: int
    former: tuple[Filed, ...] = ()
    shunned: frozenset[str] = frozenset()
    reached: tuple[int, str] | None = None
    plain: bool = True
    classes_at_most: int = 1_000


class Found(NamedTuple):
    """What it answers: a ticket that was taken; or how far the search came; or that there is no place."""

    taken: str | None = None
    reached: tuple[int, str] | None = None
    crowded: bool = False


def match(lines: dict[Filed, int], sides: dict[str, Side], alive: set[str], asked: Search) -> Found:
    """Find a partner for a ticket, or file it.

    Args:
        lines: Filed tickets with their places; changed.
        sides: By the name of the class; learns that of the ticket.
        alive: Instances that have a lease.
        asked: For what.
    """
    own = asked.own
    sides[own.name] = asked.side
    likes = set(_parts(own.ticket)[4])
    candidates: list[tuple[int, Filed]] = []
    looked = 0
    for filed in sorted(lines, key=lambda each: (lines[each], each.ticket)):
        theirs = _parts(filed.ticket)[4]
        both = asked.side.prefers and sides[filed.name].prefers
        in_pool = filed.pool == own.pool or (asked.plain and filed.name == "")
        if not in_pool or not may_meet(asked.side, sides[filed.name]) or (both and not likes.intersection(theirs)):
            continue
        if asked.reached is not None and (lines[filed], filed.ticket) <= asked.reached:
            continue
        looked += 1
        reached = lines[filed], filed.ticket
        if _parts(filed.ticket)[0] not in alive:
            del lines[filed]
        elif not _apart(own.ticket, filed.ticket, asked.shunned):
            candidates.append((len(likes.intersection(theirs)) if both else 0, filed))
            if not asked.side.prefers or len(candidates) == CANDIDATES:
                break
        if looked == LOOKED_AT_MOST:
            break
    if candidates:
        most = max(shared for shared, _ in candidates)
        best = next(filed for shared, filed in candidates if shared == most)
        _take_out(lines, (best, own, *asked.former))
        return Found(taken=best.ticket)
    standing = {filed.name for filed in lines if filed.pool == own.pool and filed.name}
    if own.name and own.name not in standing and len(standing) >= asked.classes_at_most:
        return Found(crowded=True)
    _take_out(lines, asked.former)
    lines[own] = asked.place
    return Found(reached=reached if looked == LOOKED_AT_MOST else None)


def _take_out(lines: dict[Filed, int], gone: Iterable[Filed]) -> None:
    for filed in gone:
        lines.pop(filed, None)


def _parts(ticket: str) -> tuple[str, str, list[str], str, list[str], str]:
    """Instance, client, whom it avoids, user, what it likes, and its browser."""
    instance, client, _, avoid, user, likes, browser, *_ = [*ticket.split("|"), "", "", ""]
    return instance, client, avoid.split(","), user, likes.split(",") if likes else [], browser


def _apart(one: str, other: str, shunned: frozenset[str]) -> bool:
    _, client, avoid, user, _, browser = _parts(one)
    instance, their_client, their_avoid, their_user, _, their_browser = _parts(other)
    if their_client == client or instance in shunned or (user and user == their_user):
        return True
    if browser and browser.rstrip("~") == their_browser.rstrip("~") and "~" in browser + their_browser:
        return True
    return their_client in avoid or client in their_avoid

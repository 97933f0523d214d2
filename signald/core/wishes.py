"""Whom a client wants to meet: what it says, made comparable, and what of it still binds after a while.

Words are compared in Unicode's composed form (NFC) and without regard to case. Two clients may meet if they are in one
pool and each has what the other wants and nothing that the other avoids; a fact that is missing satisfies no want. Two
who both prefer their likes meet only if they share one.
"""

from collections.abc import Iterable, Mapping
from typing import Final
from unicodedata import normalize

import msgspec
from msgspec import UNSET, UnsetType

from signald.core.messages import ErrorCode, ProtocolError, Wishes

LIKES: Final = "likes"
"""What `relax` calls the preference for likes; so no key can have this name."""

Facts = tuple[tuple[str, tuple[str, ...]], ...]
"""Values by key, both sorted; each has at least one."""


def fold(word: str) -> str:
    """A word as it is compared."""
    return normalize("NFC", normalize("NFC", word).casefold())


class Vocabulary(msgspec.Struct, frozen=True):
    """What the operator says of wishes.

    Attributes:
        keys: The keys that there are, each with its values, or with none if it may have any; None: any key.
        claims: Keys of which a client's token says what it is, and never the client.
        likes_s: Seconds for which likes are preferred, if the client does not say.
    """

    keys: Mapping[str, frozenset[str]] | None = None
    claims: frozenset[str] = frozenset()
    likes_s: float = 5.0

    def knows(self, key: str) -> bool:
        """Whether there is such a key."""
        return self.keys is None or key in self.keys or key in self.claims


class Side(msgspec.Struct, frozen=True, gc=False):
    """What makes a ticket of a pool differ from others for those who might meet it: tickets with one side are a class.

    Attributes:
        is_: What it is.
        wants: What the other must be.
        avoids: What the other must not be.
        prefers: Whether of those who prefer too it meets only who shares one of its likes.
    """

    is_: Facts = ()
    wants: Facts = ()
    avoids: Facts = ()
    prefers: bool = False


NO_WISH: Final = Side()
"""Of whoever says nothing."""


class Wish(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Whom a client wants to meet, and what it is. Words are folded and sorted.

    Attributes:
        pool: Where it waits.
        is_: What it is.
        wants: What the partner must be.
        avoids: What the partner must not be.
        likes: What it likes.
        relax: Seconds after which a key of the above binds no more, by key.
    """

    pool: str = ""
    is_: Facts = ()
    wants: Facts = ()
    avoids: Facts = ()
    likes: tuple[str, ...] = ()
    relax: tuple[tuple[str, float], ...] = ()

    def side(self, since: float, now: float) -> Side:
        """What of it binds now for one who waits since then."""
        over = {key for key, seconds in self.relax if now >= since + seconds}
        if not over:
            return Side(self.is_, self.wants, self.avoids, bool(self.likes))
        wants, avoids = (tuple(each for each in facts if each[0] not in over) for facts in (self.wants, self.avoids))
        return Side(self.is_, wants, avoids, bool(self.likes) and LIKES not in over)

    def sides(self) -> list[Side]:
        """All sides that it ever has, the first one first."""
        times = sorted({0.0, *(seconds for _, seconds in self.relax)})
        return list(dict.fromkeys(self.side(0.0, seconds) for seconds in times))

    def relaxed(self, since: float, now: float) -> tuple[str, ...]:
        """The keys that bind no more."""
        return tuple(key for key, seconds in self.relax if now >= since + seconds)

    def next_change(self, since: float, now: float) -> float | None:
        """When the next key binds no more; None if nothing changes any more."""
        return min((since + seconds for _, seconds in self.relax if since + seconds > now), default=None)


def make_wish(said: Wishes | None, known: Facts, vocabulary: Vocabulary) -> Wish | None:
    """Make what a client says comparable.

    Args:
        said: Its words, if there are any.
        known: Facts from its token.
        vocabulary: What the operator says.

    Returns:
        Its wish; None if it is content with whoever comes, and nothing is known of it.

    Raises:
        ProtocolError: It names a key or a value that there is not.
    """
    if said is None:
        return Wish(is_=known) if known else None
    own = [each for each in _facts("is", said.is_, vocabulary) if each[0] not in vocabulary.claims]
    wants, avoids = _facts("wants", said.wants, vocabulary), _facts("avoids", said.avoids, vocabulary)
    likes = tuple(sorted({fold(word) for word in said.likes or ()}))
    relax = {fold(key): seconds for key, seconds in (said.relax or {}).items()}
    for key in relax:
        if key != LIKES and not vocabulary.knows(key):
            raise _unknown(key, "relax")
    relax.setdefault(LIKES, vocabulary.likes_s)
    bound = {key for key, _ in (*wants, *avoids)} | ({LIKES} if likes else set())
    wish = Wish(
        pool="" if said.pool is UNSET else fold(said.pool),
        is_=tuple(sorted((*own, *known))),
        wants=wants,
        avoids=avoids,
        likes=likes,
        relax=tuple(sorted((key, seconds) for key, seconds in relax.items() if key in bound)),
    )
    return None if wish == Wish() else wish


def from_claims(claims: Mapping[str, object], keys: Iterable[str]) -> Facts:
    """The facts that a token tells: texts, numbers, true and false, or lists of them."""
    return _sorted((key, list(_words(claims.get(key)))) for key in keys)


def _words(claim: object) -> Iterable[str]:
    for value in claim if isinstance(claim, list) else [claim]:
        if isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, str | int | float):
            yield str(value)


def _facts(field: str, said: Mapping[str, Iterable[str]] | UnsetType, vocabulary: Vocabulary) -> Facts:
    facts = _sorted(said.items()) if said else ()
    for key, values in facts:
        if key == LIKES:
            raise ProtocolError(ErrorCode.INVALID_FORMAT, f"likes are a field of their own, no key - at `$.{field}`")
        if not vocabulary.knows(key):
            raise _unknown(key, field)
        allowed = () if vocabulary.keys is None else vocabulary.keys.get(key, ())
        if allowed and not set(values).issubset(allowed):
            known = ", ".join(sorted(allowed))
            raise ProtocolError(ErrorCode.INVALID_FORMAT, f"`{key}` is one of {known} - at `$.{field}`")
    return facts


def _sorted(facts: Iterable[tuple[str, Iterable[str]]]) -> Facts:
    """Facts, folded and sorted. A key without values is none; keys that are the same when folded are one."""
    merged: dict[str, set[str]] = {}
    for key, values in facts:
        merged.setdefault(fold(key), set()).update(map(fold, values))
    return tuple(sorted((key, tuple(sorted(values))) for key, values in merged.items() if values))


def _unknown(key: str, field: str) -> ProtocolError:
    quoted = msgspec.json.encode(key).decode()
    return ProtocolError(ErrorCode.INVALID_FORMAT, f"there is no key {quoted} here - at `$.{field}`")


def may_meet(one: Side, other: Side) -> bool:
    """Whether two of one pool may meet, as far as facts go."""
    return _content(one, other) and _content(other, one)


def _content(one: Side, other: Side) -> bool:
    if not one.wants and not one.avoids:
        return True
    facts = dict(other.is_)
    return all(not set(values).isdisjoint(facts.get(key, ())) for key, values in one.wants) and all(
        set(values).isdisjoint(facts.get(key, ())) for key, values in one.avoids
    )

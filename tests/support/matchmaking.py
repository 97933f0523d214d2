"""Whom people may meet who say whom they want to meet: the rules of docs/protocol.md, said as plainly as can be."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.oracle import Broken

LIKES_S = 2.0
"""MATCH_LIKES_SECONDS of the service."""

CLAIM = "level"
"""A fact that is believed from tokens alone."""

REMEMBERED = 8
"""Partners that one who has wishes does not meet again at once."""

SECONDS = (0, 0.3, 1, 2, 4)
"""After which something binds no more."""


@dataclass(frozen=True)
class Asked:
    """What a client has said of itself and of whom it wants to meet.

    Attributes:
        fields: Of its message; empty for whoever comes.
        facts: Of its token.
    """

    fields: Mapping[str, Any]
    facts: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def pool(self) -> str:
        """Where it waits."""
        pool: str = self.fields.get("pool", "")
        return pool.casefold()

    @property
    def is_(self) -> dict[str, set[str]]:
        """What it is."""
        said = {key: values for key, values in _words(self.fields.get("is")).items() if key != CLAIM}
        return {**said, **_words(self.facts)}

    @property
    def likes(self) -> set[str]:
        """What it likes."""
        return {like.casefold() for like in self.fields.get("likes", ())}

    @property
    def relax(self) -> dict[str, float]:
        """Seconds after which something binds no more."""
        bound = {*_words(self.fields.get("wants")), *_words(self.fields.get("avoids"))}
        said = {"likes": LIKES_S, **self.fields.get("relax", {})}
        return {key: said[key] for key in said if key in bound or (key == "likes" and self.likes)}

    def over(self, waited_s: float) -> set[str]:
        """What binds no more after a while."""
        return {key for key, seconds in self.relax.items() if waited_s >= seconds}

    def content(self, other: "Asked", over: Iterable[str]) -> bool:
        """Whether the other one has what this one wants and nothing that it avoids, if some of it binds no more."""
        theirs = other.is_
        wants, avoids = _words(self.fields.get("wants")), _words(self.fields.get("avoids"))
        return all(key in over or values & theirs.get(key, set()) for key, values in wants.items()) and not any(
            key not in over and values & theirs.get(key, set()) for key, values in avoids.items()
        )

    def prefers(self, over: Iterable[str]) -> bool:
        """Whether it meets of those who prefer too only who shares something."""
        return bool(self.likes) and "likes" not in over


def _words(said: Mapping[str, Iterable[str]] | None) -> dict[str, set[str]]:
    return {key: {value.casefold() for value in values} for key, values in (said or {}).items()}


def shared(one: Asked, over_one: set[str], other: Asked, over_other: set[str]) -> int:
    """How many likes two share who both prefer them."""
    return len(one.likes & other.likes) if one.prefers(over_one) and other.prefers(over_other) else 0


def may_meet(one: Asked, over_one: set[str], other: Asked, over_other: set[str]) -> bool:
    """Whether two may meet, as far as it is not about persons, of whom some wishes bind no more."""
    if one.pool != other.pool or not (one.content(other, over_one) and other.content(one, over_other)):
        return False
    both = one.prefers(over_one) and other.prefers(over_other)
    return not both or shared(one, over_one, other, over_other) > 0


@dataclass(frozen=True)
class Heard:
    """What one of two heard of their match.

    Attributes:
        client: Its id.
        user: Whose client it is; empty for nobody's.
        asked: One of these was in force.
        earliest: Since when it may have waited.
        at: When it heard of it.
        common: What it was told of its wishes.
    """

    client: str
    user: str
    asked: tuple[Asked, ...]
    earliest: float
    at: float
    common: Mapping[str, list[str]] | None

    def _wrong(self, own: Asked, other: Asked) -> str:
        """What does not hold of what it was told, if it asked for this and its partner for that."""
        if (self.common is None) != (not own.fields):
            return f"{self.client} was told {self.common} of {own.fields}"
        if self.common is None:
            return ""
        likes = [like for like in own.fields.get("likes", ()) if like.casefold() in other.likes]
        if self.common["likes"] != likes:
            return f"{self.client} was told that they both like {self.common['likes']}, and they like {likes}"
        early = set(self.common["relaxed"]) - own.over(self.at - self.earliest)
        return f"{early} of {self.client} binds for longer than {self.at - self.earliest:.2f} s" if early else ""

    def _over(self) -> set[str]:
        return set() if self.common is None else set(self.common["relaxed"])

    def judge(self, other: "Heard") -> None:
        """Judge whether these two may have met."""
        if self.user and self.user == other.user:
            raise Broken(f"{self.client} and {other.client} are both of {self.user}")
        problems = []
        for own in self.asked:
            for theirs in other.asked:
                wrong = self._wrong(own, theirs) or other._wrong(theirs, own)
                if not wrong and not may_meet(own, self._over(), theirs, other._over()):
                    wrong = f"{own} does not go with {theirs}"
                if not wrong:
                    return
                problems.append(wrong)
        raise Broken(f"{self} met {other}: " + "; ".join(problems))


def make_wish(rng: random.Random) -> dict[str, Any]:
    """Fields of a message, as people fill them in."""

    def some(share: float) -> bool:
        return rng.random() < share

    languages = rng.sample(["en", "de", "pl"], rng.choice([1, 1, 2]))
    said: dict[str, Any] = {"is": {"lang": languages, "sex": [rng.choice("fmx")], CLAIM: ["gold"]}}
    if some(0.2):
        said["is"]["smokes"] = ["yes"]
    if some(0.5):
        said["wants"] = {}
        if some(0.7):
            said["wants"]["lang"] = [language.upper() for language in languages]
        if some(0.4):
            said["wants"]["sex"] = rng.sample("fmx", rng.choice([1, 2]))
        if some(0.1):
            said["wants"][CLAIM] = ["gold"]
    if some(0.15):
        said["avoids"] = {"smokes": ["yes"]}
    if some(0.4):
        said["likes"] = rng.sample(["chess", "Tea", "films", "the sea", "cats", "Bach", "jazz"], rng.choice([1, 2, 3]))
    if some(0.2):
        said["pool"] = rng.choice(["video", "Text", "text"])
    keys = [*said.get("wants", {}), *said.get("avoids", {}), *(["likes"] if "likes" in said else [])]
    said["relax"] = {key: rng.choice(SECONDS) for key in keys if some(0.6)}
    return said

"""Tells the stories of ``clients/stories`` to whoever is held to them; its README says what the steps mean."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

FOLDER = Path(__file__).parents[2] / "clients" / "stories"

Message = dict[str, Any]
Story = dict[str, Any]

LEFT_OUT = {"ready", "resumed", "ok", "pong", "goodbye", "challenge"}
"""Types that a client of today hears, and that no story lists."""


def themes() -> dict[str, list[Story]]:
    """All stories, by the name of their file."""
    files = sorted(path for path in FOLDER.glob("*.json") if path.name != "story.schema.json")
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))["stories"] for path in files}


def left_out(message: Message) -> bool:
    """Whether no story lists it, as something that a client of today has heard."""
    of_a_step = message["type"] == "error" and ("id" in message or message["code"] == "RESUME_FAILED")
    return of_a_step or message["type"] in LEFT_OUT


BULLETIN = "waiting"
"""Comes every five seconds to who waits with wishes: on a slow machine in stories that do not tell of it, too."""


def without_bulletins(heard: list[Message]) -> list[Message]:
    """What a story must tell."""
    return [message for message in heard if message["type"] != BULLETIN]


class TurnedAway(Exception):
    """A connection was refused.

    Attributes:
        error: The code of the error.
        code: Of the close frame; None where a kit does not tell.
    """

    def __init__(self, error: str, code: int | None = None) -> None:
        super().__init__(error, code)
        self.error = error
        self.code = code


class Actor(Protocol):
    """One client of a story.

    Attributes:
        id: Its `clientId`.
        heard: What came and was not told yet, without what no story lists.
        goodbye: The last one.
    """

    id: str
    heard: list[Message]
    goodbye: Message | None

    async def say(self, message: Message) -> Any:
        """Send a message, now or when the connection is back; gives what `answer` wants."""

    async def answer(self, said: Any) -> Message | None:
        """The `ok` or `error`; None for a client that gets none."""

    async def quiet(self) -> None:
        """Have heard whatever the server has said up to now."""

    async def more(self) -> None:
        """Wait until something comes."""

    async def drop(self) -> None:
        """Lose the connection."""

    async def come_back(self) -> Message | None:
        """Have one again; gives the `resumed`, or None for a new client."""

    async def reload(self) -> Message:
        """Go on as another program; gives the `resumed`."""

    async def end(self) -> None:
        """Close the connection for good."""

    async def closed(self) -> int:
        """Wait until the server has closed the connection; gives the code."""


class Stage(Protocol):
    """Where a story happens."""

    async def come(self, comes: dict[str, str]) -> Actor:
        """A client connects.

        Raises:
            TurnedAway: It is refused.
        """

    async def operate(self, what: str, actor: Actor) -> None:
        """The operator throws somebody out, or bans its address."""

    async def restart(self, actors: list[Actor]) -> None:
        """The server ends and starts, and all have lost their connections."""


@dataclass
class _Role:
    """A client, as the story knows it."""

    actor: Actor
    present: bool = True
    unanswered: list[tuple[Any, Any]] = field(default_factory=list)
    """What was said while away, with the answer that is expected."""


class Teller:
    """Tells one story.

    Args:
        stage: Where.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._cast: dict[str, _Role] = {}
        self._names: dict[str, Any] = {}

    async def tell(self, story: Story) -> None:
        """The whole story.

        Raises:
            AssertionError: Something else came than what is told.
        """
        for number, step in enumerate(story["steps"], 1):
            try:
                await self._step(step)
            except Exception as problem:
                raise AssertionError(f"step {number}, {json.dumps(step)}: {problem!r}") from problem
        for name, role in self._cast.items():
            if role.present:
                await role.actor.quiet()
                assert not without_bulletins(role.actor.heard), f"at the end {name} hears {role.actor.heard}"

    async def _step(self, step: dict[str, Any]) -> None:
        if "operator" in step:
            await self._stage.operate(step["operator"], self._cast[step["whom"]].actor)
        elif "server" in step:
            present = [role for role in self._cast.values() if role.present]
            await self._stage.restart([role.actor for role in present])
            for role in present:
                role.present = False
        elif "comes" in step:
            await self._come(step)
        else:
            (verb,) = step.keys() - {"who", "answer"}
            await getattr(self, f"_{verb}")(step["who"], self._cast[step["who"]], step)

    async def _come(self, step: dict[str, Any]) -> None:
        try:
            actor = await self._stage.come(step["comes"])
        except TurnedAway as refused:
            assert "refused" in step, refused
            assert refused.error == step["refused"]["error"], refused
            assert refused.code in (None, step["refused"]["code"]), refused
            return
        if "refused" in step:  # let in for a moment, as one who may have come to go on with a session
            code = await actor.closed()
            assert code in (None, step["refused"]["code"]), code
            assert {each.get("code") for each in actor.heard} == {step["refused"]["error"]}, actor.heard
            return
        self._cast[step["who"]] = _Role(actor)
        self._names[f"${step['who']}"] = actor.id

    async def _says(self, name: str, role: _Role, step: dict[str, Any]) -> None:
        said = await role.actor.say(self._filled(step["says"]))
        role.unanswered.append((said, step.get("answer", "ok")))
        if role.present:
            await self._answers(role)

    async def _answers(self, role: _Role) -> None:
        for said, expected in role.unanswered:
            answer = await role.actor.answer(said)
            if answer is None:
                continue
            if answer["type"] == "error":
                assert expected == {"error": answer["code"]}, answer
            else:
                assert expected == ("stale" if answer.get("stale") else "ok"), answer
        role.unanswered.clear()

    async def _hears(self, name: str, role: _Role, step: dict[str, Any]) -> None:
        heard = role.actor.heard
        await role.actor.quiet()
        for expected in step["hears"]:
            came: Message = {"type": BULLETIN}
            while came["type"] == BULLETIN:
                while not heard:
                    await role.actor.more()
                came = heard.pop(0)
                if expected["type"] == BULLETIN:
                    break
            problem = self._difference(expected, came)
            assert problem is None, f"{problem}: {came}, and then {heard}"
        if not step["hears"]:
            assert not without_bulletins(heard), heard

    async def _goodbye(self, name: str, role: _Role, step: dict[str, Any]) -> None:
        while role.actor.goodbye is None:
            await role.actor.more()
        problem = self._difference(step["goodbye"], role.actor.goodbye)
        assert problem is None, f"{problem}: {role.actor.goodbye}"

    async def _drops(self, name: str, role: _Role, step: dict[str, Any]) -> None:
        await role.actor.drop()
        role.present = False

    async def _returns(self, name: str, role: _Role, step: dict[str, Any]) -> None:
        resumed = await role.actor.come_back()
        role.present = True
        if "anew" in step["returns"]:
            assert resumed is None, resumed
            assert role.actor.id != self._names[f"${name}"]
            self._names[f"${name}"] = role.actor.id
        else:
            assert resumed is not None, "it is a new client"
            problem = self._difference(step["returns"]["resumed"], resumed)
            assert problem is None, f"{problem}: {resumed}"
        await self._answers(role)

    async def _reloads(self, name: str, role: _Role, step: dict[str, Any]) -> None:
        resumed = await role.actor.reload()
        problem = self._difference(step["reloads"], resumed)
        assert problem is None, f"{problem}: {resumed}"

    async def _ends(self, name: str, role: _Role, step: dict[str, Any]) -> None:
        await role.actor.end()
        role.present = False

    async def _closed(self, name: str, role: _Role, step: dict[str, Any]) -> None:
        assert await role.actor.closed() == step["closed"]
        role.present = False

    # --- patterns -----------------------------------------------------------------------------------------------------

    def _filled(self, template: Any) -> Any:
        """What is said, with values for names."""
        if isinstance(template, dict):
            if "$text" in template:
                return "x" * template["$text"]
            return {key: self._filled(value) for key, value in template.items()}
        if isinstance(template, list):
            return [self._filled(value) for value in template]
        return self._names[template] if _is_name(template) else template

    def _difference(self, pattern: Any, value: Any, where: str = "") -> str | None:
        """How a value differs from what is told; binds names."""
        if _is_name(pattern):
            known = self._names.setdefault(pattern, value)
            return None if _same(known, value) else f"{where or 'it'} is not {pattern}, {known!r}"
        if isinstance(pattern, dict):
            return self._difference_of_object(pattern, value, where)
        if isinstance(pattern, list):
            if not isinstance(value, list) or len(pattern) != len(value):
                return f"{where} is not {pattern}"
            return next(filter(None, map(self._difference, pattern, value, [f"{where}[]"] * len(value))), None)
        return None if _same(pattern, value) else f"{where} is not {pattern!r}"

    def _difference_of_object(self, pattern: dict[str, Any], value: Any, where: str) -> str | None:
        if "$any" in pattern:
            return None
        if "$not" in pattern:
            return None if self._difference(pattern["$not"], value, where) else f"{where} is {value!r}"
        if not isinstance(value, dict):
            return f"{where} is no object"
        for key, expected in pattern.items():
            place = f"{where}.{key}"
            if expected == {"$absent": True}:
                if key in value:
                    return f"{place} is there"
            elif key not in value:
                return f"{place} is missing"
            elif problem := self._difference(expected, value[key], place):
                return problem
        return None


def _is_name(pattern: Any) -> bool:
    return isinstance(pattern, str) and pattern.startswith("$")


def _same(one: Any, other: Any) -> bool:
    """As JSON has it: true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)

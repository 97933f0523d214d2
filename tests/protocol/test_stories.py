"""The stories that every client is held to come true of the daemon."""

import asyncio
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from signald.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, message_type
from tests.support.memory_actors import MemoryStage
from tests.support.stories import FOLDER, LEFT_OUT, Story, Teller, themes

STORIES = [pytest.param(story, id=f"{theme}: {story['name']}") for theme, of in themes().items() for story in of]


@pytest.mark.parametrize("story", STORIES)
def test_story(story: Story) -> None:
    """Else the daemon breaks what all kits rely on."""
    asyncio.run(Teller(MemoryStage(**story.get("settings", {}))).tell(story))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_form(path: Any) -> None:
    """Else somebody's runner cannot read a story."""
    schema = json.loads((FOLDER / "story.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    if path.name != "story.schema.json":
        Draft202012Validator(schema).validate(json.loads(path.read_text()))


def test_names_tell_stories_apart() -> None:
    """Else a failure names two."""
    names = [story["name"] for of in themes().values() for story in of]
    assert len(names) == len(set(names))


def test_every_message_has_a_story() -> None:
    """Else a message comes to the protocol, and no kit is held to it."""
    steps = [step for of in themes().values() for story in of for step in story["steps"]]
    said = {step["says"]["type"] for step in steps if "says" in step}
    heard = {message["type"] for step in steps for message in step.get("hears", ())}
    assert said >= {message_type(message) for message in CLIENT_MESSAGES} - {"resume", "proof"}
    assert heard >= {message_type(message) for message in SERVER_MESSAGES} - LEFT_OUT


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hears": [{"type": "matched", "partnerId": "$ada"}]}, "partnerId is not"),
        ({"hears": []}, "matched"),
        ({"hears": [{"type": "matched", "roomId": {"$absent": True}}]}, "roomId is there"),
        ({"hears": [{"type": "matched", "initiator": 1}]}, "initiator is not 1"),
        ({"hears": [{"type": "matched", "nothing": {"$any": True}}]}, "nothing is missing"),
        ({"says": {"type": "next"}, "answer": {"error": "NOT_PAIRED"}}, "'ok'"),
        ({"says": {"type": "available"}}, "ALREADY_PAIRED"),
        ({"ends": True}, "at the end bob hears"),
    ],
)
def test_what_does_not_come_true_is_told(change: dict[str, Any], problem: str) -> None:
    """A book of stories that is content with everything holds nobody to anything."""
    story = themes()["pairing"][0]
    broken = {**story, "steps": [*story["steps"][:5], {"who": "ada", **change}]}
    with pytest.raises(AssertionError, match=problem):
        asyncio.run(Teller(MemoryStage()).tell(broken))

"""Says what a part of the schema means, in the words of the messages."""

from collections.abc import Mapping
from typing import Any


def description(schema: Mapping[str, Any]) -> str:
    """What a field means; of an optional one it stands with the type that is not null. Empty if nothing is said."""
    choices: list[Mapping[str, Any]] = [schema, *schema.get("anyOf", ())]
    return next((str(choice["description"]) for choice in choices if "description" in choice), "")

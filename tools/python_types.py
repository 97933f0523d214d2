"""The messages as types of Python: `protocol.py` of the client kit in ``clients/python``."""

import json
import keyword
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from tools.described import description

WIDTH = 120
"""Of a line."""

_TYPES = {
    "string": "str",
    "boolean": "bool",
    "object": "dict[str, Any]",
    "null": "None",
    "integer": "int",
    "number": "float",
}


def python(
    definitions: Mapping[str, Mapping[str, Any]], constants: Mapping[str, tuple[Any, str]], codes: str, command: str
) -> str:
    """The module.

    Args:
        definitions: Schemas by name, messages, their parts and each side's union.
        constants: Values with what they mean.
        codes: Which of the definitions is the error codes.
        command: What makes it.
    """
    lines = [
        f'"""Every message of the protocol, as types. Made from signald/core/messages.py by {command}."""',
        "",
        "from typing import Any, Final, Literal, NotRequired, TypedDict",
        "",
    ]
    for name, (value, meaning) in constants.items():
        lines += [f"{name}: Final = {json.dumps(value)}", *_docstring(meaning), ""]
    of = definitions[codes]
    lines += [f"{codes} = Literal[", *_choices(of["oneOf"]), "]", *_docstring(of["description"])]
    structs = {name: schema for name, schema in definitions.items() if "properties" in schema}
    # What the messages are made of must stand before them.
    for name, schema in sorted(structs.items(), key=lambda item: "type" in item[1]["properties"]):
        plain = all(field.isidentifier() and not keyword.iskeyword(field) for field in schema["properties"])
        lines += ["", "", *(_class if plain else _call)(name, schema)]
    for name, schema in definitions.items():
        if "oneOf" in schema and name != codes:
            lines += ["", "", f"{name} = (", f"    {_type(schema['oneOf'][0])}"]
            lines += [f"    | {_type(choice)}" for choice in schema["oneOf"][1:]]
            lines += [")", *_docstring(schema["description"])]
    return "\n".join(lines) + "\n"


def _choices(choices: list[Mapping[str, Any]]) -> Iterator[str]:
    for choice in choices:
        yield from _comment(choice["description"])
        yield f"    {json.dumps(choice['const'])},"


def _class(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"class {name}(TypedDict):"
    yield from _docstring(schema["description"], "    ")
    yield ""
    for field, of in schema["properties"].items():
        yield from _comment(description(of))
        yield f"    {field}: {_field(of, optional=field not in schema['required'])}"


def _call(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """For fields whose names are words of the language."""
    yield f"{name} = TypedDict("
    yield f'    "{name}",'
    yield "    {"
    for field, of in schema["properties"].items():
        yield from _comment(description(of), "        ")
        yield f'        "{field}": {_field(of, optional=field not in schema["required"])},'
    yield "    },"
    yield ")"
    yield from _docstring(schema["description"])


def _field(of: Mapping[str, Any], *, optional: bool) -> str:
    return f"NotRequired[{_type(of)}]" if optional else _type(of)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema or "enum" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        return f"Literal[{', '.join(json.dumps(value) if value is not None else 'None' for value in values)}]"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            choices = dict.fromkeys(_type(choice) for choice in schema[union])
            if "float" in choices:
                choices.pop("int", None)  # PEP 484: a float may be an int
            return " | ".join(choices)
    if "items" in schema:
        return f"list[{_type(schema['items'])}]"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"dict[str, {_type(schema['additionalProperties'])}]"
    return _TYPES[schema["type"]] if "type" in schema else "Any"


def _docstring(text: str, indent: str = "") -> list[str]:
    one = f'{indent}"""{text}"""'
    if len(one) <= WIDTH:
        return [one]
    first, _, rest = text.partition(". ")
    if not rest or len(first) > WIDTH - 8:
        wrapped = textwrap.wrap(text, WIDTH - 3, initial_indent=f'{indent}"""', subsequent_indent=indent)
        return [*wrapped, f'{indent}"""']
    body = textwrap.wrap(rest, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return [f'{indent}"""{first}.', "", *body, f'{indent}"""']


def _comment(text: str, indent: str = "    ") -> list[str]:
    mark = f"{indent}# "
    return textwrap.wrap(text, WIDTH, initial_indent=mark, subsequent_indent=mark)

"""``python -m tools.schema``: makes everything that describes the protocol and the settings to others.

The one source is `signald.core.messages`, and for the settings `signald.settings`. From it come the JSON Schema,
the AsyncAPI document, the TypeScript types, the constants and types of both kits, the Debian package's file of
settings, and the tables between markers in the Markdown files, whose prose is written by hand. With ``--check`` nothing
is written, and what is stale is named.
"""

import argparse
import ast
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from signald.core import messages
from signald.core.messages import (
    CLIENT_MESSAGES,
    REFUSALS,
    SERVER_MESSAGES,
    Common,
    IceServer,
    ResumeOffer,
    Wishes,
    message_type,
)
from signald.settings.setting import Group, settings_of
from signald.settings.settings import GROUPS
from tools import kit, python_types, settings_file
from tools.described import description

COMMAND: Final = "python -m tools.schema"

_JSON_SCHEMA: Final = Path("docs/protocol.schema.json")
_ASYNCAPI: Final = Path("docs/protocol.asyncapi.json")
_TYPESCRIPT: Final = Path("docs/protocol.d.ts")
_CONSTANTS_OF_KIT: Final = Path("signald/web/static/constants.js")
_TYPES_OF_KIT: Final = Path("signald/web/static/protocol.js")
_PYTHON_KIT: Final = Path("clients/python/src/signald_client/protocol.py")
_SETTINGS_FILE: Final = Path("debian/signald.env")
_WITH_TABLES: Final = (Path("docs/protocol.md"), Path("README.md"))

_ABOUT: Final = (
    "Messages between a client and signald, a WebRTC signaling and random-pairing daemon: JSON text frames on the "
    "WebSocket at `/ws`, one object each, told apart by `type`. Either side may send fields that are not listed: "
    "ignore those you do not know."
)

Schema = dict[str, Any]


class MarkerError(Exception):
    """A Markdown file has no place for a table, or not a whole one."""


# --- facts of core.messages that only its source holds ----------------------------------------------------------------


def _docstrings(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Names that are assigned in a body, with the string that stands below each."""
    last = None
    for statement in body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            last = statement.target.id
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            last = statement.targets[0].id
        elif last and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            yield last, _plain(str(statement.value.value))
        else:
            last = None


def _plain(text: str) -> str:
    """A docstring as one line of Markdown."""
    return re.sub(r"\s+", " ", text).strip().replace("``", "`")


_SOURCE: Final = ast.parse(inspect.getsource(messages)).body
_CONSTANTS: Final = dict(_docstrings(_SOURCE))
_CODES: Final = {
    name: meaning
    for statement in _SOURCE
    if isinstance(statement, ast.ClassDef) and statement.name == messages.ErrorCode.__name__
    for name, meaning in _docstrings(statement.body)
}
_LIMITS: Final = {name: meaning for name, meaning in _CONSTANTS.items() if name.startswith("MAX_")}


# --- JSON Schema ------------------------------------------------------------------------------------------------------


def _tidied(part: Any) -> Any:
    """A part of msgspec's schema: one-valued enums as constants, docstrings as Markdown."""
    if isinstance(part, list):
        return [_tidied(item) for item in part]
    if not isinstance(part, dict):
        return part
    tidy = {key: _tidied(value) for key, value in part.items()}
    if len(tidy.get("enum", ())) == 1:
        tidy["const"] = tidy.pop("enum")[0]
    if isinstance(tidy.get("description"), str):
        tidy["description"] = _plain(tidy["description"])
    return tidy


def definitions(ref_template: str = "#/$defs/{name}") -> dict[str, Schema]:
    """One schema for each message by its class name, for the error codes and for each side's union.

    Args:
        ref_template: How one refers to another, with ``{name}``.
    """
    _, components = msgspec.json.schema_components((*CLIENT_MESSAGES, *SERVER_MESSAGES), ref_template=ref_template)
    defs: dict[str, Schema] = {}
    for title, of, meaning in (
        ("ClientMessage", CLIENT_MESSAGES, "What a client may send."),
        ("ServerMessage", SERVER_MESSAGES, "What the server may send."),
    ):
        refs = [{"$ref": ref_template.format(name=message.__name__)} for message in of]
        defs[title] = {"title": title, "description": meaning, "oneOf": refs}
        defs.update((message.__name__, _tidied(components[message.__name__])) for message in of)
    defs.update(
        (part.__name__, _tidied(components[part.__name__])) for part in (IceServer, ResumeOffer, Common, Wishes)
    )
    codes = _tidied(components[messages.ErrorCode.__name__])
    del codes["enum"]
    codes["oneOf"] = [{"const": code.value, "description": _CODES[code.name]} for code in messages.ErrorCode]
    defs[messages.ErrorCode.__name__] = codes
    return defs


def json_schema() -> Schema:
    """The JSON Schema, draft 2020-12. Limits that no keyword can say stand in ``$defs/Limits``."""
    limits = {name: {"const": getattr(messages, name), "description": meaning} for name, meaning in _LIMITS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"Made from signald/core/messages.py by {COMMAND}.",
        "title": "signald protocol",
        "description": _ABOUT,
        "anyOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
        "$defs": {
            **definitions(),
            "Limits": {
                "title": "Limits",
                "description": "What a message may not exceed. No message has this form: read the constants.",
                "type": "object",
                "properties": limits,
            },
        },
    }


# --- AsyncAPI ---------------------------------------------------------------------------------------------------------


def asyncapi() -> Schema:
    """The AsyncAPI 3.0 document. The application it describes is the server: it receives what clients send."""
    schemas = definitions("#/components/schemas/{name}")
    channel = {"$ref": "#/channels/signaling"}

    def named(message: type[msgspec.Struct]) -> Schema:
        return {"$ref": f"#/channels/signaling/messages/{message.__name__}"}

    operations: dict[str, Schema] = {}
    for message in CLIENT_MESSAGES:
        replies: list[type[msgspec.Struct]] = [messages.Ok, messages.Error]
        if message is messages.Ping:
            replies.append(messages.Pong)
        operations[f"receive{message.__name__}"] = {
            "action": "receive",
            "channel": channel,
            "summary": schemas[message.__name__]["description"],
            "messages": [named(message)],
            "reply": {"channel": channel, "messages": [named(reply) for reply in replies]},
        }
    for message in SERVER_MESSAGES:
        operations[f"send{message.__name__}"] = {
            "action": "send",
            "channel": channel,
            "summary": schemas[message.__name__]["description"],
            "messages": [named(message)],
        }
    every = (*CLIENT_MESSAGES, *SERVER_MESSAGES)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "signald protocol",
            "version": messages.SUBPROTOCOL.rpartition(".v")[2],
            "description": _ABOUT,
            "license": {"name": "MIT"},
            "x-made-by": COMMAND,
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {"host": "localhost:8080", "protocol": "ws", "description": "What `make run` starts."},
        },
        "channels": {
            "signaling": {
                "address": "/ws",
                "description": "One WebSocket for each client.",
                "messages": {
                    message.__name__: {"$ref": f"#/components/messages/{message.__name__}"} for message in every
                },
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "headers": {
                            "type": "object",
                            "properties": {
                                "Sec-WebSocket-Protocol": {
                                    "type": "string",
                                    "description": f"`{messages.SUBPROTOCOL}`. {_CONSTANTS['SUBPROTOCOL']}",
                                }
                            },
                        },
                        "bindingVersion": "0.1.0",
                    }
                },
            }
        },
        "operations": operations,
        "components": {
            "messages": {
                message.__name__: {
                    "name": message_type(message),
                    "title": message.__name__,
                    "summary": schemas[message.__name__]["description"],
                    "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
                }
                for message in every
            },
            "schemas": schemas,
        },
    }


# --- TypeScript -------------------------------------------------------------------------------------------------------

_TYPESCRIPT_TYPES: Final = {
    "string": "string",
    "boolean": "boolean",
    "object": "object",
    "null": "null",
    "integer": "number",
    "number": "number",
}


def _ts_type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(_ts_type(choice) for choice in schema[union])
    if "items" in schema:
        return f"{_ts_type(schema['items'])}[]"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"Record<string, {_ts_type(schema['additionalProperties'])}>"
    return _TYPESCRIPT_TYPES[schema["type"]] if "type" in schema else "unknown"


def _comment(text: str, indent: str = "") -> list[str]:
    return [f"{indent}/** {text} */"] if text else []


def typescript() -> str:
    """Type declarations of every message and of each side's union."""
    lines = [f"// Made from signald/core/messages.py by {COMMAND}.", "", *_comment(_ABOUT)]
    for name, meaning in _LIMITS.items():
        lines += ["", *_comment(meaning), f"export type {name} = {getattr(messages, name)};"]
    for name, schema in definitions().items():
        lines += ["", *_comment(schema["description"])]
        if "properties" not in schema:
            lines += [f"export type {name} =", *(f"  | {_ts_type(choice)}" for choice in schema["oneOf"])]
            lines[-1] += ";"
            continue
        lines.append(f"export interface {name} {{")
        for field, of in schema["properties"].items():
            optional = "" if field in schema["required"] else "?"
            lines += _comment(description(of), "  ")
            lines.append(f"  {field}{optional}: {_ts_type(of)};")
        lines.append("}")
    return "\n".join(lines) + "\n"


def python() -> str:
    """The module of types of the Python kit."""
    constants = {name: (getattr(messages, name), _CONSTANTS[name]) for name in ("SUBPROTOCOL", *_LIMITS)}
    return python_types.python(definitions(), constants, messages.ErrorCode.__name__, COMMAND)


# --- tables -----------------------------------------------------------------------------------------------------------


_OF_SETTINGS: Final = ("variable", "option", "default", "meaning")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


def _message_rows(of: Iterable[type[msgspec.Struct]], *, fields: bool) -> Iterator[list[str]]:
    """The rows of a table. That all messages of clients may have an ``id`` is said beside it."""
    defs = definitions()
    for message in of:
        schema = defs[message.__name__]
        listed = []
        for field, part in schema["properties"].items():
            if field == "type" or (field == "id" and message in CLIENT_MESSAGES):
                continue
            kind = re.sub(r'\bunknown\b(?!")', "any JSON value", _ts_type(part)).replace("ErrorCode", "code")
            optional = "" if field in schema["required"] else "?"
            listed.append(f"`{field}{optional}`: {kind}. {description(part)}" if fields else f"`{field}{optional}`")
        yield [f"`{message_type(message)}`", ("<br>" if fields else ", ").join(listed), schema["description"]]


def _theme(group: type[Group]) -> str:
    """The settings of a group, below a heading."""
    rows = (
        [f"`{each.variable}`", f"`--{each.option}`", f"`{each.default}`" if each.default else "empty", each.help]
        for each in settings_of(group)
    )
    return f"### {group.heading()}\n\n{inspect.getdoc(group)}\n\n{_table(_OF_SETTINGS, rows)}"


def tables() -> dict[str, str]:
    """The Markdown tables by the name in their markers."""
    refusals = [", ".join(f"`{code}`" for code in REFUSALS.get(message, ())) for message in CLIENT_MESSAGES]
    detailed = _message_rows(CLIENT_MESSAGES, fields=True)
    return {
        "client messages": _table(
            ("type", "fields", "meaning", "errors"),
            ([*row, codes] for row, codes in zip(detailed, refusals, strict=True)),
        ),
        "server messages": _table(("type", "fields", "meaning"), _message_rows(SERVER_MESSAGES, fields=True)),
        "client messages in short": _table(
            ("client to server", "fields", "meaning"), _message_rows(CLIENT_MESSAGES, fields=False)
        ),
        "server messages in short": _table(
            ("server to client", "fields", "meaning"), _message_rows(SERVER_MESSAGES, fields=False)
        ),
        "errors": _table(("code", "when"), ([f"`{code}`", _CODES[code.name]] for code in messages.ErrorCode)),
        "limits": _table(
            ("limit", "value", "meaning"),
            ([f"`{name}`", f"{getattr(messages, name):,}", meaning] for name, meaning in _LIMITS.items()),
        ),
        "settings": "\n\n".join(_theme(group) for group in GROUPS.values()),
    }


_MARKED: Final = re.compile(r"(<!-- made by python -m tools\.schema: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str, made: Mapping[str, str]) -> str:
    """Put the tables between their markers.

    Args:
        text: A Markdown file.
        made: Tables by name.

    Raises:
        MarkerError: It has no markers, or they name a table that does not exist.
    """
    names = [match[2] for match in _MARKED.finditer(text)]
    unknown = set(names) - set(made)
    if not names or unknown:
        raise MarkerError(f"no such table: {', '.join(sorted(unknown))}" if unknown else "no markers of tables")
    return _MARKED.sub(lambda match: f"{match[1]}\n{made[match[2]]}\n\n{match[3]}", text)


# --- the command ------------------------------------------------------------------------------------------------------


def make(root: Path) -> dict[Path, str]:
    """Every file that is made, by its path under `root`.

    Raises:
        MarkerError: A Markdown file lacks its markers.
        OSError: A Markdown file cannot be read.
    """
    described = {name: _CONSTANTS[name] for name in ("SUBPROTOCOL", *_LIMITS)}
    made = {
        root / _JSON_SCHEMA: _as_text(json_schema()),
        root / _ASYNCAPI: _as_text(asyncapi()),
        root / _TYPESCRIPT: typescript(),
        root / _CONSTANTS_OF_KIT: kit.constants(COMMAND, described, _CODES),
        root / _TYPES_OF_KIT: kit.protocol(COMMAND, definitions()),
        root / _PYTHON_KIT: python(),
        root / _SETTINGS_FILE: settings_file.text(),
    }
    of = tables()
    for path in (root / name for name in _WITH_TABLES):
        try:
            made[path] = fill(path.read_text(encoding="utf-8"), of)
        except MarkerError as error:
            raise MarkerError(f"{path}: {error}") from None
    return made


def _as_text(document: Schema) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what is stale, or with ``--check`` only name it.

    Returns:
        The exit status: 1 if something is stale and was not written.
    """
    parser = argparse.ArgumentParser(prog=COMMAND, description="Make the protocol's schema, types and tables.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything is stale")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).parents[1], help="the checkout [default: where signald is]"
    )
    chosen = parser.parse_args(arguments)
    try:
        made = make(chosen.root)
    except (MarkerError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    stale = [path for path, text in made.items() if not _holds(path, text)]
    for path in stale:
        if not chosen.check:
            path.write_text(made[path], encoding="utf-8")
        sys.stdout.write(f"{'stale' if chosen.check else 'wrote'}: {path.relative_to(chosen.root)}\n")
    return 1 if chosen.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

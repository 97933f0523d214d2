"""Makes the kit's modules that follow from the protocol: its constants, and the types of its messages.

They are JavaScript with types in comments (JSDoc), for the daemon serves them as they are.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from signald.core import messages
from signald.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Common, IceServer, ResumeOffer, Wishes
from tools.described import description

_WIDTH: Final = 118

_OF_BROWSERS: Final = {
    "iceServers": "RTCIceServer[]",
    "candidate": "RTCIceCandidateInit | null",
}
"""Fields whose types browsers have."""

_UNIONS: Final = ("anyOf", "oneOf")

_PLAIN: Final = {"string": "string", "boolean": "boolean", "integer": "number", "number": "number", "object": "object"}

_NAMES: Final = {
    ResumeOffer.__name__: "ResumeGrant",
    IceServer.__name__: "RTCIceServer",
    Common.__name__: "Common",
    Wishes.__name__: "Wishes",
    **{message.__name__: f"{message.__name__.removeprefix('Relayed')}Message" for message in SERVER_MESSAGES},
    **{message.__name__: f"{message.__name__}Request" for message in CLIENT_MESSAGES},
}
"""Of types, by the class that they are made of."""

_ABOUT: Final = """
/**
 * The messages on the wire: their types, and the constants of the protocol. What they mean stands in docs/protocol.md.
 *
 * @module protocol
 */

/** @import { ErrorCode } from "./constants.js" */

/**
 * An SDP as signald relays it: the string, or the browser's object that some clients send.
 * @typedef {string | RTCSessionDescriptionInit} Sdp
 */
"""


def constants(made_by: str, described: Mapping[str, str], codes: Mapping[str, str]) -> str:
    """The module of what clients would otherwise write down again: the subprotocol, the limits, the codes of errors.

    Args:
        made_by: The command that makes it.
        described: Constants of `messages` by name, with what they mean.
        codes: Names of error codes, with what they mean.
    """
    lines = [_header(made_by)]
    for name, meaning in described.items():
        lines += ["", f"/** {meaning} */", f"export const {name} = {json.dumps(getattr(messages, name))};"]
    lines += ["", "/** What the `code` of an `error` message can be. */", "export const ErrorCode = Object.freeze({"]
    for code in messages.ErrorCode:
        lines += [f"  /** {codes[code.name]} */", f'  {code.name}: "{code}",']
    lines += ["});", "", "/** @typedef {keyof typeof ErrorCode} ErrorCode */"]
    return "\n".join(lines) + "\n"


def protocol(made_by: str, definitions: Mapping[str, Mapping[str, Any]]) -> str:
    """The module of the types: one for each message, one for each side.

    Args:
        made_by: The command that makes it.
        definitions: JSON Schemas by class name.
    """
    parts = [_header(made_by), _ABOUT]
    for part in (ResumeOffer, Common, Wishes):
        parts.append(_typedef(definitions[part.__name__], part, of_client=part is Wishes))
    parts += [_typedef(definitions[message.__name__], message, of_client=False) for message in SERVER_MESSAGES]
    parts.append(_union("ServerMessage", SERVER_MESSAGES, "What the server may send."))
    parts.append('/** What a client is for the server. @typedef {ResumedMessage["state"]} SessionState */\n')
    parts += [_typedef(definitions[message.__name__], message, of_client=True) for message in CLIENT_MESSAGES]
    parts.append(_union("ClientMessage", CLIENT_MESSAGES, "What a client may send."))
    return "\n".join([*parts, 'export * from "./constants.js";\n'])


def _header(made_by: str) -> str:
    return f"// Made from signald/core/messages.py by {made_by}."


def _typedef(schema: Mapping[str, Any], of: type[msgspec.Struct], *, of_client: bool) -> str:
    required = schema["required"]
    properties = [
        _property(name, part, required=name in required, of_client=of_client)
        for name, part in schema["properties"].items()
    ]
    return _comment([schema["description"], f"@typedef {{object}} {_NAMES[of.__name__]}", *properties])


def _property(name: str, part: Mapping[str, Any], *, required: bool, of_client: bool) -> str:
    """One field. What a client sends may be undefined where it may be left out, for so it is on the wire."""
    kind = _type(name, part, of_client=of_client)
    undefined = "" if required or not of_client else " | undefined"
    return f"@property {{{kind}{undefined}}} {name if required else f'[{name}]'}  {description(part)}".rstrip()


def _type(name: str, part: Mapping[str, Any], *, of_client: bool) -> str:
    if name in _OF_BROWSERS:
        return _OF_BROWSERS[name]
    if name == "sdp":
        return "string" if of_client else "Sdp"
    if name == "code":
        return "ErrorCode | (string & {})"
    return " | ".join(dict.fromkeys(_choices(part)))


def _choices(part: Mapping[str, Any]) -> Iterator[str]:
    """What a value may be, but null: a kit leaves out what is not there."""
    unions = [choice for union in _UNIONS for choice in part.get(union, ())]
    if unions:
        for choice in unions:
            yield from _choices(choice)
    elif "$ref" in part:
        yield _NAMES[str(part["$ref"]).rpartition("/")[2]]
    elif "const" in part:
        yield json.dumps(part["const"])
    elif "enum" in part:
        yield from map(json.dumps, part["enum"])
    elif "items" in part:
        yield f"{_one(part['items'])}[]"
    elif isinstance(part.get("additionalProperties"), dict):
        yield f"Record<string, {_one(part['additionalProperties'])}>"
    elif part.get("type") != "null":
        yield _PLAIN.get(part.get("type", ""), "unknown")


def _one(part: Mapping[str, Any]) -> str:
    kind = " | ".join(dict.fromkeys(_choices(part)))
    return f"({kind})" if " | " in kind else kind


def _union(name: str, of: Sequence[type[msgspec.Struct]], meaning: str) -> str:
    return _comment([meaning, f"@typedef {{{' | '.join(_NAMES[message.__name__] for message in of)}}} {name}"])


def _comment(lines: Iterable[str]) -> str:
    """A comment of JSDoc, no line of it too long."""
    wrapped = [
        part
        for line in lines
        for part in textwrap.wrap(
            line,
            _WIDTH - 2,
            break_long_words=False,
            break_on_hyphens=False,
            subsequent_indent="  " if line.startswith("@") else "",
        )
    ]
    return "\n".join(["/**", *(f" * {part}" for part in wrapped), " */", ""])

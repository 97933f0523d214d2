"""Makes one script of the demo page's modules, so that a browser asks for one file and not for twenty.

It knows the JavaScript that these modules are written in, where `import` and `export` begin a line, and refuses all
else: no bundler has to be there where the daemon is installed. Each module becomes a function that gives what it
exports, so names of two modules never meet. Comments go; they are more than a third of each module.
"""

import re
from collections.abc import Callable, Mapping
from posixpath import dirname, join, normpath
from typing import Final

_COMMENT: Final = re.compile(r"/\*\*.*?\*/ ?|(?<![^\s])// .*?$", re.DOTALL | re.MULTILINE)
_MARGIN: Final = re.compile(r"^\s+", re.MULTILINE)
_IMPORT: Final = re.compile(r'^import (?:\* as (\w+)|\{([^}]*)\}) from "(\.[\w./-]+\.js)";\n', re.MULTILINE)
_EXPORT_FROM: Final = re.compile(r'^export (?:\*|\{([^}]*)\}) from "(\.[\w./-]+\.js)";\n', re.MULTILINE)
_EXPORT_NAMES: Final = re.compile(r"^export \{([^}]*)\};\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async function|function\*?|class|const) ([\w$]+))", re.MULTILINE)
_LATER: Final = re.compile(r'\bimport\("(\.[\w./-]+\.js)"\)')
_UNKNOWN: Final = re.compile(r"^(?:import|export)\b.*|(?<!\0)\bimport(?:\.meta|\().*", re.MULTILINE)
_KNOWN: Final = "\0"
"""Stands before what is understood and stays, as long as it is looked for what is not."""


def bundle(sources: Mapping[str, str], entry: str, address: Callable[[str], str]) -> str:
    """Make one module of many.

    Args:
        sources: Text by path.
        entry: The module that the others are for, and whose exports stay.
        address: Where a browser finds a module that is only loaded when it is needed, by its path.

    Raises:
        ValueError: Two modules need each other, one is missing, or one says something that is not understood.
    """
    parts: dict[str, str] = {}
    _add(sources, entry, parts, (), address)
    *others, last = parts.items()
    return "".join(f"const {_name(file)}=(()=>{{\n{part}}})();\n" for file, part in others) + last[1]


def _add(
    sources: Mapping[str, str],
    file: str,
    parts: dict[str, str],
    path: tuple[str, ...],
    address: Callable[[str], str],
) -> None:
    if file in path:
        raise ValueError(f"{' needs '.join((*path, file))}")
    if file in parts:
        return
    if file not in sources:
        raise ValueError(f"{path[-1]}: there is no {file}" if path else f"there is no {file}")
    text = _MARGIN.sub("", _COMMENT.sub("", sources[file]))
    given: list[str] = []

    def at(relative: str) -> str:
        return normpath(join(dirname(file), relative))

    for found in (*_IMPORT.finditer(text), *_EXPORT_FROM.finditer(text)):
        _add(sources, at(found[found.re.groups]), parts, (*path, file), address)

    def take(found: re.Match[str]) -> str:
        every, names, source = found.groups()
        return f"const {every or f'{{{_pairs(names)}}}'}={_name(at(source))};\n"

    def hand_on(found: re.Match[str]) -> str:
        names, source = found[1], _name(at(found[2]))
        if not path:
            return f"{_KNOWN}export const{{{_pairs(names)}}}={source};\n" if names else found[0]
        given.append(
            f"...{source}"
            if names is None
            else ",".join(f"{theirs}:{source}.{ours}" for ours, theirs in _renamed(names))
        )
        return ""

    def give(found: re.Match[str]) -> str:
        if not path:
            return _KNOWN + found[0]
        given.extend(f"{theirs}:{ours}" for ours, theirs in _renamed(found[1]))
        return ""

    def declare(found: re.Match[str]) -> str:
        if not path:
            return _KNOWN + found[0]
        given.append(found[1])
        return ""

    def find(found: re.Match[str]) -> str:
        return f'{_KNOWN}import("{address(at(found[1]))}")'

    for pattern, do in (
        (_IMPORT, take),
        (_EXPORT_FROM, hand_on),
        (_EXPORT_NAMES, give),
        (_EXPORT, declare),
        (_LATER, find),
    ):
        text = pattern.sub(do, text)
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        raise ValueError(f"{file}: not understood: {unknown[0]}")
    parts[file] = text.replace(_KNOWN, "") + (f"return{{{','.join(given)}}};\n" if path else "")


def _name(file: str) -> str:
    return "$" + re.sub(r"\W", "_", file.removesuffix(".js"))


def _renamed(names: str) -> list[tuple[str, str]]:
    """What stands in braces: each name, and as what it is known on the other side."""
    words = (name.split(" as ") for part in names.split(",") if (name := part.strip()))
    return [(word[0].strip(), word[-1].strip()) for word in words]


def _pairs(names: str) -> str:
    return ",".join(theirs if theirs == ours else f"{theirs}:{ours}" for theirs, ours in _renamed(names))

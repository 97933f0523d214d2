"""Makes of the files in ``static/`` what is sent: hashed names that browsers may keep for ever, compressed bodies.

It is done once, at the start, and takes some milliseconds: so a wheel and a checkout serve the same, and nothing that
is made lies beside what it is made of.
"""

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from signald.web.bundle import bundle

TYPES: Final = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "ico": b"image/x-icon",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
"""Of the files that are served; others are not."""

INDEX: Final = "demo/index.html"
"""The page; the folder beside it has modules that other pages may take, too."""

CONSOLE: Final = "console/"
"""The folder of the operator's console, which is no part of what everybody gets."""

_HASH_LENGTH: Final = 12
"""Hexadecimal digits: one of 2^48, for some hundred versions."""

_HASHED: Final = re.compile(rf"([\w/-]+)\.[0-9a-f]{{{_HASH_LENGTH}}}(\.\w+)")
_NAMED: Final = re.compile(r'(?<=")/static/([\w./-]+)(?=")')
_CSS_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_MARGIN: Final = re.compile(r"^\s+", re.MULTILINE)


class Asset(NamedTuple):
    """A file as it is sent.

    Attributes:
        body: As it is.
        gzipped: The same, compressed (RFC 1952); empty if that is not shorter.
        content_type: For the header.
        digest: Tells it from every other one.
    """

    body: bytes
    gzipped: bytes
    content_type: bytes
    digest: str


class Assets(NamedTuple):
    """All that the demo page is made of.

    Attributes:
        page: The page itself. It names the others by their hashes.
        files: By path, as they stand in ``static/``: for pages that take single modules along.
        lasting: What the page is made of, by path without hash.
    """

    page: Asset
    files: Mapping[str, Asset]
    lasting: Mapping[str, Asset]


def read(folder: Traversable) -> Assets:
    """Read all files and make what is to be made.

    Args:
        folder: Where they are.
    """
    texts = _texts(folder)
    texts = {path: text for path, text in texts.items() if not path.startswith(CONSOLE)}
    lasting: dict[str, Asset] = {}

    def address(name: str) -> str:
        if name not in lasting:
            lasting[name] = _asset(name, shortened(name))
        return f"/static/{hashed(name, lasting[name])}"

    def shortened(name: str) -> str:
        match _ending(name):
            case "js":
                return bundle(texts, name, address)
            case "css":
                return _MARGIN.sub("", _CSS_COMMENT.sub("", texts[name]))
            case _:
                return texts[name]

    index = _NAMED.sub(lambda found: address(found[1]), _MARGIN.sub("", texts[INDEX]))
    files = {name: _asset(name, text) for name, text in texts.items()}
    return Assets(_asset(INDEX, index), files, lasting)


def read_console(folder: Traversable) -> dict[str, Asset]:
    """Read the files of the console, which are sent as they are, by name.

    Args:
        folder: Where the demo page's files are, too.
    """
    texts = _texts(folder)
    names = {path: path.removeprefix(CONSOLE) for path in texts if path.startswith(CONSOLE)}
    return {name: _asset(name, texts[path]) for path, name in names.items()}


def _texts(folder: Traversable) -> dict[str, str]:
    return {path: file.read_text(encoding="utf-8") for path, file in _files(folder) if _ending(path) in TYPES}


def hashed(name: str, asset: Asset) -> str:
    """The path under which an asset may be kept for ever: ``demo/main.0123456789ab.js``."""
    stem, _, ending = name.rpartition(".")
    return f"{stem}.{asset.digest[:_HASH_LENGTH]}.{ending}"


def unhashed(name: str) -> str | None:
    """The path without its hash; None if it has none."""
    found = _HASHED.fullmatch(name)
    return None if found is None else found[1] + found[2]


def _asset(name: str, text: str) -> Asset:
    body = text.encode()
    gzipped = gzip.compress(body, mtime=0)
    return Asset(
        body=body,
        gzipped=gzipped if len(gzipped) < len(body) else b"",
        content_type=TYPES[_ending(name)],
        digest=hashlib.sha256(body).hexdigest(),
    )


def _files(folder: Traversable, path: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{path}{entry.name}/")
        else:
            yield path + entry.name, entry


def _ending(name: str) -> str:
    return name.rpartition(".")[2]

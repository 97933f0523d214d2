"""What is sent of a file, and to whom."""

import gzip
from importlib.resources import files
from pathlib import Path

import pytest

from signald.web import assets
from signald.web.files import takes_gzip


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        (b"gzip, deflate, br, zstd", True),
        (b"br;q=1.0, GZIP ; q=0.5", True),
        (b"", False),
        (b"identity", False),
        (b"gzip;q=0", False),
        (b"br, gzip; q=0.000", False),
        (b"x-gzip-not", False),
    ],
)
def test_who_takes_gzip(accepted: bytes, taken: bool) -> None:
    """A client that cannot decompress would get what it cannot read, or everybody would load three times as much."""
    assert takes_gzip(accepted) is taken


def test_names_change_with_what_they_name(tmp_path: Path) -> None:
    """A browser would keep the script of the last release for a year."""
    page = '<link href="/static/demo/style.css" />\n<script src="/static/demo/main.js"></script>\n'
    (tmp_path / "demo").mkdir()
    for name, text in {"index.html": page, "style.css": "a {}", "main.js": 'import { x } from "../x.js";\n'}.items():
        (tmp_path / "demo" / name).write_text(text)
    names = []
    for text in ("export const x = 1;\n", "export const x = 2;\n"):
        (tmp_path / "x.js").write_text(text)
        made = assets.read(tmp_path)
        names.append({assets.hashed(name, asset) for name, asset in made.lasting.items()})
        assert all(name.encode() in made.page.body for name in names[-1])
        assert {assets.unhashed(name) for name in names[-1]} == {"demo/style.css", "demo/main.js"}
    assert len(names[0] & names[1]) == 1
    assert assets.unhashed("demo/style.css") is None


def test_the_first_load_is_small() -> None:
    """The page would take seconds on a bad network: a quarter more in any of its modules, and nobody would notice."""
    made = assets.read(files("signald.web") / "static")
    assert all(gzip.decompress(part.gzipped) == part.body for part in (made.page, *made.lasting.values()))
    sizes = {name: len(part.gzipped) for name, part in made.lasting.items()}
    at_start, rarely = sizes.pop("demo/later.js"), sizes.pop("work.js")
    assert len(sizes) == 3
    assert len(made.page.gzipped) + sum(sizes.values()) <= 20_000
    assert at_start <= 10_000
    assert rarely <= 2_000

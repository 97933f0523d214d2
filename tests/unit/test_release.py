"""What makes a release: its number, which stands in one place, and its changelog, made from the news fragments."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from signald import __version__

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
KINDS = [kind["directory"] for kind in PYPROJECT["tool"]["towncrier"]["type"]]
FRAGMENTS = sorted(path for path in (ROOT / "newsfragments").iterdir() if path.name != "README.md")


def test_manifests_start_the_image_of_this_release() -> None:
    """An operator who copies a manifest would run another release than the one its documents speak of."""
    manifests = [ROOT / "compose.yaml", ROOT / "render.yaml", *(ROOT / "docs/deploy").iterdir()]
    named = [tag for path in manifests for tag in re.findall(r"signald:(\d[\w.]*)", path.read_text(encoding="utf-8"))]
    assert named
    assert set(named) == {__version__}


def test_changelog_begins_with_this_release() -> None:
    """An operator would look for what changed under a number that was never released."""
    releases = re.findall(r"^## (\S+) \(", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert releases[:1] in ([], [__version__])
    assert releases or FRAGMENTS


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: path.name)
def test_news_fragment_is_well_formed(fragment: Path) -> None:
    """A misnamed fragment is left out of the changelog, or shows under an issue that does not exist."""
    assert re.fullmatch(rf"\d+\.({'|'.join(KINDS)})(\.\d+)?", fragment.name), "see newsfragments/README.md"
    assert fragment.read_text(encoding="utf-8").strip()


def test_changelog_can_be_made_of_the_fragments() -> None:
    """A release would come out without the news that its operators have to know."""
    draft = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.8.7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert draft.returncode == 0, draft.stderr
    assert "## 9.8.7 (" in draft.stdout
    for fragment in FRAGMENTS:
        if ".misc" not in fragment.name:
            first, *_ = fragment.read_text(encoding="utf-8").strip().splitlines()
            assert f"- {first}" in draft.stdout, fragment.name

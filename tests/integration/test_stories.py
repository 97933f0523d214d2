"""The stories that every client is held to, by raw sockets and by both kits, with real daemons.

All of them are told by hand to a daemon in memory, too (`tests/protocol/test_stories.py`). Those that need a daemon of
their own are told to the packages of the kits alone, by ``make test-kits``.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.book import Book, by_settings, javascript_puppet, python_puppet
from tests.support.stories import Story

MAKE: dict[str, Callable[[], Book]] = {
    "raw": Book,
    "python": lambda: Book(python_puppet()),
    "javascript": lambda: Book(javascript_puppet()),
}

WORK = "Who works meets somebody, and the next one too"

CHEAP = [(theme, story) for theme, story in by_settings() if not {"settings", "slow"} & story.keys()]


@pytest.fixture(scope="module", params=MAKE)
def book(request: pytest.FixtureRequest) -> Iterator[Book]:
    """Tells stories to one kind of client."""
    with MAKE[request.param]() as book:
        yield book


@pytest.mark.parametrize("story", [pytest.param(story, id=f"{theme}: {story['name']}") for theme, story in CHEAP])
def test_story(book: Book, story: Story) -> None:
    """Else a kit breaks what its users rely on, or cannot be replaced by another."""
    book.tell(story)


def test_story_of_a_server_that_has_guests_work(book: Book) -> None:
    """Else a kit's users wait in vain as soon as the operator keeps bots away: solving it is no matter of messages."""
    (story,) = (story for _, story in by_settings() if story["name"] == WORK)
    book.tell(story)


def test_what_does_not_come_true_is_told(book: Book) -> None:
    """A puppet that says ok to everything would be held to nothing."""
    story: dict[str, Any] = {**CHEAP[0][1], "steps": [{"who": "ada", "comes": {}}]}
    story["steps"].append({"who": "ada", "says": {"type": "next"}, "answer": "ok"})
    with pytest.raises(AssertionError, match="NOT_PAIRED"):
        book.tell(story)

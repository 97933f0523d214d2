"""The stories that every client is held to: by raw sockets, by the Python kit, by the JavaScript kit; real daemons.

All of them are told by hand to a daemon in memory, too (`tests/protocol/test_stories.py`). Those that need a daemon of
their own are slow here: ``make test-kits`` tells them, with kits as they are published.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.puppets import Puppet, PuppetStage
from tests.support.raw_actors import SocketStage
from tests.support.stories import Story, Teller, themes

KITS = Path(__file__).parents[2] / "clients"

BY_SETTINGS = sorted(
    ((theme, story) for theme, of in themes().items() for story in of),
    key=lambda told: sorted(told[1].get("settings", {}).items()),
)
"""So that few daemons are started: each for all that have the same settings."""


def _told() -> Iterator[Any]:
    """Each story to each kind of client. Refusals are told by hand in memory alone."""
    for kit in ("raw", "python"):
        for theme, story in BY_SETTINGS:
            if kit != "raw" or not any("refused" in step for step in story["steps"]):
                marks = [pytest.mark.slow] if {"settings", "slow"} & story.keys() else []
                yield pytest.param(kit, story, id=f"{kit}, {theme}: {story['name']}", marks=marks)


class Book:
    """Tells stories to daemons.

    Args:
        make: Starts a daemon with these settings.
    """

    def __init__(self, make: Callable[..., SocketStage]) -> None:
        self._make = make
        self._stage: SocketStage | None = None
        self._settings: dict[str, str] = {}

    async def tell(self, story: Story) -> None:
        """One story."""
        settings = story.get("settings", {})
        if self._stage is None or settings != self._settings:
            self.close()
            self._stage, self._settings = self._make(**settings), settings
        try:
            await Teller(self._stage).tell(story)
            assert self._stage.errors == []
        except AssertionError:
            self.close()
            raise
        if any("operator" in step for step in story["steps"]):
            self.close()  # It may have banned this machine.
        else:
            await self._stage.clear()

    def close(self) -> None:
        """End the daemon."""
        if self._stage is not None:
            self._stage.send_away()
            self._stage.__exit__(None, None, None)
            self._stage = None


def _puppet(kit: str) -> Puppet:
    if kit == "python":
        variables = {} if "KIT_PYTHON" in os.environ else {"PYTHONPATH": str(KITS / "python" / "src")}
        python = os.environ.get("KIT_PYTHON", sys.executable)
        return Puppet([python, str(KITS / "python" / "tests" / "puppet.py")], **variables)
    if (node := shutil.which("node")) is None:
        pytest.skip("no node here: apt-get install nodejs")
    return Puppet([node, str(KITS / "js" / "tests" / "puppet.mjs")])


@pytest.fixture(scope="module")
def tell() -> Iterator[Callable[[str, Story], None]]:
    """Tells a story to one kind of client; one kind after the other."""
    with asyncio.Runner() as runner:
        books: dict[str, Book] = {}
        stack = AsyncExitStack()

        async def book_for(kit: str) -> Book:
            if kit not in books:
                for other in books.values():
                    other.close()
                if kit == "raw":
                    books[kit] = Book(SocketStage)
                else:
                    puppet = await stack.enter_async_context(_puppet(kit))
                    books[kit] = Book(lambda **settings: PuppetStage(puppet, **settings))
            return books[kit]

        async def tell_to(kit: str, story: Story) -> None:
            book = await book_for(kit)
            await book.tell(story)

        yield lambda kit, story: runner.run(tell_to(kit, story))
        for book in books.values():
            book.close()
        runner.run(stack.aclose())


@pytest.mark.parametrize(("kit", "story"), list(_told()))
def test_story(tell: Callable[[str, Story], None], kit: str, story: Story) -> None:
    """Else a kit breaks what its users rely on, or cannot be replaced by another."""
    tell(kit, story)

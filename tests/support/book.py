"""Tells stories of ``clients/stories`` over real sockets, with as few daemons as can be."""

import asyncio
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.node import program
from tests.support.puppets import Puppet, PuppetStage
from tests.support.raw_actors import SocketStage
from tests.support.stories import Story, Teller, themes

_CLIENTS = Path(__file__).parents[2] / "clients"


def python_puppet(python: str = sys.executable, **variables: str) -> Puppet:
    """The Python kit's: from the tree, or with the environment that another Python is of."""
    if not variables and python == sys.executable:
        variables = {"PYTHONPATH": str(_CLIENTS / "python" / "src")}
    return Puppet([python, str(_CLIENTS / "python" / "tests" / "puppet.py")], **variables)


def javascript_puppet(module: Path | None = None) -> Puppet:
    """The JavaScript kit's: from the tree, or with a module of a package."""
    variables = {} if module is None else {"KIT_JS": module.as_uri()}
    # Node 20 has a WebSocket behind this flag, later ones have it anyway.
    command = [program("node"), "--experimental-websocket", "--no-warnings", str(_CLIENTS / "js/tests/puppet.mjs")]
    return Puppet(command, **variables)


def by_settings() -> list[tuple[str, Story]]:
    """All stories with their themes, in an order in which few daemons are started."""
    told = ((theme, story) for theme, of in themes().items() for story in of)
    return sorted(told, key=lambda each: sorted(each[1].get("settings", {}).items()))


class Book:
    """Tells stories to one kind of client, and has one daemon for all that have the same settings.

    Args:
        puppet: Has the clients; None for raw sockets.
    """

    def __init__(self, puppet: Puppet | None = None) -> None:
        self._puppet = puppet
        self._stage: SocketStage | None = None
        self._settings: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._runner = asyncio.Runner()
        if self._puppet is not None:
            self._runner.run(self._stack.enter_async_context(self._puppet))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def tell(self, story: Story) -> None:
        """One story.

        Raises:
            AssertionError: Something else came than what is told.
        """
        self._runner.run(self._tell(story))

    def tell_all(self, stories: Iterable[Story]) -> list[str]:
        """Many, one after the other; gives what went wrong."""
        wrong = []
        for story in stories:
            try:
                self.tell(story)
            except AssertionError as problem:
                wrong.append(f"{story['name']}: {problem}")
        return wrong

    async def _tell(self, story: Story) -> None:
        settings = story.get("settings", {})
        if self._stage is None or settings != self._settings:
            self._close()
            self._stage, self._settings = self._make(settings), settings
        try:
            await Teller(self._stage).tell(story)
            assert self._stage.errors == []
        except AssertionError:
            self._close()
            raise
        if any("operator" in step for step in story["steps"]):
            self._close()  # It may have banned this machine.
        else:
            await self._stage.clear()

    def _make(self, settings: dict[str, str]) -> SocketStage:
        return SocketStage(**settings) if self._puppet is None else PuppetStage(self._puppet, **settings)

    def _close(self) -> None:
        if self._stage is not None:
            self._stage.send_away()
            self._stage.__exit__(None, None, None)
            self._stage = None

"""A real store for each test, and a table of what the fault tests measured."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.redis import RedisServer

_MEASURED = pytest.StashKey[list[tuple[str, str, float]]]()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty redis-server."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Note how long something took; the notes of all tests are shown at the end."""

    def note(what: str, seconds: float) -> None:
        request.config.stash.setdefault(_MEASURED, []).append((request.node.name, what, seconds))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the table."""
    rows = config.stash.get(_MEASURED, [])
    if rows:
        terminalreporter.section("how long clients waited in each fault")
        for test, what, seconds in rows:
            terminalreporter.write_line(f"{seconds:7.2f} s  {what}  ({test})")

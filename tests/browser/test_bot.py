"""The bot of the Python kit, from its package, and a page: `make test-kits`."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.daemon import environment
from tests.support.python_kit import KIT, installed

from .conftest import Daemon, Open

pytestmark = pytest.mark.slow


@contextmanager
def _bot(daemon: Daemon) -> Iterator["subprocess.Popen[str]"]:
    """The example, as it stands in the README, that calls whoever is there."""
    url = f"ws://127.0.0.1:{daemon.port}/ws"
    command = [str(installed()), str(KIT / "examples" / "bot.py"), url]
    bot = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    assert bot.stdout is not None
    try:
        assert bot.stdout.readline().startswith("here as ")
        yield bot
    finally:
        bot.kill()
        bot.wait()
        bot.stdout.close()


@pytest.mark.parametrize("first", ["page", "bot"])
def test_a_page_sees_hears_and_writes_to_the_bot(daemon: Daemon, open_page: Open, first: str) -> None:
    """Else a bot can call bots alone: who waited first is who offers, so both ways are tried."""
    page = open_page()
    if first == "page":
        page.start(daemon.url)
    with _bot(daemon) as bot:
        if first == "bot":
            page.start(daemon.url)
        page.sees_partner()
        page.hears_partner()
        page.write("anybody there?")
        page.receives("You said: anybody there?")
        assert bot.stdout is not None
        assert bot.stdout.readline().startswith("connected with ")
        while not all(int(part.split()[0]) >= 3 for part in bot.stdout.readline().split(", ")[:2]):
            pass


def test_the_bot_goes_on_with_a_page_that_was_reloaded(daemon: Daemon, open_page: Open) -> None:
    """Else a bot shows a dead picture after F5, though both are still in their room."""
    page = open_page()
    with _bot(daemon) as bot:
        page.start(daemon.url)
        page.sees_partner()
        page.driver.refresh()
        page.sees_partner()
        page.write("back again")
        page.receives("You said: back again")
        assert bot.poll() is None


def test_the_bot_meets_the_next(daemon: Daemon, open_page: Open) -> None:
    """Else a bot has one call in its life."""
    page = open_page()
    with _bot(daemon):
        page.start(daemon.url)
        page.sees_partner()
        page.click("leave")
        page.reach("idle")
        page.click("start")
        page.sees_partner()

"""The Python package, as others get it: built, installed in an empty environment, and used from there."""

import re
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest

from signald.core.messages import SUBPROTOCOL
from tests.docs.page import ROOT, blocks
from tests.support.book import Book, by_settings, python_puppet
from tests.support.client import Client
from tests.support.daemon import DaemonProcess, environment
from tests.support.python_kit import KIT, built, installed, run
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.slow

APP = """
import asyncio

from signald_client import Client, Closed, Match, MatchMessage, Refused, connect
from signald_client.bot import Bot, Call, film
from signald_client.protocol import MAX_REPORT_LENGTH, ServerMessage, Wishes


async def token() -> str:
    return "token"


def read(message: MatchMessage) -> str:
    if message["type"] == "data":
        return str(message["data"]) + message["from"]
    if message["type"] == "partner-away":
        return str(message["seconds"] + 1)
    return message["type"]


async def have(match: Match) -> None:
    sent: bool = await match.data({"n": 1})
    await match.report("spam", text="x" * MAX_REPORT_LENGTH)
    async for message in match:
        print(read(message), sent, match.ended)


async def main() -> None:
    wishes: Wishes = {"is": {"lang": ["en"]}, "likes": ["chess"], "relax": {"likes": 10}}
    async with connect("wss://example.org/ws", get_token=token, on_message=told, open_timeout=5) as client:
        async for match in client.matches(wishes):
            await have(match)
        try:
            await client.leave()
        except Refused as refusal:
            print(refusal.code)
        await Bot(client, tracks=film, on_call=attend).run()


async def attend(call: Call) -> None:
    call.send_text(call.match.partner_id)


def told(message: ServerMessage) -> None:
    if message["type"] == "ready":
        print(message["clientId"].upper())


def wrong(client: Client) -> None:
    client.matches({"likes": "chess"})  # error: a text
    client.matches({"like": ["chess"]})  # error: no such wish
    client.nothing()  # error: no such method


asyncio.run(main())
"""


def test_every_story_comes_true() -> None:
    """Else what is published breaks what its users rely on, or the server's own word."""
    with Book(python_puppet(str(installed()))) as book:
        assert book.tell_all(story for _, story in by_settings()) == []


def test_nothing_else_is_installed() -> None:
    """Else a program that only wants to signal carries a stack that it does not use, or has none of it."""
    frozen = run(installed(), "-m", "pip", "list", "--format=freeze")
    names = {line.partition("==")[0] for line in frozen.splitlines()}
    assert {"signald-client", "websockets", "aiortc"} <= names
    assert not {"signald", "Twisted", "msgspec"} & names
    requires = run(installed(), "-c", "import importlib.metadata as m; print(m.requires('signald-client'))")
    assert requires.strip() == "['websockets>=15', 'aiortc>=1.13; extra == \"bot\"']"


def test_nothing_else_is_packed() -> None:
    """Else a published version carries what nobody wants, or lacks its licence and its types."""
    (wheel,) = built().glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = KIT / "src"
    assert packed == {path.relative_to(sources).as_posix() for path in sources.glob("*/*.*") if path.is_file()}
    assert "signald_client/py.typed" in packed
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())
    (sdist,) = built().glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "src/signald_client/py.typed"} <= names


def test_its_licence_is_that_of_signald() -> None:
    """Else the two drift apart: a package must have a file of its own."""
    assert (KIT / "LICENSE").read_text() == (KIT.parents[1] / "LICENSE").read_text()


def test_its_types_are_strict(tmp_path: Path) -> None:
    """Else whoever checks strictly cannot use it, or is not told of a wish that does not exist."""
    mypy = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--python-executable", str(installed())]
    app = tmp_path / "app.py"
    app.write_text(APP)
    ran = subprocess.run([*mypy, app.name], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    told = {int(line.split(":")[1]) for line in ran.stdout.splitlines() if ": error: " in line}
    wrong = {number for number, line in enumerate(APP.splitlines(), 1) if "# error" in line}
    assert (told, ran.stderr) == (wrong, ""), ran.stdout
    pages = (KIT / "README.md", ROOT / "docs" / "client.md")
    programs = [block.text for page in pages for block in blocks(page) if block.language == "python"]
    assert len(programs) == 4
    for number, text in enumerate(programs):
        (tmp_path / f"block{number}.py").write_text(text)
    run(*mypy, *sorted(tmp_path.glob("block*.py")), folder=tmp_path)
    for version in ("3.11", "3.12", "3.13", "3.14"):
        run(*mypy, "--python-version", version, KIT / "src", KIT / "examples", folder=tmp_path)


@pytest.mark.parametrize("options", [[], ["--echo"]])
def test_two_bots_see_and_hear_each_other(options: list[str]) -> None:
    """Else a bot is no partner: it answers, and shows nothing. And nobody hears what became of its calls."""
    bots = []
    with DaemonProcess(variables={"ADMIN_LISTEN": "tcp:0:interface=127.0.0.1"}, ready=2) as daemon:
        for more in ([], options):
            command = [str(installed()), str(KIT / "examples" / "bot.py"), f"ws://127.0.0.1:{daemon.port}/ws", *more]
            bots.append(subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True))
        try:
            for bot in bots:
                assert bot.stdout is not None
                assert bot.stdout.readline().startswith("here as ")
                assert bot.stdout.readline().startswith("connected with ")
                while not all(int(count) >= 30 for count in _counts(bot.stdout.readline())):
                    pass
            bots[0].terminate()
            assert bots[0].wait(PATIENCE_S) == 0
            metrics = f"http://127.0.0.1:{daemon.ports[1]}/metrics"
            until(lambda: _connected(metrics) == 2, "both have told of it")
        finally:
            for bot in bots:
                bot.kill()
                bot.wait()


def test_a_stranger_cannot_end_the_bot() -> None:
    """Else whoever sends nonsense takes the bot from everybody."""
    with DaemonProcess() as daemon:
        command = [str(installed()), str(KIT / "examples" / "bot.py"), f"ws://127.0.0.1:{daemon.port}/ws"]
        bot = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(3):  # It has dealt with all of one stranger before it meets the next.
                with Client(daemon.port, protocols=[SUBPROTOCOL]) as stranger:
                    stranger.send("available")
                    stranger.expect("matched")
                    for sdp in ("nonsense", 5, {"sdp": None}, "v=0\r\nm=video x y z\r\n", "a=ice-ufrag:" + 99 * "x"):
                        stranger.send("offer", sdp=sdp)
                        stranger.send("answer", sdp=sdp)
                    for candidate in ("candidate:", "nonsense", "candidate:1 1 udp x y z typ host", "candidate:1"):
                        stranger.send("ice", candidate={"candidate": candidate, "sdpMLineIndex": "0"})
                    stranger.close()
            assert bot.poll() is None
        finally:
            bot.kill()
            bot.wait()


def _connected(url: str) -> float:
    """Calls that came about, as an operator sees them."""
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:  # noqa: S310 - our own
        text = response.read().decode()
    return sum(float(found) for found in re.findall(r'(?m)^signald_calls_total\{.*result="connected".*\} (\S+)$', text))


def _counts(line: str) -> list[int]:
    assert "pictures" in line, line
    return [int(part.split()[0]) for part in line.split(", ")[:2]]

"""The log, as an operator's tools read it."""

import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from signald.telemetry.logs import goes_to_journal, make_observer
from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess
from tests.support.waiting import PATIENCE_S

SECRETS = ("v=0-secret-sdp", "candidate-secret", "token-secret")


class Memory:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines = b""

    def write(self, lines: bytes) -> None:
        """See `Sink.write`."""
        self.lines += lines

    def rotate(self) -> bool:
        """See `Sink.rotate`."""
        return False

    def reopen(self) -> None:
        """See `Sink.reopen`."""


def _log(
    *, look: str = "text", level: str = "info", priorities: bool = False
) -> tuple[Logger, Callable[[], list[str]]]:
    """What logs, and what gives the lines at the end."""
    memory = Memory()
    log = make_observer(memory, level=level, look=look, instance="one", priorities=priorities)

    def lines() -> list[str]:
        log.output.close(PATIENCE_S)
        return memory.lines.decode().splitlines()

    return Logger(namespace="signald.test", observer=LogPublisher(log.observer)), lines


def _exchange(daemon: DaemonProcess) -> tuple[Client, Client]:
    with Client(daemon.port) as first, Client(daemon.port) as second:
        pair(first, second)
        first.send("auth", token=SECRETS[2])
        first.send("offer", sdp=SECRETS[0])
        second.expect("offer")
        first.send("ice", candidate={"candidate": SECRETS[1]})
        second.expect("ice")
        first.send("nonsense", sdp=SECRETS[0])
        first.expect("error")
        first.close()
        second.close()
    for client in (first, second):
        daemon.wait_for(f"client {client.id} from")
        daemon.wait_for(f"client {client.id} from 127.0.0.0/24 gone after")
    return first, second


def test_each_session_is_one_line() -> None:
    """Nobody could tell how long clients stay, or why they go."""
    with DaemonProcess() as daemon:
        first, second = _exchange(daemon)
        lines = [line for line in daemon.log.splitlines() if first.id in line]
        assert len(lines) == 1
        said = re.search(r"gone after [\d.]+ s and (\d+) messages: (.*)$", lines[0])
        assert said and said[1] == "5" and "1000" in said[2], lines
        assert second.id in daemon.log


@pytest.mark.parametrize("options", [("--debug",), ("--log-level=debug", "--log-format=json")])
def test_no_level_shows_what_clients_say(options: tuple[str, ...]) -> None:
    """SDP, candidates and tokens in a log are addresses and keys of people, kept for years."""
    with DaemonProcess(*options) as daemon:
        _exchange(daemon)
        assert daemon.stop()[0] == 0
        assert not [secret for secret in SECRETS if secret in daemon.log]


def test_lines_of_json() -> None:
    """Machines could not read the log: a line that is no JSON, or without the ids to search for."""
    with DaemonProcess("--log-format=json", "--instance-id=here") as daemon:
        first, _ = _exchange(daemon)
        assert daemon.stop()[0] == 0
        lines = [json.loads(line) for line in daemon.log.splitlines()]
    assert all(line["instance"] == "here" for line in lines)
    (gone,) = [line for line in lines if line.get("client") == first.id]
    assert (gone["level"], gone["messages"], gone["address"]) == ("info", 5, "127.0.0.0/24")
    assert gone["room"] and gone["seconds"] >= 0 and "1000" in gone["reason"]


def test_whole_addresses_if_the_operator_wants_them() -> None:
    """An operator under attack must be able to see who it is."""
    with DaemonProcess("--log-full-addresses") as daemon:
        with Client(daemon.port) as client:
            client.close()
        daemon.wait_for(f"client {client.id} from 127.0.0.1 gone after")


def test_level() -> None:
    """A busy server could not be made to log less."""
    for level, shown in (("debug", "diwe"), ("info", "iwe"), ("warn", "we"), ("error", "e")):
        log, lines = _log(level=level)
        for name in ("debug", "info", "warn", "error"):
            log.emit(LogLevel.levelWithName(name), f"-{name[0]}-")
        assert "".join(re.findall("-(.)-", "".join(lines()))) == shown


def test_multi_line_trouble_is_one_json_line() -> None:
    """A traceback would tear the log apart, where it matters most."""
    failure = Failure(RuntimeError("broken"))
    log, lines = _log(look="json")
    log.failure("it failed: {what}", failure, what="a\nb")
    (line,) = lines()
    event = json.loads(line)
    assert event["level"] == "critical" and event["what"] == "a\nb"
    assert "RuntimeError: broken" in event["message"]


def test_journal_gets_priorities() -> None:
    """``journalctl -p err`` would find nothing, or only the first line of a traceback."""
    log, lines = _log(level="debug", priorities=True)
    for name in ("debug", "info", "warn", "error", "critical"):
        log.emit(LogLevel.levelWithName(name), f"{name}\nand more")
    said = lines()
    assert [line[:3] for line in said] == ["<7>", "<7>", "<6>", "<6>", "<4>", "<4>", "<3>", "<3>", "<2>", "<2>"]
    assert not re.search(r"\d\d:\d\d:\d\d", said[0]), "the journal has its own time"


def test_the_journal_is_known(tmp_path: Path) -> None:
    """Under systemd all lines have the same priority."""
    with (tmp_path / "journal").open("w") as out:
        stat = os.fstat(out.fileno())
        assert goes_to_journal(out, {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})


def test_only_the_journal_gets_priorities(tmp_path: Path) -> None:
    """A log that was sent elsewhere would be full of ``<6>``, since JOURNAL_STREAM stays set."""
    with (tmp_path / "file").open("w") as out:
        assert not goes_to_journal(out, {"JOURNAL_STREAM": "8:1"})
        assert not goes_to_journal(out, {})
    assert not goes_to_journal(io.StringIO(), {"JOURNAL_STREAM": "8:1"})

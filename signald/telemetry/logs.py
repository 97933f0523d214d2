"""Writes the log: what is in it, and how it looks.

Levels say who must act: *critical* is a bug, or ends the process; *error* is a broken dependency or file that somebody
should look at; *warn* is something that the operator should know; *info* tells of the daemon's own life and of each
client that has gone; *debug* tells of single steps of clients. Never logged: SDP, candidates, tokens; an address only
in part (`signald.core.addresses`).
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple, Self, TextIO

import msgspec
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
)

from signald.telemetry.output import LogOutput
from signald.telemetry.sinks import Sink

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warn", "error")

_PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
"""Priorities of syslog(3) for Twisted's levels."""

_SIMPLE: Final = (str, int, float)
"""Types of fields that stand in a line of JSON."""

_TWISTED: Final = frozenset(("format", "isError", "logLevel", "message", "system", "time"))
"""Fields of Twisted's older log, which only repeat the message."""


Look = Callable[[float, str, str, str, Mapping[str, Any]], str]
"""Makes a line of a time (seconds since 1970), a level, who says it, what is said, and with which fields."""


@lru_cache(maxsize=1)
def _local_time(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).astimezone().strftime("%Y-%m-%dT%H:%M:%S%z")


@lru_cache(maxsize=1)
def _utc(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _as_journal(at: float, level: str, who: str, words: str, fields: Mapping[str, Any]) -> str:
    return f"[{fields.get('log_system') or f'{who}#{level}'}] {words}\n"


def _as_text(at: float, level: str, who: str, words: str, fields: Mapping[str, Any]) -> str:
    words = words.replace("\n", "\n\t")
    return f"{_local_time(int(at))} {_as_journal(at, level, who, words, fields)}"


def _as_json(instance: str) -> Look:
    def as_json(at: float, level: str, who: str, words: str, fields: Mapping[str, Any]) -> str:
        line: dict[str, object] = {
            "time": f"{_utc(int(at))}.{int(at % 1 * 1000):03}+00:00",
            "level": level,
            "logger": who,
            "message": words,
            "instance": instance,
        }
        for name, value in fields.items():
            if isinstance(value, _SIMPLE) and not name.startswith("log_") and name not in _TWISTED:
                line.setdefault(name, value)
        try:
            return msgspec.json.encode(line).decode() + "\n"
        except (UnicodeEncodeError, OverflowError):  # half a character of a file's name, or a number beyond 64 bits
            return json.dumps(line, ensure_ascii=False) + "\n"

    return as_json


def _with_priority(look: Look) -> Look:
    """Begin each line with what journald takes for its priority (sd-daemon(3))."""

    def prioritised(at: float, level: str, who: str, words: str, fields: Mapping[str, Any]) -> str:
        mark = f"<{_PRIORITIES[level]}>"
        return "".join(mark + line for line in look(at, level, who, words, fields).splitlines(keepends=True))

    return prioritised


def _words(event: Any) -> str:
    """What an event says, its traceback included. Twisted's own way to it takes ten times as long."""
    try:
        words = None if "log_failure" in event else str(event["log_format"].format_map(event))
    except Exception:  # Twisted formats what str does not know, and says what is wrong with the rest
        words = None
    return eventAsText(event, includeTimestamp=False, includeSystem=False) if words is None else words


def _line(event: Any, look: Look) -> str:
    """The line of an event of Twisted's; empty if it says nothing."""
    words, level = _words(event), event.get("log_level")
    name = "info" if level is None else str(level.name)
    return words and look(event["log_time"], name, event.get("log_namespace", "-"), words, event)


def goes_to_journal(out: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether this stream is the one that systemd connected to its journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        stat = os.fstat(out.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


class ClientLog(Logger):
    """Logs what is said of each client: an event that nobody will see is not even made.

    To be a class attribute. Unlike a `Logger` it is the same one for all instances, and looking at it costs nothing.
    """

    shows_debug: ClassVar[bool] = True
    shows_info: ClassVar[bool] = True
    """Whether info is shown; `make_observer` sets it for the process. Asking first saves making the message."""
    write: ClassVar[Callable[[str], None] | None] = None
    """Takes lines; None for Twisted's way, by its publisher and all observers, which costs several times as much."""
    look: ClassVar[Look] = staticmethod(_as_text)
    """Makes them."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.namespace = f"{owner.__module__}.{owner.__qualname__}"

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        return self

    def debug(self, format: str | None = None, **fields: object) -> None:
        """See `Logger.debug`."""
        if self.shows_debug:
            self._say(LogLevel.debug, format or "", fields)

    def info(self, format: str | None = None, **fields: object) -> None:
        """See `Logger.info`."""
        if self.shows_info:
            self._say(LogLevel.info, format or "", fields)

    def _say(self, level: Any, format: str, fields: dict[str, object]) -> None:
        write = ClientLog.write
        if write is None:
            self.emit(level, format, **fields)
        else:
            write(ClientLog.look(time.time(), level.name, self.namespace, format.format_map(fields), fields))


class Log(NamedTuple):
    """The daemon's log.

    Attributes:
        observer: For Twisted's publisher.
        look: Makes its lines.
        output: Takes them.
    """

    observer: ILogObserver
    look: Look
    output: LogOutput

    def start(self) -> None:
        """Begin to write; what is said of clients from now on goes the short way."""
        self.output.start()
        ClientLog.write, ClientLog.look = self.output.write, staticmethod(self.look)


def make_observer(
    sink: Sink,
    *,
    level: str,
    look: str,
    instance: str,
    priorities: bool = False,
    count: Callable[[int], None] = lambda lines: None,
) -> Log:
    """Make the daemon's log.

    Args:
        sink: Where lines go in the end.
        level: The lowest of `LEVELS` to show.
        look: One of `FORMATS`.
        instance: The name of this process, in every line of JSON.
        priorities: Whether lines begin with their priority, and have no time: for the journal and syslog.
        count: Told of lines that were dropped.
    """
    lowest = LogLevel.levelWithName(level)
    ClientLog.shows_debug = lowest <= LogLevel.debug
    ClientLog.shows_info = lowest <= LogLevel.info
    chosen = _as_json(instance) if look == "json" else _as_journal if priorities else _as_text
    if priorities:
        chosen = _with_priority(chosen)
    output = LogOutput(sink, lambda lines: _line(_gap(lines), chosen), count)
    # LogOutput is no IO, but has of it what is used.
    observer = FileLogObserver(output, lambda event: _line(event, chosen))  # type: ignore[arg-type]
    return Log(FilteringLogObserver(observer, [LogLevelFilterPredicate(lowest)]), chosen, output)


def _gap(lines: int) -> dict[str, Any]:
    """What is said in place of lines that were dropped."""
    return {
        "log_format": "{lines} lines of the log are missing here: nobody read it, or it could not be written",
        "log_level": LogLevel.warn,
        "log_namespace": "signald.telemetry.output.LogOutput",
        "log_time": time.time(),
        "lines": lines,
    }

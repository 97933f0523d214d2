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
from typing import Any, ClassVar, Final, Self, TextIO

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    formatEventAsClassicLogText,
)

from signald.telemetry.output import LogOutput
from signald.telemetry.sinks import Sink

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warn", "error")

_PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}
"""Priorities of syslog(3) for Twisted's levels."""

_TWISTED: Final = frozenset(("format", "isError", "logLevel", "message", "system", "time"))
"""Fields of Twisted's older log, which only repeat the message."""


def _level(event: Mapping[str, Any]) -> str:
    level = event.get("log_level")
    return "info" if level is None else str(level.name)


def _as_text(event: Any) -> str | None:
    return formatEventAsClassicLogText(event)


def _as_journal(event: Any) -> str | None:
    text = eventAsText(event, includeTimestamp=False)
    return text + "\n" if text else None


def _as_json(instance: str) -> Callable[[Any], str | None]:
    def as_json(event: Any) -> str | None:
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        if not text:
            return None
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
            "level": _level(event),
            "logger": event.get("log_namespace", "-"),
            "message": text,
            "instance": instance,
        }
        for name, value in event.items():
            if isinstance(value, str | int | float) and not name.startswith("log_") and name not in _TWISTED:
                line.setdefault(name, value)
        return json.dumps(line, ensure_ascii=False) + "\n"

    return as_json


def _with_priority(look: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    """Begin each line with what journald takes for its priority (sd-daemon(3))."""

    def prioritised(event: Any) -> str | None:
        text = look(event)
        mark = f"<{_PRIORITIES[_level(event)]}>"
        return text and "".join(mark + line for line in text.splitlines(keepends=True))

    return prioritised


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

    def __set_name__(self, owner: type, name: str) -> None:
        self.namespace = f"{owner.__module__}.{owner.__qualname__}"

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        return self

    def debug(self, format: str | None = None, **fields: object) -> None:
        """See `Logger.debug`."""
        if self.shows_debug:
            super().debug(format, **fields)

    def info(self, format: str | None = None, **fields: object) -> None:
        """See `Logger.info`."""
        if self.shows_info:
            super().info(format, **fields)


def make_observer(
    sink: Sink,
    *,
    level: str,
    look: str,
    instance: str,
    priorities: bool = False,
    count: Callable[[int], None] = lambda lines: None,
) -> tuple[ILogObserver, LogOutput]:
    """Make the daemon's log observer, and what it writes to, which is to be started.

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
    format_event = _as_json(instance) if look == "json" else _as_journal if priorities else _as_text
    if priorities:
        format_event = _with_priority(format_event)
    output = LogOutput(sink, lambda lines: format_event(_gap(lines)) or "", count)
    # LogOutput is no IO, but has of it what is used.
    observer = FileLogObserver(output, format_event)  # type: ignore[arg-type]
    return FilteringLogObserver(observer, [LogLevelFilterPredicate(lowest)]), output


def _gap(lines: int) -> dict[str, Any]:
    """What is said in place of lines that were dropped."""
    return {
        "log_format": "{lines} lines of the log are missing here: nobody read it, or it could not be written",
        "log_level": LogLevel.warn,
        "log_namespace": "signald.telemetry.output.LogOutput",
        "log_time": time.time(),
        "lines": lines,
    }

"""What is logged, and how it looks.

Levels by who must act: *critical* ends the process; *error* is a bug or a broken dependency, somebody should look;
*warn* is the operator's to know; *info* tells of the daemon's own life; *debug* of single clients.
"""

import sys
from typing import TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    textFileLogObserver,
)


def make_observer(*, debug: bool, out: TextIO | None = None) -> ILogObserver:
    """The daemon's log observer.

    Args:
        debug: Whether to show the debug level.
        out: Where to write; standard output if None.
    """
    level = LogLevel.debug if debug else LogLevel.info
    return FilteringLogObserver(textFileLogObserver(out or sys.stdout), [LogLevelFilterPredicate(level)])

"""Where the log goes in the end: standard output, a file, syslog. Any of them may wait, so `output` has a thread."""

import os
import re
import select
import syslog
from collections.abc import Mapping
from typing import Any, Final, Protocol, TextIO

from twisted.python.logfile import LogFile

_ONE_WRITE_BYTES: Final = select.PIPE_BUF
"""What a pipe takes whole or not at all (pipe(7)), so that lines of several workers do not stand in each other."""

_PRIORITY: Final = re.compile(rb"<(\d)>")


class Sink(Protocol):
    """Takes what is logged. Every call may wait, and may raise OSError."""

    def write(self, lines: bytes) -> None:
        """Take whole lines, in UTF-8."""
        ...

    def rotate(self) -> bool:
        """Put aside what was written and begin anew; false if that makes no sense here."""
        ...

    def reopen(self) -> None:
        """Begin anew, if the file that was written to has been put aside."""
        ...


class _NoFile:
    """What is no file is neither put aside nor opened again."""

    def rotate(self) -> bool:
        """See `Sink.rotate`."""
        return False

    def reopen(self) -> None:
        """See `Sink.reopen`."""


class Stream(_NoFile):
    """Standard output, whatever it is: a pipe, a socket, a terminal, a file, or closed.

    Python's own object for it is not used: it has the encoding of the locale, and keeps what it could not write.

    Args:
        stream: Where to write; None, or without a descriptor: nowhere.
    """

    def __init__(self, stream: TextIO | None) -> None:
        try:
            self._file = -1 if stream is None else stream.fileno()
        except (OSError, ValueError):
            self._file = -1

    def write(self, lines: bytes) -> None:
        """See `Sink.write`."""
        if self._file < 0:
            return
        for begin, end in _pieces(lines):
            while begin < end:
                try:
                    begin += os.write(self._file, lines[begin:end])
                except BlockingIOError:  # somebody else who has this pipe or terminal does not want to wait
                    poll = select.poll()
                    poll.register(self._file, select.POLLOUT)
                    poll.poll()


def _pieces(lines: bytes) -> list[tuple[int, int]]:
    """Where to cut: between lines, into pieces that are written whole; only a line longer than that is cut itself."""
    cuts, begin = [], 0
    while len(lines) - begin > _ONE_WRITE_BYTES:
        end = lines.rfind(b"\n", begin, begin + _ONE_WRITE_BYTES) + 1 or begin + _ONE_WRITE_BYTES
        cuts.append((begin, end))
        begin = end
    return [*cuts, (begin, len(lines))]


class File:
    """A file that twistd was told to log to.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self._file: Any = LogFile.fromFullPath(path)

    def write(self, lines: bytes) -> None:
        """See `Sink.write`."""
        self._file.write(lines)
        self._file.flush()

    def rotate(self) -> bool:
        """See `Sink.rotate`."""
        self._file.rotate()
        return True

    def reopen(self) -> None:
        """See `Sink.reopen`."""
        self._file.reopen()


class Syslog(_NoFile):
    """The system's log. Each line begins with its priority, as for the journal.

    Args:
        name: What each line is preceded by there.
    """

    def __init__(self, name: str) -> None:
        syslog.openlog(name, 0, syslog.LOG_USER)

    def write(self, lines: bytes) -> None:
        """See `Sink.write`."""
        for line in lines.splitlines():
            marked = _PRIORITY.match(line)
            priority = int(marked[1]) if marked else syslog.LOG_INFO
            syslog.syslog(priority, line[marked.end() if marked else 0 :].decode().replace("\0", ""))


def make_sink(twistd: Mapping[str, Any], stream: TextIO | None) -> Sink | None:
    """Where twistd was told to log; None for what only twistd itself knows how to do.

    Args:
        twistd: The options of twistd itself.
        stream: Standard output.
    """
    if twistd.get("logger"):
        return None
    if twistd.get("syslog"):
        return Syslog(twistd.get("prefix") or "twisted")
    name = twistd.get("logfile") or ("-" if twistd.get("nodaemon") else "twistd.log")
    if name != "-":
        return File(name)
    return Stream(stream) if twistd.get("nodaemon") else None

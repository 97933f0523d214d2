"""Writes the log, and never lets the daemon wait for whoever reads it.

Standard output may be a pipe whose reader stands still, a terminal that was stopped, a file on a server that is away.
Then write(2) waits, and all clients would wait with it. So another thread writes. What it has not written yet is kept
in memory up to a bound; beyond that lines are dropped and counted, until all that is held is written, and then a line
in their place says how many. The order of lines is kept.
"""

import atexit
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from signald.telemetry.sinks import Sink

MAX_HELD_BYTES: Final = 4 * 1024 * 1024
"""Lines that wait to be written: some 25,000, or several minutes of a busy server."""

_AT_ONCE_BYTES: Final = 64 * 1024
"""What is taken out to be written in one go."""

_RETRY_S: Final = 1.0
"""Seconds after an error, such as a disk that is full."""

_REST_S: Final = 0.02
"""Seconds that the writer rests after it has written. The first line goes out at once; of a thousand in a second fifty
wake it, and each of the others costs a tenth of one that does."""

FLUSH_WITHIN_S: Final = 1.0
"""Seconds that the last lines may take at the end of the process."""


class LogOutput:
    """A text stream for log observers.

    Args:
        sink: Where it goes in the end.
        gap: Makes the line that says how many were dropped.
        count: Told of lines that were dropped, as often as it happens. May be called by either thread, never by both.
    """

    def __init__(
        self, sink: Sink, gap: Callable[[int], str], count: Callable[[int], None] = lambda lines: None
    ) -> None:
        self._sink = sink
        self._gap = gap
        self._count = count
        self._waiting: deque[bytes | Callable[[], object]] = deque()
        self._held_bytes = 0
        self._dropped = 0  # since the last line that was kept
        self._closing = False
        self._idle = False  # the writer waits for something to do
        self._changed = threading.Condition()
        self._hurry = threading.Event()  # no rest any more
        self._writer: threading.Thread | None = None
        atexit.register(self.close)

    def start(self) -> None:
        """Begin to write. After the process has gone into the background: threads do not survive that."""
        with self._changed:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="log", daemon=True)
                self._writer.start()

    def write(self, text: str) -> None:
        """Take lines; they are written in UTF-8 whatever the locale is, and what UTF-8 does not have is escaped."""
        lines = text.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._dropped or self._held_bytes + len(lines) > MAX_HELD_BYTES:
                self._drop(1)
            else:
                self._held_bytes += len(lines)
                self._waiting.append(lines)
                if self._idle:
                    self._changed.notify()

    def flush(self) -> None:
        """Do nothing: each line is on its way. Observers call it after each."""

    def rotate(self, refused: Callable[[], None]) -> None:
        """Put aside the file after what was logged up to now.

        Args:
            refused: Called, in another thread, if the log is no file.
        """

        def act() -> None:
            if not self._sink.rotate():
                refused()

        self._do(act)

    def reopen(self) -> None:
        """Open the file again after what was logged up to now, in case it was put aside."""
        self._do(self._sink.reopen)

    def close(self, within_s: float = FLUSH_WITHIN_S) -> None:
        """Write what there is, and wait for that no longer than so many seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._hurry.set()
        try:
            self.start()
        except RuntimeError:  # too late for a thread, and too early for the first: the start has failed
            self._write_all()
        if self._writer is not None:
            self._writer.join(within_s)

    def _do(self, act: Callable[[], object]) -> None:
        with self._changed:
            self._waiting.append(act)
            self._changed.notify()

    def _drop(self, lines: int) -> None:
        self._dropped += lines
        self._count(lines)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._idle = True
                self._changed.wait_for(lambda: self._waiting or self._dropped or self._closing)
                self._idle = False
                said = 0
                if self._waiting:
                    next_ = self._take()
                elif self._dropped:
                    next_, said = self._gap(self._dropped).encode(), self._dropped
                else:
                    return
            try:
                if callable(next_):
                    next_()
                else:
                    self._sink.write(next_)
            except OSError:
                if not self._failed(next_, is_gap=bool(said)):
                    return
                continue
            with self._changed:
                self._dropped -= said
                if not callable(next_) and not said:
                    self._held_bytes -= len(next_)
            self._hurry.wait(_REST_S)

    def _failed(self, what: bytes | Callable[[], object], *, is_gap: bool) -> bool:
        """It could not be written; gives whether to go on."""
        with self._changed:
            if not callable(what) and not is_gap:
                self._held_bytes -= len(what)
                self._drop(what.count(b"\n"))
            self._changed.wait_for(lambda: self._closing, _RETRY_S)
            return not self._closing

    def _take(self) -> bytes | Callable[[], object]:
        """What is to be done next: an act, or lines that stand together."""
        first = self._waiting.popleft()
        if callable(first):
            return first
        lines, size = [first], len(first)
        while self._waiting and size < _AT_ONCE_BYTES and not callable(following := self._waiting[0]):
            lines.append(following)
            size += len(following)
            self._waiting.popleft()
        return b"".join(lines)

"""The log is written by a thread of its own: nobody waits for whoever reads it, and nothing is lost without a word."""

import os
import select
import subprocess
import sys
import syslog
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signald.telemetry.output import MAX_HELD_BYTES, LogOutput
from signald.telemetry.sinks import File, Sink, Stream, Syslog
from tests.support.waiting import PATIENCE_S, until

LINE = f"line {{:07}} {'-' * 100}\n"


def gap(lines: int) -> str:
    """What stands where lines are missing."""
    return f"gap {lines}\n"


class Pipe:
    """A pipe as standard output, and who reads it."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.read = b""
        self._reader = threading.Thread(target=self._read_all, daemon=True)

    def fileno(self) -> int:
        """The end that is standard output."""
        return self.write_end

    def begin_to_read(self) -> None:
        """From now on somebody reads."""
        self._reader.start()

    def end(self) -> None:
        """Nobody writes any more; all is read."""
        os.close(self.write_end)
        self._reader.join(PATIENCE_S)

    def _read_all(self) -> None:
        while data := os.read(self.read_end, 65536):
            self.read += data
        os.close(self.read_end)


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


def test_nobody_reads(pipe: Pipe) -> None:
    """A log driver that hangs stops the whole service; or lines are missing, and the log looks as if nothing was."""
    counted: list[int] = []
    output = LogOutput(Stream(pipe), gap, counted.append)  # type: ignore[arg-type]
    output.start()
    written = 3 * MAX_HELD_BYTES // len(LINE.format(0))
    for number in range(written):
        output.write(LINE.format(number))
    dropped = sum(counted)
    assert 0 < dropped < written
    pipe.begin_to_read()
    until(lambda: b"gap" in pipe.read, "it is said that lines are missing")
    output.write("and on it goes\n")
    output.close(PATIENCE_S)
    pipe.end()
    *kept, missing, last = pipe.read.decode().splitlines(keepends=True)
    assert kept == [LINE.format(number) for number in range(written - dropped)]
    assert (missing, last) == (gap(dropped), "and on it goes\n")
    assert sum(counted) == dropped


def test_the_end_waits_for_no_reader(pipe: Pipe) -> None:
    """A process that was told to end hangs, because nobody reads its last words."""
    output = LogOutput(Stream(pipe), gap)  # type: ignore[arg-type]
    output.start()
    for number in range(10_000):
        output.write(LINE.format(number))
    output.close(0.1)
    pipe.begin_to_read()
    until(lambda: pipe.read.count(b"\n") == 10_000, "all is written when somebody reads")
    pipe.end()


def test_a_pipe_that_does_not_wait(pipe: Pipe) -> None:
    """Who shares the pipe or terminal has made it non-blocking, and lines are torn or lost when it is full."""
    os.set_blocking(pipe.write_end, False)
    output = LogOutput(Stream(pipe), gap)  # type: ignore[arg-type]
    output.start()
    for number in range(5_000):
        output.write(LINE.format(number))
    pipe.begin_to_read()
    output.close(PATIENCE_S)
    pipe.end()
    assert pipe.read.decode().splitlines(keepends=True) == [LINE.format(number) for number in range(5_000)]


def test_any_character(pipe: Pipe) -> None:
    """A report with an emoji is nowhere in the log."""
    output = LogOutput(Stream(pipe), gap)  # type: ignore[arg-type]
    output.write("\U0001f52b \udc80 é\n")
    pipe.begin_to_read()
    output.close(PATIENCE_S)
    pipe.end()
    assert pipe.read.decode("utf-8") == "\U0001f52b \\udc80 é\n"


def test_no_standard_output() -> None:
    """A daemon that is started with its output closed fails, or writes its log into a client's socket."""
    output = LogOutput(Stream(None), gap)
    output.write("x\n")
    output.close(PATIENCE_S)


class Broken:
    """A disk that is full for a while."""

    def __init__(self) -> None:
        self.full = True
        self.refused = 0
        self.lines: list[bytes] = []

    def write(self, lines: bytes) -> None:
        """See `Sink.write`."""
        if self.full:
            self.refused += 1
            raise OSError("no space left")
        self.lines += lines.splitlines()

    def rotate(self) -> bool:
        """See `Sink.rotate`."""
        return False

    def reopen(self) -> None:
        """See `Sink.reopen`."""


def test_a_disk_that_is_full_and_has_room_again() -> None:
    """The log ends for good with one full disk, or does not tell that it has a hole."""
    sink, counted = Broken(), list[int]()
    output = LogOutput(sink, gap, counted.append)
    output.start()
    output.write("lost\n")
    until(lambda: sink.refused > 0, "it is tried")
    output.write("lost too\n")
    sink.full = False
    until(lambda: sink.lines == [b"gap 2"], "it is said")
    output.write("kept\n")
    output.close(PATIENCE_S)
    assert sink.lines == [b"gap 2", b"kept"]
    assert sum(counted) == 2


def test_the_end_of_a_log_that_cannot_be_written() -> None:
    """A process spins, or hangs, at its end while the disk is full."""
    sink = Broken()
    output = LogOutput(sink, gap)
    output.write("lost\n")
    output.close(PATIENCE_S)
    assert sink.refused <= 2


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Path, LogOutput]]:
    path = tmp_path / "log"
    output = LogOutput(File(str(path)), gap)
    output.start()
    yield path, output
    output.close(PATIENCE_S)


def never() -> None:
    """What a file does not do."""
    raise AssertionError("this log is a file")


def test_rotate(log: tuple[Path, LogOutput]) -> None:
    """SIGUSR1 puts lines into the wrong file, or nowhere."""
    path, output = log
    output.write("before\n")
    output.rotate(never)
    output.write("after\n")
    output.close(PATIENCE_S)
    assert path.with_name("log.1").read_text() == "before\n"
    assert path.read_text() == "after\n"


def test_reopen(log: tuple[Path, LogOutput]) -> None:
    """After logrotate has moved the file away, lines go on into the old one until its disk is full."""
    path, output = log
    output.write("before\n")
    until(lambda: path.exists() and path.read_text() == "before\n", "the line is there")
    path.rename(path.with_name("log.old"))
    output.reopen()
    output.write("after\n")
    output.close(PATIENCE_S)
    assert path.with_name("log.old").read_text() == "before\n"
    assert path.read_text() == "after\n"


def test_what_is_no_file_says_so() -> None:
    """SIGUSR1 does nothing, and the operator looks for the file."""
    said = threading.Event()
    output = LogOutput(Stream(None), gap)
    output.start()
    output.rotate(said.set)
    assert said.wait(PATIENCE_S)
    output.close(PATIENCE_S)


def test_lines_of_several_processes_stay_whole(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers write into one pipe, and their lines stand in each other: pipe(7) takes no more than this whole."""
    written: list[bytes] = []
    real = os.write

    def write(file: int, data: bytes) -> int:
        written.append(data)
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    pipe.begin_to_read()
    output = LogOutput(Stream(pipe), gap)  # type: ignore[arg-type]
    for number in range(200):
        output.write(LINE.format(number))
    output.write("x" * 10_000 + "\n")
    output.close(PATIENCE_S)
    pipe.end()
    *lines, one, two, three = written
    assert all(len(piece) <= select.PIPE_BUF and piece.endswith(b"\n") for piece in lines)
    assert one + two + three == b"x" * 10_000 + b"\n"
    assert len(lines) < 20, "not each line by itself"


def test_syslog_gets_priorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in syslog is equally important, and nothing is found."""
    said: list[tuple[int, str]] = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, text: said.append((priority, text)))
    output = LogOutput(Syslog("signald"), gap)
    output.write("<3>bad\n<3>\tand more\n")
    output.write("<6>good\n")
    output.close(PATIENCE_S)
    assert said == [(3, "bad"), (3, "\tand more"), (6, "good")]


ENDS = {
    "by an error": "raise RuntimeError('a crash')",
    "by itself": "sys.exit(3)",
    "before it began to write": "sys.exit(3)",
}


@pytest.mark.parametrize("how", ENDS)
def test_the_last_words(how: str) -> None:
    """Why a process has ended is what the log does not tell."""
    start = "" if how.startswith("before") else "output.start()"
    code = f"""
import sys
from signald.telemetry.output import LogOutput
from signald.telemetry.sinks import Stream
output = LogOutput(Stream(sys.stdout), str)
{start}
sys.excepthook = lambda *error: output.write(f"{{error[1]}}\\n")
output.write("last words\\n")
{ENDS[how]}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == ("last words\na crash\n" if how == "by an error" else "last words\n")


def _conforms(broken: Broken) -> tuple[Sink, Callable[[int], str]]:
    return broken, gap

"""A wall clock that a test can set, for processes of their own; their monotonic clock goes on (libfaketime)."""

from pathlib import Path


class WallClock:
    """The wall clock of whichever process is started with `variables`.

    Args:
        folder: Where a file can be that says what the clock shows.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self.variables = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, ahead_s: int) -> None:
        """Let it show a time so many seconds after the true one, before it if negative."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_s:+d}\n", encoding="ascii")
        new.replace(self._file)  # at once: who reads half a file has no clock

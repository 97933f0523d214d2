"""Says how it goes: one line that changes on a terminal, a line now and then elsewhere."""

import asyncio
import shutil
from typing import Final, TextIO

from signald.load.run import Run
from signald.load.tally import Tally

_TERMINAL_S: Final = 0.5
_PLAIN_S: Final = 5.0


async def show(run: Run, tally: Tally, out: TextIO) -> None:
    """Write until cancelled; on a terminal nothing stays."""
    live = out.isatty()
    try:
        while True:
            await asyncio.sleep(_TERMINAL_S if live else _PLAIN_S)
            said = line(run.seconds, tally, stopping=run.stopped)
            if live:
                columns = shutil.get_terminal_size().columns - 1
                out.write(f"\r\x1b[2K{said[:columns]}")
            else:
                out.write(said + "\n")
            out.flush()
    finally:
        if live:
            out.write("\r\x1b[2K")
            out.flush()


def line(seconds: float, tally: Tally, *, stopping: bool = False) -> str:
    """How it stands, in a line that fits into a terminal of 80 columns."""
    if stopping:
        return f"{seconds:6.1f} s: stopping, {tally.open} calls still open; Ctrl-C once more ends them now"
    taken = tally.percentile_s("call", 99)
    slowest = "" if taken is None else f", call p99 {taken * 1000:.0f} ms"
    rate = tally.whole / seconds if seconds else 0.0
    return (
        f"{seconds:6.1f} s: {tally.begun} begun, {tally.open} open, {tally.whole} whole ({rate:.1f}/s), "
        f"{tally.failed} failed{slowest}"
    )

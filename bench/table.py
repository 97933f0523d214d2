"""`python -m bench all`: every mode at the sizes that docs and targets speak of, as one Markdown table."""

import sys
from collections.abc import Iterator

from bench import runner
from bench.modes.base import Mode
from bench.modes.connect import Connect
from bench.modes.idle import Idle
from bench.modes.pair import Pair
from bench.modes.relay import Relay
from bench.modes.setup import Setup
from bench.servers import Launcher


def workloads(duration_s: float) -> Iterator[tuple[str, Mode]]:
    """Yield the rows of the table: a name and a mode."""
    for window in (8, 1):
        for pairs in (20, 200, 2000):
            mode = Relay(pairs=pairs, window=window, duration_s=duration_s)
            yield f"relay, {pairs} pairs, {window} in flight", mode
    yield "setup, a whole call", Setup(duration_s=duration_s)
    yield "connect, ready, close", Connect(duration_s=duration_s)
    for connected in (100, 1000, 10_000):
        yield f"pair, {connected} connected", Pair(connected=connected, duration_s=duration_s)
    yield "idle, 10,000 connected", Idle()


def run(launcher: Launcher, servers: tuple[str, ...], rounds: int, duration_s: float) -> None:
    """Run every row and print the table after the JSON lines.

    Args:
        launcher: starts the servers.
        servers: "node", "signald" or both.
        rounds: how often each is run, in turn.
        duration_s: timed period of each run, in seconds.
    """
    rows = []
    for name, mode in workloads(duration_s):
        lines = runner.run(mode, launcher, servers, rounds)
        cells = [name, "kB" if isinstance(mode, Idle) else f"µs per {mode.UNIT}"]
        cells += [f"{runner.middle(lines[server], mode.RATIO):.1f}" for server in servers]
        cells += [f"{ratio:.2f}" for ratio in runner.ratios(mode, lines).values()]
        rows.append(cells)
    header = ["workload", "unit", *servers, *(["ratio"] if len(servers) > 1 else [])]
    for cells in (header, ["---"] * len(header), *rows):
        sys.stdout.write("| " + " | ".join(cells) + " |\n")

"""The timed period: units of work, CPU time of the server and of the generator, latencies."""

import gc
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import procfs
from bench.clients import Crowd
from bench.errors import BenchError

Figures = dict[str, float | int | str]
"""What a run prints: names with their unit, and values."""

_SATURATED = 0.95  # share of one core
_IDLE_ENOUGH = 0.90


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed period.

    Attributes:
        units: units of work done in it.
        seconds: its length.
        server_s: CPU time of the server's processes, in seconds.
        client_s: CPU time of the generator, in seconds.
        waited_s: how long the server was ready to run but had no core, in seconds.
    """

    units: int
    seconds: float
    server_s: float
    client_s: float
    waited_s: float

    def figures(self) -> Figures:
        """Rate, CPU per unit and shares of a core; a warning where the generator was the limit."""
        client, server = self.client_s / self.seconds, self.server_s / self.seconds
        figures: Figures = {
            "units": self.units,
            "rate_per_s": round(self.units / self.seconds, 1),
            "server_cpu_us": round(self.server_s / self.units * 1e6, 3),
            "server_cpu_share": round(server, 3),
            "server_wait_share": round(self.waited_s / self.seconds, 3),
            "client_cpu_share": round(client, 3),
        }
        if client > _SATURATED and server < _IDLE_ENOUGH:
            figures["warning"] = "the generator was the limit: the rate is not the server's"
        return figures


async def measure(
    crowd: Crowd,
    pids: Sequence[int],
    done: Callable[[], int],
    *,
    warmup_s: float,
    duration_s: float,
    latencies: "array[float] | None" = None,
) -> Sample:
    """Let a crowd that is at work go on, and measure it.

    Args:
        crowd: clients that keep themselves busy.
        pids: the server's processes.
        done: counts the units of work so far.
        warmup_s: unmeasured seconds before.
        duration_s: measured seconds.
        latencies: emptied when the timed period begins.

    Returns:
        The timed period.

    Raises:
        BenchError: a client saw something wrong, or nothing at all was done.
    """
    await crowd.sleep(warmup_s)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        if latencies is not None:
            del latencies[:]
        before = (done(), time.perf_counter(), procfs.cpu_s(pids), time.process_time(), procfs.waited_s(pids))
        await crowd.sleep(duration_s)
        after = (done(), time.perf_counter(), procfs.cpu_s(pids), time.process_time(), procfs.waited_s(pids))
    finally:
        gc.enable()
        gc.unfreeze()
    if after[0] == before[0]:
        raise BenchError(f"nothing was done in {duration_s:g} s")
    return Sample(
        units=after[0] - before[0],
        seconds=after[1] - before[1],
        server_s=after[2] - before[2],
        client_s=after[3] - before[3],
        waited_s=after[4] - before[4],
    )


def percentiles(latencies: "array[float]", *ranks: float) -> Figures:
    """Name percentiles of latencies.

    Args:
        latencies: seconds, in any order; at least one.
        ranks: percents, such as 50 or 99.9; 100 is the maximum.

    Returns:
        `p50_ms` and the like, and `max_ms` for 100, in milliseconds.
    """
    ordered = sorted(latencies)
    last = len(ordered) - 1
    return {
        "max_ms" if rank == 100 else f"p{rank:g}_ms": round(ordered[round(last * rank / 100)] * 1e3, 3)
        for rank in ranks
    }

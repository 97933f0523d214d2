"""The timed period: units of work, CPU time of the server and of the generator, latencies."""

import gc
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from bench import procfs
from bench.clients import Crowd
from bench.errors import BenchError
from bench.servers import Target
from signald.load.tally import percentile

Figures = dict[str, float | int | str]
"""What a run prints: names with their unit, and values."""

_SATURATED = 0.95  # share of one core
_IDLE_ENOUGH = 0.90
_NOISY = 0.10


@dataclass(frozen=True, slots=True)
class Sample:
    """Counters at one time, or their growth over a timed period.

    Attributes:
        units: units of work done in it.
        seconds: its length.
        server_s: CPU time of the server's processes, in seconds.
        client_s: CPU time of the generator, in seconds.
        waited_s: how long the server was ready to run but had no core, in seconds; 0 for several instances, which
            wait for each other.
        store_s: CPU time of the store, in seconds; 0 without one.
    """

    units: int
    seconds: float
    server_s: float
    client_s: float
    waited_s: float
    store_s: float

    @classmethod
    def read(cls, target: Target, done: Callable[[], int]) -> "Sample":
        """Read all counters now."""
        pids = target.pids
        return cls(
            units=done(),
            seconds=time.perf_counter(),
            server_s=procfs.cpu_s(pids),
            client_s=time.process_time(),
            waited_s=procfs.waited_s(pids) if len(target.processes) == 1 else 0.0,
            store_s=procfs.cpu_s(target.store),
        )

    def __sub__(self, before: "Sample") -> "Sample":
        """What has been added since `before`."""
        return Sample(
            units=self.units - before.units,
            seconds=self.seconds - before.seconds,
            server_s=self.server_s - before.server_s,
            client_s=self.client_s - before.client_s,
            waited_s=self.waited_s - before.waited_s,
            store_s=self.store_s - before.store_s,
        )

    def figures(self, *, spinning: bool = False) -> Figures:
        """Name rate, CPU per unit and shares of a core, with a warning where they say little about the server.

        Args:
            spinning: the generator is busy by design, which is no sign that it was the limit.
        """
        client, server = self.client_s / self.seconds, self.server_s / self.seconds
        figures: Figures = {
            "units": self.units,
            "rate_per_s": round(self.units / self.seconds, 1),
            "server_cpu_us": round(self.server_s / self.units * 1e6, 3),
            "server_cpu_share": round(server, 3),
            "server_wait_share": round(self.waited_s / self.seconds, 3),
            "client_cpu_share": round(client, 3),
        }
        if self.store_s:
            figures["store_cpu_us"] = round(self.store_s / self.units * 1e6, 3)
        if self.waited_s / self.seconds > _NOISY:
            figures["warning"] = "other processes had the server's core: rate and latency are not the server's"
        elif not spinning and client > _SATURATED and server < _IDLE_ENOUGH:
            figures["warning"] = "the generator was the limit: the rate is not the server's"
        return figures


async def measure(
    crowd: Crowd,
    target: Target,
    done: Callable[[], int],
    *,
    warmup_s: float,
    duration_s: float,
    least_units: int = 1,
    latencies: "array[float] | None" = None,
) -> Sample:
    """Let a crowd that is at work go on, and measure it.

    Args:
        crowd: clients that keep themselves busy.
        target: the servers.
        done: counts the units of work so far.
        warmup_s: unmeasured seconds before.
        duration_s: measured seconds, at least.
        least_units: go on until so much is done, up to ten times as long; many clients may be served in bursts, and
            a period with one burst more or less would tell little.
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
        before = Sample.read(target, done)
        await crowd.sleep(duration_s)
        while done() - before.units < least_units and time.perf_counter() - before.seconds < 10 * duration_s:
            await crowd.sleep(duration_s / 10)
        sample = Sample.read(target, done) - before
    finally:
        gc.enable()
        gc.unfreeze()
    if sample.units == 0:
        raise BenchError(f"nothing was done in {sample.seconds:.1f} s")
    return sample


def percentiles(latencies: "array[float]", *ranks: float) -> Figures:
    """Name percentiles of latencies.

    Args:
        latencies: seconds, in any order; at least one.
        ranks: percents, such as 50 or 99.9; 100 is the maximum.

    Returns:
        `p50_ms` and the like, and `max_ms` for 100, in milliseconds.
    """
    ordered = sorted(latencies)
    return {"max_ms" if rank == 100 else f"p{rank:g}_ms": round(percentile(ordered, rank) * 1e3, 3) for rank in ranks}

"""Mode latency: relay at a fixed rate, an open loop.

Candidates are due at fixed times, whatever the server does, and the latency counts from the time at which a candidate
was due: a server that pauses makes every one wait that falls into the pause. The generator spins on its core to be
punctual; `lag_p99_ms` and `lag_max_ms` tell how late it was itself, and belong to the latencies shown.
"""

import asyncio
import itertools
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from bench.clients import Crowd, meet
from bench.measure import Figures, measure, percentiles
from bench.modes.base import option
from bench.modes.relay import Relay, RelayClient, drain, start
from bench.servers import Target
from signald.load.payloads import candidate_template


@dataclass(frozen=True, kw_only=True)
class Latency(Relay):
    """Latency of a relay at a fixed rate; by default half of what the server can do at most."""

    NAME = "latency"
    RATIO = "p99_ms"

    at_rate: float = option(0.0, "candidates per second in all; 0: half of the rate measured before with `window`")

    def limit_s(self) -> float:
        """Two periods."""
        return super().limit_s() + self.warmup_s + self.duration_s

    async def run(self, target: Target) -> Figures:
        """Find the greatest rate, then offer half of it."""
        crowd = Crowd(target.ssl_context)
        latencies = array("d")
        template = candidate_template(self.size)
        clients = [RelayClient(crowd, template, latencies) for _ in range(2 * self.pairs)]
        await meet(crowd, clients, target.urls)

        def received() -> int:
            return sum(client.received for client in clients)

        rate = self.at_rate
        if not rate:
            start(clients, self.window)
            most = await measure(
                crowd,
                target,
                received,
                warmup_s=self.warmup_s,
                duration_s=self.duration_s / 2,
                least_units=10 * self.pairs * self.window,
            )
            rate = most.units / most.seconds / 2
            await drain(crowd, clients)

        lags = array("d")
        sending = asyncio.create_task(offer_steadily(clients, rate, lags))
        sample = await measure(
            crowd, target, received, warmup_s=self.warmup_s, duration_s=self.duration_s, latencies=latencies
        )
        figures = percentiles(latencies, 50, 99, 99.9, 100)
        sending.cancel()
        await drain(crowd, clients)
        for client in clients:
            client.abandon()
        lag = percentiles(lags, 99, 100)
        return {
            # It spins, so being busy is no sign of being the limit: `units` short of what was offered would be.
            **sample.figures(spinning=True),
            "offered_per_s": round(rate, 1),
            **figures,
            "lag_p99_ms": lag["p99_ms"],
            "lag_max_ms": lag["max_ms"],
        }


async def offer_steadily(clients: "Sequence[RelayClient]", rate: float, lags: "array[float]") -> None:
    """Send candidates at fixed times, each from the next client, until the task is cancelled.

    Args:
        clients: paired ones.
        rate: candidates per second in all.
        lags: where the seconds are put by which each was sent too late.
    """
    began = time.perf_counter()
    turn = itertools.cycle(clients)
    sent = 0
    while True:
        now = time.perf_counter()
        while (due := began + sent / rate) <= now:
            client = next(turn)
            client.offer_one(due)
            client.flush()
            lags.append(time.perf_counter() - due)
            sent += 1
        await asyncio.sleep(0)

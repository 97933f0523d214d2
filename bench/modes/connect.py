"""Mode connect: connect, wait for `ready`, close; again and again."""

import asyncio
import time
from array import array
from dataclasses import dataclass

from bench.clients import Client, Crowd
from bench.measure import Figures, measure, percentiles
from bench.modes.base import Mode, option
from bench.servers import Target


@dataclass(frozen=True, kw_only=True)
class Connect(Mode):
    """Handshakes: TCP, upgrade, `ready`, closing handshake."""

    NAME = "connect"
    UNIT = "connection"

    concurrency: int = option(16, "connections being made at a time")

    async def run(self, target: Target) -> Figures:
        """Keep `concurrency` connections being made and closed."""
        crowd = Crowd(target.ssl_context)
        latencies = array("d")
        done = 0
        stopping = False

        async def work() -> None:
            nonlocal done
            while not stopping:
                client = Client(crowd)
                began = time.perf_counter()
                await crowd.open(client, target.url)
                latencies.append(time.perf_counter() - began)
                await crowd.close_all([client])
                done += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(self.concurrency):
                group.create_task(work())
            sample = await measure(
                crowd,
                target,
                lambda: done,
                warmup_s=self.warmup_s,
                duration_s=self.duration_s,
                latencies=latencies,
            )
            figures = {**sample.figures(), **percentiles(latencies, 50, 99)}
            stopping = True
        return figures

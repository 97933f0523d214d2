"""Mode connect: connect, wait for `ready`, close; again and again."""

import asyncio
import time
from array import array
from dataclasses import dataclass

from bench.clients import Client, Crowd
from bench.measure import Figures, measure, percentiles
from bench.modes.base import Mode, option
from bench.servers import Target


class Visits:
    """Connections to one server that are made and closed.

    Attributes:
        ended: how many.
        stopping: whether to begin no more.
        latencies: seconds until `ready`.
    """

    def __init__(self, crowd: Crowd, url: str) -> None:
        """Connect nobody yet; each task that runs `work` makes one connection after the other."""
        self.crowd = crowd
        self._url = url
        self.ended = 0
        self.stopping = False
        self.latencies = array("d")

    async def work(self) -> None:
        """Connect and close until it is time to stop."""
        while not self.stopping:
            client = Client(self.crowd)
            began = time.perf_counter()
            await self.crowd.open(client, self._url)
            self.latencies.append(time.perf_counter() - began)
            await self.crowd.close_all([client])
            self.ended += 1


@dataclass(frozen=True, kw_only=True)
class Connect(Mode):
    """Handshakes: TCP, upgrade, `ready`, closing handshake."""

    NAME = "connect"
    UNIT = "connection"

    concurrency: int = option(16, "connections being made at a time")

    async def run(self, target: Target) -> Figures:
        """Keep `concurrency` connections being made and closed."""
        visits = Visits(Crowd(target.ssl_context), target.url)
        async with asyncio.TaskGroup() as group:
            for _ in range(self.concurrency):
                group.create_task(visits.work())
            sample = await measure(
                visits.crowd,
                target,
                lambda: visits.ended,
                warmup_s=self.warmup_s,
                duration_s=self.duration_s,
                latencies=visits.latencies,
            )
            figures = {**sample.figures(), **percentiles(visits.latencies, 50, 99)}
            visits.stopping = True
        return figures

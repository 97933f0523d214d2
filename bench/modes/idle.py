"""Mode idle: what a connection that says nothing costs in memory."""

import asyncio
from dataclasses import dataclass

from bench import procfs
from bench.clients import Client, Crowd
from bench.measure import Figures
from bench.modes.base import Mode, option
from bench.servers import Target

_WARMING = 200  # connections made and closed first: what a server allocates once is not a connection's


@dataclass(frozen=True, kw_only=True)
class Idle(Mode):
    """Memory per connection, by three ways of counting; without the kernel's part."""

    NAME = "idle"
    UNIT = "connection"
    RATIO = "uss_kb"

    connected: int = option(10_000, "clients connected")
    settle: float = option(3.0, "seconds left to the server before each reading")

    def files(self) -> int:
        """A socket for each client."""
        return self.connected + _WARMING + 64

    async def run(self, target: Target) -> Figures:
        """Read the server's memory, connect everybody, read it again."""
        crowd = Crowd(target.ssl_context)
        warming = [Client(crowd) for _ in range(_WARMING)]
        await crowd.open_all(warming, target.url)
        await crowd.close_all(warming)
        await asyncio.sleep(self.settle)
        before = procfs.memory(target.pids)
        clients = [Client(crowd) for _ in range(self.connected)]
        cpu_before = procfs.cpu_s(target.pids)
        await crowd.open_all(clients, target.url)
        opened = procfs.cpu_s(target.pids)
        await crowd.sleep(self.settle)
        after = procfs.memory(target.pids)
        for client in clients:
            client.abandon()
        return {
            "rss_kb": round((after.rss_kb - before.rss_kb) / self.connected, 2),
            "pss_kb": round((after.pss_kb - before.pss_kb) / self.connected, 2),
            "uss_kb": round((after.uss_kb - before.uss_kb) / self.connected, 2),
            "rss_before_kb": before.rss_kb,
            "open_cpu_us": round((opened - cpu_before) / self.connected * 1e6, 1),
        }

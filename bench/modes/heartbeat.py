"""Mode heartbeat: how long the server's event loop is away while many idle clients get their heartbeat.

One client in a process of its own (bench.pinger) sends `ping` a millisecond after each `pong`; the longest round trip
is the longest pause that any client could have seen. Idle clients answer the server's pings as browsers do.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench import procfs
from bench.clients import Client, Crowd
from bench.errors import BenchError
from bench.measure import Figures
from bench.modes.base import Mode, option
from bench.servers import Target


@dataclass(frozen=True, kw_only=True)
class Heartbeat(Mode):
    """The longest pause of the event loop while idle clients get their heartbeat, over two heartbeats."""

    NAME = "heartbeat"
    UNIT = "pause"
    RATIO = "max_ms"

    duration_s: float = option(0.0, "timed period, in seconds; 0: two heartbeats and a bit")
    connected: int = option(10_000, "idle clients")
    heartbeat: float = option(30.0, "seconds between two heartbeats of a client (HEARTBEAT_SECONDS)")

    def settings(self) -> dict[str, str]:
        """The heartbeat asked for."""
        return {**super().settings(), "HEARTBEAT_SECONDS": f"{self.heartbeat:g}"}

    def files(self) -> int:
        """A socket for each client."""
        return self.connected + 64

    def limit_s(self) -> float:
        """Two heartbeats more."""
        return super().limit_s() + 2.5 * self.heartbeat

    async def run(self, target: Target) -> Figures:
        """Connect everybody, then ping."""
        seconds = self.duration_s or 2 * self.heartbeat + 2
        crowd = Crowd()
        clients = [Client(crowd) for _ in range(self.connected)]
        await crowd.open_all(clients, target.url)
        await crowd.sleep(self.warmup_s)
        before = procfs.cpu_s(target.pids)
        figures = await self._ping(crowd, urlsplit(target.url).port or 0, seconds)
        used = procfs.cpu_s(target.pids) - before
        for client in clients:
            client.abandon()
        return {**figures, "server_cpu_share": round(used / seconds, 3)}

    async def _ping(self, crowd: Crowd, port: int, seconds: float) -> Figures:
        pinger = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.pinger", str(port), str(seconds), stdout=asyncio.subprocess.PIPE
        )
        try:
            ended = asyncio.ensure_future(pinger.communicate())
            await crowd.wait(ended, "pinger", seconds + 20)
            output, _ = ended.result()
        finally:
            if pinger.returncode is None:
                pinger.kill()
                await pinger.wait()
        if pinger.returncode:
            raise BenchError(f"the pinger ended with {pinger.returncode}")
        figures: Figures = json.loads(output)
        return figures

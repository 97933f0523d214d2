"""Mode pair: connected clients that are matched, part, and wait again.

`leave` (default): once both partners know of their room, one sends `leave` and `available`, the other sends
`available` when it is told. Everybody stands at the tail again, so nobody is hurried or held back, and a rule against
meeting the same partner twice, which concerns `next` only, never delays a match. `next`: the one sends `next` and the
server queues both again; with signald's REMATCH_DELAY_SECONDS at 0, as the two must not wait for others to come.
"""

import time
from array import array
from dataclasses import dataclass

from bench.clients import AVAILABLE, LEAVE, NEXT, Client, Crowd
from bench.errors import BenchError
from bench.measure import Figures, measure, percentiles
from bench.modes.base import Mode, option
from bench.servers import Target


class _Churner(Client):
    """A client that is matched again and again."""

    def __init__(self, crowd: Crowd, latencies: "array[float]", by_next: bool) -> None:
        super().__init__(crowd)
        self._latencies = latencies
        self._by_next = by_next
        self.stopping = False
        self._waiting_since = 0.0

    def ask(self) -> None:
        """Wait for a partner."""
        self.send(AVAILABLE)
        self._waiting_since = time.perf_counter()

    def on_paired(self, partner: Client, initiator: bool) -> None:
        self._latencies.append(time.perf_counter() - self._waiting_since)
        if not initiator or self.stopping:
            return
        self.partner = None
        if self._by_next:
            self.send(NEXT)
            self._waiting_since = time.perf_counter()
        else:
            self.send(LEAVE)
            self.ask()

    def on_partner_left(self) -> None:
        self._waiting_since = time.perf_counter()
        if not self._by_next:
            self.ask()


@dataclass(frozen=True, kw_only=True)
class Pair(Mode):
    """Matches among `churning` clients while `connected` are connected in all; latency is from asking to `matched`."""

    NAME = "pair"
    UNIT = "match"

    connected: int = option(100, "clients connected in all")
    churning: int = option(100, "clients of these that are matched again and again")
    how: str = option("leave", "leave or next: how they part")

    def settings(self) -> dict[str, str]:
        """Leaving by `next` needs the partner queued again by the server, and no rule against meeting it again."""
        if self.how not in ("leave", "next"):
            raise BenchError(f"--how is leave or next, not {self.how}")
        extra = {"REQUEUE_ON_PARTNER_LEAVE": "true", "REMATCH_DELAY_SECONDS": "0"} if self.how == "next" else {}
        return {**super().settings(), **extra}

    def files(self) -> int:
        """A socket for each client."""
        return self.connected + 64

    async def run(self, target: Target) -> Figures:
        """Churn, with the other clients looking on."""
        crowd = Crowd(target.ssl_context)
        latencies = array("d")
        idle = [Client(crowd) for _ in range(self.connected - self.churning)]
        churners = [_Churner(crowd, latencies, self.how == "next") for _ in range(self.churning)]
        half = len(churners) // 2
        await crowd.open_all([*idle, *churners[:half]], target.urls[0])
        await crowd.open_all(churners[half:], target.urls[-1])
        for churner in churners:
            churner.ask()
        sample = await measure(
            crowd,
            target,
            lambda: crowd.matches,
            warmup_s=self.warmup_s,
            duration_s=self.duration_s,
            latencies=latencies,
        )
        figures = {**sample.figures(), **percentiles(latencies, 50, 99)}
        for churner in churners:
            churner.stopping = True
        await crowd.until(lambda: all(churner.partner for churner in churners), "last matches")
        for client in (*idle, *churners):
            client.abandon()
        return figures

"""Mode setup: whole calls, from the connection to its end.

A call is two clients: connect, `available`, `matched`, an offer and an answer of 3 kB, ten candidates each way, then
one leaves, the other is told, and both close. Clients come one after the other and are paired with whoever waits.
"""

import asyncio
import time
from array import array
from dataclasses import dataclass

import msgspec

from bench.clients import AVAILABLE, LEAVE, Client, Crowd
from bench.errors import BenchError
from bench.measure import Figures, measure, percentiles
from bench.modes.base import Mode, option
from bench.servers import Target
from signald.load import payloads

_CANDIDATES = 10


class _Script:
    """What every client of the run sends, made once."""

    def __init__(self, sdp_bytes: int, candidate_bytes: int) -> None:
        self.sends = {kind: payloads.description(kind, sdp_bytes) for kind in ("offer", "answer")}
        self.candidates = [payloads.candidate(candidate_bytes, number) for number in range(_CANDIDATES)]
        self.expected = {kind: msgspec.json.decode(message) for kind, message in self.sends.items()}
        self.expected_candidates = [msgspec.json.decode(message) for message in self.candidates]


class _Caller(Client):
    """One side of one call."""

    def __init__(self, crowd: Crowd, script: _Script) -> None:
        super().__init__(crowd)
        self._script = script
        self._candidates = 0
        self._heard_sdp = False
        self._initiator = False
        self._complete = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.complete_at = 0.0

    def on_paired(self, partner: Client, initiator: bool) -> None:
        self._initiator = initiator
        if initiator:
            self.send(self._script.sends["offer"])

    def on_relayed(self, message: dict[str, object]) -> None:
        del message["from"]
        if message["type"] == "ice":
            if not self._heard_sdp or message != self._script.expected_candidates[self._candidates]:
                raise BenchError(f"{self.id}: not candidate {self._candidates}: {message}")
            self._candidates += 1
        else:
            kind = "answer" if self._initiator else "offer"
            if self._heard_sdp or message != self._script.expected[kind]:
                raise BenchError(f"{self.id}: not the {kind}: {message['type']}")
            self._heard_sdp = True
            if kind == "offer":
                self.send(self._script.sends["answer"])
            for candidate in self._script.candidates:
                self.send(candidate)
        if self._heard_sdp and self._candidates == _CANDIDATES:
            self._complete = True
            self.complete_at = time.perf_counter()
            self._end_call()

    def _end_call(self) -> None:
        partner = self.partner
        if isinstance(partner, _Caller) and partner._complete:
            self.partner = None
            self.send(LEAVE)
            self.over.set_result(None)

    def on_partner_left(self) -> None:
        if not self._complete:
            raise BenchError(f"{self.id}: partner-left in the middle of the call")
        self.over.set_result(None)


class Calls:
    """Calls on one server.

    Attributes:
        ended: sides of calls that are over: two for each call.
        stopping: whether to begin no more.
        latencies: seconds from the TCP connect to the last candidate received.
    """

    def __init__(self, crowd: Crowd, url: str, sdp_bytes: int, candidate_bytes: int) -> None:
        """Make no call yet; each task that runs `work` makes one side of calls, one after the other."""
        self.crowd = crowd
        self._url = url
        self._script = _Script(sdp_bytes, candidate_bytes)
        self._begun = 0
        self.ended = 0
        self.stopping = False
        self.latencies = array("d")

    async def work(self) -> None:
        """Make calls until it is time to stop."""
        while not self.stopping or self._begun % 2:  # an odd one would wait for a partner for ever
            self._begun += 1
            caller = _Caller(self.crowd, self._script)
            began = time.perf_counter()
            await self.crowd.open(caller, self._url)
            caller.send(AVAILABLE)
            await self.crowd.wait(caller.over, "call")
            self.latencies.append(caller.complete_at - began)
            self.ended += 1
            await self.crowd.close_all([caller])


@dataclass(frozen=True, kw_only=True)
class Setup(Mode):
    """Whole calls; the latency is a client's, from TCP connect to the last candidate received."""

    NAME = "setup"
    UNIT = "call"

    concurrency: int = option(8, "calls at a time")
    sdp: int = option(3000, "bytes of an SDP")
    size: int = option(250, "bytes of a candidate message")

    async def run(self, target: Target) -> Figures:
        """Keep `concurrency` calls going."""
        calls = Calls(Crowd(target.ssl_context), target.url, self.sdp, self.size)
        async with asyncio.TaskGroup() as group:
            for _ in range(2 * self.concurrency):
                group.create_task(calls.work())
            sample = await measure(
                calls.crowd,
                target,
                lambda: calls.ended // 2,
                warmup_s=self.warmup_s,
                duration_s=self.duration_s,
                latencies=calls.latencies,
            )
            figures = {**sample.figures(), **percentiles(calls.latencies, 50, 99)}
            calls.stopping = True
        return figures

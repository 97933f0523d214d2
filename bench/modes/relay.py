"""Mode relay: pairs that keep candidates in flight both ways.

Each client sends `window` candidates to its partner, and one more for each one it receives. So `window` messages are
under way in each direction all the time, and every message counted is one that the server carried. Each is compared
byte by byte with the one that must come next: its sender, its place in the order, its payload.
"""

import asyncio
import time
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from picows import WSFrame, WSTransport

from bench.clients import Client, Crowd, meet
from bench.errors import BenchError
from bench.measure import Figures, measure, percentiles
from bench.modes.base import Mode, option
from bench.payloads import masked
from bench.servers import Target
from signald.load.payloads import DIGITS, MARK, NUMBERS, candidate_template

_LEAST_ROUNDS = 5  # how often each candidate in flight comes round, at least


class RelayClient(Client):
    """A client that answers each candidate with one of its own.

    Attributes:
        received: candidates received.
        sent: candidates sent.
    """

    def __init__(self, crowd: Crowd, template: bytes, latencies: "array[float]") -> None:
        """Make a client that is not connected yet.

        Args:
            crowd: where it belongs.
            template: what it sends, see candidate_template.
            latencies: where the seconds that each candidate took are put.
        """
        super().__init__(crowd)
        self._template = template
        self._frame_head, self._frame_digits, self._frame_tail = masked(template)
        self._to_write: list[bytes] = []
        self._in_head = self._in_tail = b""
        self._latencies = latencies
        self._sent_at: deque[float] = deque()
        self.answering = False
        self.received = 0
        self.sent = 0

    def offer_one(self, now: float) -> None:
        """Put the next candidate with those to be written.

        Args:
            now: when it counts as sent, seconds of time.perf_counter.
        """
        self._sent_at.append(now)
        self._to_write += (self._frame_head, self._frame_digits[self.sent % NUMBERS], self._frame_tail)
        self.sent += 1

    def flush(self) -> None:
        """Write what is to be written, at once: one system call for all that one read brought."""
        if self._to_write:
            self._transport.underlying_transport.write(b"".join(self._to_write))
            self._to_write.clear()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame: the hot path, for the one payload that must come next; the rest is the base class's."""
        payload = frame.get_payload_as_bytes()
        if payload == self._in_head + DIGITS[self.received % NUMBERS] + self._in_tail:
            self._took_one()
        else:
            number = self.received
            super().on_ws_frame(transport, frame)
            if self.received > number:
                # How this server writes the message: what the following ones are compared with.
                self._in_head, _, self._in_tail = payload.partition(DIGITS[number % NUMBERS])
        if frame.last_in_buffer:
            self.flush()

    def on_relayed(self, message: dict[str, object]) -> None:
        """Take a candidate that is not written as the last ones were: it must still be the right one."""
        expected = msgspec.json.decode(self._template.replace(MARK, DIGITS[self.received % NUMBERS]))
        if message != {**expected, "from": message["from"]}:
            raise BenchError(f"{self.id} expected {expected}, got {message}")
        self._took_one()

    def _took_one(self) -> None:
        now = time.perf_counter()
        self.received += 1
        self._latencies.append(now - self._partner_sent_at.popleft())
        if self.answering:
            self.offer_one(now)

    def on_paired(self, partner: Client, initiator: bool) -> None:
        """Know when the partner's candidates were sent."""
        if not isinstance(partner, RelayClient):
            raise BenchError(f"{self.id} matched with a client of another kind")
        self._partner_sent_at = partner._sent_at


@dataclass(frozen=True, kw_only=True)
class Relay(Mode):
    """Candidates between paired clients, `window` in flight each way."""

    NAME = "relay"
    UNIT = "relayed message"

    pairs: int = option(20, "number of pairs")
    window: int = option(8, "candidates in flight per client")
    size: int = option(250, "bytes of a candidate message")

    def limit_s(self) -> float:
        """The timed period is longer where many candidates are in flight."""
        return super().limit_s() + 10 * self.duration_s

    def files(self) -> int:
        """Two sockets for each pair."""
        return 2 * self.pairs + 64

    async def run(self, target: Target) -> Figures:
        """Pair, relay, count, drain."""
        crowd = Crowd(target.ssl_context)
        latencies = array("d")
        template = candidate_template(self.size)
        clients = [RelayClient(crowd, template, latencies) for _ in range(2 * self.pairs)]
        await meet(crowd, clients, target.urls)
        start(clients, self.window)
        sample = await measure(
            crowd,
            target,
            lambda: sum(client.received for client in clients),
            warmup_s=self.warmup_s,
            duration_s=self.duration_s,
            least_units=_LEAST_ROUNDS * 2 * self.pairs * self.window,
            latencies=latencies,
        )
        figures = {**sample.figures(), **percentiles(latencies, 50, 99)}
        await drain(crowd, clients)
        for client in clients:
            client.abandon()
        return figures


def start(clients: "Sequence[RelayClient]", window: int) -> None:
    """Put `window` candidates under way from each client; they answer each other from then on."""
    for client in clients:
        client.answering = True
    for client in clients:
        for _ in range(window):
            client.offer_one(time.perf_counter())
        client.flush()


async def drain(crowd: Crowd, clients: "Sequence[RelayClient]") -> None:
    """Stop answering and wait until every candidate sent has been received.

    Raises:
        BenchError: some did not come.
    """
    for client in clients:
        client.answering = False
    await asyncio.sleep(0)
    await crowd.until(
        lambda: sum(client.sent for client in clients) == sum(client.received for client in clients), "last candidates"
    )

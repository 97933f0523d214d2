"""Clients in one asyncio loop that call each other all the time, come back when told to, and keep a diary."""

import asyncio
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from tests.support.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    client_frame,
    close_frame,
    handshake,
    parse_response,
)

CANDIDATES = 3
"""Of each side, in one call."""

LONG_CALLS = 0.1
"""The share of calls whose partners go on to exchange candidates for a while."""

Message = dict[str, Any]


class Call:
    """One room, as its two sides saw it."""

    def __init__(self) -> None:
        self.told: dict[str, float] = {}
        """When each client was told of it."""
        self.left: set[str] = set()
        """Who was told that the partner left."""
        self.set_up = False
        """Whether both have offer, answer and all candidates."""


class Callers:
    """All clients.

    Args:
        port: Where they connect, by TLS.
        context: Trusts the server.
        rng: Decides how long calls are.

    Attributes:
        calm: Whether calls go on for ever from now on.
        waiting: Since when each client waits that does.
        waits: How long clients waited that were matched.
        closes: Close codes, None for a connection that was cut.
        refused: Statuses of handshakes that were refused, 0 for a connection that was.
        surprises: Whatever should not have happened.
    """

    def __init__(self, port: int, context: ssl.SSLContext, rng: random.Random) -> None:
        self.port = port
        self.context = context
        self.rng = rng
        self.calm = False
        self.calls: dict[str, Call] = {}
        self.paired: dict[Caller, str] = {}
        self.waiting: dict[Caller, float] = {}
        self.waits: list[float] = []
        self.closes: Counter[int | None] = Counter()
        self.refused: Counter[int] = Counter()
        self.surprises: list[str] = []
        self.relayed = 0

    async def run(self, count: int) -> None:
        """Let so many clients call each other until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(Caller(self).live())


class Caller:
    """One client: connects, waits, sets up a call, has it, asks for the next; connects again when it is closed.

    It names the room of all that it says, as clients of `signald.v1` can: else what it says in the moment in which its
    partner goes would be meant for the next one.
    """

    def __init__(self, all_callers: Callers) -> None:
        self._all = all_callers
        self._writer: asyncio.StreamWriter
        self._room = ""
        self._hanging_up: asyncio.TimerHandle | None = None
        self._initiator = False
        self._received = 0
        self._rounds = 0
        self._come_back_after_s = 0.0

    async def live(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            try:
                reader, self._writer = await asyncio.open_connection(
                    "127.0.0.1", self._all.port, ssl=self._all.context, server_hostname="localhost"
                )
                try:
                    status = await self._session(reader)
                finally:
                    self._over()
                    self._writer.transport.abort()
                failures = 0 if status == 101 else failures + 1
                await asyncio.sleep(self._come_back_after_s)
                self._come_back_after_s = 0.0
            except OSError:
                self._all.refused[0] += 1
                failures += 1
            if failures:  # as browsers' clients do: later each time
                await asyncio.sleep(min(2.0, 0.05 * 2**failures) * self._all.rng.uniform(0.5, 1.0))

    async def _session(self, reader: asyncio.StreamReader) -> int:
        self._writer.write(handshake(protocols=["signald.v1"]))
        head = b""
        while (response := parse_response(head)) is None:
            data = await reader.read(65536)
            if not data:
                self._all.refused[0] += 1
                return 0
            head += data
        if response.status != 101:
            self._all.refused[response.status] += 1
            return response.status
        code: int | None = None
        async for frame in self._frames(reader, response.rest):
            if frame.opcode == TEXT:
                self._receive(json.loads(frame.payload))
            elif frame.opcode == PING:
                self._writer.write(client_frame(PONG, frame.payload))
            elif frame.opcode == CLOSE:
                code = int.from_bytes(frame.payload[:2], "big")
                self._writer.write(close_frame(code))
                break
        self._all.closes[code] += 1
        return 101

    async def _frames(self, reader: asyncio.StreamReader, data: bytes) -> AsyncIterator[Frame]:
        frames = FrameReader()
        while True:
            for frame in frames.feed(data):
                yield frame
            try:
                data = await reader.read(65536)
            except OSError:
                return
            if not data:
                return

    def _over(self) -> None:
        self._all.waiting.pop(self, None)
        self._leave_room()

    def _leave_room(self) -> None:
        self._all.paired.pop(self, None)
        if self._hanging_up is not None:
            self._hanging_up.cancel()
            self._hanging_up = None

    def _send(self, type: str, **fields: Any) -> None:
        self._writer.write(client_frame(TEXT, json.dumps({"type": type, **fields}).encode()))

    def _say(self, type: str, **fields: Any) -> None:
        self._send(type, roomId=self._room, **fields)

    def _wait(self) -> None:
        self._all.waiting[self] = time.monotonic()

    # --- what the server says -----------------------------------------------------------------------------------------

    def _receive(self, message: Message) -> None:
        heard = getattr(self, "_" + message["type"].replace("-", "_"), None)
        if heard is None:
            self._all.surprises.append(json.dumps(message))
        else:
            heard(message)

    def _ready(self, message: Message) -> None:
        self._id = message["clientId"]
        self._send("available")
        self._wait()

    def _goodbye(self, message: Message) -> None:
        self._come_back_after_s = message["afterMs"] / 1000

    def _matched(self, message: Message) -> None:
        everybody = self._all
        now = time.monotonic()
        everybody.waits.append(now - everybody.waiting.pop(self))
        self._room = message["roomId"]
        self._initiator = message["initiator"]
        self._received = 0
        everybody.paired[self] = self._room
        everybody.calls.setdefault(self._room, Call()).told[self._id] = now
        if self._initiator:
            self._say("offer", sdp=self._room)

    def _offer(self, message: Message) -> None:
        self._check(message["sdp"])
        self._say("answer", sdp=self._room)
        self._say_candidates()

    def _answer(self, message: Message) -> None:
        self._check(message["sdp"])
        self._say_candidates()

    def _ice(self, message: Message) -> None:
        room, number = message["candidate"]["candidate"].split()
        self._check(room)
        if int(number) != self._received:
            self._all.surprises.append(f"candidate {number} came as number {self._received}")
        self._received += 1
        if self._received < CANDIDATES:
            return
        if not self._initiator:  # says that it has all
            self._say_candidate(self._received)
        elif self._received > CANDIDATES:
            self._all.calls[self._room].set_up = True
            self._have_the_call()

    def _partner_left(self, message: Message) -> None:
        self._all.calls[self._room].left.add(self._id)
        self._leave_room()
        self._wait()

    # --- the call -----------------------------------------------------------------------------------------------------

    def _check(self, room: str) -> None:
        self._all.relayed += 1
        if room != self._room:
            self._all.surprises.append(f"a message of room {room} came to {self._room}")

    def _say_candidates(self) -> None:
        for number in range(CANDIDATES):
            self._say_candidate(number)

    def _say_candidate(self, number: int) -> None:
        self._say("ice", candidate={"candidate": f"{self._room} {number}"})

    def _have_the_call(self) -> None:
        """Only the initiator says more, and ends it: what both say at once could come after the end."""
        rng, loop = self._all.rng, asyncio.get_running_loop()
        rounds = self._received - CANDIDATES
        if rounds == 1:
            self._rounds = 1 if rng.random() > LONG_CALLS else 8
        if rounds < self._rounds:
            self._hanging_up = loop.call_later(0.25, self._say_candidate, CANDIDATES + rounds - 1)
        else:
            self._hanging_up = loop.call_later(rng.uniform(0.1, 0.5), self._hang_up)

    def _hang_up(self) -> None:
        if not self._all.calm:
            self._leave_room()
            self._say("next")
            self._wait()

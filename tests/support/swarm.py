"""Hundreds of clients in one asyncio loop, each watched by the oracle."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from typing import Any

from tests.support.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    client_frame,
    close_frame,
    handshake,
    parse_response,
)
from tests.support.oracle import Broken, Said, View, check_pairs

TEXTS = {
    "available": b'{"type":"available"}',
    "next": b'{"type":"next"}',
    "leave": b'{"type":"leave"}',
    "ping": b'{"type":"ping"}',
    "nonsense": b"[1,",
    "unknown": b'{"type":"kick"}',
}


class SwarmClient(asyncio.Protocol):
    """One client. It says one thing at a time and learns by a ping when that was handled.

    Args:
        swarm: All of them.
        instance: To which it connects.
        protocols: What it offers in its handshake.
    """

    def __init__(self, swarm: "Swarm", instance: int, protocols: Sequence[str] = ()) -> None:
        self.swarm = swarm
        self.instance = instance
        self.view: View | None = None
        self._protocols = protocols
        self._head = b""
        self._upgraded = False
        self._reader = FrameReader()
        self._transport: Any = None

    @property
    def free(self) -> bool:
        """Whether it may say something."""
        return self.view is not None and not self.view.word

    def say(self, word: str) -> None:
        """Say a word of the oracle's list."""
        assert self.view is not None
        text = self.text_of(word, self.view.say(word))
        self._transport.write(client_frame(TEXT, text) + client_frame(PING, b"handled"))

    def text_of(self, word: str, said: Said | None) -> bytes:
        """A message, as it goes out."""
        return TEXTS[word] if said is None else b'{"type":"ice","candidate":{"candidate":"%d"}}' % said.number

    def go(self, *, politely: bool) -> None:
        """End the connection."""
        self.swarm.gone(self)
        if politely:
            self._transport.write(close_frame(1000))
            self._transport.close()
        else:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(handshake(protocols=self._protocols))

    def connection_lost(self, exc: Exception | None) -> None:
        self.swarm.gone(self)

    def data_received(self, data: bytes) -> None:
        if not self._upgraded:
            self._head += data
            response = parse_response(self._head)
            if response is None:
                return
            self._upgraded = True
            data = response.rest
        for frame in self._reader.feed(data):
            if self not in self.swarm.clients:
                return
            if frame.opcode == TEXT:
                self.receive(json.loads(frame.payload))
            elif frame.opcode == PING:
                self._transport.write(client_frame(PONG, frame.payload))
            elif frame.opcode == PONG and self.view is not None:
                self.handled(self.view)
            elif frame.opcode == CLOSE:
                self.swarm.gone(self)
                self._transport.close()

    def handled(self, view: View) -> None:
        """What it said last was handled."""
        self.swarm.judge(view.handled)

    def receive(self, message: dict[str, Any]) -> None:
        """Take a message."""
        view, swarm = self.view, self.swarm
        kind = message["type"]
        if view is None:
            assert kind == "ready", message
            self.view = swarm.views[message["clientId"]] = View(message["clientId"])
        elif kind == "matched":
            swarm.matches += 1
            swarm.judge(lambda: swarm.check_gone(view, message["partnerId"]))
            swarm.judge(lambda: view.matched(message["roomId"], message["partnerId"]))
        elif kind == "partner-left":
            swarm.judge(view.partner_left)
        elif kind == "ice":
            number = int(message["candidate"]["candidate"])
            swarm.judge(lambda: view.relayed(message["from"], number))
        else:
            swarm.judge(lambda: view.answered(message.get("code", kind)))


class Swarm:
    """All clients.

    Args:
        rng: Decides everything.
        size: How many clients there are.

    Attributes:
        calm_since: When the last fault ended; None while there is one.
    """

    def __init__(self, rng: random.Random, size: int) -> None:
        self.rng = rng
        self._size = size
        self.ports: dict[int, int] = {}
        self.clients: set[SwarmClient] = set()
        self.views: dict[str, View] = {}
        self.broken: list[str] = []
        self.words = 0
        self.connected = 0
        self.matches = 0
        self.late_matches = 0
        self.calm_since: float | None = time.monotonic()

    def judge(self, event: Any) -> None:
        """Let the oracle judge an event."""
        try:
            event()
        except Broken as broken:
            self.broken.append(str(broken))

    def check_gone(self, view: View, partner: str, since: float | None = None) -> None:
        """Nobody is matched with one who is gone, but for a claim that was on its way.

        Args:
            view: Who was told of its match.
            partner: With whom.
            since: Since when it may have been matched; None for just now.
        """
        other = self.views.get(partner)
        if other is None:
            raise Broken(f"{view.client} is matched with {partner}, who never was")
        now = time.monotonic() if since is None else since
        late_s = self.late_s()
        if other.gone_at is not None and now - other.gone_at > late_s:
            self.late_matches += 1
            if self.calm_since is not None and now - self.calm_since > late_s:
                raise Broken(f"{view.client} is matched with {partner}, gone for {now - other.gone_at:.1f} s")

    def late_s(self) -> float:
        """Within how many seconds a claim ends that was on its way when a client went."""
        return 5.0

    def gone(self, client: SwarmClient) -> None:
        """A client's connection has ended."""
        if client in self.clients:
            self.clients.remove(client)
            if client.view is not None:
                client.view.end()

    async def fill(self) -> None:
        """Connect clients until there are enough; instances that do not listen are tried again next time."""
        loop = asyncio.get_running_loop()
        for _ in range(min(20, self._size - len(self.clients))):
            if not self.ports:
                return
            instance = self.rng.choice(sorted(self.ports))
            client = self.make(instance)
            self.clients.add(client)
            try:
                async with asyncio.timeout(5):
                    await loop.create_connection(lambda client=client: client, "127.0.0.1", self.ports[instance])  # type: ignore[misc]
                self.connected += 1
            except OSError:
                self.gone(client)
            except asyncio.CancelledError:
                self.gone(client)
                raise

    def make(self, instance: int) -> SwarmClient:
        """A client that is to connect to an instance."""
        return SwarmClient(self, instance)

    def act(self, count: int) -> None:
        """Let some clients do something, legal or not."""
        free = sorted((client for client in self.clients if client.free), key=lambda client: client.view.client)  # type: ignore[union-attr]
        for client in self.rng.sample(free, min(count, len(free))):
            choice = self.rng.random()
            self.words += 1
            if choice < 0.02:
                client.go(politely=choice < 0.01)
                continue
            assert client.view is not None
            client.say(self.word_for(client.view, choice))

    def word_for(self, view: View, choice: float) -> str:
        """What a client says next: what people do, mostly, given a number from 0 to 1."""
        kinds = {state.kind for state in view.states}
        if "idle" in kinds and choice < 0.9:
            return "available"
        if "paired" in kinds and choice < 0.9:
            return "ice" if choice < 0.75 else "next" if choice < 0.87 else "leave"
        return self.rng.choice(["available", "available", "next", "leave", "ice", "ping", "nonsense", "unknown"])

    def settle(self) -> None:
        """At rest: let clients find out what only they can."""

    def wrong(self) -> str:
        """At rest: what does not hold yet; empty if all does."""
        busy = [client.view.client for client in self.clients if client.view and client.view.word]
        return f"{busy} were not answered" if busy else check_pairs(self.views)

    async def end(self) -> None:
        """Let everybody leave."""
        for client in list(self.clients):
            client.go(politely=True)

    def with_diaries(self, what: str) -> str:
        """A sentence, and whatever else is known of those whom it names."""
        return what

    def forget(self) -> None:
        """At rest and checked: forget those who went long ago, and what was said in rooms that are over."""
        now = time.monotonic()
        rooms = {state.room for view in self.views.values() for state in view.states if view.gone_at is None}
        for view in list(self.views.values()):
            if view.gone_at is not None and now - view.gone_at > 60.0:
                del self.views[view.client]
            else:
                said = view.said.values()
                view.said = {each.number: each for each in said if each.rooms & rooms or each.anywhere}
                view.heard = {room: heard for room, heard in view.heard.items() if room in rooms}
                view.heard_from = {room: partner for room, partner in view.heard_from.items() if room in rooms}

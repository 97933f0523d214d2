"""Who plays the stories of ``clients/stories`` by hand, to a daemon in memory."""

import json
from typing import Any

from signald.core.messages import SUBPROTOCOL
from tests.support.frames import handshake
from tests.support.memory import MemoryClient, MemoryDaemon
from tests.support.operator import TOKEN
from tests.support.raw_actors import OPERATED, RawActor
from tests.support.stories import Message, TurnedAway

LONGEST_S = 120.0
"""Of the daemon's time, until something comes."""

SOON_S = 0.01
"""Between one message and the next, so that each comes at a time of its own."""


class MemoryActor(RawActor):
    """One client of a daemon in memory."""

    client: MemoryClient

    def __init__(self, stage: "MemoryStage", client: MemoryClient, *, modern: bool) -> None:
        super().__init__(client, modern=modern)
        self._stage = stage

    def write(self, text: bytes) -> None:
        """Send a message as it stands."""
        self._stage.daemon.advance(SOON_S)
        self.client.text(text)

    async def quiet(self) -> None:
        """Have heard what has come."""
        self._stage.daemon.settle()
        for message in self.client.take():
            self.sort(message)

    async def more(self) -> None:
        """Let time pass until a message comes."""
        until = self._stage.daemon.clock.seconds() + LONGEST_S
        while not self.client.messages:
            assert self._stage.daemon.clock.seconds() < until, f"nothing comes; heard is {self.heard}"
            self._stage.daemon.advance(0.25)
        await self.quiet()

    async def drop(self) -> None:
        """Lose the connection."""
        await self.quiet()
        self.client.vanish()
        self.away = True

    async def come_back(self) -> Message | None:
        """Have one again, and go on, or wait again."""
        self.away = False
        if not self.client.token:
            self.client = self._stage.daemon.modern()
            self.id = self.client.id
            return None
        self.client = self._stage.daemon.resume(self.client)
        answer, *rest = self.client.take()
        for message in rest:
            self.sort(message)
        if answer["type"] == "resumed":
            return answer
        assert answer["code"] == "RESUME_FAILED", answer
        self.id = self.client.id
        if self._waits is not None:
            self.client.send(**self._waits)
        return None

    async def end(self) -> None:
        """Close the connection for good."""
        await self.quiet()
        self.client.close()

    async def closed(self) -> int:
        """The code with which the server has closed it."""
        until = self._stage.daemon.clock.seconds() + LONGEST_S
        while self.client.close_code is None:
            assert self._stage.daemon.clock.seconds() < until, "it is open"
            self._stage.daemon.advance(0.25)
        await self.quiet()
        return self.client.close_code


class MemoryStage:
    """A daemon in memory.

    Args:
        variables: Its settings.
    """

    def __init__(self, **variables: str) -> None:
        self._variables = {**OPERATED, "ADMIN_LISTEN": "tcp:9101:interface=127.0.0.1", **variables}
        self.daemon = MemoryDaemon(**self._variables)

    async def come(self, comes: dict[str, str]) -> MemoryActor:
        """A client connects."""
        modern = comes.get("speaks") != "first"
        client = self.daemon.connect()
        bearer = [f"bearer.{comes['token']}"] if "token" in comes else []
        client.write(handshake(protocols=[SUBPROTOCOL, *bearer] if modern else []))
        assert client.response.status == 101, client.raw
        first, *rest = client.take()
        if first["type"] == "error":
            self.daemon.settle()
            assert client.close_code is not None, "it is open"
            raise TurnedAway(first["code"], client.close_code)
        client.id = first["clientId"]
        actor = MemoryActor(self, client, modern=modern)
        for message in rest:
            actor.sort(message)
        return actor

    async def operate(self, what: str, actor: Any) -> None:
        """The operator throws somebody out, or bans its address."""
        body = json.dumps({"client": actor.id, "seconds": 60}) if what == "ban" else ""
        request = "POST /bans" if what == "ban" else f"DELETE /clients/{actor.id}?reason=enough"
        head = f"{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = self.daemon.connect(listener=-1)
        connection.write((head + body).encode())
        assert connection.response.status in (201, 204), connection.raw

    async def restart(self, actors: list[Any]) -> None:
        """The server ends and starts."""
        self.daemon.stop()
        for actor in actors:
            await actor.drop()
        self.daemon = MemoryDaemon(**self._variables)

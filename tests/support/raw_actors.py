"""Who plays the stories of ``clients/stories`` by hand: raw frames to a real daemon, which a stage starts."""

import asyncio
import json
from contextlib import suppress
from typing import Any, Self

from signald.core.messages import SUBPROTOCOL
from tests.support.client import Client, Closed
from tests.support.daemon import DaemonProcess
from tests.support.frames import close_frame
from tests.support.operator import TOKEN, Operator
from tests.support.ports import free_port
from tests.support.stories import Message, TurnedAway, left_out
from tests.support.work import proof_of

OPERATED = {"ADMIN_TOKEN": TOKEN}

MESSAGES_AT_MOST = 100
"""That come before an answer."""


class RawActor:
    """What is the same over any wire: who has said what, and what is an answer.

    Args:
        client: Its connection; another one after each loss.
        modern: Whether it speaks `signald.v1`.
    """

    def __init__(self, client: Any, *, modern: bool) -> None:
        self.client = client
        self.modern = modern
        self.id: str = client.id
        self.away = False
        self.heard: list[Message] = []
        self.goodbye: Message | None = None
        self._answers: dict[str, Message] = {}
        self._said = 0
        self._waits: Message | None = None
        """With what it began to wait."""

    async def say(self, message: Message) -> str:
        """Send a message, with an id, now or when the connection is back; gives the id."""
        if message["type"] == "available":
            self._waits = message
        elif message["type"] == "leave":
            self._waits = None
        self._said += 1
        id = f"n{self._said}"
        text = json.dumps({**message, "id": id} if self.modern else message).encode()
        if self.away:
            self.client.sent.append(text)
        else:
            self.write(text)
        return id

    def write(self, text: bytes) -> None:
        """Send a message as it stands."""
        raise NotImplementedError

    def sort(self, message: Message) -> None:
        """Something came."""
        if message["type"] in ("matched", "partner-left"):
            self._waits = {"type": "available"} if message["type"] == "partner-left" else None
        if not self.modern:
            self.heard.append(message)
        elif message["type"] in ("ok", "error") and "id" in message:
            self._answers[message["id"]] = message
        elif message["type"] == "goodbye":
            self.goodbye = message
        elif message["type"] == "challenge":
            self.write(json.dumps(proof_of(message)).encode())
        elif not left_out(message):
            self.heard.append(message)

    async def answer(self, said: Any) -> Message | None:
        """The answer to a message."""
        if not self.modern:
            return None
        for _ in range(MESSAGES_AT_MOST):
            if said in self._answers:
                return self._answers.pop(said)
            await self.more()
        raise AssertionError(f"no answer; heard is {self.heard}")

    async def more(self) -> None:
        """Wait until something comes."""
        raise NotImplementedError

    async def reload(self) -> Message:
        """By hand nothing is lost with a program but its connection."""
        await self.drop()
        resumed = await self.come_back()
        assert resumed is not None
        return resumed

    async def drop(self) -> None:
        """Lose the connection."""
        raise NotImplementedError

    async def come_back(self) -> Message | None:
        """Have one again."""
        raise NotImplementedError


class SocketActor(RawActor):
    """One client of a real daemon."""

    client: Client

    def __init__(self, stage: "SocketStage", client: Client, *, modern: bool) -> None:
        super().__init__(client, modern=modern)
        self._stage = stage

    def write(self, text: bytes) -> None:
        """Send a message as it stands."""
        self.client.send_text(text)

    async def quiet(self) -> None:
        """Have heard what has come."""
        for message in self.client.sync():
            self.sort(message)

    async def more(self) -> None:
        """Wait until something comes."""
        self.sort(self.client.receive())

    async def drop(self) -> None:
        """Lose the connection."""
        self.client.abort()
        self.away = True

    async def part(self) -> None:
        """Have the connection closed by the server."""
        with suppress(Closed):
            while True:
                await self.more()
        await self.drop()

    async def come_back(self) -> Message | None:
        """Have one again, and go on, or wait again."""
        before, self.away = self.client, False
        self.client = self._stage.client()
        if before.token:
            answer = self.client.resume(before)
            if answer["type"] == "resumed":
                return answer
        self.id = self.client.id
        if self._waits is not None:
            self.client.send(**self._waits)
        return None

    async def end(self) -> None:
        """Close the connection for good."""
        self.client.close()

    async def closed(self) -> int:
        """The code with which the server has closed it."""
        try:
            while True:
                await self.more()
        except Closed as end:
            assert end.code is not None
            return end.code


class SocketStage:
    """A real daemon.

    Args:
        variables: Its settings.
    """

    def __init__(self, **variables: str) -> None:
        self.port = free_port()
        self._variables = {**OPERATED, "ADMIN_LISTEN": "tcp:0:interface=127.0.0.1", **variables}
        self._process = self._started()
        self._clients: list[Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: Any) -> None:
        self._process.__exit__(*failure)

    def _started(self) -> DaemonProcess:
        return DaemonProcess(f"--port={self.port}", variables=self._variables, ready=2)

    @property
    def errors(self) -> list[str]:
        """Lines of the log that somebody would have to look at."""
        return self._process.errors

    async def come(self, comes: dict[str, str]) -> SocketActor:
        """A client connects."""
        modern = comes.get("speaks") != "first"
        bearer = [f"bearer.{comes['token']}"] if "token" in comes else []
        try:
            client = self.client(*bearer) if modern else self._keep(Client(self.port))
        except AssertionError as refused:
            if not isinstance(refused.args[0], dict):
                raise
            raise TurnedAway(refused.args[0]["code"]) from None
        return SocketActor(self, client, modern=modern)

    def client(self, *bearer: str) -> Client:
        """A connection of today."""
        return self._keep(Client(self.port, protocols=[SUBPROTOCOL, *bearer]))

    def _keep(self, client: Client) -> Client:
        self._clients.append(client)
        return client

    def send_away(self) -> None:
        """Have all clients close."""
        for client in self._clients:
            with suppress(OSError):
                client.socket.sendall(close_frame(1000))
        self._clients.clear()

    async def clear(self) -> None:
        """Have nobody there, for the next story."""
        self.send_away()
        await asyncio.to_thread(self._process.wait_clients, 0)

    async def operate(self, what: str, actor: Any) -> None:
        """The operator throws somebody out, or bans its address."""
        operator = Operator(self._process.ports[1])
        if what == "ban":
            status, _ = operator.ask("POST", "/bans", {"client": actor.id, "seconds": 60})
        else:
            status, _ = operator.ask("DELETE", f"/clients/{actor.id}?reason=enough")
        assert status in (201, 204), status

    async def restart(self, actors: list[Any]) -> None:
        """The server ends and starts."""
        self._process.kill()
        for actor in actors:
            await actor.part()
        await asyncio.to_thread(self._process.wait_exit)
        self._process.__exit__(None, None, None)
        self._process = self._started()

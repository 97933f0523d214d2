"""Clients of a kit as actors of stories: a puppet program has them, and does what it is told line by line.

``clients/stories/README.md`` says what is told, and what the puppet says.
"""

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from tests.support.daemon import environment
from tests.support.proxy import Proxy
from tests.support.raw_actors import MESSAGES_AT_MOST, SocketStage
from tests.support.stories import Actor, Message, TurnedAway, left_out
from tests.support.waiting import PATIENCE_S

LINE_AT_MOST_BYTES = 2**20


class Puppet:
    """A running puppet program.

    Args:
        command: Starts it.
        variables: More of its environment.
    """

    def __init__(self, command: Sequence[str], **variables: str) -> None:
        self._command = command
        self._variables = variables
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]
        self._actors: dict[str, PuppetActor] = {}
        self._numbers = 0

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, env=environment(**self._variables), limit=LINE_AT_MOST_BYTES
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.cancel()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def name(self, actor: "PuppetActor") -> str:
        """A name for a new client."""
        assert not self._reading.done(), "the puppet has ended"
        self._numbers += 1
        self._actors[f"c{self._numbers}"] = actor
        return f"c{self._numbers}"

    def tell(self, who: str, **what: Any) -> None:
        """Have a client do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"who": who, **what}).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            self._actors[said.pop("who")].told(said)
        for actor in self._actors.values():
            actor.told({"broken": "the puppet has ended"})


class PuppetActor:
    """One client of a kit, behind a proxy of its own."""

    def __init__(self, puppet: Puppet, port: int) -> None:
        self._puppet = puppet
        self._proxy = Proxy(port)
        self._name = puppet.name(self)
        self._news = asyncio.Event()
        self._said = 0
        self._answers: dict[int, Message] = {}
        self._told: dict[str, Any] = {}
        """What the puppet has said besides messages and answers, by its kind."""
        self.id = ""
        self.heard: list[Message] = []
        self.goodbye: Message | None = None

    def told(self, said: dict[str, Any]) -> None:
        """The puppet has said something of this client."""
        if "heard" in said:
            message = said["heard"]
            if message["type"] == "goodbye":
                self.goodbye = message
            elif not left_out(message):
                self.heard.append(message)
        elif "answer" in said:
            self._answers[said["answer"]] = said["message"]
        else:
            self._told |= said
        self._news.set()

    async def connect(self, token: str | None) -> None:
        """Have it connect.

        Raises:
            TurnedAway: It is refused.
        """
        self._puppet.tell(self._name, do="connect", url=self._url, token=token)
        said = await self._wait("connected", "refused")
        if "refused" in said:
            raise TurnedAway(said["refused"])
        self.id = said["connected"]

    @property
    def _url(self) -> str:
        return f"ws://127.0.0.1:{self._proxy.port}/ws"

    async def say(self, message: Message) -> int:
        """Send a message, now or when the connection is back."""
        self._said += 1
        self._puppet.tell(self._name, do="say", number=self._said, message=message)
        return self._said

    async def answer(self, said: int) -> Message | None:
        """The answer to a message."""
        while said not in self._answers:
            await self._something()
        return self._answers.pop(said)

    async def quiet(self) -> None:
        """Have heard what the server has said."""
        self._puppet.tell(self._name, do="quiet")
        await self._wait("quiet")

    async def more(self) -> None:
        """Wait until a message comes."""
        had = len(self.heard), self.goodbye
        for _ in range(MESSAGES_AT_MOST):
            if had != (len(self.heard), self.goodbye):
                return
            await self._something()

    async def drop(self) -> None:
        """Lose the connection."""
        self._proxy.refuse()
        await self._wait("away")

    async def part(self) -> None:
        """Have the connection closed by the server, and get no other yet."""
        await self._wait("away")

    async def come_back(self) -> Message | None:
        """Have one again."""
        self._proxy.refuse(refuse=False)
        said = await self._wait("resumed", "anew")
        if "anew" in said:
            self.id = said["anew"]
            return None
        resumed: Message = said["resumed"]
        return resumed

    async def reload(self) -> Message:
        """Go on as another client of the kit, with what the first has saved."""
        self._puppet.tell(self._name, do="reload", url=self._url)
        resumed: Message = (await self._wait("resumed"))["resumed"]
        return resumed

    async def end(self) -> None:
        """Close the connection for good."""
        self._puppet.tell(self._name, do="end")
        await self._wait("ended")

    async def closed(self) -> int:
        """The code with which the server has closed it."""
        code: int = (await self._wait("closed"))["closed"]
        return code

    def refuse(self) -> None:
        """Let it have no new connection."""
        self._proxy.refuse_new()

    def leave(self) -> None:
        """The story is over."""
        self._puppet.tell(self._name, do="end")

    def end_proxy(self) -> None:
        """Nothing goes through any more."""
        self._proxy.__exit__(None, None, None)

    async def _wait(self, *kinds: str) -> dict[str, Any]:
        """Wait until the puppet has said something of one of these kinds, and take it."""
        while not (found := self._told.keys() & set(kinds)):
            await self._something()
        return {kind: self._told.pop(kind) for kind in found}

    async def _something(self) -> None:
        assert "broken" not in self._told, self._told
        self._news.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self._news.wait()


class PuppetStage(SocketStage):
    """A real daemon, clients of a kit, and old clients by hand.

    Args:
        puppet: Has the clients.
        variables: Settings of the daemon.
    """

    def __init__(self, puppet: Puppet, **variables: str) -> None:
        super().__init__(**variables)
        self._puppet = puppet
        self._actors: list[PuppetActor] = []

    async def come(self, comes: dict[str, str]) -> Actor:  # type: ignore[override]
        """A client connects."""
        if comes.get("speaks") == "first":
            return await super().come(comes)
        actor = PuppetActor(self._puppet, self.port)
        self._actors.append(actor)
        await actor.connect(comes.get("token"))
        return actor

    async def restart(self, actors: list[Any]) -> None:
        """The server ends and starts."""
        for actor in actors:
            actor.refuse()
        await super().restart(actors)

    def send_away(self) -> None:
        """Have all clients close."""
        for actor in self._actors:
            actor.leave()
        super().send_away()

    async def clear(self) -> None:
        """Have nobody there, for the next story."""
        await super().clear()
        self._end_proxies()

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)
        self._end_proxies()

    def _end_proxies(self) -> None:
        for actor in self._actors:
            actor.end_proxy()
        self._actors.clear()

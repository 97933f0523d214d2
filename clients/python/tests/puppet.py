"""Clients of this kit for the stories: does what it is told, line by line (``clients/stories/README.md``)."""

import asyncio
import json
import sys
from typing import Any

from signald_client import Banned, Client, ClientState, Ended, Full, Refused, ThrownOut, TokenRefused, TooMany, connect

REFUSALS: dict[type[Ended], str] = {
    TokenRefused: "AUTH_FAILED",
    Banned: "BANNED",
    TooMany: "TOO_MANY",
    Full: "FULL",
}
CLOSED: dict[type[Ended], int] = {TooMany: 4409, ThrownOut: 1008}


class Played:
    """One client."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: Client
        self._id = ""
        self._resumed: Any = None
        self._token: str | None = None
        self._problem = ""

    def say(self, **what: Any) -> None:
        sys.stdout.write(json.dumps({"who": self._name, **what}) + "\n")
        sys.stdout.flush()

    def _make(self, url: str, session: str | None = None) -> None:
        token = self._token
        self._client = connect(
            url,
            get_token=None if token is None else lambda: token,
            session=session,
            open_timeout=0.0,
            backoff=lambda attempt, resumable: 0.02,
            on_message=self._heard,
            on_state=self._became,
        )

    async def connect(self, url: str, token: str | None) -> None:
        self._token = token
        self._make(url)
        try:
            await self._client.__aenter__()
        except Ended as refused:
            self.say(refused=self._problem or REFUSALS[type(refused)], message=str(refused))
        else:
            self._id = self._client.client_id
            self.say(connected=self._id)

    def _became(self, state: ClientState) -> None:
        """Tell of what becomes of the connection."""
        if not self._id:
            return
        if state in ("resuming", "connecting"):
            self.say(away=True)
        elif state == "connected" and self._client.client_id != self._id:
            self._id = self._client.client_id
            self.say(anew=self._id)
        elif state == "ended":
            codes = (code for kind, code in CLOSED.items() if isinstance(self._client.error, kind))
            if code := next(codes, None):
                self.say(closed=code)

    def _heard(self, message: Any) -> None:
        if message["type"] == "resumed":
            self.say(resumed=message)
        elif message["type"] == "error":
            self._problem = message["code"]
        self.say(heard=message)

    async def request(self, number: int, message: dict[str, Any]) -> None:
        try:
            answer = await self._client.request(**message)
        except Refused as refused:
            answer = {"type": "error", "code": refused.code, "message": refused.message}
        except Ended:
            return
        self.say(answer=number, message=answer)

    async def quiet(self) -> None:
        await self._client.ping()
        self.say(quiet=True)

    async def reload(self, url: str) -> None:
        saved = await self._client.suspend()
        self._make(url, saved)
        await self._client.__aenter__()

    async def end(self) -> None:
        await self._client.close()
        self.say(ended=True)


async def main() -> None:
    played: dict[str, Played] = {}
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as group:
        async for line in reader:
            told = json.loads(line)
            who, what = told.pop("who"), told.pop("do")
            client = played.setdefault(who, Played(who))
            does = client.request if what == "say" else getattr(client, what)
            group.create_task(does(**told))


if __name__ == "__main__":
    asyncio.run(main())

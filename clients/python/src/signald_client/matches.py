"""Partners, one after the other."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Protocol

from signald_client.errors import AlreadyPaired, Closed, Ended, SessionLost
from signald_client.match import Match
from signald_client.protocol import Wishes


class Finds(Protocol):
    """A client, as far as finding partners goes."""

    @property
    def error(self) -> Ended | None:
        """Why it is at its end."""

    @property
    def current(self) -> Match | None:
        """The match that goes on."""

    @property
    def waits(self) -> bool:
        """Whether it surely stands in the queue, or is on its way there."""

    async def request(self, type: str, **fields: Any) -> dict[str, Any]:
        """Ask the server, and give its answer."""

    def take(self) -> Match | None:
        """The match that goes on, once."""

    async def news(self) -> None:
        """Wait for something that may change any of these."""


class Matches(AsyncIterator[Match]):
    """Partners, one after the other; ends when the client is closed.

    Args:
        client: Who looks for them.
        wishes: Whom it wants to meet.
    """

    def __init__(self, client: Finds, wishes: Wishes | None) -> None:
        self._client = client
        self._wishes: dict[str, Any] = dict(wishes or {})
        self._given: Match | None = None

    async def __anext__(self) -> Match:
        """The next partner.

        Raises:
            Refused: The server does not let this client wait: `AuthRequired`, `Crowded`, `RateLimited`, …; or
                `AlreadyPaired`, if there is a partner that came from elsewhere.
            Ended: The client is at its end, and not by its own `close`.
        """
        client = self._client
        if self._given is not None and self._given is client.current:
            with suppress(Ended):
                await self._given.next()
        while client.error is None:
            if (match := client.take()) is not None:
                self._given = match
                return match
            if client.waits:
                await client.news()
                continue
            try:
                await client.request("available", **self._wishes)
            except AlreadyPaired:
                if (match := client.take()) is None:
                    raise
                self._given = match
                return match
            except (SessionLost, Ended):
                pass  # There is a new session to say it in, or none any more.
        if isinstance(client.error, Closed):
            raise StopAsyncIteration
        raise client.error

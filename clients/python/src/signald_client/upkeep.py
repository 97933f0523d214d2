"""One WebSocket after the other: opens it, shows the token, opens it anew when it is lost."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException

from signald_client.backoff import patience_s
from signald_client.closing import UNKNOWN_SERVER, Loss, loss, loss_of_handshake
from signald_client.errors import TokenRefused, Unreachable
from signald_client.protocol import SUBPROTOCOL
from signald_client.tokens import Tokens

PING_S: Final = 10.0
"""Seconds between pings of the WebSocket, and for their answers: a dead network is noticed while the session lives."""

CLOSE_WITHIN_S: Final = 2.0
"""For the server's answer to a close frame."""

STABLE_AFTER_S: Final = 5.0
"""A connection that lasted this long counts as good: the next loss starts the back-off anew."""

GO_ON_ELSEWHERE: Final = 4000
"""Our close code for a connection that is given up; the session goes on."""

_log = logging.getLogger("signald_client")


class Guest(Protocol):
    """Who uses the connections."""

    @property
    def resumable(self) -> bool:
        """Whether it has a session to go on with."""

    def greeting(self) -> str | None:
        """What it says first on a new connection."""

    def hear(self, message: Any) -> None:
        """A message came."""

    def away(self) -> None:
        """The connection is lost, and will be opened again."""


class Upkeep:
    """The connection of one client.

    Args:
        guest: Who uses it.
        url: The server's WebSocket.
        tokens: Say who the user is.
        open_within_s: Seconds for the first connection.
        backoff: Seconds until an attempt, by its number and by whether the session can be resumed.
        options: More for `websockets.asyncio.client.connect`.

    Attributes:
        admitted: Whether what is sent now leaves at once.
    """

    def __init__(
        self,
        guest: Guest,
        url: str,
        *,
        tokens: Tokens,
        open_within_s: float,
        backoff: Callable[[int, bool], float],
        options: Mapping[str, Any],
    ) -> None:
        self._guest = guest
        self._url = url
        self._tokens = tokens
        self._open_within_s = open_within_s
        self._backoff = backoff
        self._options = options
        self._socket: ClientConnection | None = None
        self._outbox: deque[str] = deque()
        self._has_output = asyncio.Event()
        self._opened = False
        self._ends = False
        self._giving_up: asyncio.Task[None] | None = None
        self.admitted = False

    def admit(self, again: Iterable[str] = ()) -> None:
        """The server has let the guest in.

        Args:
            again: What is sent before all else.
        """
        self.admitted = self._opened = True
        self._outbox.extend(again)
        self._has_output.set()

    def send(self, text: str) -> None:
        """Send a message, if the guest is let in; else it is for the guest to have it sent later."""
        if self.admitted:
            self._outbox.append(text)
            self._has_output.set()

    async def close(self, code: int) -> None:
        """Close the connection for good, if there is one; nothing is heard after it."""
        self._ends = True
        if self._socket is not None:
            await self._socket.close(code)

    async def run(self) -> Loss:
        """Keep a connection up until that makes no sense any more; gives why."""
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + self._open_within_s
        attempt = 0
        renewed = False
        while True:
            began = clock()
            lost = await self._one()
            if clock() - began > STABLE_AFTER_S:
                attempt, renewed = 0, False
            if isinstance(lost.error, TokenRefused) and not renewed and self._tokens.forget():
                renewed = True  # It may have ended on its way; once it is worth to ask for another.
                continue
            attempt = 1 if lost.soon else attempt + 1
            delay_s = lost.again_in_s
            if delay_s is None:
                delay_s = self._backoff(attempt, self._guest.resumable)
            if lost.final or self._ends or (not self._opened and clock() + delay_s > give_up_at):
                return lost
            _log.debug("no connection (%s), again in %.2f s", lost.error, delay_s)
            self._guest.away()
            await asyncio.sleep(delay_s)

    async def _one(self) -> Loss:
        """One connection, from the attempt to its end."""
        within_s = patience_s(resumable=self._guest.resumable)
        try:
            token = await self._tokens.current()
        except Exception as failure:  # whatever the caller's function raises
            # Whoever connects for the first time hears of it; later there may be a token again in a moment.
            return Loss(failure, final=not self._opened)
        offers = [SUBPROTOCOL] if token is None else [SUBPROTOCOL, f"bearer.{token}"]
        defaults = {
            "compression": None,
            "ping_interval": PING_S,
            "ping_timeout": PING_S,
            "close_timeout": CLOSE_WITHIN_S,
        }
        try:
            socket = await open_websocket(
                self._url, subprotocols=cast(Any, offers), open_timeout=within_s, **{**defaults, **self._options}
            )
        except InvalidStatus as refusal:
            return loss_of_handshake(refusal.response.status_code)
        except (InvalidURI, TypeError) as failure:  # TypeError: an option that is none.
            return Loss(failure, final=True)
        except (OSError, WebSocketException, EOFError) as failure:
            return Loss(Unreachable(str(failure) or type(failure).__name__))
        if socket.subprotocol != SUBPROTOCOL:
            await socket.close(GO_ON_ELSEWHERE)
            return UNKNOWN_SERVER
        return await self._use(socket, within_s)

    async def _use(self, socket: ClientConnection, within_s: float) -> Loss:
        self._socket = socket
        self._outbox.clear()
        told: dict[str, Any] = {}
        writer = asyncio.create_task(self._write(socket))
        # The server has to let the guest in, too.
        deadline = asyncio.get_running_loop().call_later(within_s, self._give_up, socket)
        try:
            if (greeting := self._guest.greeting()) is not None:
                await socket.send(greeting)
            async for text in socket:
                if self._ends:
                    continue
                message = json.loads(text)
                if message["type"] == "goodbye" or (message["type"] == "error" and not self.admitted):
                    told[message["type"]] = message
                self._guest.hear(message)
        except ConnectionClosed:
            pass
        finally:
            self.admitted = False
            self._socket = None
            deadline.cancel()
            writer.cancel()
            await socket.close(GO_ON_ELSEWHERE)
        code = 1006 if socket.close_code is None else socket.close_code
        return loss(code, socket.close_reason or "", told.get("goodbye"), told.get("error"))

    def _give_up(self, socket: ClientConnection) -> None:
        if not self.admitted:
            self._giving_up = asyncio.create_task(socket.close(GO_ON_ELSEWHERE))

    async def _write(self, socket: ClientConnection) -> None:
        """Send what is to be sent, in order, until cancelled."""
        while True:
            while self._outbox:
                try:
                    await socket.send(self._outbox.popleft())
                except ConnectionClosed:
                    return  # The guest has it sent again.
            self._has_output.clear()
            await self._has_output.wait()

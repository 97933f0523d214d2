"""Clients that speak signald's protocol and check every answer; the first wrong one ends the run."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from picows import WSTransport, ws_connect

from bench.errors import BenchError
from signald.load.wire import Wire

AVAILABLE = b'{"type":"available"}'
LEAVE = b'{"type":"leave"}'
NEXT = b'{"type":"next"}'
PING = b'{"type":"ping"}'

_OPENING_AT_ONCE = 32  # below the listen backlog of 50 that Twisted uses: a refused SYN costs a second
_STEP_TIMEOUT_S = 20.0
_READ_BUFFER_BYTES = 4096
_LOOK_S = 0.001


class Crowd:
    """The clients of one run.

    It opens and closes them, knows them by id, checks that both partners of a room tell the same story, and
    holds the run's first failure.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        """Make an empty crowd.

        Args:
            ssl_context: what to verify a wss:// server with.
        """
        self._ssl = ssl_context
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._by_id: dict[str, Client] = {}
        self._half_told: dict[str, tuple[Client, Client, bool | None]] = {}
        self.matches = 0

    async def open(self, client: "Client", url: str) -> None:
        """Connect a client and wait for its `ready`.

        Raises:
            BenchError: the server refused, said something else first, or took too long.
        """
        try:
            await ws_connect(
                lambda: client,
                url,
                ssl_context=self._ssl,
                read_buffer_init_size=_READ_BUFFER_BYTES,
                proxy=None,
                enable_auto_pong=False,  # it hides the last frame of a read, if that is a ping, from its listener
            )
        except Exception as error:
            raise BenchError(f"cannot connect: {error!r}") from error
        await self.wait(client.ready, "ready")

    async def open_all(self, clients: "Iterable[Client]", url: str) -> None:
        """Connect many clients, a few at a time, and wait for `ready` on each."""
        left = iter(clients)

        async def open_some() -> None:
            for client in left:
                await self.open(client, url)

        async with asyncio.TaskGroup() as group:
            for _ in range(_OPENING_AT_ONCE):
                group.create_task(open_some())

    async def close_all(self, clients: "Iterable[Client]") -> None:
        """Close clients in the WebSocket's way and wait until they are gone."""
        clients = list(clients)
        for client in clients:
            client.close()
        for client in clients:
            await self.wait(client.gone, "closing")

    async def wait(self, event: Awaitable[Any], what: str, timeout_s: float = _STEP_TIMEOUT_S) -> None:
        """Wait for something, or for the run's failure.

        Args:
            event: what to wait for.
            what: its name in the error message.
            timeout_s: how long, in seconds.

        Raises:
            BenchError: the run failed, or the time is over.
        """
        waiting = asyncio.ensure_future(event)
        done, _ = await asyncio.wait((waiting, self._failure), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self._failure in done:
            waiting.cancel()
            self._failure.result()
        if waiting not in done:
            waiting.cancel()
            raise BenchError(f"{what}: nothing within {timeout_s:g} s")

    async def sleep(self, seconds: float) -> None:
        """Let the clients work for some seconds.

        Raises:
            BenchError: the run failed meanwhile.
        """
        await self.wait(asyncio.sleep(seconds), "sleep", seconds + _STEP_TIMEOUT_S)

    async def until(self, done: Callable[[], bool], what: str, timeout_s: float = _STEP_TIMEOUT_S) -> None:
        """Wait until a condition holds, looking every millisecond; outside the timed period only."""

        async def look() -> None:
            while not done():
                await asyncio.sleep(_LOOK_S)

        await self.wait(look(), what, timeout_s)

    def fail(self, reason: str | Exception) -> None:
        """End the run: the server, or the generator, is wrong."""
        if not self._failure.done():
            error = reason if isinstance(reason, BenchError) else BenchError(str(reason) or repr(reason))
            self._failure.set_exception(error)
            self._failure.exception()  # seen: whoever waits next raises it

    def joined(self, client: "Client", client_id: str) -> None:
        """Note a client's id, which must be new."""
        if not client_id or client_id in self._by_id:
            raise BenchError(f"clientId {client_id!r} given twice")
        client.id = client_id
        self._by_id[client_id] = client

    def left(self, client: "Client") -> None:
        """Forget a client whose connection is gone."""
        self._by_id.pop(client.id, None)

    def told(self, client: "Client", room_id: str, partner_id: str, initiator: bool | None) -> None:
        """Take one side's `matched`; with the second side's, check both and tell both clients.

        Args:
            client: who was told.
            room_id: the room named in `matched`.
            partner_id: the partner named in it.
            initiator: its `initiator`, None for a server without that field.

        Raises:
            BenchError: the two do not agree, or one is matched with itself or with someone unknown.
        """
        partner = self._by_id.get(partner_id)
        if partner is None or partner is client:
            raise BenchError(f"{client.id} matched with {partner_id}: itself, or gone")
        if client.partner is not None:
            raise BenchError(f"{client.id} matched while it has a partner")
        first = self._half_told.pop(room_id, None)
        if first is None:
            self._half_told[room_id] = (client, partner, initiator)
            return
        if first[0] is not partner or first[1] is not client:
            raise BenchError(f"room {room_id}: the partners do not agree")
        if (initiator, first[2]) not in ((True, False), (False, True), (None, None)):
            raise BenchError(f"room {room_id}: initiator {initiator} and {first[2]}")
        client.partner, partner.partner = partner, client
        self.matches += 1
        # Without the field, the one told second starts: it knows that both are in the room.
        starts = initiator is not False
        partner.on_paired(client, not starts)
        client.on_paired(partner, starts)


class Client(Wire):
    """One WebSocket connection. Subclasses say what it does next; a message they do not expect fails the run.

    Attributes:
        id: the clientId of `ready`; empty before.
        partner: the client it is paired with, once both have been told.
        ready: done when `ready` has come.
        gone: done when the connection is closed.
    """

    def __init__(self, crowd: Crowd) -> None:
        """Make a client that is not connected yet."""
        super().__init__()
        loop = asyncio.get_running_loop()
        self.crowd = crowd
        self.id = ""
        self.partner: Client | None = None
        self.ready: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()

    def closed(self, code: int) -> None:
        """Fail the run: nobody has asked the server to close."""
        self.crowd.fail(f"{self.id} was closed by the server: {code}")

    def confused(self, error: Exception) -> None:
        """Fail the run."""
        self.crowd.fail(error)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Note the end; one that nobody asked for fails the run."""
        self.crowd.left(self)
        if not self.closing:
            self.crowd.fail(f"{self.id or 'a client'} lost its connection")
        if not self.gone.done():
            self.gone.set_result(None)

    def hear(self, message: dict[str, Any]) -> None:
        """Take one message; one that may not come now fails the run."""
        match message["type"]:
            case "ready":
                self.crowd.joined(self, message["clientId"])
                self.ready.set_result(None)
            case "matched":
                self.crowd.told(self, message["roomId"], message["partnerId"], message.get("initiator"))
            case "partner-left":
                if self.partner is None:
                    raise BenchError(f"{self.id}: partner-left without a partner")
                self.partner = None
                self.on_partner_left()
            case "offer" | "answer" | "ice":
                if self.partner is None or message["from"] != self.partner.id:
                    raise BenchError(f"{self.id} got {message['type']} from {message['from']}, not its partner")
                self.on_relayed(message)
            case "pong":
                self.on_pong()
            case _:
                raise BenchError(f"unexpected {message}")

    def on_paired(self, partner: "Client", initiator: bool) -> None:
        """Both partners have been told of their room.

        Args:
            partner: the other one; its `partner` is this client.
            initiator: True for the one of the two who offers.
        """

    def on_partner_left(self) -> None:
        """The partner went."""
        raise BenchError(f"{self.id}: unexpected partner-left")

    def on_relayed(self, message: dict[str, Any]) -> None:
        """The partner's offer, answer or candidate."""
        raise BenchError(f"{self.id}: unexpected {message['type']}")

    def on_pong(self) -> None:
        """The answer to `ping`."""
        raise BenchError(f"{self.id}: unexpected pong")


async def meet(crowd: Crowd, clients: "Sequence[Client]", urls: Sequence[str]) -> None:
    """Connect clients and pair them: on one server whoever comes with whom, on several across first and last."""
    half = len(clients) // 2
    await crowd.open_all(clients[:half], urls[0])
    await crowd.open_all(clients[half:], urls[-1])
    if len(urls) == 1:
        await pair_all(crowd, clients)
    else:
        await pair_across(crowd, clients[:half], clients[half:])


async def pair_all(crowd: Crowd, clients: "Sequence[Client]") -> None:
    """Pair clients of one server among themselves, whoever comes with whom."""
    wanted = crowd.matches + len(clients) // 2
    for client in clients:
        client.send(AVAILABLE)
    await crowd.until(lambda: crowd.matches == wanted, "pairing")


async def pair_across(crowd: Crowd, lefts: "Iterable[Client]", rights: "Iterable[Client]") -> None:
    """Pair each left client with its right one, one pair after the other, so that nobody else can come between.

    Args:
        crowd: their crowd.
        lefts: clients of one instance.
        rights: as many clients of another instance.

    Raises:
        BenchError: somebody else was matched, or nobody in time.
    """
    for left, right in zip(lefts, rights, strict=True):
        wanted = crowd.matches + 1
        left.send(AVAILABLE)
        right.send(AVAILABLE)
        await crowd.until(partial(_reached, crowd, wanted), "pairing across instances")
        if left.partner is not right:
            raise BenchError(f"{left.id} was not matched with {right.id}")


def _reached(crowd: Crowd, matches: int) -> bool:
    return crowd.matches == matches

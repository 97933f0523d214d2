"""The client, over real sockets, with a server that says what the test has it say."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from signald_client import (
    AlreadyPaired,
    AuthRequired,
    Banned,
    Client,
    Closed,
    NotPaired,
    Replaced,
    SessionLost,
    TokenRefused,
    TooMany,
    Unreachable,
    Unsupported,
    connect,
)
from websockets.asyncio.server import ServerConnection, serve

PATIENCE_S = 120.0
READY = {"type": "ready", "clientId": "me", "resume": {"token": "t1", "seconds": 30}}


class Server:
    """One connection after the other."""

    def __init__(self) -> None:
        self._connections: asyncio.Queue[Connection] = asyncio.Queue()
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def accept(self) -> "Connection":
        """The next connection."""
        return await asyncio.wait_for(self._connections.get(), PATIENCE_S)

    async def serve(self, socket: ServerConnection) -> None:
        connection = Connection(socket)
        self._connections.put_nowait(connection)
        await socket.wait_closed()


class Connection:
    """One of them, on the server's side."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        assert socket.request is not None
        self.offers = socket.request.headers["Sec-WebSocket-Protocol"].split(", ")

    async def say(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.socket.send(json.dumps(message))

    async def hear(self, type: str) -> dict[str, Any]:
        """The next message, which must be of this type."""
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE_S))
        assert message["type"] == type, message
        return message

    async def ok(self, type: str, *first: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Take the next message."""
        message = await self.hear(type)
        await self.say(*first, {"type": "ok", "id": message["id"], **more})
        return message

    async def error(self, type: str, code: str) -> None:
        """Refuse the next message."""
        message = await self.hear(type)
        await self.say({"type": "error", "code": code, "message": "no", "id": message["id"]})

    async def drop(self) -> None:
        self.socket.transport.abort()
        await self.socket.wait_closed()


def matched(room: str = "r", partner: str = "p") -> dict[str, Any]:
    return {"type": "matched", "roomId": room, "partnerId": partner, "initiator": True, "data": True}


@asynccontextmanager
async def served(subprotocol: str = "signald.v1") -> AsyncIterator[Server]:
    server = Server()
    async with serve(server.serve, "127.0.0.1", 0, subprotocols=[subprotocol]) as listening:  # type: ignore[list-item]
        (socket,) = listening.sockets
        server.port = socket.getsockname()[1]
        yield server


@asynccontextmanager
async def connected(server: Server, **options: Any) -> AsyncIterator[tuple[Client, Connection]]:
    client = connect(server.url, backoff=lambda attempt, resumable: 0.0, **options)
    entering = asyncio.create_task(client.__aenter__())
    connection = await server.accept()
    await connection.say(READY)
    await asyncio.wait_for(entering, PATIENCE_S)
    try:
        yield client, connection
    finally:
        await client.close()


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await story()

    asyncio.run(bounded())


def test_matches_follow_each_other() -> None:
    """Else a bot has one partner in its life, or leaves none."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            matches = client.matches({"likes": ["chess"]})
            first = asyncio.create_task(anext(matches))
            assert (await connection.ok("available", matched("r1")))["likes"] == ["chess"]
            assert (await first).room_id == "r1"
            second = asyncio.create_task(anext(matches))
            assert (await connection.ok("next"))["roomId"] == "r1"
            await connection.say(matched("r2"))
            match = await second
            assert ((await first).ended, match.room_id) == ("left", "r2")
            third = asyncio.create_task(anext(matches))
            assert (await connection.hear("next"))["roomId"] == "r2"
            await client.close()
            with pytest.raises(StopAsyncIteration):
                await third

    run(story)


def test_a_match_tells_what_comes_and_ends() -> None:
    """Else what a partner says is heard in another call, or a call never ends."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            finding = asyncio.create_task(client.match())
            await connection.ok("available", matched())
            match = await finding
            await connection.say(
                {"type": "offer", "from": "p", "sdp": "one"},
                {"type": "offer", "from": "somebody else", "sdp": "two"},
                {"type": "of tomorrow"},
                {"type": "data", "from": "p", "data": None},
                {"type": "partner-left", "reason": "next"},
                {"type": "offer", "from": "p", "sdp": "three"},
            )
            assert [message["type"] async for message in match] == ["offer", "data"]
            assert match.ended == "next"
            assert not await match.offer("too late")

    run(story)


def test_requests_are_answered_each_by_its_own() -> None:
    """Else a refusal is taken for the answer to something else, or nobody hears of it."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            one, other = (asyncio.create_task(client.request(kind)) for kind in ("available", "next"))
            first, second = await connection.hear("available"), await connection.hear("next")
            await connection.say({"type": "error", "code": "NOT_PAIRED", "message": "no", "id": second["id"]})
            await connection.say({"type": "error", "code": "ALREADY_PAIRED", "message": "no", "id": first["id"]})
            with pytest.raises(NotPaired):
                await other
            with pytest.raises(AlreadyPaired):
                await one

    run(story)


def test_a_lost_connection_is_resumed_and_what_was_asked_is_answered() -> None:
    """Else each loss of the network ends all calls of a bot."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            finding = asyncio.create_task(client.match())
            await connection.ok("available", matched())
            match = await finding
            before = asyncio.create_task(match.data("before"))
            await connection.hear("data")
            await connection.drop()
            meanwhile = asyncio.create_task(match.data("meanwhile"))
            connection = await server.accept()
            await connection.say({**READY, "clientId": "new"})
            wish = await connection.hear("resume")
            assert (wish["token"], wish["received"]) == ("t1", 2)
            resumed = {"type": "resumed", "clientId": "me", "state": "paired", "roomId": "r", "partnerId": "p"}
            grant = {"resume": {"token": "t2", "seconds": 30}}
            await connection.say({**resumed, **grant, "received": 1, "lost": False})
            said = [await connection.ok("data"), await connection.ok("data")]
            assert [message["data"] for message in said] == ["before", "meanwhile"]
            assert (await before, await meanwhile, client.client_id, match.ended) == (True, True, "me", None)

    run(story)


def test_who_cannot_resume_waits_again_as_somebody_new() -> None:
    """Else a bot waits for ever in a queue in which it does not stand, or believes in a call that is over."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            matches = client.matches({"likes": ["chess"]})
            finding = asyncio.create_task(anext(matches))
            await connection.ok("available", matched())
            match = await finding
            asked = asyncio.create_task(client.request("report", reason="spam"))
            await connection.hear("report")
            finding = asyncio.create_task(anext(matches))
            await connection.hear("next")
            await connection.drop()
            connection = await server.accept()
            await connection.say({**READY, "clientId": "new"})
            await connection.hear("resume")
            await connection.say({"type": "error", "code": "RESUME_FAILED", "message": "gone"})
            with pytest.raises(SessionLost):
                await asked
            said = await connection.ok("available", matched("r2"))
            assert (said["likes"], (await finding).room_id) == (["chess"], "r2")
            assert (client.client_id, match.ended, client.inherited) == ("new", "left", False)

    run(story)


def test_a_partner_who_goes_leads_to_the_next() -> None:
    """Else a bot waits for ever where the server does not queue it again by itself."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            matches = client.matches()
            finding = asyncio.create_task(anext(matches))
            await connection.ok("available", matched("r1"))
            await finding
            # The next one comes and goes before anybody looks.
            await connection.say({"type": "partner-left"}, matched("r2"), {"type": "partner-left"})
            await client_has_heard(connection, client)
            finding = asyncio.create_task(anext(matches))
            await connection.ok("available", matched("r3"))
            assert (await finding).room_id == "r3"

    run(story)


async def client_has_heard(connection: Connection, client: Client) -> None:
    pinging = asyncio.create_task(client.ping())
    await connection.ok("ping", {"type": "pong"})
    await pinging


def test_refusals_of_waiting_are_told() -> None:
    """Else a loop over matches hangs where a token is wanted."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            finding = asyncio.create_task(client.match())
            await connection.error("available", "AUTH_REQUIRED")
            with pytest.raises(AuthRequired):
                await finding

    run(story)


@pytest.mark.parametrize(("code", "error"), [(4001, Replaced), (4403, Banned)])
def test_the_end_is_told_to_whoever_waits(code: int, error: type[Exception]) -> None:
    """Else a bot that was thrown out hangs, or comes back for ever."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            finding = asyncio.create_task(client.match())
            await connection.hear("available")
            await connection.socket.close(code)
            with pytest.raises(error):
                await finding
            with pytest.raises(error):
                await client.ping()
            assert client.state == "ended"

    run(story)


def test_one_connection_too_many_is_told_to_whoever_asks() -> None:
    """Else a second bot of one user is told to log in, which it has done."""

    async def story() -> None:
        async with served() as server, connected(server) as (client, connection):
            finding = asyncio.create_task(client.match())
            await connection.hear("available")
            await connection.say({"type": "error", "code": "TOO_MANY_OF_USER", "message": "you are here already"})
            with pytest.raises(TooMany, match="here already"):
                await finding
            assert client.state == "ended"

    run(story)


def test_whoever_is_thrown_out_at_once_does_not_come_in() -> None:
    """Else a bot goes on with a client that has ended, and hears of it by whatever it does first."""

    async def story() -> None:
        async with served() as server:
            entering = asyncio.create_task(connect(server.url).__aenter__())
            connection = await server.accept()
            refusal = {"type": "error", "code": "TOO_MANY_OF_USER", "message": "you are here already"}
            await connection.say(READY, refusal)
            with pytest.raises(TooMany, match="here already"):
                await entering

    run(story)


def test_what_cannot_be_entered_says_why() -> None:
    """Else whoever starts a bot sees it hang."""

    async def story() -> None:
        async with served() as server:
            url = server.url
        with pytest.raises(Unreachable):
            await connect(url, open_timeout=0.0).__aenter__()
        async with served("chat") as server:
            with pytest.raises(Unsupported):
                await connect(server.url).__aenter__()
        with pytest.raises(Exception, match="nonsense"):
            await connect("nonsense").__aenter__()
        with pytest.raises(ValueError, match="session"):
            connect(url, session="nonsense")
        with pytest.raises(TypeError, match="get_tokens"):
            await connect(url, get_tokens=lambda: "abc").__aenter__()
        with pytest.raises(TypeError, match="get_token is to be a function"):
            connect(url, get_token="abc")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="has given NoneType"):
            await connect(url, get_token=lambda: None).__aenter__()  # type: ignore[arg-type, return-value]

    run(story)


def test_a_token_that_is_refused_is_replaced_once() -> None:
    """Else a token that ended on its way ends the client, or a bad one is shown for ever."""

    async def story() -> None:
        given = iter("abc")
        async with served() as server:
            client = connect(server.url, get_token=lambda: next(given))
            entering = asyncio.create_task(client.__aenter__())
            for expected in "ab":
                connection = await server.accept()
                assert connection.offers == ["signald.v1", f"bearer.{expected}"]
                await connection.say({"type": "error", "code": "AUTH_FAILED", "message": "it has ended"})
                await connection.socket.close(4401)
            with pytest.raises(TokenRefused, match="it has ended"):
                await entering

    run(story)


def test_a_session_goes_on_in_another_client() -> None:
    """Else a bot that is restarted loses its partner."""

    async def story() -> None:
        async with served() as server:
            async with connected(server) as (client, connection):
                finding = asyncio.create_task(client.match())
                await connection.ok("available", matched())
                await finding
                saved = await client.suspend()
                await connection.socket.wait_closed()
                assert connection.socket.close_code == 4002
                with pytest.raises(Closed):
                    await client.ping()
            second = connect(server.url, session=saved)
            entering = asyncio.create_task(second.__aenter__())
            connection = await server.accept()
            await connection.say(READY)
            await connection.hear("resume")
            resumed = {"type": "resumed", "clientId": "me", "state": "paired", "roomId": "r", "partnerId": "p"}
            grant = {"resume": {"token": "t2", "seconds": 30}}
            await connection.say({**resumed, **grant, "received": 1, "lost": False})
            await entering
            match = await second.match()
            assert (match.partner_id, second.inherited, second.client_id) == ("p", True, "me")
            await second.close()

    run(story)


def test_it_comes_back_when_the_server_wants_it() -> None:
    """Else all clients of a server that restarts are back in one instant, or those that need not wait do."""

    async def story() -> None:
        pauses: list[int] = []

        def backoff(attempt: int, resumable: bool) -> float:
            pauses.append(attempt)
            return 0.0

        async with served() as server:
            client = connect(server.url, backoff=backoff)
            entering = asyncio.create_task(client.__aenter__())
            connection = await server.accept()
            await connection.say(READY)
            await entering
            await connection.say({"type": "goodbye", "action": "resume", "afterMs": 1, "reason": "stopping"})
            await connection.socket.close(1012)
            connection = await server.accept()
            assert pauses == []
            await connection.drop()
            connection = await server.accept()
            assert pauses == [2]
            await client.close()

    run(story)

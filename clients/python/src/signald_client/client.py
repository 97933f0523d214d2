"""A client: one session with the server, kept up over lost connections."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar, cast

from signald_client.backoff import pause_s
from signald_client.errors import Closed, Ended, SessionLost, SignaldError, TooMany, Unreachable
from signald_client.match import Match
from signald_client.matches import Matches
from signald_client.protocol import IceServer, Resumed, ServerMessage, Wishes
from signald_client.requests import Requests
from signald_client.session import Session
from signald_client.tokens import GetToken, Tokens
from signald_client.upkeep import Upkeep
from signald_client.work import solve

ClientState = Literal["idle", "connecting", "connected", "resuming", "ended"]

END: Final = 1000
SUSPEND: Final = 4002
"""Our close codes: the session ends with the connection, or it goes on."""

_log = logging.getLogger("signald_client")

T = TypeVar("T")


class Client:
    """One session with the server, kept up over lost connections. ``async with`` connects it, and closes it.

    Entering raises an `Ended` that says why there is no connection: `Unreachable` if the server does not answer,
    `Full`, `TooMany`, `Banned`, `TokenRefused`, … if it refuses.

    Args:
        url: The server's WebSocket, ``wss://example.org/ws``.
        get_token: Gives a token (JWT) that says who the user is, or something that can be awaited for one. Called again
            before the last one ends.
        session: What `suspend` gave: go on with that session, if the server still has it. ValueError if it is none.
        resume: False to be a new client after each lost connection.
        open_timeout: Seconds for the first connection; it is tried again within them.
        backoff: Seconds until an attempt to connect, by its number, 1 for the first, and by whether the session can be
            resumed.
        on_message: Told of each message of the server, in order, when it was dealt with.
        on_state: Told of each change of `state`.
        websocket: More for `websockets.asyncio.client.connect`, such as ``ssl``, ``origin`` or ``proxy``.

    Attributes:
        state: ``connecting`` for the first time or as a new client; ``connected``; ``resuming`` while the connection is
            lost, and what is asked is done when it is back; ``ended``.
        ice_servers: As the server had them last. Those of a match are newer.
    """

    def __init__(
        self,
        url: str,
        *,
        get_token: GetToken | None = None,
        session: str | None = None,
        resume: bool = True,
        open_timeout: float = 10.0,
        backoff: Callable[[int, bool], float] = pause_s,
        on_message: Callable[[ServerMessage], None] | None = None,
        on_state: Callable[[ClientState], None] | None = None,
        **websocket: Any,
    ) -> None:
        self.state: ClientState = "idle"
        self.ice_servers: list[IceServer] = []
        self._tokens = Tokens(get_token)
        self._resumes = resume
        self._on_message = on_message
        self._on_state = on_state
        self._session = (Session.restore(session, time.time()) if session else None) or Session()
        self._inherited = self._session.resumable
        self._upkeep = Upkeep(
            self, url, tokens=self._tokens, open_within_s=open_timeout, backoff=backoff, options=websocket
        )
        self._ready: Any = None
        self._requests = Requests(max((request.id for request in self._session.kept), default=0))
        self._match: Match | None = None
        self._fresh: Match | None = None
        self._news = asyncio.Event()
        self._opened: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._error: Ended | None = None

    # --- life ---------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._opened = asyncio.get_running_loop().create_future()
        self._become("connecting")
        self._start(self._live())
        try:
            await self._opened
        except BaseException:
            await self.close()
            raise
        if self._error is not None:  # The server has let it in, and thrown it out in the same breath.
            await self.close()
            raise self._error
        if self._tokens.wanted:
            self._start(self._tokens.keep_fresh(self._show))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the session, and the client."""
        await self._close(END)

    async def suspend(self) -> str:
        """End the client but not the session: ``connect(url, session=…)`` goes on with it, also in another process.

        Returns:
            The session. Good once, for as long as the server keeps it: 30 seconds, if it was not told otherwise. Empty
            if there is none to go on with.
        """
        saved = self._session.save(time.time()) if self._session.resumable else ""
        await self._close(SUSPEND if saved else END)
        return saved

    @property
    def client_id(self) -> str:
        """This client's id, empty before it has one; the same for as long as the session can be resumed."""
        return self._session.client_id

    @property
    def inherited(self) -> bool:
        """Whether its session began before this client, which has gone on with it."""
        return self._inherited

    @property
    def current(self) -> Match | None:
        """The match that goes on, if one does."""
        return self._match if self._match is not None and self._match.ended is None else None

    @property
    def error(self) -> Ended | None:
        """Why the client is at its end, if it is."""
        return self._error

    # --- what one does with it ----------------------------------------------------------------------------------------

    def matches(self, wishes: Wishes | None = None) -> Matches:
        """Partners, one after the other, for an ``async for``.

        Each turn leaves the partner of the one before, if it is still there, and waits for the next.

        Args:
            wishes: Whom to meet.
        """
        return Matches(self, wishes)

    async def match(self, wishes: Wishes | None = None) -> Match:
        """Wait for one partner.

        Args:
            wishes: Whom to meet.

        Raises:
            Refused: The server does not let this client wait.
            Ended: The client is at its end.
        """
        try:
            return await anext(Matches(self, wishes))
        except StopAsyncIteration:
            raise Closed("closed") from None

    async def leave(self) -> None:
        """Leave the partner, or the queue, whatever there is."""
        if self._match is not None:
            self._match.end("left")
        await self.request("leave")

    async def ping(self) -> None:
        """Ask for a sign of life; whatever the server has said before it is here when this is done."""
        await self.request("ping")

    async def request(self, type: str, **fields: Any) -> dict[str, Any]:
        """Send any message, and wait for its answer, over as many connections as it takes.

        Args:
            type: Of the message.
            fields: All others but ``id``.

        Returns:
            The `ok`. ``stale`` in it is true if the message named a room that was over.

        Raises:
            Refused: The server has answered with an error.
            SessionLost: The session went, and nobody knows what came of the request.
            Ended: The client is at its end.
            ValueError: The fields cannot be said in JSON.
        """
        if self._error is not None:
            raise self._error
        id, answer = self._requests.new()
        try:
            text = self._session.send(type, fields, id, time.time())
        except BaseException:
            answer.cancel()
            raise
        self._upkeep.send(text)
        return await answer

    # --- for Matches --------------------------------------------------------------------------------------------------

    @property
    def waits(self) -> bool:
        """Whether it surely stands in the queue, or is on its way there."""
        return self._session.state == "waiting" and self._session.asked

    def take(self) -> Match | None:
        """The match that goes on, once."""
        match, self._fresh = self._fresh, None
        return match if match is self.current else None

    async def news(self) -> None:
        """Wait for a match, another session, a word against waiting, or the end."""
        self._news.clear()
        await self._news.wait()

    # --- for Upkeep ---------------------------------------------------------------------------------------------------

    @property
    def resumable(self) -> bool:
        """Whether there is a session to go on with."""
        return self._session.resumable

    def greeting(self) -> str | None:
        """What to say first on a new connection."""
        self._ready = None
        return self._session.resume(secrets.token_urlsafe(8), time.time()) if self.resumable else None

    def away(self) -> None:
        """The connection is lost, and will be opened again."""
        if not self.resumable:
            self._lose("the connection is lost")
        self._become("resuming" if self.resumable else "connecting")

    def hear(self, message: Any) -> None:
        """A message came."""
        kind = message["type"]
        if kind == "ready":
            self._ready = message
            if not self.resumable:
                self._begin(Session())
        elif kind == "resumed":
            self._resume(message)
        elif self._upkeep.admitted:
            self._session.receive(message, time.time())
            self._take(kind, message)
        elif kind == "error" and message["code"] == "RESUME_FAILED" and self._ready is not None:
            begun = Session()
            begun.receive(message, time.time())
            self._begin(begun)
        _tell(self._on_message, message)

    # --- what comes ---------------------------------------------------------------------------------------------------

    def _take(self, kind: str, message: Any) -> None:
        current = self.current
        if kind in ("ok", "error"):
            if not self._requests.answer(message) and kind == "error":
                _log.warning("%s: %s", message["code"], message["message"])
                self._news.set()
                if message["code"] == "TOO_MANY_OF_USER":  # The server closes soon, and answers nothing till then.
                    self._end(TooMany(message["message"]))
        elif kind == "challenge":
            self._start(self._work(message, self._session))
        elif kind == "matched":
            if current is not None and current.room_id == message["roomId"]:
                current.initiator = message["initiator"]  # It was met by a client before this one.
                return
            if current is not None:
                current.end("gone")
            self._match = self._fresh = Match(self, message)
            self._news.set()
        elif current is None:
            return
        elif kind == "partner-left":
            current.end(message.get("reason", "gone"))
            self._news.set()
        elif kind in ("partner-away", "partner-back") or message.get("from") == current.partner_id:
            current.hear(message)

    def _begin(self, session: Session) -> None:
        """This is a new client. One that had waited waits again."""
        before, self._session = self._session, session
        self._inherited = False
        session.begin(self._ready, resumes=self._resumes)
        self._upkeep.admit()
        self._lose("the session could not be resumed")
        if before.state == "waiting":
            self._start(self._wait_again(before.wishes))
        self._arrive(self._ready)

    async def _wait_again(self, wishes: Wishes) -> None:
        try:
            await self.request("available", **wishes)
        except SignaldError as refusal:
            _log.warning("does not wait any more: %s", refusal)

    async def _work(self, challenge: Any, session: Session) -> None:
        """Prove it to the server, which lets this client wait then, now or the next time."""
        proof = await asyncio.to_thread(solve, challenge)
        if proof is not None and session is self._session:
            with suppress(SignaldError):  # there is a later challenge, or the session has another home by now
                await self.request("proof", **proof)

    def _resume(self, message: Any) -> None:
        again, lost, forsaken = self._session.resumed(message, time.time())
        self._requests.forsake(SessionLost("the server has lost what it had"), forsaken)
        room = message.get("roomId")
        if self._match is None and self._inherited and room is not None:
            self._match = self._fresh = Match.of_resumed(self, message)
        # The match goes on, or what follows tells of its end, unless that was lost.
        if (match := self.current) is not None and match.room_id == room:
            match.hear(cast(Resumed, {**message, "lost": lost}))
        elif match is not None and lost:
            match.end("gone")
        self._upkeep.admit(again)
        self._arrive(message)

    def _arrive(self, message: Any) -> None:
        self.ice_servers = message.get("iceServers", self.ice_servers)
        self._become("connected")
        self._news.set()
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _start(self, body: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(body)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self) -> None:
        try:
            lost = await self._upkeep.run()
        except Exception as bug:
            _log.exception("a bug in signald_client")
            self._end(bug)
        else:
            self._end(lost.error)

    async def _show(self, token: str) -> None:
        await self.request("auth", token=token)

    async def _close(self, code: int) -> None:
        self._end(Closed("closed"))
        await self._upkeep.close(code)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, error: BaseException) -> None:
        if self._error is not None:
            return
        self._error = error if isinstance(error, Ended) else Unreachable(str(error))
        self._become("ended")
        if self._match is not None:
            self._match.end("closed")
        self._requests.forsake(self._error)
        self._news.set()
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(error)

    def _lose(self, why: str) -> None:
        """The session is gone."""
        if self._match is not None:
            self._match.end("lost")
        self._requests.forsake(SessionLost(why))

    def _become(self, state: ClientState) -> None:
        if self.state not in (state, "ended"):
            self.state = state
            _log.debug("%s", state)
            _tell(self._on_state, state)


def _tell(whom: Callable[[T], None] | None, what: T) -> None:
    if whom is None:
        return
    try:
        whom(what)
    except Exception:
        _log.exception("%r failed", whom)


connect: Final = Client
"""So that it reads as what it does: ``async with connect(url) as client``."""

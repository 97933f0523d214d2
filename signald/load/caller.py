"""One side of a call: says what a browser says, times each step, and names what went wrong."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from picows import WSError, WSHandshakeError, WSTransport, ws_connect

from signald.core.toll import solve
from signald.load import payloads
from signald.load.tally import Tally
from signald.load.target import Target
from signald.load.wire import Wire

CANDIDATES: Final = 10
"""Of each side; browsers send 4 to 20."""

_SDP_BYTES: Final = 3000
_CANDIDATE_BYTES: Final = 250
_READ_BUFFER_BYTES: Final = 4096

_DESCRIPTIONS: Final = {kind: payloads.description(kind, _SDP_BYTES) for kind in ("offer", "answer")}
_CANDIDATES: Final = [payloads.candidate(_CANDIDATE_BYTES, number) for number in range(CANDIDATES)]
_EXPECTED: Final = {kind: msgspec.json.decode(text)["sdp"] for kind, text in _DESCRIPTIONS.items()}
_EXPECTED_CANDIDATES: Final = [msgspec.json.decode(text)["candidate"] for text in _CANDIDATES]
_LEAVE: Final = b'{"type":"leave","id":1}'

_STATUS: Final = {
    400: "HTTP 400: no signald there, or a proxy that changes handshakes",
    403: "HTTP 403: this origin is not allowed (--origin), or the address is banned",
    404: "HTTP 404: no signald at this path",
    426: "HTTP 426: a proxy that takes the Upgrade out of handshakes",
    429: "HTTP 429: too many connections of this address",
    503: "HTTP 503: the server is full, or about to stop",
}


class Fault(Exception):
    """A call is over for a reason that is counted by its words."""


class Caller(Wire):
    """One client of a service.

    Args:
        target: The service.
        number: Of the client.
        tally: Takes what it sees.
        patience_s: How long each step may take; seconds.
    """

    def __init__(self, target: Target, number: int, tally: Tally, patience_s: float) -> None:
        super().__init__()
        self._target = target
        self._number = number
        self._tally = tally
        self._patience_s = patience_s
        self._step = "connect"
        self._reached: set[str] = set()
        self._awaited: asyncio.Future[None] | None = None
        self._fault: Fault | None = None
        self._partner = ""
        self._told = 0.0
        self._described = False
        self._candidates = 0
        self._work: asyncio.Task[None] | None = None
        self.initiator = False

    # --- what it does -------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, and wait for `ready`.

        Raises:
            Fault: It is not let in.
        """
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience_s):
                await ws_connect(
                    lambda: self,
                    self._target.url,
                    ssl_context=self._target.trust,
                    extra_headers=self._target.headers(self._number),
                    websocket_handshake_timeout=None,
                    max_redirects=0,
                    enable_auto_pong=False,  # it hides the last frame of a read, if that is a ping, from its listener
                    read_buffer_init_size=_READ_BUFFER_BYTES,
                )
        except (OSError, WSError, EOFError) as error:
            raise Fault(_why(error)) from error
        upgraded = time.perf_counter()
        self._tally.took("connect", upgraded - began)
        await self._wait_for("ready")
        self._tally.took("ready", time.perf_counter() - upgraded)

    async def have_call(self, pool: str) -> None:
        """Wait for the partner, and exchange with it what browsers do.

        Raises:
            Fault: That did not work.
        """
        asked = time.perf_counter()
        self.send(msgspec.json.encode({"type": "available", "pool": pool}))
        await self._wait_for("matched")
        self._tally.took("matched", self._told - asked)
        await self._wait_for("candidates")

    async def stay(self, seconds: float) -> None:
        """Be in the call for so long.

        Raises:
            Fault: It ended before.
        """
        self._step = "leave"
        await self._wait(seconds, self._wait_no_more)

    async def leave(self) -> None:
        """Leave the partner, and wait until the service has heard it.

        Raises:
            Fault: It has not.
        """
        began = time.perf_counter()
        self.send(_LEAVE)
        await self._wait_for("leave")
        self._tally.took("leave", time.perf_counter() - began)

    async def be_left(self) -> None:
        """Wait until the partner has left.

        Raises:
            Fault: The service has not told of it.
        """
        await self._wait_for("partner-left")

    async def go(self) -> None:
        """Close the connection as browsers do.

        Raises:
            Fault: It does not close.
        """
        began = time.perf_counter()
        self.close()
        await self._wait_for("close")
        self._tally.took("close", time.perf_counter() - began)

    def send(self, message: bytes) -> None:
        """Send one JSON text."""
        self._tally.sent += 1
        super().send(message)

    def cut(self) -> None:
        """Be gone, wherever it stands."""
        self.closing = True
        if hasattr(self, "_transport"):
            self.abandon()

    async def _wait_for(self, step: str) -> None:
        self._step = step
        if self._fault is not None or step not in self._reached:
            await self._wait(self._patience_s, self._fail, f"{step}: nothing within {self._patience_s:g} s")

    async def _wait(self, seconds: float, then: Callable[..., None], *words: str) -> None:
        """Wait for the step, or until the time is over and `then` was called; raises `Fault`."""
        if self._fault is not None:
            raise self._fault
        loop = asyncio.get_running_loop()
        self._awaited = loop.create_future()
        late = loop.call_later(seconds, then, *words)
        try:
            await self._awaited
        finally:
            late.cancel()
            self._awaited = None

    def _wait_no_more(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    # --- what it hears ------------------------------------------------------------------------------------------------

    def _reach(self, step: str) -> None:
        self._reached.add(step)
        if step == self._step:
            self._wait_no_more()

    def _fail(self, why: str) -> None:
        if self._fault is None:
            self._fault = Fault(why)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(self._fault)

    def hear(self, message: dict[str, Any]) -> None:
        """Take one message of the service."""
        self._tally.received += 1
        heard = _HEARD.get(message["type"])
        if heard is not None:
            heard(self, message)

    def closed(self, code: int) -> None:
        """The service closes the connection."""
        self._fail(f"closed with {code} before {self._step}")

    def confused(self, error: Exception) -> None:
        """What the service said is not in the protocol."""
        self._fail(f"not understood: {type(error).__name__} before {self._step}")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Note the end; one that nobody asked for is a fault."""
        if self.closing:
            self._reach("close")
        else:
            self._fail(f"connection lost before {self._step}")

    def _ready(self, message: dict[str, Any]) -> None:
        self._reach("ready")

    def _challenge(self, message: dict[str, Any]) -> None:
        # The one after it would be for another call.
        if self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._prove(message))

    async def _prove(self, asked: dict[str, Any]) -> None:
        began = time.perf_counter()
        number = await asyncio.to_thread(solve, asked["challenge"], asked["salt"], asked["maxnumber"])
        self._tally.took("work", time.perf_counter() - began)
        if not self.closing:
            copied = {name: asked[name] for name in ("algorithm", "challenge", "salt", "signature")}
            self.send(msgspec.json.encode({"type": "proof", **copied, "number": number}))

    def _matched(self, message: dict[str, Any]) -> None:
        self._told = time.perf_counter()
        self._partner = message["partnerId"]
        self.initiator = message["initiator"]
        self._reach("matched")
        if self.initiator:
            self._describe("offer")

    def _describe(self, kind: str) -> None:
        self.send(_DESCRIPTIONS[kind])
        for candidate in _CANDIDATES:
            self.send(candidate)

    def _description(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if (kind == "offer") is self.initiator or message["from"] != self._partner or message["sdp"] != _EXPECTED[kind]:
            self._fail(f"a wrong {kind}")
            return
        self._described = True
        if self.initiator:
            self._tally.took("answer", time.perf_counter() - self._told)
        else:
            self._describe("answer")

    def _candidate(self, message: dict[str, Any]) -> None:
        if (
            not self._described
            or message["from"] != self._partner
            or message["candidate"] != _EXPECTED_CANDIDATES[self._candidates]
        ):
            self._fail("a wrong candidate, or in a wrong place")
            return
        self._candidates += 1
        if self._candidates == CANDIDATES:
            self._tally.took("candidates", time.perf_counter() - self._told)
            self._reach("candidates")

    def _partner_left(self, message: dict[str, Any]) -> None:
        if self._candidates < CANDIDATES:
            self._fail("partner-left in the middle of the call")
        self._reach("partner-left")

    def _ok(self, message: dict[str, Any]) -> None:
        self._reach("leave")

    def _error(self, message: dict[str, Any]) -> None:
        self._fail(f"{message['code']}: {message['message']}")


_HEARD: Final[dict[str, Callable[[Caller, dict[str, Any]], None]]] = {
    "ready": Caller._ready,
    "challenge": Caller._challenge,
    "matched": Caller._matched,
    "offer": Caller._description,
    "answer": Caller._description,
    "ice": Caller._candidate,
    "partner-left": Caller._partner_left,
    "ok": Caller._ok,
    "error": Caller._error,
}
"""What matters; whatever else the service says is for clients that know it."""


def _why(error: Exception) -> str:
    """Why there is no connection, in words that are the same for all that have it."""
    match error:
        case TimeoutError():
            return "connect: nothing within the time for a step"
        case socket.gaierror():
            return "the name of the host is not known"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not good: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS there: {error.reason}"
        case ConnectionRefusedError():
            return "connection refused: nobody listens there"
        case ConnectionError() | EOFError():
            return "the connection was cut during the handshake"
        case OSError():
            return f"cannot connect: {error.strerror or error}"
        case WSHandshakeError() if error.response is not None and error.response.status != 101:
            status = int(error.response.status)
            return _STATUS.get(status, f"HTTP {status}: no signald there")
        case WSHandshakeError():
            return "no WebSocket there"
        case _:
            return f"cannot connect: {error}"

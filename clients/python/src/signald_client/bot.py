"""A bot that answers calls with picture and sound, by aiortc. Needs the extra ``bot``.

async with connect("wss://signald.example.org/ws") as client:
    await Bot(client).run()
"""

import asyncio
import logging
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

from signald_client.client import Client
from signald_client.errors import SignaldError
from signald_client.film import Film, Tone
from signald_client.match import Match
from signald_client.protocol import Wishes

_ICE_USER: Final = re.compile(r"^a=ice-ufrag:(.+?)\s*$", re.MULTILINE)

TEXTS_AT_MOST: Final = 100
"""That are kept of one partner, who may write without end."""

FAILED_AFTER_S: Final = 15.0
"""Who leaves a call that has not come about by then leaves one that failed, as in browsers."""

TELL_WITHIN_S: Final = 2.0
"""For the server to take what became of a call; a bot that ends, or has the next partner, does not wait for long."""

_log = logging.getLogger("signald_client.bot")


class Call:
    """One call, with one partner.

    Attributes:
        match: The partner.
        frames: Pictures and pieces of sound that came, by ``video`` and ``audio``.
        texts: What the partner has written, oldest first: the last hundred.
        connected: Set once the two are.
    """

    def __init__(self, match: Match, tracks: Callable[[], Iterable[MediaStreamTrack]] | None) -> None:
        self.match = match
        self.frames: Counter[str] = Counter()
        self.texts: deque[str] = deque(maxlen=TEXTS_AT_MOST)
        self.connected = asyncio.Event()
        self._began = time.monotonic()
        self._connected_at = 0.0
        self._tracks = tracks
        self._text_came: Callable[[Call, str], object] | None = None
        self._channels: list[RTCDataChannel] = []
        self._readers: set[asyncio.Task[None]] = set()
        self._partner = ""
        self._pc = self._connect()

    def on_text(self, came: Callable[["Call", str], object]) -> None:
        """Have each text of the partner told to a function."""
        self._text_came = came

    def send_text(self, text: str) -> bool:
        """Write to the partner; gives whether there is a way."""
        for channel in reversed(self._channels):
            if channel.readyState == "open":
                channel.send(text)
                return True
        return False

    async def run(self) -> None:
        """Have the call, until one of the two leaves."""
        try:
            if self.match.initiator:
                await self._offer()
            async for message in self.match:
                try:
                    await self._hear(message)
                except Exception as failure:  # whatever aiortc makes of a stranger's signal: it must not end the bot
                    _log.warning("signal not used: %r", failure)
        finally:
            late = time.monotonic() - self._began >= FAILED_AFTER_S
            failed = late or self._pc.connectionState == "failed"
            await self._disconnect()
            with suppress(SignaldError, TimeoutError):
                async with asyncio.timeout(TELL_WITHIN_S):
                    await self._tell(failed=failed)

    async def _tell(self, *, failed: bool) -> None:
        """Tell the server what became of it."""
        if not self.connected.is_set():
            await self.match.outcome("failed" if failed else "untried")
            return
        took_s, lasted_s = self._connected_at - self._began, time.monotonic() - self._connected_at
        await self.match.outcome("connected", setupMs=round(1000 * took_s), durationMs=round(1000 * lasted_s))

    async def _hear(self, message: Any) -> None:
        kind = message["type"]
        if kind == "offer":
            await self._answer(_sdp(message["sdp"]))
        elif kind == "answer" and self._pc.signalingState == "have-local-offer":
            await self._take("answer", _sdp(message["sdp"]))
        elif kind == "ice" and message["candidate"] and message["candidate"].get("candidate"):
            said = message["candidate"]
            candidate = candidate_from_sdp(said["candidate"].removeprefix("candidate:"))
            candidate.sdpMid, candidate.sdpMLineIndex = said.get("sdpMid"), said.get("sdpMLineIndex")
            await self._pc.addIceCandidate(candidate)
        elif kind in ("resumed", "partner-back") and message["lost"] and self.match.initiator:
            await self._begin_anew()
            await self._offer()

    async def _offer(self) -> None:
        await self._pc.setLocalDescription(await self._pc.createOffer())
        await self.match.offer(self._pc.localDescription.sdp)

    async def _answer(self, sdp: str) -> None:
        user = _ice_user(sdp)
        if self._partner and user != self._partner:
            # aiortc restarts no ICE: the partner sees by the certificate that this is another peer connection.
            await self._begin_anew()
        elif self._pc.signalingState == "have-local-offer":
            if self.match.initiator:
                return  # Both have offered, and the partner takes this side's.
            await self._begin_anew()
        await self._take("offer", sdp)
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        await self.match.answer(self._pc.localDescription.sdp)

    async def _take(self, kind: str, sdp: str) -> None:
        self._partner = _ice_user(sdp)
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, kind))

    async def _begin_anew(self) -> None:
        await self._disconnect()
        self._pc = self._connect()

    def _connect(self) -> RTCPeerConnection:
        """A peer connection with all that this side sends."""
        servers = [RTCIceServer(**server) for server in self.match.ice_servers]
        pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._channels = []
        self._partner = ""
        relay = MediaRelay()
        for track in () if self._tracks is None else self._tracks():
            pc.addTrack(track)
        echoes = (
            {}
            if self._tracks is not None
            else {kind: pc.addTransceiver(kind, direction="sendrecv").sender for kind in ("audio", "video")}
        )

        def came(track: MediaStreamTrack) -> None:
            if track.kind in echoes:
                echoes[track.kind].replaceTrack(relay.subscribe(track))
            self._read(relay.subscribe(track))

        def changed() -> None:
            if pc.connectionState == "connected" and not self.connected.is_set():
                self._connected_at = time.monotonic()
                self.connected.set()

        pc.on("track", came)
        pc.on("connectionstatechange", changed)
        pc.on("datachannel", self._add)
        self._add(pc.createDataChannel("chat"))
        return pc

    def _add(self, channel: RTCDataChannel) -> None:
        self._channels.append(channel)

        def came(text: object) -> None:
            if isinstance(text, str):
                self.texts.append(text)
                if self._text_came is not None:
                    self._text_came(self, text)

        channel.on("message", came)

    def _read(self, track: MediaStreamTrack) -> None:
        """Take what comes: what nobody takes is kept."""

        async def read() -> None:
            with suppress(MediaStreamError):
                while True:
                    await track.recv()
                    self.frames[track.kind] += 1

        task = asyncio.create_task(read())
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _disconnect(self) -> None:
        await self._pc.close()
        for task in self._readers:
            task.cancel()


def film() -> list[MediaStreamTrack]:
    """Picture and sound that nobody has filmed."""
    return [Tone(), Film()]


class Bot:
    """Has one call after the other.

    Args:
        client: Connected.
        tracks: What each partner sees and hears, made anew for each call; None to send back what comes from it.
        on_call: Told of each call when it begins, and awaited while it goes on; at its end the call ends too. Without
            it a call goes on until the partner leaves.
    """

    def __init__(
        self,
        client: Client,
        tracks: Callable[[], Iterable[MediaStreamTrack]] | None = film,
        on_call: Callable[[Call], Awaitable[None]] | None = None,
    ) -> None:
        self._client = client
        self._tracks = tracks
        self._on_call = on_call

    async def run(self, wishes: Wishes | None = None) -> None:
        """Call until the client is closed, or this is cancelled.

        Args:
            wishes: Whom to meet.
        """
        async for match in self._client.matches(wishes):
            _log.info("%r", match)
            await self._have(Call(match, self._tracks))

    async def _have(self, call: Call) -> None:
        running = asyncio.create_task(call.run())
        attending = None if self._on_call is None else asyncio.ensure_future(self._on_call(call))
        both = {running} if attending is None else {running, attending}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        for each in both:
            if not each.cancelled() and (failure := each.exception()) is not None:
                raise failure


def _sdp(said: Any) -> str:
    """SDP, which some clients send with its type."""
    sdp = said["sdp"] if isinstance(said, dict) else said
    if not isinstance(sdp, str):
        raise TypeError("sdp is no text")
    return sdp


def _ice_user(sdp: str) -> str:
    found = _ICE_USER.search(sdp)
    return found[1] if found else ""

"""One partner: what comes from it, and what can be said to it."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final, Literal, Protocol, Self, cast

from signald_client.errors import NotPaired, SessionLost
from signald_client.protocol import (
    Common,
    IceServer,
    Matched,
    PartnerAway,
    PartnerBack,
    RelayedAnswer,
    RelayedData,
    RelayedIce,
    RelayedOffer,
    Resumed,
    Wishes,
)

MatchMessage = RelayedOffer | RelayedAnswer | RelayedIce | RelayedData | PartnerAway | PartnerBack | Resumed
"""What is said within a match."""

UNREAD_AT_MOST: Final = 1000
"""Messages of a match that nobody reads. A call has 15 to 30."""

_log = logging.getLogger("signald_client")


class Asks(Protocol):
    """Who can ask the server, and gives its answer."""

    async def request(self, type: str, **fields: Any) -> dict[str, Any]:
        """Send a message, and wait for its answer."""


class Match:
    """One partner, until one of the two goes.

    Iterate over it for what comes: messages as `protocol` types them, of the types offer, answer, ice, data,
    partner-away, partner-back and resumed. The iteration ends with the match.

    Attributes:
        room_id: The room; never used again.
        partner_id: The partner's id.
        initiator: Whether this side should offer.
        ice_servers: For the RTCPeerConnection.
        common: What the wishes of both had in common, if this side had any.
        takes_data: Whether the partner's client knows `data`.
        ended: Why it is over: the server's reason (``next``, ``leave``, ``gone``, ``removed``, ``stopping``, and
            ``silent`` if this side has said nothing in time), ``left`` if this side went, ``lost`` if the session could
            not be resumed, ``closed`` with the client. None while it goes on.
    """

    def __init__(self, asks: Asks, matched: Matched) -> None:
        self._asks = asks
        self._unread: deque[MatchMessage] = deque()
        self._news = asyncio.Event()
        self.room_id: str = matched["roomId"]
        self.partner_id: str = matched["partnerId"]
        self.initiator: bool = matched["initiator"]
        self.ice_servers: list[IceServer] = matched.get("iceServers", [])
        self.common: Common | None = matched.get("common")
        self.takes_data: bool = matched.get("data", False)
        self.ended: str | None = None

    @classmethod
    def of_resumed(cls, asks: Asks, resumed: Resumed) -> Self:
        """The match of a session that began before this client, who has not heard which side should offer."""
        return cls(asks, cast(Matched, {**resumed, "type": "matched", "initiator": False}))

    def __repr__(self) -> str:
        return f"<Match {self.room_id} with {self.partner_id}{f', {self.ended}' if self.ended else ''}>"

    # Each of these gives whether the server has taken it for the partner. It has not if the match was over, here or on
    # its way, and if it was lost with a connection: then `resumed` with ``lost`` comes, and both negotiate anew.

    async def offer(self, sdp: str) -> bool:
        """Say an SDP offer."""
        return await self._say("offer", sdp=sdp)

    async def answer(self, sdp: str) -> bool:
        """Say an SDP answer."""
        return await self._say("answer", sdp=sdp)

    async def ice(self, candidate: dict[str, Any] | None) -> bool:
        """Say an ICE candidate, an RTCIceCandidateInit; None ends them."""
        return await self._say("ice", candidate=candidate)

    async def data(self, data: Any) -> bool:
        """Say anything that JSON has words for, 16 KiB at most.

        Raises:
            PartnerCannot: The partner's client does not know of this: see `takes_data`.
            InvalidFormat: It is too large.
        """
        return await self._say("data", data=data)

    async def next(self, wishes: Wishes | None = None) -> bool:
        """Leave this partner, and wait for another; gives False if it went first."""
        return await self._go("next", **(wishes or {}))

    async def leave(self) -> bool:
        """Leave this partner, and wait for nobody; gives False if it went first, and then you may wait already."""
        return await self._go("leave")

    async def report(self, reason: str, text: str | None = None) -> None:
        """Tell whoever runs the server of this partner, also when it has gone.

        Args:
            reason: A word of your choice, 100 characters at most.
            text: What happened, 500 characters at most.

        Raises:
            NotPaired: It is too long ago: two matches lie between.
            RateLimited: It was reported already, or there are too many reports.
        """
        said = {} if text is None else {"text": text}
        await self._asks.request("report", reason=reason, partnerId=self.partner_id, **said)

    async def block(self) -> None:
        """Never meet this partner again. Does not leave it.

        Raises:
            NotPaired: It is too long ago: two matches lie between.
        """
        await self._asks.request("block", partnerId=self.partner_id)

    async def outcome(self, result: Literal["connected", "failed", "untried"], **facts: Any) -> None:
        """Tell whoever runs the server what became of the call, once, also when it is over.

        Args:
            result: Whether media or data ever came through; ``untried`` if somebody left before that could be known.
            facts: Any other fields of `protocol.Outcome`.

        Raises:
            NotPaired: It is too long ago: eight matches lie between.
        """
        await self._asks.request("outcome", roomId=self.room_id, result=result, **facts)

    def __aiter__(self) -> AsyncIterator[MatchMessage]:
        return self

    async def __anext__(self) -> MatchMessage:
        while not self._unread:
            if self.ended is not None:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._unread.popleft()

    # --- what the client tells it -------------------------------------------------------------------------------------

    def hear(self, message: MatchMessage) -> None:
        """Something came."""
        if len(self._unread) >= UNREAD_AT_MOST:
            _log.warning("nobody reads the messages of %r: the oldest is dropped", self)
            self._unread.popleft()
        self._unread.append(message)
        self._news.set()

    def end(self, why: str) -> None:
        """It is over, for the first reason that is given."""
        if self.ended is None:
            self.ended = why
            self._news.set()

    # --- inside -------------------------------------------------------------------------------------------------------

    async def _say(self, type: str, **fields: Any) -> bool:
        if self.ended is not None:
            return False
        try:
            answer = await self._asks.request(type, roomId=self.room_id, **fields)
        except (NotPaired, SessionLost):
            return False
        return not answer.get("stale", False)

    async def _go(self, type: str, **fields: Any) -> bool:
        if self.ended is not None:
            return False
        self.end("left")
        try:
            answer = await self._asks.request(type, roomId=self.room_id, **fields)
        except (NotPaired, SessionLost):
            return False
        return not answer.get("stale", False)

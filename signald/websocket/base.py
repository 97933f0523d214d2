"""Holds what every connection has, whoever reads its frames: its client, bounds on output, its end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from zope.interface import implementer

from signald.clients.client import Client
from signald.clients.clients import Clients
from signald.clients.heartbeat import Heartbeat
from signald.core.messages import SUBPROTOCOL
from signald.core.refusals import Refused
from signald.limits.admission import Admission
from signald.limits.deadlines import Deadlines
from signald.limits.throttle import Throttle
from signald.limits.turns import Turns
from signald.network.upgrade import Upgrade
from signald.telemetry.counts import Counts, Drop
from signald.websocket.entrance import Entrance
from signald.websocket.frames import Frames
from signald.websocket.refusing import Refusing

MAX_OUTPUT_BYTES: Final = 256 * 1024
"""Bytes that may wait for one client beyond the transport's own buffer: about 60 SDPs. With more it does not read."""

WRITE_BYTES: Final = 64
"""Bytes that one write costs in the buffer beyond its payload, so that many small ones count too."""

NO_STATUS: Final = 1005
"""Stands for a close frame without a code (RFC 6455 7.1.5)."""

INTERNAL_ERROR: Final = 1011
TRY_AGAIN_LATER: Final = 1013


@dataclass(frozen=True, slots=True)
class WebSockets:
    """Holds what all connections share.

    Attributes:
        clients: Of this instance.
        entrance: Decides about handshakes.
        refusing: Tells pages why they are not let in.
        admission: Counts connections until they are gone.
        handshakes: Ends those that take too long.
        closings: Ends those that take too long.
        heartbeat: Ends clients that are gone without a word.
        throttle: Slows down whoever sends too much.
        turns: Share the loop between addresses, while it is late.
        read_upgrade: Reads handshakes; see `signald.network.upgrade.reader`.
        frames: Reads and makes frames.
        counts: Where to count what happens.
    """

    clients: Clients
    entrance: Entrance
    refusing: Refusing
    admission: Admission
    handshakes: Deadlines
    closings: Deadlines
    heartbeat: Heartbeat
    throttle: Throttle
    turns: Turns
    read_upgrade: Callable[[bytes], Upgrade | None]
    frames: Frames
    counts: Counts


@implementer(IPushProducer)
class ClientConnection:
    """One client's connection; its children add to it what makes it a `signald.clients.client.Connection`.

    The transport takes it for a push producer, and so tells it when its buffer is full and when it is empty.

    Args:
        shared: What all connections share.
        address: Of the client itself; see `signald.core.addresses`.
    """

    __slots__ = ("_backlog", "_client", "_deadline", "_held", "_paused", "_waits", "address", "shared", "transport")

    _log = Logger()

    def __init__(self, shared: WebSockets, address: str) -> None:
        self.shared = shared
        self.address = address
        self._deadline: Deadlines | None = None
        self._held = False
        self._waits = False
        self.transport: Any = None
        self._client: Client | None = None
        self._paused = False
        self._backlog = 0

    if TYPE_CHECKING:

        def makeConnection(self, transport: Any) -> None:
            """See `IProtocol.makeConnection`; a base class of the subclasses may have these two."""

        def dataReceived(self, data: bytes) -> None:
            """See `Reader.dataReceived`."""

    def enter(self, transport: Any, data: bytes, upgrade: Upgrade | None) -> None:
        """See `Entering.enter`."""
        self.makeConnection(transport)
        self.dataReceived(data)

    def send(self, text: bytes) -> None:
        """See `Connection.send`."""
        raise NotImplementedError

    def close(self, code: int, reason: str) -> None:
        """See `Connection.close`; a client that does not answer in time is dropped."""
        raise NotImplementedError

    def drop(self) -> None:
        """See `Connection.drop`."""
        self.transport.abortConnection()

    def hurry(self, deadline: Deadlines | None) -> None:
        """Be dropped when this time is over, and at no other; None: at none."""
        before, self._deadline = self._deadline, deadline
        if before is not None:
            before.done(self)
        if deadline is not None:
            deadline.begin(self)

    def useless(self) -> None:
        """See `Connection.useless`."""
        self.shared.throttle.useless(self)

    def hold(self) -> None:
        """See `Flooder.hold`; what was read already waits too."""
        self._held = True
        self.transport.pauseProducing()

    def go_on(self) -> None:
        """See `Flooder.go_on`."""
        self._held = False
        self.transport.resumeProducing()

    def wait_for_turn(self) -> None:
        """See `Reader.wait_for_turn`."""
        self._waits = True
        self.transport.pauseProducing()

    def has_turn(self) -> None:
        """See `Reader.has_turn`."""
        self._waits = False
        if not self._held:
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        """Count what is sent from now on: the transport's buffer is full. The transport says so again at each write."""
        if not self._paused:
            self._paused = True
            self._backlog = 0

    def resumeProducing(self) -> None:
        """The transport's buffer is empty."""
        self._paused = False

    def stopProducing(self) -> None:
        """The transport is gone."""

    def serve(self, client: Client | None) -> None:
        """See `Connection.serve`."""
        if self._client is not None:
            self.shared.heartbeat.forget(self._client)
        self._client = client
        if client is not None:
            client.connection = self  # type: ignore[assignment]
            client.answered = True
            self.shared.heartbeat.watch(client)

    def _opened(self, protocol: str | None, token: str | None = None) -> None:
        """The handshake is done, with this subprotocol; maybe it brought a token."""
        try:
            self.transport.registerProducer(self, True)
            v1 = protocol == SUBPROTOCOL
            clients = self.shared.clients
            self._client = clients.open(self, self.address, v1=v1, token=token)  # type: ignore[arg-type]
            self.shared.heartbeat.watch(self._client)
        except Refused as refused:
            self._turn_away(refused)
        except Exception:
            self._failed()

    def _turn_away(self, refused: Refused) -> None:
        """The handshake is done, but only to say why this client is not let in."""
        self.shared.counts.turn_away(refused.refusal)
        for text in self.shared.refusing.words(refused):
            self.send(text)
        self.close(refused.refusal.close, refused.refusal.message)

    def _received(self, payload: bytes, *, binary: bool = False) -> None:
        """A whole message: unmasked, within the limit, and valid UTF-8 if it is text."""
        client = self._client
        if client is None:
            return
        try:
            if binary:
                self.shared.clients.refuse(client, "binary messages are not understood: send JSON as text")
            else:
                self.shared.clients.receive(client, payload)
        except Exception:
            self._failed()

    def _ponged(self) -> None:
        """The sign of life that a ping asks for."""
        client = self._client
        if client is not None:
            client.answered = True
            client.pongs += 1
            if client.outbox is not None:
                client.outbox.acknowledge()

    def _has_room(self, size: int) -> bool:
        """Whether `size` more bytes may be sent; else the client does not read, and is closed."""
        if self._paused:
            self._backlog += size + WRITE_BYTES
            if self._backlog > MAX_OUTPUT_BYTES:
                self.shared.counts.drops[Drop.SLOW_READER] += 1
                self.close(TRY_AGAIN_LATER, "the client does not read what it is sent")
                return False
        return True

    def _closing(self, code: int | None) -> None:
        """End the client's connection: a close frame went out, ours or the reply to theirs."""
        self.hurry(self.shared.closings)
        code = NO_STATUS if code is None else code
        self._over(code, f"closed with {code}")

    def _lost(self, why: str) -> None:
        """The transport is gone."""
        self.shared.admission.leave(self.address)
        if self._deadline is not None:
            self.hurry(None)
        if self._held:
            self.shared.throttle.forget(self)
        if self._waits:
            self.shared.turns.forget(self)
        if self._client is not None:
            self._over(None, f"connection lost: {why}")

    def _over(self, code: int | None, why: str) -> None:
        client, self._client = self._client, None
        if client is not None:
            self.shared.counts.closed(code)
            self.shared.heartbeat.forget(client)
            self.shared.clients.closed(client, why, code)

    def _failed(self) -> None:
        self._log.failure("a client's connection failed; it is closed with 1011")
        self.close(INTERNAL_ERROR, "internal error")

"""Reads the first bytes of a connection: a WebSocket handshake goes to the WebSocket side, all else to the web pages.

Both share one port. Looking at the request before twisted.web does saves its Request object for each client, and keeps
the two worlds apart: twisted.web gets one request at a time, and gives the connection back for the next head to be read
here. So all requests meet the same checks, and what stands behind one before it was answered is never read as another.
"""

import re
import typing
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from signald.core.addresses import Network, client_address, forwarded_for, of_peer, trust
from signald.core.refusals import BANNED, FULL, TOO_MANY, Refusal
from signald.limits.admission import Admission
from signald.limits.door import REQUESTS, Door
from signald.network.accepted import Accepted
from signald.network.head import END, MAX_HEAD_BYTES, plain, without_empty_lines
from signald.network.upgrade import Upgrade, read_loosely
from signald.telemetry.counts import Counts

_READS = re.compile(rb"(GET|HEAD) \S+ HTTP/1\.1\r\n")

_KEEP_ALIVE = re.compile(rb"\r\nconnection:[ \t]*keep-alive[ \t]*(?=\r\n|$)")
"""What browsers say, though HTTP/1.1 means it anyway (RFC 9112 9.3)."""

_NOT_KEPT = tuple(
    b"\r\n%b:" % name for name in (b"connection", b"upgrade", b"via", b"forwarded", b"x-forwarded-for", b"x-real-ip")
)
"""What a proxy adds to a request, who wants another protocol, and whatever else is said of the connection."""

_TLS = b"\x16\x03"
"""How a TLS client begins (RFC 8446 5.1): a record of the handshake."""

_TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
"""What ends it: the fatal alert handshake_failure (RFC 8446 6.2)."""


def _answer(status: bytes, text: bytes) -> bytes:
    return (
        b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b\n"
        % (status, len(text) + 1, text)
    )


_TOO_LARGE = _answer(b"431 Request Header Fields Too Large", b"the request's headers are too large")
_STATUS = {
    each.status: _answer(b"%d %b" % (each.status, HTTPStatus(each.status).phrase.encode()), b"try again later")
    for each in (FULL, TOO_MANY, BANNED)
}
_NO_BODY = _answer(b"413 Content Too Large", b"requests with a body are not understood here")


def wants_websocket(head: bytes, lower: bytes) -> bool:
    """Whether a request head asks for a WebSocket at ``/ws`` (RFC 6455 4.1)."""
    return head.startswith((b"GET /ws ", b"GET /ws?", b"GET /ws\r\n")) and b"\r\nupgrade:" in lower


def has_body(lower: bytes) -> bool:
    """Whether a request head, in lower case, announces a body (RFC 9112 6)."""
    if b"transfer-encoding" not in lower and b"content-length" not in lower:
        return False  # as nearly always
    for line in lower.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip() == b"transfer-encoding" or (name.strip() == b"content-length" and value.strip() != b"0"):
            return True
    return False


def may_stay(head: bytes, lower: bytes) -> bool:
    """Whether another request may follow over the connection, if the page has nothing against it.

    For browsers alone: a proxy's connection carries the requests of many, where whoever smuggles one in has a victim.
    """
    if _READS.match(head) is None:
        return False
    more = _KEEP_ALIVE.sub(b"", lower)
    return not any(name in more for name in _NOT_KEPT)


class Entering(typing.Protocol):
    """Comes in through the front: a WebSocket connection."""

    def enter(self, transport: Any, data: bytes, upgrade: Upgrade | None) -> None:
        """Begin with a handshake.

        Args:
            transport: Has this protocol already.
            data: What came so far: a whole head, and what stands behind it.
            upgrade: What is read of it (`signald.network.upgrade`), if that is known.
        """
        ...


def give(transport: Any, protocol: Any) -> None:
    """Let a protocol have a transport from the next byte on, which it may know already."""
    if isinstance(transport, ProtocolWrapper):  # TLS, PROXY protocol
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol


class Front(Protocol):
    """Reads the head of a request, then hands the transport over; of a page's, it may get it back."""

    factory: "FrontFactory"
    transport: Any
    _log = Logger()
    _head = b""
    _idle = False
    _asked = 0

    def makeConnection(self, transport: Any) -> None:
        """See `IProtocol.makeConnection`: begin to wait for the head."""
        self.transport = transport
        self.factory.door.came(self)

    def dataReceived(self, data: bytes) -> None:
        """Collect the head; decide when it is whole."""
        if self._idle:
            self._idle = False
            self.factory.door.speaks(self)
        data = self._head + data
        upgrade = self.factory.read_upgrade(data)
        if upgrade is not None:
            self._enter(data, upgrade)
        else:
            self._look(data)

    def _look(self, data: bytes) -> None:
        """Decide about all that is no usual handshake."""
        head = without_empty_lines(data)
        if head.startswith(_TLS):
            self._refuse_tls()
            return
        end = head.find(END)
        if end < 0:
            self._head = head
            if len(head) > MAX_HEAD_BYTES:
                self._refuse(_TOO_LARGE)
            return
        self._head = b""
        if end > MAX_HEAD_BYTES:
            self._refuse(_TOO_LARGE)
            return
        said, rest = plain(head[:end]), head[end:]
        lower = said.lower()
        if has_body(lower):
            self._refuse(_NO_BODY)
        elif wants_websocket(said, lower):
            self._enter(said + rest, None)
        else:
            self._ask(said, rest, stays=rest == END and may_stay(said, lower))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget a connection that is gone."""
        self.factory.door.left(self)

    def drop(self) -> None:
        """Abort a connection that took too long (`Deadlines`); close one that only waits for another request."""
        if self._idle:
            self._idle = False
            self.factory.door.ends(self)
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()

    def _enter(self, data: bytes, upgrade: Upgrade | None) -> None:
        factory = self.factory
        transport = self.transport
        host = transport.host if type(transport) is Accepted else getattr(transport.getPeer(), "host", "")
        if host and not factory.has_proxies:
            address = of_peer(host)
        else:
            said = forwarded_for(data.partition(END)[0]) if upgrade is None else upgrade.forwarded.decode().split(",")
            address = client_address(host, said, factory.trusted)
        refusal = factory.admission.enter(address)
        if refusal is not None:
            self._turn_away(refusal, upgrade or read_loosely(data.partition(END)[0]), address)
            return
        websocket = factory.websockets(address)
        factory.door.handshakes.done(self)
        give(transport, websocket)
        websocket.enter(transport, data, upgrade)

    def _turn_away(self, refusal: Refusal, upgrade: Upgrade | None, address: str) -> None:
        self.factory.counts.handshake_refused(refusal.status)
        answer = None if upgrade is None else self.factory.turn_away(upgrade, refusal, address)
        if answer is None:
            self._refuse(_STATUS[refusal.status])
            return
        self.factory.counts.turn_away(refusal)
        self.transport.write(answer)
        parting, kept = self.factory.door.parting, None
        if parting.has_room and isinstance(self.transport, Accepted):
            kept = self.transport.part()
        if kept is None:
            self.transport.loseConnection()
        else:
            parting.keep(kept)

    def _ask(self, head: bytes, rest: bytes, *, stays: bool) -> None:
        self._asked += 1
        page = self.factory.web(self.transport.getPeer())
        page.on_lost = self.connectionLost
        if stays and self._asked < REQUESTS:
            page.on_answered = self._stay
        self.factory.door.asks(self)
        give(self.transport, page)
        page.makeConnection(self.transport)
        page.dataReceived(head + rest)

    def _stay(self) -> None:
        give(self.transport, self)
        self._idle = True
        self.factory.door.stays(self)

    def _refuse_tls(self) -> None:
        if not self.factory.tls_was_said:
            self.factory.tls_was_said = True
            self._log.info(
                "somebody speaks TLS to a port that does not: pages and proxies must use ws:// or http:// with it "
                "(this is said once)"
            )
        self._refuse(_TLS_ALERT)

    def _refuse(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.loseConnection()


@implementer(IProtocolNegotiationFactory)
class FrontFactory(Factory):
    """Makes a `Front` for each accepted connection.

    Args:
        websockets: Makes the WebSocket side for the address of a client; see `signald.core.addresses`.
        web: Makes the HTTP side for a peer address.
        read_upgrade: Reads handshakes; see `signald.network.upgrade.reader`.
        turn_away: Makes the answer to a handshake that is refused for an address; None if the status will do.
        door: Bounds what has not become a WebSocket.
        admission: Says who may connect.
        counts: Where to count who is refused.
        trusted: Networks of proxies whose ``X-Forwarded-For`` is believed.
    """

    noisy = False

    def __init__(
        self,
        *,
        websockets: Callable[[str], Entering],
        web: Callable[[IAddress], Any],
        read_upgrade: Callable[[bytes], Upgrade | None],
        turn_away: Callable[[Upgrade, Refusal, str], bytes | None],
        door: Door,
        admission: Admission,
        counts: Counts,
        trusted: Sequence[Network] = (),
    ) -> None:
        self.tls_was_said = False
        self.has_proxies = bool(trusted)
        self.trusted = trust(trusted)
        self.websockets = websockets
        self.web = web
        self.read_upgrade = read_upgrade
        self.turn_away = turn_away
        self.door = door
        self.admission = admission
        self.counts = counts

    def acceptableProtocols(self) -> list[bytes]:
        """See `IProtocolNegotiationFactory`: over TLS, HTTP/1.1 is what browsers may choose (RFC 7301)."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> Front:  # type: ignore[override]
        """See `Factory.buildProtocol`."""
        front = Front()
        front.factory = self
        return front

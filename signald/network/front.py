"""Reads the first bytes of a connection: a WebSocket handshake goes to the WebSocket side, all else to the web pages.

Both share one port. Looking at the request before twisted.web does saves its Request object for each client, and keeps
the two worlds apart: a WebSocket never sees HTTP keep-alive, and web requests are one for each connection, so that no
proxy can send a handshake down a connection that belongs to twisted.web already.
"""

import typing
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from signald.core.addresses import Network, client_address, forwarded_for
from signald.limits.admission import Admission
from signald.limits.deadlines import Deadlines, Overdue
from signald.network.head import plain, without_empty_lines
from signald.telemetry.counts import Counts

MAX_HEAD_BYTES = 16 * 1024
"""Request line and headers; browsers send 0.5 to 2 KiB, cookies of the same site may add some."""

_END = b"\r\n\r\n"

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


class Addressed(Overdue, typing.Protocol):
    """Is told the address of its client: a connection."""

    address: str


def hand_over(transport: Any, protocol: Any) -> None:
    """Let another protocol have a transport, from the next byte on."""
    if isinstance(transport, ProtocolWrapper):  # TLS, PROXY protocol
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol
    protocol.makeConnection(transport)


class Front(Protocol):
    """Reads the head of the first request, then hands the transport over."""

    factory: "FrontFactory"
    transport: Any
    _log = Logger()
    _head = b""

    def connectionMade(self) -> None:
        """Turn Nagle's algorithm off: with delayed ACKs it would cost 40 ms for each step of a call's set-up."""
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self.factory.handshakes.begin(self)
        if self.factory.admission.is_crowded(len(self.factory.handshakes)):
            self.factory.handshakes.drop_oldest()

    def dataReceived(self, data: bytes) -> None:
        """Collect the head; decide when it is whole."""
        head = without_empty_lines(self._head + data)
        if head.startswith(_TLS):
            self._refuse_tls()
            return
        end = head.find(_END)
        if end < 0:
            self._head = head
            if len(head) > MAX_HEAD_BYTES:
                self._refuse(_TOO_LARGE)
            return
        if end > MAX_HEAD_BYTES:
            self._refuse(_TOO_LARGE)
            return
        said, rest = plain(head[:end]), head[end:]
        lower = said.lower()
        if has_body(lower):
            self._refuse(_NO_BODY)
        elif wants_websocket(said, lower):
            self._enter(said + rest, said + b"\r\n")
        else:
            self._hand_over(self.factory.web(self.transport.getPeer()), said + rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget a connection that is gone before it said what it wanted."""
        self._forget()

    def drop(self) -> None:
        """Abort a connection that took too long (`Deadlines`)."""
        self.transport.abortConnection()

    def _enter(self, data: bytes, head: bytes) -> None:
        peer = self.transport.getPeer()
        # The client's own address, from the connection or from what a trusted proxy says.
        address = client_address(getattr(peer, "host", ""), forwarded_for(head), self.factory.trusted)
        refusal = self.factory.admission.enter(address)
        if refusal is not None:
            self.factory.counts.handshake_refused(refusal)
            self._refuse(_answer(b"%d %b" % (refusal, refusal.phrase.encode()), b"try again later"))
            return
        websocket = self.factory.websockets(peer)
        websocket.address = address
        self.factory.handshakes.begin(websocket)
        self._hand_over(websocket, data)

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

    def _forget(self) -> None:
        self.factory.handshakes.done(self)

    def _hand_over(self, protocol: Any, data: bytes) -> None:
        self._forget()
        hand_over(self.transport, protocol)
        protocol.dataReceived(data)


@implementer(IProtocolNegotiationFactory)
class FrontFactory(Factory):
    """Makes a `Front` for each accepted connection.

    Args:
        websockets: Makes the WebSocket side for a peer address; its `address` is set to the client's.
        web: Makes the HTTP side for a peer address.
        handshakes: Ends connections that do not say in time what they want.
        admission: Says who may connect.
        counts: Where to count who is refused.
        trusted: Networks of proxies whose ``X-Forwarded-For`` is believed.
    """

    noisy = False

    def __init__(
        self,
        *,
        websockets: Callable[[IAddress], Addressed],
        web: Callable[[IAddress], Any],
        handshakes: Deadlines,
        admission: Admission,
        counts: Counts,
        trusted: Sequence[Network] = (),
    ) -> None:
        self.tls_was_said = False
        self.trusted = trusted
        self.websockets = websockets
        self.web = web
        self.handshakes = handshakes
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

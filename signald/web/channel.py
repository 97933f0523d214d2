"""Speaks HTTP: one request for each connection, or as many as `signald.network.front` lets come, one by one."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

HEADERS: Final[Mapping[bytes, bytes]] = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        b"media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; "
        b"worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    b"permissions-policy": b"camera=(self), microphone=(self), geolocation=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-cache",
}
"""Of every response, errors too."""


class OneRequest(HTTPChannel):
    """Closes the connection after the response."""

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Say that the connection is closed; `keep` takes it back."""
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        for name, value in HEADERS.items():
            request.responseHeaders.setRawHeaders(name, [value])
        return False


class FrontedRequest(OneRequest):
    """Answers one request of a connection that belongs to the front, which may take it back for the next one.

    Attributes:
        on_answered: Takes the connection back; None if nothing more may come over it.
        on_lost: Is told that the connection is gone.
    """

    on_answered: Callable[[], None] | None = None
    on_lost: Callable[[], None] | None = None

    def dataReceived(self, data: bytes) -> None:
        """Ignore what comes before the answer is out: browsers do not pipeline, and this way nothing hides behind."""
        if self.requests:
            self.on_answered, self.persistent = None, False
        else:
            super().dataReceived(data)

    def requestDone(self, request: Request) -> None:
        """Give the connection back, or close it."""
        stays = bool(self.persistent)
        super().requestDone(request)
        if stays and self.on_answered is not None:
            self.setTimeout(None)
            self.transport.unregisterProducer()  # type: ignore[union-attr] # as each of Twisted's transports
            self.on_answered()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the front."""
        super().connectionLost(reason)
        if self.on_lost is not None:
            self.on_lost()


def keep(request: Request) -> None:
    """Let the connection of this request stay open for the next one, if the front lets it."""
    channel = request.channel
    if isinstance(channel, FrontedRequest) and channel.on_answered is not None:
        channel.persistent = True
        request.responseHeaders.removeHeader(b"connection")

"""Answers pages that show how many people are here: ``/online``, for the origins that may connect."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.web.server import NOT_DONE_YET, Request

from signald.core import origins
from signald.web.resources import Page

MAX_AGE: Final = b"public, max-age=1"
"""For browsers and proxies (RFC 9111 5.2.2): the count is as old at most."""


class OnlinePage(Page):
    """A JSON object that scripts of other sites may read, if these may connect (Fetch Standard, CORS).

    Args:
        count: Gives what is said.
        allowed_origins: Normalised; empty allows all.
    """

    def __init__(self, count: "Callable[[], Deferred[dict[str, Any]]]", allowed_origins: frozenset[str]) -> None:
        super().__init__()
        self._count = count
        self._allowed = allowed_origins

    def render_GET(self, request: Request) -> int:
        """See `Page.render_GET`."""
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", MAX_AGE)
        if not self._allowed:
            request.setHeader(b"access-control-allow-origin", b"*")
        else:
            request.setHeader(b"vary", b"Origin")
            origin = request.getHeader(b"origin")
            if origin is not None and origins.allows(self._allowed, origin.decode("latin-1")):
                request.setHeader(b"access-control-allow-origin", origin)
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def answer(counted: dict[str, Any]) -> None:
            if not gone:
                body = msgspec.json.encode(counted) + b"\n"
                request.setHeader(b"content-length", b"%d" % len(body))
                request.write(body)
                request.finish()

        self._count().addCallback(answer)
        return NOT_DONE_YET

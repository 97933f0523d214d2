"""Answers pages that show how many people are here: ``/online``, for the origins that may connect."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET, Request

from signald.core import origins
from signald.core.messages import MAX_WORD_LENGTH
from signald.core.wishes import fold
from signald.web.channel import keep
from signald.web.resources import Page

MAX_AGE: Final = b"public, max-age=1"
"""For browsers and proxies (RFC 9111 5.2.2): the count is as old at most."""


class OnlinePage(Page):
    """A JSON object that scripts of other sites may read, if these may connect (Fetch Standard, CORS).

    ``?pool=`` asks for one pool, by its name: a pool that only two know is their private room, so none is ever listed.

    Args:
        count: Gives what is said of a pool, or of everybody.
        allowed_origins: Normalised; empty allows all.
    """

    _log = Logger()

    def __init__(
        self, count: "Callable[[str | None], Deferred[dict[str, Any]]]", allowed_origins: frozenset[str]
    ) -> None:
        super().__init__()
        self._count = count
        self._allowed = allowed_origins

    def render_GET(self, request: Request) -> int | bytes:
        """See `Page.render_GET`."""
        keep(request)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", MAX_AGE)
        if not self._allowed:
            request.setHeader(b"access-control-allow-origin", b"*")
        else:
            request.setHeader(b"vary", b"Origin")
            origin = request.getHeader(b"origin")
            if origin is not None and origins.allows(self._allowed, origin.decode("latin-1")):
                request.setHeader(b"access-control-allow-origin", origin)
        named = (request.args or {}).get(b"pool")
        pool = None if named is None else named[-1].decode("utf-8", "replace")
        if pool is not None and len(pool) > MAX_WORD_LENGTH:
            request.setResponseCode(400, b"Bad Request")
            return msgspec.json.encode({"error": f"pool: at most {MAX_WORD_LENGTH} characters"}) + b"\n"
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def answer(said: dict[str, Any]) -> None:
            if not gone:
                body = msgspec.json.encode(said) + b"\n"
                request.setHeader(b"content-length", b"%d" % len(body))
                request.write(body)
                request.finish()

        def fail(why: Failure) -> None:
            self._log.failure("who is here", why)
            request.setResponseCode(500, b"Internal Server Error")
            request.setHeader(b"cache-control", b"no-store")
            answer({"error": "it is not known who is here: see the log"})

        counted = self._count(None if pool is None else fold(pool))
        counted.addCallback(answer).addErrback(fail)
        return NOT_DONE_YET

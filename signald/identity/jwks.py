"""Fetches the issuer's keys as it serves them (JWKS, RFC 7517).

They are fetched at the start and every ten minutes, and used from memory: no client ever waits for a fetch.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import OK
from twisted.web.http_headers import Headers

from signald import __version__
from signald.identity import signing_keys
from signald.identity.signing_keys import KeySet, SigningKey
from signald.outgoing import bounded_agent
from signald.periodic import PeriodicService

REFRESH_S: Final = 600.0
"""Seconds from one fetch to the next: a key that the issuer withdraws is accepted no longer than this."""

RETRY_S: Final = 10.0
"""Seconds after a failure, and at least between two fetches that unknown keys bring about: tokens with made-up key ids
must not turn this server against the issuer's."""

LOOK_S: Final = 2.0
"""Seconds between two looks at whether a fetch is due."""

FETCH_WITHIN_S: Final = 10.0
"""Seconds for one fetch, from the connection to the last byte."""

MAX_JWKS_BYTES: Final = 256 * 1024
"""Size of a JWKS. Providers have 1 to 10 KiB."""

MAX_HEADERS_BYTES: Final = 64 * 1024
"""Size of all that comes besides: headers, and what parts a body that is sent in chunks."""


class FetchError(Exception):
    """The keys could not be had."""


class Jwks(PeriodicService):
    """Keeps the keys of one JWKS. Implements `signald.identity.tokens.KeySource`.

    Args:
        fetch: Gets the document; raises whatever it likes.
        where: For the log.
        pinned: Algorithms; empty for those of the keys.
        clock: Starts the refreshes.
    """

    _log = Logger()

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], where: str, pinned: frozenset[str], clock: IReactorTime
    ) -> None:
        super().__init__(clock, LOOK_S, "the refresh of keys", at_once=True)
        self._fetch = fetch
        self._where = where
        self._pinned = pinned
        self._keys = KeySet()
        self._now = clock.seconds
        self._fetching: Deferred[None] | None = None
        self._tried_at = float("-inf")
        self._due_at = float("-inf")
        self._failed = False

    @property
    def ready(self) -> bool:
        """See `KeySource.ready`."""
        return self._keys.ready

    def find(self, algorithm: str, key_id: str | None) -> Sequence[SigningKey]:
        """See `KeySource.find`. A key that is not there may be a new one of the issuer, so it is looked for."""
        keys = self._keys.find(algorithm, key_id)
        if not keys:
            self.look_again()
        return keys

    def look_again(self) -> None:
        """See `KeySource.look_again`."""
        self._due_at = min(self._due_at, self._tried_at + RETRY_S)
        self._beat()

    def stopService(self) -> None:
        """Fetch no more."""
        super().stopService()
        if self._fetching is not None:
            self._fetching.cancel()

    def _beat(self) -> None:
        if self.running and self._fetching is None and self._now() >= self._due_at:
            self._tried_at = self._now()
            self._due_at = self._tried_at + RETRY_S
            self._fetching = fetching = Deferred.fromCoroutine(self._refresh())
            fetching.addBoth(self._done)

    async def _refresh(self) -> None:
        text = await self._fetch()
        self._keys = signing_keys.from_jwks(text, self._pinned)
        self._due_at = self._now() + REFRESH_S
        if self._failed:
            self._log.info("the keys of {where} are here again", where=self._where)
        self._failed = False

    def _done(self, result: Failure | None) -> None:
        self._fetching = None
        if isinstance(result, Failure) and self.running:
            if not self._failed:
                self._log.warn(
                    "no keys from {where} ({why}); {rest}",
                    where=self._where,
                    why=result.getErrorMessage() or type(result.value).__name__,
                    rest="those from before stay" if self.ready else "no token is accepted until they come",
                )
            self._failed = True


def from_file(path: str) -> Callable[[], Awaitable[bytes]]:
    """Fetches a JWKS from a file of this machine."""

    async def fetch() -> bytes:
        with Path(path).open("rb") as file:
            return _bounded(file.read(MAX_JWKS_BYTES + 1))

    return fetch


def from_url(url: str, reactor: Any) -> Callable[[], Awaitable[bytes]]:
    """Fetches a JWKS by HTTP; over TLS, whose certificate is checked against the system's authorities."""
    agent = bounded_agent(reactor, within_s=FETCH_WITHIN_S, max_bytes=MAX_JWKS_BYTES + MAX_HEADERS_BYTES)
    headers = Headers(
        {"user-agent": [f"signald/{__version__}"], "accept": ["application/jwk-set+json, application/json"]}
    )

    async def get() -> bytes:
        response = await agent.request(b"GET", url.encode("ascii"), headers)
        if response.code != OK:
            raise FetchError(f"HTTP status {response.code}")
        body = _Document()
        response.deliverBody(body)
        return await body.whole

    def fetch() -> "Deferred[bytes]":
        return Deferred.fromCoroutine(get()).addTimeout(FETCH_WITHIN_S, reactor)

    return fetch


class _Document(Protocol):
    """Collects a response's body, up to a bound."""

    transport: Any

    def __init__(self) -> None:
        self._text = b""
        self.whole: Deferred[bytes] = Deferred(lambda _: self._abort())

    def dataReceived(self, data: bytes) -> None:
        self._text += data
        if len(self._text) > MAX_JWKS_BYTES:
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        try:
            text = _bounded(self._text)
        except FetchError:
            self.whole.errback()
        else:
            if reason.check(ResponseDone):
                self.whole.callback(text)
            else:
                self.whole.errback(FetchError("the connection ended in the midst of it"))

    def _abort(self) -> None:
        self.transport.stopProducing()


def _bounded(text: bytes) -> bytes:
    if len(text) > MAX_JWKS_BYTES:
        raise FetchError(f"more than {MAX_JWKS_BYTES} bytes")
    return text

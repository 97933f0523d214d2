"""Takes events to an endpoint of the operator's by HTTPS, signed after the Standard Webhooks specification.

An event may arrive twice, with the same id, and out of order. It waits in memory only, bounded in number and in time;
whoever makes it never waits. Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import takewhile
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.client import FileBodyProducer
from twisted.web.http_headers import Headers

from signald import __version__
from signald.outgoing import bounded_agent
from signald.periodic import PeriodicService

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 300.0
"""Seconds to wait after the first failure, doubled after each further one up to the longest: an endpoint that restarts
is found soon, and one that is away is left alone."""

GIVE_UP_S: Final = 24 * 3600.0
"""Seconds after which an event is dropped: an endpoint that is away overnight loses nothing."""

ATTEMPT_WITHIN_S: Final = 10.0
"""Seconds for one attempt, from the connection to the status."""

STOP_WITHIN_S: Final = 2.0
"""Seconds for what is left at the end: less than a supervisor waits, more than a healthy endpoint takes."""

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Bytes of an answer that are taken; of what is in it only the status counts."""

LOOK_S: Final = 0.5
"""Seconds between two looks at what is due."""

AT_ONCE: Final = 4
"""Attempts at the same time: a slow endpoint gets a backlog in minutes, and is not stormed."""

MAX_QUEUED: Final = 1000
"""Events that wait or are on their way, at a few KB each."""

MAX_LOST_LINES: Final = 10
"""Lines of the log in `LINES_S` about events that are lost: who refuses rooms refuses hundreds in a second."""

LINES_S: Final = 60.0

Post = Callable[[bytes, Mapping[str, str]], Awaitable[int]]
"""Sends a body with headers; gives the status; raises whatever it likes."""


@dataclass(eq=False, slots=True)
class _Event:
    id: str
    body: bytes
    until: float
    attempts: int = 0
    due_at: float = float("-inf")


class Webhook(PeriodicService):
    """Delivers events to one endpoint.

    While the endpoint is healthy, up to `AT_ONCE` events are on their way. After a failure that may pass it is tried
    with one event at a time, each after a longer wait, until one succeeds. An event that failed waits as long, and
    comes after those that were tried less often, so that one event on which the endpoint chokes holds up no other.

    Args:
        post: Sends one request; cancelled when it takes too long.
        where: The endpoint's host, for the log: a path or a query may be secret.
        secret: What they are signed with; see `settings.values.webhook_secret`.
        new_id: Makes an event's id, without dots: they part what is signed.
        unix_time: Seconds since 1970.
        clock: Starts the attempts.
        jitter: Returns numbers from 0 to 1, so that instances do not try in step.

    Attributes:
        delivered: Events that the endpoint took.
        failed: Attempts that came to nothing.
        lost: Events dropped for good.
    """

    _log = Logger()

    def __init__(
        self,
        post: Post,
        *,
        where: str,
        secret: bytes,
        new_id: Callable[[], str],
        unix_time: Callable[[], float],
        clock: IReactorTime,
        jitter: Callable[[], float],
    ) -> None:
        super().__init__(clock, LOOK_S, "the delivery of events")
        self.delivered = self.failed = self.lost = 0
        self._post = post
        self._where = where
        self._secret = secret
        self._new_id = new_id
        self._unix_time = unix_time
        self._jitter = jitter
        self._events: dict[_Event, None] = {}  # oldest first
        self._sending: set[_Event] = set()
        self._lanes: list[Deferred[None]] = []
        self._failures = 0  # of the endpoint, in a row
        self._due_at = 0.0  # when it is tried again after those
        self._lines = 0  # about lost events, since
        self._lines_since = 0.0

    def __len__(self) -> int:
        return len(self._events)

    def results(self) -> dict[str, int]:
        """How many events, or attempts, came to which end."""
        return {"delivered": self.delivered, "failed": self.failed, "lost": self.lost}

    def deliver(self, event: bytes) -> None:
        """Take an event, a JSON object as UTF-8, to be sent soon; it is lost unless this service runs."""
        if len(self) >= MAX_QUEUED:
            self._lose(next(old for old in self._events if old not in self._sending), "too many wait")
        new = _Event(self._new_id(), event, self._clock.seconds() + GIVE_UP_S)
        self._events[new] = None
        if self.running:
            self._beat()
        else:
            self._lose(new, "stopped")

    def stopService(self) -> "Deferred[None]":
        """Send what waits if the endpoint is well: for `STOP_WITHIN_S`, and until the first failure."""
        super().stopService()
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        if not self._failures:
            self._beat()
            limit = self._clock.callLater(STOP_WITHIN_S, self._abandon)
            await DeferredList(self._lanes)
            if limit.active():
                limit.cancel()
        self._abandon()

    def _abandon(self) -> None:
        if self._events:
            self.lost += len(self)
            self._log.warn("{count} events for {where} are lost: stopped", count=len(self), where=self._where)
        self._events.clear()  # first: what is cancelled is not one more failure, and nothing takes its place
        for lane in self._lanes:
            lane.cancel()

    def _beat(self) -> None:
        now = self._clock.seconds()
        for event in list(takewhile(lambda event: event.until <= now, self._events)):
            if event not in self._sending:
                self._lose(event, f"not taken within {GIVE_UP_S / 3600:g} h")
        while (due := self._take()) is not None:
            lane = Deferred.fromCoroutine(self._send(due))
            lane.addErrback(lambda failure: self._log.failure("a delivery", failure))
            self._lanes = [lane, *(other for other in self._lanes if not other.called)]

    def _take(self) -> _Event | None:
        """The next event, if one may be sent now."""
        now = self._clock.seconds()
        if self._failures and (self._sending or now < self._due_at or not self.running):
            return None
        if len(self._sending) >= AT_ONCE:
            return None
        due = [event for event in self._events if event.due_at <= now and event not in self._sending]
        if not due:
            return None
        event = min(due, key=lambda event: event.attempts)
        self._sending.add(event)
        return event

    async def _send(self, event: _Event | None) -> None:
        """Send this event, and then others one by one while any may be sent."""
        while event is not None:
            failures = self._failures
            event.attempts += 1
            try:
                posted = Deferred.fromCoroutine(self._signed(event))
                status = await posted.addTimeout(ATTEMPT_WITHIN_S, self._clock)
                why = f"HTTP status {status}"
            except Exception as error:
                status, why = 0, "no answer" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            self._sending.discard(event)
            if event in self._events:
                self._sent(event, status, why, failures)
            event = self._take()

    async def _signed(self, event: _Event) -> int:
        about = {"content-type": "application/json", "user-agent": f"signald/{__version__}"}
        signature = signed(self._secret, event.id, int(self._unix_time()), event.body)
        return await self._post(event.body, about | signature)

    def _sent(self, event: _Event, status: int, why: str, failures: int) -> None:
        """Note what came of an attempt that began after so many failures; the status is 0 if none came."""
        if 200 <= status < 300:
            del self._events[event]
            self.delivered += 1
            if self._failures:
                self._log.info("{where} takes events again", where=self._where)
            self._failures = 0
            return
        self.failed += 1
        if 400 <= status < 500 and status not in {408, 425, 429}:  # it is the event, not the moment
            self._lose(event, why)
            if not self._failures:
                return
        elif not self._failures:
            self._log.warn("{where} takes no events ({why}); they wait", where=self._where, why=why)
        now = self._clock.seconds()
        event.due_at = now + self._wait(event.attempts)
        if self._failures == failures:  # of several at once, the first counts
            self._failures += 1
            self._due_at = now + self._wait(self._failures)

    def _wait(self, failures: int) -> float:
        longest: float = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(failures - 1, 16))  # 2.0 ** 1024 is too much
        return longest * (1 - self._jitter() / 2)

    def _lose(self, event: _Event, why: str) -> None:
        del self._events[event]
        self.lost += 1
        now = self._clock.seconds()
        if now - self._lines_since >= LINES_S:
            self._lines, self._lines_since = 0, now
        self._lines += 1
        if self._lines <= MAX_LOST_LINES:
            self._log.warn("event {id} for {where} is lost: {why}", id=event.id, where=self._where, why=why)


def signed(secret: bytes, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows that a body is ours, and from when (seconds since 1970)."""
    signature = base64.b64encode(hmac.digest(secret, f"{id}.{timestamp}.".encode() + body, "sha256")).decode()
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}


def from_url(url: str, reactor: Any, trust: Any = None) -> Post:
    """Posts to a URL; over TLS, whose certificate is checked. Follows no redirect, and reads no body.

    Args:
        url: An http or https URL; see `settings.values.https_url`.
        reactor: The reactor.
        trust: The authorities, an `IOpenSSLTrustRoot`; None for the system's.
    """
    agent = bounded_agent(reactor, within_s=ATTEMPT_WITHIN_S, max_bytes=MAX_ANSWER_BYTES, trust=trust)

    async def post(body: bytes, headers: Mapping[str, str]) -> int:
        fields = Headers({name: [value] for name, value in headers.items()})
        response = await agent.request(b"POST", url.encode("ascii"), fields, FileBodyProducer(BytesIO(body)))
        response.deliverBody(_Unread())
        status: int = response.code
        return status

    return post


class _Unread(Protocol):
    """Closes the connection instead of reading a response's body, which may never end."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.stopProducing()  # closes TCP itself: closing TLS would wait for the other side

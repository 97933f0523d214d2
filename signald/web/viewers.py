"""Tells viewers of the console how all instances do, each 2 s: one question and one text for all who look.

The text is ``text/event-stream`` (WHATWG HTML 9.2), which a page reads by `fetch`: an `EventSource` sends no token.
"""

from typing import Final

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from signald.brokers.interface import Answers
from signald.clients.questions import Asking, LookAtVitals, Vitals, read, silent
from signald.core.accounts import Account
from signald.periodic import PeriodicService

TOLD_S: Final = 2.0
"""Seconds between two events: numbers move while somebody looks, at a thousandth of a core (decision 0062)."""

VIEWERS_AT_MOST: Final = 50
"""Who may look at one instance at a time: each has 64 KiB of the process's memory at the worst."""

VIEWERS_OF_ONE: Final = 10
"""The same for one account, so that nobody's forgotten windows shut out the others."""

EVENT_BYTES: Final = 48 * 1024
"""Of an event, for instances: an instance is 265 bytes with one pool and 634 with ten, and more by the length of names.
With those that are silent it stays below the 64 KiB above which a reader counts as slow."""

SILENT_TOLD: Final = 100
"""Names of silent instances in an event."""


@implementer(IPushProducer)
class Viewer:
    """One response that goes on. A reader that is too slow for it is dropped: nothing is kept for it.

    Args:
        request: Whose response it is.
        who: Who looks.
    """

    def __init__(self, request: Request, who: Account) -> None:
        self._request = request
        self.who = who

    def begin(self) -> None:
        """Send the head."""
        self._request.setHeader(b"content-type", b"text/event-stream")
        self._request.setHeader(b"cache-control", b"no-store")
        self._request.setHeader(b"x-accel-buffering", b"no")
        self._request.registerProducer(self, True)
        self.tell(b": hello\n\n")

    def tell(self, text: bytes) -> None:
        """Send more."""
        self._request.write(text)

    def drop(self) -> None:
        """End the connection."""
        self._request.channel.transport.abortConnection()  # type: ignore[union-attr] # as each of Twisted's

    def end(self) -> None:
        """End the response."""
        self._request.unregisterProducer()
        self._request.finish()

    def pauseProducing(self) -> None:
        """See `IPushProducer`: 64 KiB were not taken."""
        self.drop()

    def resumeProducing(self) -> None:
        """See `IPushProducer`; there is nothing that waits."""

    def stopProducing(self) -> None:
        """See `IProducer`: the connection is gone, which `notifyFinish` tells."""


class Viewers(PeriodicService):
    """Asks all instances as long as somebody looks.

    Args:
        clock: Asks now and then.
        ask: Puts a question to all instances.
    """

    def __init__(self, clock: IReactorTime, ask: Asking) -> None:
        super().__init__(clock, TOLD_S, "the console's stream")
        self._ask = ask
        self._viewers: dict[Viewer, None] = {}

    def __len__(self) -> int:
        return len(self._viewers)

    def full(self, who: Account) -> bool:
        """Whether no more may look."""
        of_one = sum(viewer.who.name == who.name for viewer in self._viewers)
        return not self.running or len(self) >= VIEWERS_AT_MOST or of_one >= VIEWERS_OF_ONE

    def add(self, request: Request, who: Account) -> None:
        """Tell one more, until its connection ends."""
        viewer = Viewer(request, who)
        self._viewers[viewer] = None

        def forget(why: Failure) -> None:
            self._viewers.pop(viewer, None)

        request.notifyFinish().addErrback(forget)
        viewer.begin()

    def stopService(self) -> object:
        """Let nobody look any more."""
        stopped = super().stopService()
        for viewer in list(self._viewers):
            viewer.end()
        self._viewers.clear()
        return stopped

    def _beat(self) -> object:
        return Deferred.fromCoroutine(self._tell()) if self._viewers else None

    async def _tell(self) -> None:
        text = event(await self._ask(LookAtVitals()))
        for viewer in list(self._viewers):
            viewer.tell(text)


def event(answers: Answers) -> bytes:
    """What viewers are told: of as many instances as there is room for."""
    vitals = sorted(read(answers, Vitals), key=lambda each: each.instance_id)
    missing = silent(answers)
    left = EVENT_BYTES
    shown: list[Raw] = []
    for each in vitals:
        text = msgspec.json.encode(each)
        left -= len(text) + 1
        if left < 0:
            break
        shown.append(Raw(text))
    told = {
        "instances": shown,
        "silent": missing[:SILENT_TOLD],
        "complete": answers.reached_all and not missing and len(shown) == len(vitals),
    }
    return b"data: " + msgspec.json.encode(told) + b"\n\n"

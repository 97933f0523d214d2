"""Bounds the connections that are no WebSockets: without a request so far, with a page under way, between two pages."""

from typing import Final

from signald.limits.admission import Admission
from signald.limits.deadlines import Deadlines, Overdue
from signald.limits.parting import Parting

SPARED_S: Final = 3.0
"""For so many seconds nobody is dropped for silence: in a rush, requests are here that have not been read yet, and TLS
takes some round trips."""

SPARED_AT_MOST: Final = 1_000
"""So many more than MAX_HALF_OPEN at most are spared: a flood of silent connections comes by thousands in a second."""

REQUESTS: Final = 100
"""For one connection. A visit takes five; one that goes on and on has to begin anew, and to be let in, now and then."""


class Door:
    """Where connections stand until they are WebSockets, or gone.

    Args:
        handshakes: Ends those that do not say in time what they want, and unfinished handshakes.
        pages: Ends those that do not take their answer in time.
        kept: Ends those that wait for another request of the same browser.
        parting: Those that were told that they may not come in, until they have read it.
        admission: Says how many there may be.
    """

    def __init__(
        self, *, handshakes: Deadlines, pages: Deadlines, kept: Deadlines, parting: Parting, admission: Admission
    ) -> None:
        self.handshakes = handshakes
        self._pages = pages
        self._kept = kept
        self.parting = parting
        self._admission = admission
        self._closed = False

    def __len__(self) -> int:
        return len(self.handshakes) + len(self._pages) + len(self._kept) + len(self.parting)

    def came(self, connection: Overdue) -> None:
        """It was accepted, and has not said anything; another may have to go for it."""
        self.handshakes.begin(connection)
        half_open = self.handshakes
        while self._admission.is_crowded(len(half_open)) and (
            half_open.oldest_s() >= SPARED_S or self._admission.is_crowded(len(half_open) - SPARED_AT_MOST)
        ):
            half_open.drop_oldest()
        if self._admission.is_full(len(self)):
            next(some for some in (self.parting, self._kept, half_open, self._pages) if len(some)).drop_oldest()

    def asks(self, connection: Overdue) -> None:
        """It wants a page, and has to take it in time."""
        self.handshakes.done(connection)
        self._pages.begin(connection)

    def stays(self, connection: Overdue) -> None:
        """It has its page, and may ask for another."""
        self._pages.done(connection)
        self._kept.begin(connection)
        if self._closed or self._admission.is_crowded(len(self._kept)):
            self._kept.drop_oldest()

    def speaks(self, connection: Overdue) -> None:
        """It begins to ask for another."""
        self._kept.done(connection)
        self.handshakes.begin(connection)

    def ends(self, connection: Overdue) -> None:
        """It is closed; what was written before may be still on its way."""
        self._pages.begin(connection)

    def left(self, connection: Overdue) -> None:
        """It is gone, or is a WebSocket now."""
        for some in (self.handshakes, self._pages, self._kept):
            some.done(connection)

    def close(self) -> None:
        """Drop whoever has not said what it wants: it would become a client in the midst of the end."""
        self._closed = True
        self.handshakes.expire()
        self._kept.expire()

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
        admission: Counts the WebSockets.
        max_half_open: How many may be without a request at one time; or between two pages.
        max_sockets: Connections for which the limit on open files has room, WebSockets among them.
    """

    def __init__(
        self,
        *,
        handshakes: Deadlines,
        pages: Deadlines,
        kept: Deadlines,
        parting: Parting,
        admission: Admission,
        max_half_open: int,
        max_sockets: int,
    ) -> None:
        self.handshakes = handshakes
        self._pages = pages
        self._kept = kept
        self.parting = parting
        self._admission = admission
        self._max_half_open = max_half_open
        self._max_sockets = max_sockets
        self._closed = False

    def came(self, connection: Overdue) -> None:
        """It was accepted, and has not said anything; another may have to go for it."""
        handshakes = self.handshakes
        handshakes.begin(connection)
        if len(handshakes.due) > self._max_half_open:
            self._thin_out()
        others = len(handshakes.due) + len(self._pages.due) + len(self._kept.due) + len(self.parting.descriptors)
        if others + self._admission.connected > self._max_sockets:
            self._make_room()

    def asks(self, connection: Overdue) -> None:
        """It wants a page, and has to take it in time."""
        self.handshakes.done(connection)
        self._pages.begin(connection)

    def stays(self, connection: Overdue) -> None:
        """It has its page, and may ask for another."""
        self._pages.done(connection)
        self._kept.begin(connection)
        if self._closed or len(self._kept.due) > self._max_half_open:
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
            if some.done(connection):
                break

    def close(self) -> None:
        """Drop whoever has not said what it wants: it would become a client in the midst of the end."""
        self._closed = True
        self.handshakes.expire()
        self._kept.expire()

    def _thin_out(self) -> None:
        """Honest clients say at once what they want: too many of the others are dropped, the oldest first."""
        handshakes = self.handshakes
        while (surplus := len(handshakes.due) - self._max_half_open) > 0 and (
            surplus > SPARED_AT_MOST or handshakes.oldest_s() >= SPARED_S
        ):
            handshakes.drop_oldest()

    def _make_room(self) -> None:
        """Drop the one that will miss it least: all open files are taken."""
        if self.parting.descriptors:
            self.parting.drop_oldest()
        else:
            next(some for some in (self._kept, self.handshakes, self._pages) if some.due).drop_oldest()

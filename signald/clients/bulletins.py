"""Tells those who wait for somebody special how long they have waited, and how many wait with them."""

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.clients.client import Client
from signald.core import messages
from signald.core.matching import Crowds
from signald.core.standing import State
from signald.periodic import PeriodicService

BULLETINS_S: Final = 5.0
"""Seconds between two bulletins: often enough for a page that shows them, and one message in 200 of what calls need."""


class Bulletins(PeriodicService):
    """The clients of ``signald.v1`` that wait and have said whom they want to meet.

    Args:
        clock: Tells the time.
        crowds: How many wait where; on this instance, and so no more than there are.
        tell: Sends a client a message that it is to have even if its connection is lost meanwhile.
    """

    def __init__(
        self, clock: IReactorTime, crowds: Callable[[], Crowds], tell: Callable[[Client, bytes], None]
    ) -> None:
        super().__init__(clock, BULLETINS_S, "the bulletins for those who wait")
        self._crowds = crowds
        self._tell = tell
        self._waiting: dict[Client, None] = {}

    def begin(self, client: Client) -> None:
        """A client waits that has said whom it wants to meet."""
        if client.session.v1:
            self._waiting[client] = None

    def _beat(self) -> None:
        now, tickets = self._clock.seconds(), self._crowds().tickets if self._waiting else {}
        for client in list(self._waiting):
            ticket = client.session.ticket
            if client.session.state is not State.WAITING or ticket is None:
                del self._waiting[client]
                continue
            self._tell(client, messages.waiting(now - ticket.since, tickets.get(ticket.pool, 0)))

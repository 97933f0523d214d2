"""Awaits the proofs of guests who are to work before they wait, and tells those who have given none."""

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.clients.client import Client
from signald.core.inputs import Input, ProofMissing
from signald.core.toll import PATIENCE_S
from signald.periodic import PeriodicService

BEAT_S: Final = 1.0
"""Seconds between two looks."""


class Doorstep(PeriodicService):
    """The clients that believe that they wait, and do not until they have proven their work.

    Args:
        clock: Calls the looks.
        give: Lets a client's session receive something, and runs what it asks for.
        running: Seconds for which this process has not stood still: nobody could be heard while it did.
    """

    def __init__(
        self, clock: IReactorTime, give: Callable[[Client, Input], None], running: Callable[[], float]
    ) -> None:
        super().__init__(clock, BEAT_S, "the look at those who have to work")
        self._give = give
        self._running = running
        self._due: dict[Client, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def begin(self, client: Client) -> None:
        """A client is to prove its work from now on."""
        self._due[client] = self._running() + PATIENCE_S

    def _beat(self) -> None:
        now = self._running()
        for client, due in list(self._due.items()):
            if client.session.owes and now < due:
                continue
            del self._due[client]
            self._give(client, ProofMissing())

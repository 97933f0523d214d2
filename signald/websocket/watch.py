"""Watches connections from the accepted request to the end of the transport, so that none hangs on the way."""

from typing import Protocol

from signald.clients.client import Client
from signald.clients.heartbeat import Heartbeat
from signald.limits.admission import Admission
from signald.limits.deadlines import Deadlines, Overdue
from signald.limits.throttle import Flooder, Throttle
from signald.limits.turns import Reader, Turns


class Watched(Overdue, Flooder, Reader, Protocol):
    """Is watched: a connection."""


class Watch:
    """Watches all WebSocket connections of this process: who ends or slows down which.

    Args:
        heartbeat: Ends clients that are gone without a word.
        handshakes: Ends handshakes that take too long.
        closings: Ends closings that take too long.
        throttle: Slows down whoever sends too much.
        turns: Lets what comes wait.
        admission: Told of each connection that is gone.
    """

    def __init__(
        self,
        *,
        heartbeat: Heartbeat,
        handshakes: Deadlines,
        closings: Deadlines,
        throttle: Throttle,
        turns: Turns,
        admission: Admission,
    ) -> None:
        self._heartbeat = heartbeat
        self._handshakes = handshakes
        self._closings = closings
        self._throttle = throttle
        self._turns = turns
        self._admission = admission
        self._open: set[Watched] = set()

    def __len__(self) -> int:
        return len(self._open)

    # --- the way of a connection --------------------------------------------------------------------------------------

    def made(self, connection: Watched) -> None:
        """Its request was accepted."""
        self._open.add(connection)

    def shakes_hands(self, connection: Watched) -> None:
        """The time for its handshake begins."""
        self._handshakes.begin(connection)

    def opened(self, connection: Watched) -> None:
        """Its handshake is done."""
        self._handshakes.done(connection)

    def came(self, client: Client) -> None:
        """It has a client, which is to be pinged."""
        self._heartbeat.watch(client)

    def closing(self, connection: Watched) -> None:
        """A close frame went out: the time for the end begins."""
        self._closings.begin(connection)

    def went(self, client: Client) -> None:
        """Its client is over."""
        self._heartbeat.forget(client)

    def replaced(self, connection: Watched) -> bool:
        """Another takes its place on the same transport; gives whether it was held."""
        return self._forget(connection)

    def lost(self, connection: Watched, address: str) -> None:
        """Its transport is gone."""
        self._forget(connection)
        self._admission.leave(address)

    def _forget(self, connection: Watched) -> bool:
        self._handshakes.done(connection)
        self._closings.done(connection)
        self._open.discard(connection)
        self._turns.forget(connection)
        return self._throttle.forget(connection)

    # --- the end of all -----------------------------------------------------------------------------------------------

    def drop_all(self) -> None:
        """Drop every connection that is left."""
        for connection in list(self._open):
            connection.drop()

"""Stands for the sessions of an instance where none outlives its connection."""

from collections.abc import Sequence

from signald.brokers.interface import SessionEvents
from signald.core.ids import ClientId, RoomId
from signald.core.parcel import Parcel
from signald.core.passes import Attempt


class NoSessions:
    """Has no sessions that may change their home: implements `SessionEvents` with nothing."""

    def epochs(self) -> Sequence[tuple[ClientId, int]]:
        """See `SessionEvents.epochs`."""
        return ()

    def epoch(self, client: ClientId) -> int:
        """See `SessionEvents.epoch`."""
        return 0

    def attempt(self, client: ClientId) -> Attempt:
        """See `SessionEvents.attempt`."""
        return Attempt()

    def room(self, client: ClientId) -> RoomId | None:
        """See `SessionEvents.room`."""
        return None

    def demanded(self, client: ClientId, epoch: int, sent: int, received: int, attempt: Attempt) -> bool:
        """See `SessionEvents.demanded`."""
        return False

    def pack(self, client: ClientId, *, lost: bool) -> Parcel | None:
        """See `SessionEvents.pack`."""
        return None

    def moved(self, client: ClientId, epoch: int, attempt: Attempt, *, rival: bool) -> RoomId | None:
        """See `SessionEvents.moved`."""
        return None


def _conforms(sessions: NoSessions) -> SessionEvents:
    return sessions

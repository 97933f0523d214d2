"""Decides about handshakes: which pages may connect, and whether anybody may still."""

from collections.abc import Iterable

from signald.core import origins
from signald.core.messages import SUBPROTOCOL


class Refused(Exception):
    """A handshake is not welcome.

    Attributes:
        status: Of the HTTP response.
        reason: In words.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class Entrance:
    """What stands in a handshake is good, or is refused.

    Args:
        allowed_origins: Normalised; empty allows all.
    """

    def __init__(self, allowed_origins: frozenset[str]) -> None:
        self._allowed_origins = allowed_origins
        self._closed = False

    def close(self) -> None:
        """Refuse everybody from now on."""
        self._closed = True

    def accept(self, origin: str | None, protocols: Iterable[str]) -> str | None:
        """Decide about a handshake.

        Args:
            origin: The header; None if there is none.
            protocols: The subprotocols that the client offers.

        Returns:
            The subprotocol that is chosen.

        Raises:
            Refused: The origin is not allowed, or nobody is welcome any more.
        """
        if not origins.allows(self._allowed_origins, origin):
            raise Refused(403, "origin not allowed")
        if self._closed:
            raise Refused(503, "the server is going away")
        return SUBPROTOCOL if SUBPROTOCOL in protocols else None

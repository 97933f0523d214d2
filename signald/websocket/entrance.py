"""Decides about handshakes: which pages may connect, and whether anybody may still."""

from collections.abc import Iterable

from signald.core import origins
from signald.core.messages import SUBPROTOCOL
from signald.core.refusals import FOREIGN, STOPPING, Refused


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

    def allows(self, origin: str | None) -> bool:
        """Whether a page of this origin may connect; None for no header."""
        return origins.allows(self._allowed_origins, origin)

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
        if self._allowed_origins and not self.allows(origin):
            raise Refused(FOREIGN)
        if self._closed:
            raise Refused(STOPPING)
        return SUBPROTOCOL if SUBPROTOCOL in protocols else None

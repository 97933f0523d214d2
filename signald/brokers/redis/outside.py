"""Defines what the pairing asks of the world outside of it, and what the store answers."""

from typing import Protocol

import msgspec

from signald.brokers.redis.letters import Letter
from signald.core.encounters import Party
from signald.core.ids import ClientId
from signald.core.matching import Ticket
from signald.core.passes import Attempt
from signald.core.wishes import Side


class Wanted(msgspec.Struct, frozen=True):
    """How a search is to be made.

    Attributes:
        place: The ticket's place in the store, if it has one.
        waited_s: For how long it has waited.
        side: What of its wish binds now.
        avoiding: Whether it keeps away from whom it avoids.
        reached: How far the search has come that is to go on; empty for a new one.
    """

    place: int | None
    waited_s: float
    side: Side
    avoiding: bool = False
    reached: str = ""


class Filed(msgspec.Struct, frozen=True):
    """The ticket stands in the store's queue, at this place (see `match.lua`).

    `reached`: how far the search has come, if it was not to the end.
    """

    place: int
    reached: str = ""


class Crowd(msgspec.Struct, frozen=True):
    """There is no place for the ticket's class; if it stood in another one it still stands there."""

    place: int


class Taken(msgspec.Struct, frozen=True):
    """Another ticket was taken out for this one; neither stands in the queue now."""

    place: int
    instance: str
    client: ClientId
    number: int


Outcome = Filed | Taken | Crowd


class Outside(Protocol):
    """Does what the pairing asks for. None of these calls back at once."""

    def seek(self, ticket: Ticket, wanted: Wanted) -> None:
        """Let the store find a partner for a ticket, or file it. The outcome comes by `Pairing.sought`."""
        ...

    def unfile(self, ticket: Ticket) -> None:
        """Take a ticket out of the store's queue, if it stands there."""
        ...

    def send(self, instance: str, letter: Letter) -> None:
        """Send a letter to another instance."""
        ...

    def block(self, by: Party, whom: Party) -> None:
        """Tell the store of a block that it does not know, before it is asked for a partner again."""
        ...

    def suspect(self, instance: str) -> None:
        """An instance did not answer: leave its tickets alone for a while."""
        ...

    def fence(self, client: ClientId, epoch: int, attempt: Attempt) -> bool:
        """A session of this instance has another home, of this epoch: if that is later than here, give it up.

        Args:
            client: Whose session.
            epoch: Of the other home.
            attempt: The one by which it went there: if it follows the one here the other home has it, in the same
                epoch too.

        Returns:
            Whether it is not at home here, or no longer.
        """
        ...

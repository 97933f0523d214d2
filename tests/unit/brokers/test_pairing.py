"""What one instance asks of the store and of others for those that wait, and when."""

from typing import Any

from signald.brokers.interface import BrokerEvents
from signald.brokers.redis.letters import Left, Letter
from signald.brokers.redis.outside import Filed, Outside, Taken, Wanted
from signald.brokers.redis.pairing import CLAIM_TIMEOUT_S, LOOK_AGAIN_AT_MOST, LOOK_AGAIN_S, Pairing
from signald.brokers.redis.relaying import Relaying
from signald.core.blocks import Blocks
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.matching import Ticket
from signald.core.passes import Attempt


class Clients:
    """Clients of the first protocol."""

    def resumes(self, client: ClientId) -> bool:
        """See `BrokerEvents.resumes`."""
        return False


NOBODY: Any = Clients()


class Wishes:
    """Keeps what the pairing asks for."""

    def __init__(self) -> None:
        self.sought: list[ClientId] = []
        self.sent: list[Letter] = []

    def seek(self, ticket: Ticket, wanted: Wanted) -> None:
        """See `Outside.seek`."""
        self.sought.append(ticket.client)

    def unfile(self, ticket: Ticket) -> None:
        """See `Outside.unfile`."""

    def send(self, instance: str, letter: Letter) -> None:
        """See `Outside.send`."""
        self.sent.append(letter)

    def block(self, by: Party, whom: Party) -> None:
        """See `Outside.block`."""

    def suspect(self, instance: str) -> None:
        """See `Outside.suspect`."""

    def fence(self, client: ClientId, epoch: int, attempt: Attempt) -> bool:
        """See `Outside.fence`."""
        return True


def _conforms(wishes: Wishes) -> Outside:
    return wishes


def pairing(wishes: Wishes, events: BrokerEvents = NOBODY) -> Pairing:
    return Pairing("one", wishes, events, lambda: RoomId("room"), Blocks(1.0), Relaying(wishes, events))


def test_whoever_waits_is_looked_after_in_turn() -> None:
    """Some tickets that may meet nobody keep all others of their instance from being put back into the queue."""
    wishes = Wishes()
    paired = pairing(wishes)
    tickets = [Ticket(ClientId(f"c{number}"), 1, 0.0) for number in range(3 * LOOK_AGAIN_AT_MOST)]
    for place, ticket in enumerate(tickets):
        paired.enqueue(ticket, 0.0)
        paired.sought(ticket, Filed(place), 0.0)
    wishes.sought.clear()
    for beat in range(1, 4):
        paired.tick(beat * LOOK_AGAIN_S)
        for place, ticket in enumerate(tickets):
            if ticket.client in wishes.sought:
                paired.sought(ticket, Filed(place), beat * LOOK_AGAIN_S)
    assert sorted(wishes.sought) == sorted(ticket.client for ticket in tickets)


def test_a_claim_waits_longer_the_farther_the_store_is() -> None:
    """Through a slow store two clients are told that they have met and that the other has left, again and again."""
    for trip_s, patience_s in ((0.0, CLAIM_TIMEOUT_S), (1.5, CLAIM_TIMEOUT_S + 4.5)):
        wishes = Wishes()
        paired = pairing(wishes)
        paired.trip_s = trip_s
        ticket = Ticket(ClientId("a"), 1, 0.0)
        paired.enqueue(ticket, 0.0)
        paired.sought(ticket, Taken(1, "two", ClientId("B"), 1), 0.0)
        paired.tick(patience_s - 0.1)
        assert Left(RoomId("room")) not in wishes.sent
        paired.tick(patience_s)
        assert Left(RoomId("room")) in wishes.sent

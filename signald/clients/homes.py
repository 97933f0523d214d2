"""Sessions that change their home: this instance gives one up, or takes one over.

How they get from one to the other is the broker's business (`signald.brokers.interface.Broker.fetch`).
"""

from msgspec import UnsetType
from twisted.internet.interfaces import IReactorTime

from signald.brokers.interface import Broker, Half, Origin, Partner, SessionEvents
from signald.clients.client import Client
from signald.clients.resuming import SUPERSEDED, SUPERSEDED_BY, Absent, Resuming, is_last
from signald.clients.terms import Performing, Sessions, Terms
from signald.core import parcel
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import PartnerGone, PartnerReturned
from signald.core.messages import Resume
from signald.core.outbox import Outbox
from signald.core.parcel import Parcel
from signald.core.passes import LIFE_S, Attempt, Pass
from signald.core.standing import State
from signald.telemetry.counts import Resumption


class Homes:
    """This instance as a home of sessions among others. Implements `SessionEvents`.

    Args:
        clients: All clients of this instance.
        performer: Runs what their sessions ask for.
        resuming: The sessions of this instance that may go on.
        broker: Finds sessions that are elsewhere.
        clock: Tells the time.
        terms: How sessions may go on.
    """

    def __init__(
        self,
        clients: Sessions,
        performer: Performing,
        resuming: Resuming,
        broker: Broker,
        clock: IReactorTime,
        terms: Terms,
    ) -> None:
        self._clients = clients
        self._give = performer.give
        self._resuming = resuming
        self._broker = broker
        self._clock = clock
        self._terms = terms
        self._started = clock.seconds()
        resuming.fetch = self.fetch

    # --- to another home: `SessionEvents` -----------------------------------------------------------------------------

    def epochs(self) -> list[tuple[ClientId, int]]:
        """See `SessionEvents.epochs`."""
        return [(client.id, client.epoch) for client in self._clients if client.outbox is not None]

    def epoch(self, client: ClientId) -> int:
        """See `SessionEvents.epoch`."""
        found = self._clients.find(client)
        return 0 if found is None else found.epoch

    def attempt(self, client: ClientId) -> Attempt:
        """See `SessionEvents.attempt`."""
        found = self._clients.find(client)
        return Attempt() if found is None else found.attempt

    def room(self, client: ClientId) -> RoomId | None:
        """See `SessionEvents.room`."""
        found = self._clients.find(client)
        return None if found is None else found.session.room

    def demanded(self, client: ClientId, epoch: int, sent: int, received: int, attempt: Attempt) -> bool:
        """See `SessionEvents.demanded`."""
        found = self._clients.find(client)
        if found is None or not is_last(found, epoch, sent, received, attempt):
            return False
        if found.session.state is not State.AWAY:
            connection = found.connection
            connection.serve(None)
            self._resuming.leave(found, "its client is on another instance")
            connection.close(SUPERSEDED, SUPERSEDED_BY)
        return True

    def pack(self, client: ClientId, *, lost: bool) -> Parcel | None:
        """See `SessionEvents.pack`."""
        found = self._clients.find(client)
        if found is None or found.outbox is None or found.session.state is not State.AWAY:
            return None
        now, outbox = self._clock.seconds(), found.outbox
        packed = parcel.pack(
            found.session,
            now,
            epoch=found.epoch,
            attempt=found.attempt,
            received=found.messages,
            sent=outbox.sent,
            texts=outbox.texts,
            tokens=outbox.tokens,
            lost=lost,
            lost_before=found.lost,
            place=None if found.session.shelved is None else self._broker.place(found.session.shelved),
            address=found.address,
            age_s=now - found.opened,
            away_since=self._terms.unix_time() - (self._resuming.away_for(found) or 0.0),
        )
        self._clients.vanish(found)
        return packed

    def moved(self, client: ClientId, epoch: int, attempt: Attempt, *, rival: bool) -> RoomId | None:
        """See `SessionEvents.moved`."""
        found = self._clients.find(client)
        if found is None:
            return None
        yields = attempt.follows(found.attempt) or (rival and not found.attempt.follows(attempt))
        if found.epoch >= epoch + yields:
            return None
        room, connection = found.session.room, found.connection
        connection.serve(None)
        self._clients.vanish(found)
        connection.close(SUPERSEDED, SUPERSEDED_BY)
        return room or RoomId("")

    # --- from another home --------------------------------------------------------------------------------------------

    async def fetch(self, newcomer: Client, said: Pass, wish: Resume) -> None:
        """Look for a session that is not here, and let the newcomer go on with it."""
        found = await self._broker.fetch(said, wish.received, wish.which(), lambda: _waits(newcomer))
        here = self._clients.find(said.client)
        if here is not None and _waits(newcomer):  # another attempt has brought it
            self._resuming.take(newcomer, here, said, wish)
            return
        packed = found.parcel or self._from_pass(found.origin, said, wish)
        if packed is None or not self._may_settle(newcomer, packed, said, wish):
            if packed is not None and found.claimed:
                self._broker.put_back(packed)
            self._fail(newcomer, found.why or "it may not have what was found", said)
            return
        client = self._settle(newcomer, packed, said, wish)
        self._broker.settled(client.id, found)
        await self._rejoin(client, packed)
        if self._clients.find(client.id) is not client or client.session.state is not State.AWAY:
            self._fail(newcomer, "it has been thrown out, or goes on elsewhere or by a later attempt", said)
        elif self._resuming.is_banned(packed.user):  # while it had no home that could have ended it
            self._clients.end(client, "its user is banned", "removed")
            self._fail(newcomer, "its user is banned", said)
        elif not _waits(newcomer) or not self._clients.may_return(client, newcomer):
            self._resuming.wait_for(client)
            self._fail(newcomer, "it may not be here", said)
        else:
            self._resuming.hand_over(newcomer, client)
            client.lost |= client.outbox is not None and client.outbox.resume(wish.received)
            away_s = self._terms.unix_time() - packed.away_since if packed.away_since else None
            self._resuming.go_on(client, newcomer, away_s, Resumption(found.origin.value))

    def _fail(self, newcomer: Client, why: str, said: Pass) -> None:
        if _waits(newcomer):
            self._resuming.fail(newcomer, why, said)

    async def _rejoin(self, client: Client, packed: Parcel) -> None:
        """Let a session that has come here go on in its room, if it has one."""
        session = client.session
        room, partner, told_away = session.room, session.partner, session.partner_away
        if room is None or partner is None:
            return
        session.partner_away = True  # until it is heard of
        half = Half(room, client.id, client.epoch, partner, packed.partner_instance, packed.unheard, client.attempt)
        answer = await self._broker.rejoin(half)
        if self._clients.find(client.id) is not client:
            return  # it was thrown out meanwhile
        match answer:
            case Partner.HERE:  # if it was told otherwise, or will be by a message that it missed, it is told now
                session.partner_away &= told_away
                self._give(client, PartnerReturned(room, lost=False))
            case Partner.GONE:
                self._give(client, PartnerGone(room))
            case Partner.STALE:
                self._clients.vanish(client)

    def _from_pass(self, origin: Origin, said: Pass, wish: Resume) -> Parcel | None:
        """What is left of a session whose home is no more; None if it is too late for that."""
        now = self._terms.unix_time()
        restarted_s = self._clock.seconds() - self._started
        if origin is Origin.GONE or now - said.issued > LIFE_S:
            return None
        if origin is Origin.RESTARTED and (said.boot == self._terms.boot or restarted_s > self._terms.seconds):
            return None
        waited_s = None if isinstance(wish.waited, UnsetType) else wish.waited
        wishes = None if isinstance(wish.wishes, UnsetType) else wish.wishes
        return parcel.from_pass(said, now, wish.received, waited_s, wishes)

    def _may_settle(self, newcomer: Client, packed: Parcel, said: Pass, wish: Resume) -> bool:
        return (
            _waits(newcomer)
            and self._clients.find(said.client) is None
            and self._resuming.may_be(newcomer, packed.user)
            and parcel.is_last(packed, said.epoch, said.sent, wish.received, wish.which())
        )

    def _settle(self, newcomer: Client, packed: Parcel, said: Pass, wish: Resume) -> Client:
        """Make a session that was elsewhere one of this instance, away until its partner's instance knows it."""
        now = self._clock.seconds()
        session = parcel.unpack(packed, self._clients.policy, now)
        absent = Absent(self._clients)
        client = absent.client = Client(absent, session, newcomer.rate, now - packed.age_s, newcomer.address)
        client.lost = packed.lost or (packed.lost_before and said.epoch < packed.epoch)
        client.messages, client.epoch, client.attempt = packed.received, said.epoch + 1, wish.which()
        client.outbox = Outbox(self._terms.shelf, packed.sent)
        client.outbox.restore(packed.texts, packed.tokens)
        self._clients.add(client)
        if session.shelved is not None and packed.place is not None:
            self._broker.keep_place(session.shelved, packed.place)
        return client


def _waits(newcomer: Client) -> bool:
    """Whether a client still waits for its session."""
    return newcomer.session.state is State.RESUMING


def _conforms(homes: Homes) -> SessionEvents:
    return homes

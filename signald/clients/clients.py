"""Takes what clients send to their sessions, and runs the effects.

It knows the wire only by the small `Connection` protocol, so nothing here imports a WebSocket.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from msgspec import UNSET, UnsetType
from twisted.internet.interfaces import IReactorTime

from signald.brokers.interface import Broker, BrokerEvents
from signald.clients.bulletins import Bulletins
from signald.clients.client import CallEvents, Client, Connection, Identities
from signald.clients.doorstep import Doorstep
from signald.clients.ending import Ending
from signald.clients.homes import Homes
from signald.clients.newcomers import Newcomers
from signald.clients.performing import Performer
from signald.clients.resuming import PARTINGS, Resuming
from signald.clients.terms import Terms
from signald.clients.vigil import Vigil
from signald.core import addresses, messages
from signald.core.effects import FileReport
from signald.core.ids import ClientId, ReportId, RoomId, UserId
from signald.core.inputs import (
    Disconnected,
    PartnerFound,
    PartnerGone,
    PartnerInterrupted,
    PartnerReturned,
    TicketRefused,
    TokenExpired,
)
from signald.core.limits import MessageRate
from signald.core.matching import Ticket
from signald.core.messages import Crossed, ErrorCode, IceServer, Parting, ProtocolError, ResumeOffer
from signald.core.session import Session
from signald.core.standing import Policy, State
from signald.limits.pace import Pace
from signald.limits.prices import PRICES
from signald.telemetry.counts import Counts
from signald.telemetry.lag import LoopLag
from signald.telemetry.logs import ClientLog

_TOKEN_EXPIRED: Final = TokenExpired()


class Clients:
    """Holds this instance's clients by their id; nothing else changes that table. Implements `BrokerEvents`.

    Args:
        broker: Pairs the clients and carries what they say to each other.
        clock: Tells the time.
        new_client_id: Makes an id that was never used.
        policy: How sessions behave.
        max_messages_per_second: The limit of each client.
        counts: Where to count what happens.
        show_address: What the log may show of an address.
        ice_servers: What a client is told of STUN and TURN servers; None if there are none.
        identities: Checks tokens; None: none are looked at.
        pace: Limits on other things than messages; by default none.
        report: Takes what a client says of another, with its own address; gives its id, or raises ProtocolError.
        departed: Called with each client that has gone, and its user; None if nobody wants to know.
        lag: Knows how long this process has stood still; by default it never has.
        terms: How sessions may go on after the loss of a connection; None: not at all.
        chance: A random number from 0 to 1 at each call.
        answer_s: For how long one who is matched may say nothing; 0: for ever.
        calls: Hears of rooms that begin and end; None if nobody wants to know.
    """

    _log = ClientLog()

    def __init__(
        self,
        broker: Broker,
        clock: IReactorTime,
        *,
        new_client_id: Callable[[], ClientId],
        policy: Policy,
        max_messages_per_second: int,
        counts: Counts,
        show_address: Callable[[str], str] = addresses.truncate,
        ice_servers: Callable[[ClientId], list[IceServer] | UnsetType] | None = None,
        identities: Identities | None = None,
        pace: Pace | None = None,
        report: Callable[[FileReport, str], ReportId] = lambda report, address: ReportId(""),
        departed: Callable[[Client, UserId | None], None] | None = None,
        lag: LoopLag | None = None,
        terms: Terms | None = None,
        chance: Callable[[], float] = lambda: 0.0,
        answer_s: float = 0.0,
        calls: CallEvents | None = None,
    ) -> None:
        self._departed = departed
        lag = LoopLag(clock) if lag is None else lag
        self._lost_s = lag.lost_s
        self._identities = identities
        self._pace = pace = pace or Pace(clock)
        self._show_address = show_address
        self._broker = broker
        self._now = self.now = clock.seconds
        self._new_client_id = new_client_id
        self.policy = policy
        self._rate = max_messages_per_second
        self._counts = counts
        self._clients: dict[ClientId, Client] = {}
        self._ending = ending = Ending(broker, chance, 0.0 if terms is None else terms.seconds)
        self._performer = performer = Performer(broker, clock, counts, ice_servers, identities, pace, report, ending)
        self._give, self._refuse = performer.give, performer.refuse
        self._requests = performer.requests
        self._newcomers = Newcomers(clock, identities, policy, performer)
        self._ice_servers = ice_servers
        self.bulletins = Bulletins(clock, broker.crowds, performer.tell)
        performer.waits = self.bulletins.begin
        self.doorstep = Doorstep(clock, performer.give, lag.running_s)
        performer.awaits = self.doorstep.begin
        self.vigil = Vigil(clock, answer_s, performer.give, lag.running_s, counts)
        performer.met = self.vigil.matched
        self._calls = performer.calls = calls
        self.resuming: Resuming | None = None
        self.homes: Homes | None = None
        if terms is not None:
            self.resuming = performer.resuming = Resuming(self, performer, broker, clock, terms, counts, lag.running_s)
            self.homes = Homes(self, performer, self.resuming, broker, clock, terms)

    def __len__(self) -> int:
        return len(self._clients) - self.away

    @property
    def away(self) -> int:
        """How many sessions have no connection; the length does not count them, and iteration finds them."""
        return 0 if self.resuming is None else self.resuming.away

    def away_for(self, client: Client) -> float | None:
        """How long a client has had no connection, in seconds; None if it has one."""
        return None if self.resuming is None else self.resuming.away_for(client)

    @property
    def kept_bytes(self) -> int:
        """Bytes of messages that may not have arrived."""
        return 0 if self.resuming is None else self.resuming.kept_bytes

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def find(self, client: ClientId) -> Client | None:
        """The client with this id, if it is here."""
        return self._clients.get(client)

    def first(self, at_most: int) -> list[Client]:
        """The clients that came first, so many at most."""
        return list(islice(self._clients.values(), at_most))

    # --- from the wire ------------------------------------------------------------------------------------------------

    def open(self, connection: Connection, address: str = "", *, v1: bool = False, token: str | None = None) -> Client:
        """Make a client of a connection that is ready for messages, and tell it its id.

        Args:
            connection: The connection.
            address: Of the client.
            v1: Whether it speaks the protocol of today.
            token: What its handshake brought: as if its first message were ``auth``.

        Raises:
            Refused: For its token; nothing was sent.
        """
        name, now = self._new_client_id(), self._now()
        rate = MessageRate(self._rate, now, self._lost_s(now))
        client = Client(connection, Session(name, self.policy, v1=v1), rate, now, address)
        resume: ResumeOffer | UnsetType = UNSET
        if v1 and self.resuming is not None:
            self.resuming.begin(client)
            resume = self.resuming.offer(client)
        known = self._newcomers.look(client, token) if token or self.policy.toll is not None else None
        self._clients[name] = client
        self._counts.clients += 1
        ice_servers = UNSET if self._ice_servers is None else self._ice_servers(name)
        connection.send(messages.ready(name, ice_servers, resume))
        if ClientLog.shows_debug:
            self._log.debug(
                "client {client} connected from {address}", client=name, address=self._show_address(address)
            )
        if known is not None:
            self._give(client, known)
        return client

    def add(self, client: Client) -> None:
        """Hold another client."""
        self._clients[client.id] = client

    def receive(self, client: Client, text: bytes) -> None:
        """Take a text message of a client (valid UTF-8, within the size limit)."""
        seconds, parse = self._now, self._pace.parse
        now = seconds()
        client.messages += 1
        if not client.rate.allows(now) and not client.rate.excuses(self._lost_s(now)):
            self._requests.too_many(client, text)
            return
        try:
            message = parse(text)
            if message.id is UNSET:
                effects = client.session.receive(message, now)
            else:
                effects = self._requests.take(client, message, now)
        except ProtocolError as problem:
            self._refuse(client, problem, self._requests.of(client, text))
            return
        except Crossed:
            self._counts.crossed += 1
            return
        if effects:
            kind, relayed = type(message), self._counts.relayed
            if kind in relayed:
                relayed[kind] += 1
            elif kind in PRICES:
                client.rate.charge(PRICES[kind], now)
            self._performer.run(client, effects)

    def token_expired(self, client: Client) -> None:
        """Tell a client's session that its token has expired."""
        self._give(client, _TOKEN_EXPIRED)

    def refuse(self, client: Client, why: str) -> None:
        """Refuse something that a client sent and that is no message at all; it counts as one."""
        client.messages += 1
        if client.rate.allows(now := self._now()) or client.rate.excuses(self._lost_s(now)):
            self._refuse(client, ProtocolError(ErrorCode.INVALID_FORMAT, why))
        else:
            self._requests.too_many(client)

    def closed(self, client: Client, why: str, code: int | None = None) -> None:
        """Take note that a client's connection ended, or will at once; it may come back. Harmless when done twice.

        Args:
            client: Which one.
            why: For the log.
            code: Of the close frame; None if there was none.
        """
        if self._clients.get(client.id) is not client:
            return
        if client.outbox is not None and self.resuming is not None and self.resuming.may_return(client, code):
            if self._identities is not None:
                self._identities.forget(client)
            self.resuming.leave(client, why)
        else:
            del self._clients[client.id]
            self._depart(client, why, PARTINGS.get(code, "gone"))

    def end(self, client: Client, why: str, parting: Parting = "gone") -> None:
        """End a client's session; `parting` is for its partner. Harmless when done twice."""
        if self._clients.get(client.id) is client:
            del self._clients[client.id]
            self._depart(client, why, parting)

    def dissolve(self, client: Client) -> None:
        """Remove a newcomer whose connection serves another session by now, and whose identity was settled."""
        del self._clients[client.id]
        if self.resuming is not None:
            self.resuming.forget(client)
        client.session.receive(Disconnected(), self._now())

    def vanish(self, client: Client) -> None:
        """A client's session has another home; nobody is told."""
        ticket = client.session.ticket
        if self._identities is not None:
            self._identities.forget(client)
        self._pace.forget(client.id)
        self.dissolve(client)
        if ticket is not None:
            self._broker.withdraw(ticket)

    def may_return(self, client: Client, instead_of: Client) -> bool:
        """Whether a user may have this connection again, in place of the newcomer's; if so it is counted."""
        identity = instead_of.session.identity or client.session.identity
        return identity is None or self._identities is None or self._identities.returns(client, identity, instead_of)

    def _depart(self, client: Client, why: str, parting: Parting) -> None:
        """Let all who may hold something of a client forget it. Of most nobody does but this table."""
        session, room = client.session, client.session.room
        if self._identities is not None:
            self._identities.forget(client)
        if self._departed is not None:
            self._departed(client, session.user)
        if session.tickets or client.epoch:
            self._broker.ended(client.id, moved=client.epoch > 0)
        effects = session.receive(Disconnected(parting), self._now())
        if effects:
            self._performer.run(client, effects)
        if session.tickets and self._pace.limits_partners:
            self._pace.forget(client.id)
        if client.outbox is not None and self.resuming is not None:
            self.resuming.forget(client)
        if ClientLog.shows_info:
            self._log.info(
                "client {client} from {address} gone after {seconds} s and {messages} messages: {reason}",
                client=client.id,
                address=self._show_address(client.address),
                seconds=round(self._now() - client.opened, 1),
                messages=client.messages,
                room=room,
                reason=why,
            )

    def drain(self, reason: str) -> None:
        """Close whoever is not paired, and all others when their room ends: nobody is to wait here any more."""
        self._ending.begin(reason, len(self))
        for client in self:
            if client.session.state not in (State.PAIRED, State.AWAY):
                self._ending.send_away(client)

    def close_all(self, reason: str) -> None:
        """Begin the closing handshake with every client; none is told of another's end, nor matched meanwhile.

        Sessions that can outlive the process are away from then on, for `Broker.park_all`.
        """
        clients, self._clients = self._clients, {}
        if self._broker.parks:
            self._clients = {name: each for name, each in clients.items() if each.outbox is not None}
        self._newcomers.stop()
        self._ending.begin(reason, len(clients))
        for client in clients.values():
            if client.session.state is not State.AWAY:
                self._ending.send_away(client)
        if self.resuming is not None:
            self.resuming.stop()
        for client in clients.values():
            if client.id not in self._clients and client.session.state is not State.CLOSED:
                self._depart(client, reason, "stopping")

    # --- from the broker ----------------------------------------------------------------------------------------------

    def matched(self, found: PartnerFound) -> bool:
        """See `BrokerEvents.matched`."""
        client = self._clients.get(found.ticket.client)
        if client is None or client.session.ticket != found.ticket:
            return False
        now, since, wish = self._now(), found.ticket.since, found.ticket.wish
        self._performer.run(client, client.session.receive(found, now))
        if client.session.state is not State.PAIRED:
            return False
        if wish is None:
            self._counts.matched("", now - since, relaxed=False)
        else:
            self._counts.matched(wish.pool, now - since, relaxed=bool(wish.relaxed(since, now)))
        return True

    def refused(self, ticket: Ticket, problem: ProtocolError) -> None:
        """See `BrokerEvents.refused`."""
        client = self._clients.get(ticket.client)
        if client is not None:
            self._give(client, TicketRefused(ticket, problem))

    def relayed(self, client: ClientId, room: RoomId, text: bytes, is_offer: bool = False) -> None:
        """See `BrokerEvents.relayed`."""
        receiver = self._clients.get(client)
        if receiver is not None and receiver.session.room == room:
            if receiver.outbox is not None:
                receiver.outbox.add(text)
            receiver.connection.send(text)
            if is_offer:
                self.vigil.offered(receiver)

    def partner_left(self, client: ClientId, room: RoomId, why: Parting = "gone") -> None:
        """See `BrokerEvents.partner_left`."""
        left = self._clients.get(client)
        if left is not None:
            if self._calls is not None and left.session.room == room:
                self._calls.ended(left, room, why)
            self._give(left, PartnerGone(room, why))
            if self._ending.begun and left.session.state is not State.AWAY:
                self._performer.run(left, (self._ending.close(left),))

    def partner_away(self, client: ClientId, room: RoomId, seconds: float) -> None:
        """See `BrokerEvents.partner_away`."""
        partner = self._clients.get(client)
        if partner is not None:
            self._give(partner, PartnerInterrupted(room, seconds))

    def partner_back(self, client: ClientId, room: RoomId, lost: bool) -> None:
        """See `BrokerEvents.partner_back`."""
        partner = self._clients.get(client)
        if partner is not None:
            self._give(partner, PartnerReturned(room, lost))

    def resumes(self, client: ClientId) -> bool:
        """See `BrokerEvents.resumes`."""
        found = self._clients.get(client)
        return found is not None and found.outbox is not None

    def is_here(self, client: ClientId) -> bool:
        """See `BrokerEvents.is_here`."""
        found = self._clients.get(client)
        return found is not None and found.session.state is not State.AWAY


def _conforms(clients: Clients) -> BrokerEvents:
    return clients

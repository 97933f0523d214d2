"""The clients of this instance: takes what they send to their sessions, and runs the effects.

This is where the pure session meets the broker and the wire. It knows a wire only by the small `Connection` protocol,
so nothing here imports a WebSocket.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import UNSET, UnsetType
from twisted.internet.interfaces import IReactorTime

from signald.brokers.interface import Broker, BrokerEvents
from signald.clients.client import Client, Connection, Identities, Nobody
from signald.core import addresses, messages
from signald.core.effects import (
    POLICY_VIOLATION,
    Close,
    Enqueue,
    FileReport,
    KeepApart,
    LeaveRoom,
    Refuse,
    Relay,
    Send,
    TellMatched,
    VerifyToken,
    Withdraw,
)
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.inputs import Disconnected, Input, PartnerFound, PartnerGone, TokenExpired
from signald.core.limits import MessageRate
from signald.core.matching import Ticket
from signald.core.messages import Auth, ErrorCode, IceServer, ProtocolError
from signald.core.session import Policy, Session, State
from signald.limits.pace import Pace
from signald.telemetry.counts import Counts
from signald.telemetry.logs import ClientLog

_RATE_LIMIT = ProtocolError(ErrorCode.RATE_LIMIT, "too many messages: this one was dropped")
_DISCONNECTED = Disconnected()
_TOKEN_EXPIRED = TokenExpired()


class Clients:
    """This instance's clients by their id; the only one who changes that table. Implements `BrokerEvents`.

    Args:
        broker: Pairs the clients and carries what they say to each other.
        clock: Tells the time.
        new_client_id: Makes an id that was never used.
        policy: How sessions behave.
        max_messages_per_second: Of each client.
        counts: Where to count what happens.
        show_address: What the log may show of an address.
        ice_servers: What a client is told of STUN and TURN servers.
        identities: Check tokens.
        pace: What a client may do besides; by default anything.
        report: Takes what a client says of another, with its own address; gives why not, or nothing.
        departed: Told of each client that has gone, with its user.
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
        ice_servers: Callable[[ClientId], list[IceServer] | UnsetType] = lambda client: UNSET,
        identities: Identities | None = None,
        pace: Pace | None = None,
        report: Callable[[FileReport, str], str] = lambda report, address: "",
        departed: Callable[[Client, UserId | None], None] = lambda client, user: None,
    ) -> None:
        self._file = report
        self._departed = departed
        self._identities = Nobody() if identities is None else identities
        self._pace = pace or Pace(clock)
        self._parse = self._pace.parse
        self._ice_servers = ice_servers
        self._show_address = show_address
        self._broker = broker
        self._now = clock.seconds
        self._new_client_id = new_client_id
        self._policy = policy
        self._rate = max_messages_per_second
        self._counts = counts
        self._clients: dict[ClientId, Client] = {}
        self._pending: deque[tuple[Client, Sequence[Any]]] = deque()
        self._running = False
        self._ending: tuple[int, str] | None = None
        self._effects: dict[type, Callable[[Client, Any], None]] = {
            Send: self._send,
            TellMatched: self._tell_matched,
            Refuse: self._tell_refused,
            VerifyToken: self._verify_token,
            Close: self._close,
            Enqueue: self._enqueue,
            Withdraw: self._withdraw,
            Relay: self._relay,
            LeaveRoom: self._leave,
            FileReport: self._file_report,
            KeepApart: self._keep_apart,
        }

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def find(self, client: ClientId) -> Client | None:
        """The client with this id, if it is here."""
        return self._clients.get(client)

    def first(self, at_most: int) -> list[Client]:
        """Those who came first, so many at most."""
        return list(islice(self._clients.values(), at_most))

    # --- from the wire ------------------------------------------------------------------------------------------------

    def open(self, connection: Connection, address: str = "") -> Client:
        """A connection is ready for messages: it becomes a client, and is told its id."""
        name, now = self._new_client_id(), self._now()
        client = Client(connection, Session(name, self._policy), MessageRate(self._rate, now), now, address)
        self._clients[name] = client
        self._counts.clients += 1
        connection.send(messages.ready(name, self._ice_servers(name)))
        self._log.debug("client {client} connected from {address}", client=name, address=address)
        return client

    def receive(self, client: Client, text: bytes) -> None:
        """A client sent a text message (valid UTF-8, within the size limit)."""
        now = self._now()
        client.messages += 1
        if not client.rate.allows(now):
            self._too_many(client)
            return
        try:
            message = self._parse(text)
            effects = client.session.receive(message, now)
        except ProtocolError as problem:
            self._refuse(client, problem)
            return
        if effects:
            kind = type(message)
            if kind in self._counts.relayed:
                self._counts.relayed[kind] += 1
            self._run(client, effects)

    def show_token(self, client: Client, token: str) -> None:
        """A client came with a token in its handshake: as if its first message were ``auth``."""
        self._input(client, Auth(token=token))

    def token_expired(self, client: Client) -> None:
        """The token that a client has shown is no longer good."""
        self._input(client, _TOKEN_EXPIRED)

    def refuse(self, client: Client, why: str) -> None:
        """A client sent something that is no message at all; it counts as one."""
        if client.rate.allows(self._now()):
            self._refuse(client, ProtocolError(ErrorCode.INVALID_FORMAT, why))
        else:
            self._too_many(client)

    def closed(self, client: Client, why: str) -> None:
        """A client's connection ended, or will at once. Harmless when done twice."""
        if self._clients.get(client.id) is not client:
            return
        del self._clients[client.id]
        self._depart(client, why)

    def _depart(self, client: Client, why: str) -> None:
        self._identities.forget(client)
        self._departed(client, client.session.user)
        room = client.session.room
        self._input(client, _DISCONNECTED)
        self._pace.forget(client.id)
        if self._log.shows_info:
            self._log.info(
                "client {client} from {address} gone after {seconds} s and {messages} messages: {reason}",
                client=client.id,
                address=self._show_address(client.address),
                seconds=round(self._now() - client.opened, 1),
                messages=client.messages,
                room=room,
                reason=why,
            )

    def drain(self, code: int, reason: str) -> None:
        """Close everybody who is not paired, and who is paired now when that ends: nobody is to wait here any more."""
        self._ending = (code, reason)
        for client in self:
            if client.session.state is not State.PAIRED:
                client.connection.close(code, reason)

    def close_all(self, code: int, reason: str) -> None:
        """Begin the closing handshake with every client; none is told of another's end, nor matched meanwhile."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.connection.close(code, reason)
        for client in clients.values():
            self._depart(client, reason)

    # --- from the broker ----------------------------------------------------------------------------------------------

    def matched(self, found: PartnerFound) -> bool:
        """See `BrokerEvents.matched`."""
        client = self._clients.get(found.ticket.client)
        if client is None or client.session.ticket != found.ticket:
            return False
        self._input(client, found)
        paired = client.session.state is State.PAIRED
        if paired:
            self._counts.waits.add(self._now() - found.ticket.since)
        return paired

    def relayed(self, client: ClientId, room: RoomId, text: bytes) -> None:
        """See `BrokerEvents.relayed`."""
        receiver = self._clients.get(client)
        if receiver is not None and receiver.session.room == room:
            receiver.connection.send(text)

    def partner_left(self, client: ClientId, room: RoomId) -> None:
        """See `BrokerEvents.partner_left`."""
        left = self._clients.get(client)
        if left is not None:
            self._input(left, PartnerGone(room))
            if self._ending is not None:
                self._run(left, (Close(*self._ending),))

    def _refuse(self, client: Client, problem: ProtocolError) -> None:
        self._counts.errors[problem.code] += 1
        client.connection.send(messages.error(problem))
        client.connection.useless()

    def _too_many(self, client: Client) -> None:
        """A message above MAX_MSG_PER_SECOND: the one mistake that VIOLATIONS_PER_MINUTE counts.

        A report too many is RATE_LIMIT too and does not count: all who share an address share the limit on reports, and
        none of them is to be closed, or banned, for what the others report.
        """
        self._refuse(client, _RATE_LIMIT)
        if not self._pace.forgives(client.id, client.address):
            self._counts.violators += 1
            client.connection.close(POLICY_VIOLATION, "too many messages above the rate limit")

    # --- effects ------------------------------------------------------------------------------------------------------

    def _input(self, client: Client, given: Input) -> None:
        effects = client.session.receive(given, self._now())
        if effects:
            self._run(client, effects)

    def _run(self, client: Client, effects: Sequence[Any]) -> None:
        """Run effects in order. Effects that these bring about wait for their turn, so nothing is re-entered."""
        if self._running:
            self._pending.append((client, effects))
            return
        self._running = True
        run = self._effects
        try:
            for effect in effects:
                run[type(effect)](client, effect)
            while self._pending:
                client, effects = self._pending.popleft()
                for effect in effects:
                    run[type(effect)](client, effect)
        finally:
            self._running = False

    def _send(self, client: Client, effect: Send) -> None:
        client.connection.send(effect.text)

    def _tell_matched(self, client: Client, effect: TellMatched) -> None:
        ice_servers = self._ice_servers(client.id)
        client.connection.send(
            messages.matched(effect.room, effect.partner, initiator=effect.initiator, ice_servers=ice_servers)
        )

    def _tell_refused(self, client: Client, effect: Refuse) -> None:
        self._refuse(client, effect.problem)

    def _verify_token(self, client: Client, effect: VerifyToken) -> None:
        if self._clients.get(client.id) is client:  # else it went in this very turn, and must not be remembered
            self._input(client, self._identities.identify(client, effect.token))

    def _enqueue(self, client: Client, effect: Enqueue) -> None:
        # The effect before may have been the message too many for a client that does not read: it is gone by now.
        if client.session.ticket != effect.ticket:
            return
        if self._ending is not None:
            client.connection.close(*self._ending)
            return
        delayed = self._pace.when_due(client.id, effect.ticket.user, lambda: self._enqueue_now(client, effect.ticket))
        self._counts.matches_delayed += delayed

    def _enqueue_now(self, client: Client, ticket: Ticket) -> None:
        if client.session.ticket == ticket:  # it may have left meanwhile
            self._broker.enqueue(ticket)

    def _withdraw(self, client: Client, effect: Withdraw) -> None:
        self._broker.withdraw(effect.ticket)

    def _relay(self, client: Client, effect: Relay) -> None:
        self._broker.relay(effect.room, client.session.client, effect.text)

    def _leave(self, client: Client, effect: LeaveRoom) -> None:
        self._broker.leave(effect.room, client.session.client)
        self._pace.left(client.id, client.session.user)
        if self._ending is not None:
            client.connection.close(*self._ending)

    def _file_report(self, client: Client, effect: FileReport) -> None:
        refusal = self._file(effect, client.address)
        if refusal:
            self._refuse(client, ProtocolError(ErrorCode.RATE_LIMIT, refusal))

    def _keep_apart(self, client: Client, effect: KeepApart) -> None:
        self._counts.blocks += 1
        self._broker.block(effect.by, effect.whom)

    def _close(self, client: Client, effect: Close) -> None:
        client.connection.close(effect.code, effect.reason)


def _conforms(clients: Clients) -> BrokerEvents:
    return clients

"""Lets sessions outlive their connections: who is away, who comes back, and by which token.

What is asked and answered on the wire stands in docs/protocol.md; where a session may be meanwhile, and what becomes of
it in each fault, in docs/scaling.md.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Literal

from msgspec import UNSET, UnsetType
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from signald.brokers.interface import Broker
from signald.clients.client import Client, Connection
from signald.clients.terms import Performing, Sessions, Terms
from signald.core import messages
from signald.core.effects import POLICY_VIOLATION, Send
from signald.core.ids import UserId
from signald.core.inputs import Interrupted, ResumeFailed, Returned
from signald.core.messages import ClientMessage, Parting, Resume, ResumeOffer
from signald.core.outbox import Outbox
from signald.core.passes import VERSION, Attempt, Pass
from signald.core.refusals import TOO_MANY_OF_USER
from signald.core.standing import State
from signald.periodic import Countdown
from signald.telemetry.counts import Counts, Resumption
from signald.telemetry.logs import ClientLog

SUPERSEDED: Final = 4001
"""Close code for a connection whose session goes on with another one (RFC 6455 7.4.2: 4000 to 4999 are ours)."""

SUPERSEDED_BY: Final = "the session goes on with another connection"

ENDS: Final = frozenset((1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, TOO_MANY_OF_USER.close))
"""Close codes that end a session, whoever sent them: the client is done, or has broken a rule. With any other, and
without one, the client may come back."""

PARTINGS: Final[Mapping[int | None, Parting]] = {POLICY_VIOLATION: "removed", TOO_MANY_OF_USER.close: "removed"}
"""Why a client is gone whose connection was closed with this code; with any other, or without one, it is ``gone``."""

POSTPONED_AT_MOST: Final = 64
"""Messages that wait until it is known which session they are for. No client sends any; beyond it they are dropped."""

CLOCKS_APART_S: Final = 60.0
"""By how much the clocks of two machines may differ: a token may be so much younger than now."""


_STATES: Final[Mapping[State, Literal["idle", "waiting", "paired"]]] = {
    State.IDLE: "idle",
    State.WAITING: "waiting",
    State.PAIRED: "paired",
}


class Absent:
    """The connection of a client that has none. Implements `signald.clients.client.Connection`."""

    __slots__ = ("_clients", "client")

    def __init__(self, clients: Sessions, client: Client | None = None) -> None:
        self._clients = clients
        self.client = client

    def send(self, text: bytes) -> None:
        """Nothing is sent; what matters is kept."""

    def ping(self) -> None:
        """Nobody answers."""

    def close(self, code: int, reason: str) -> None:
        """Whoever closes one that is away ends it."""
        if self.client is not None:
            self._clients.end(self.client, f"closed with {code} while away: {reason}", PARTINGS.get(code, "gone"))

    def drop(self) -> None:
        """See `close`."""
        if self.client is not None:
            self._clients.end(self.client, "dropped while away")

    def useless(self) -> None:
        """Nothing comes."""

    def serve(self, client: Client | None) -> None:
        """See `Connection.serve`."""
        self.client = client


class Resuming:
    """The sessions of this instance that may go on.

    Args:
        clients: All clients of this instance.
        performer: Runs what their sessions ask for.
        broker: Tells partners, and finds sessions that are elsewhere.
        clock: Tells the time.
        terms: How sessions may go on.
        counts: Where to count what happens.
        running: Seconds for which this process has not stood still: nobody could come back while it did.
    """

    _log = ClientLog()

    def __init__(
        self,
        clients: Sessions,
        performer: Performing,
        broker: Broker,
        clock: IReactorTime,
        terms: Terms,
        counts: Counts,
        running: Callable[[], float],
    ) -> None:
        self._clients = clients
        self._give, self._say, self._run = performer.give, performer.say, performer.run
        self._ice_servers = performer.ice_servers
        self._broker = broker
        self._clock = clock
        self._terms = terms
        self._counts = counts
        self.seconds = terms.seconds
        """How long a session without a connection is kept."""
        self._told_seconds = messages.plain(terms.seconds)
        self.fetch: Callable[[Client, Pass, Resume], Coroutine[Any, Any, None]] = self._nowhere
        """Looks for a session that is not here."""
        self._away: Countdown[Client] = Countdown(clock, terms.seconds, self._give_up, "the wait for clients", running)
        self._postponed: dict[Client, deque[ClientMessage]] = {}

    @property
    def away(self) -> int:
        """How many sessions have no connection."""
        return len(self._away)

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept because they may not have arrived."""
        return self._terms.shelf.bytes

    def away_for(self, client: Client) -> float | None:
        """How long a session has had no connection, in seconds; None if it has one."""
        return self._away.spent(client)

    # --- tokens -------------------------------------------------------------------------------------------------------

    def begin(self, client: Client) -> None:
        """A client of `signald.v1` has come."""
        client.outbox = Outbox(self._terms.shelf)

    def offer(self, client: Client, *, carried: bool = False) -> ResumeOffer | UnsetType:
        """What a client is told of how it can go on.

        Args:
            client: Which one.
            carried: Whether the message that carries it counts as one that is sent.
        """
        outbox = client.outbox
        if outbox is None:
            return UNSET
        session, now = client.session, self._terms.unix_time()
        room, identity = session.room, session.identity
        said = Pass(
            VERSION,
            client.id,
            client.epoch,
            outbox.sent + carried,
            client.messages,
            round(now, 3),
            self._broker.instance,
            self._terms.boot,
            room,
            session.partner,
            "" if room is None else self._broker.partner_instance(room),
            None if identity is None else identity.user,
            0.0 if identity is None else round(now + identity.until - self._clock.seconds(), 3),
            session.partner_takes_data,
        )
        return ResumeOffer(self._terms.passes.issue(said), self._told_seconds)

    # --- going --------------------------------------------------------------------------------------------------------

    def may_return(self, client: Client, code: int | None) -> bool:
        """Whether a client whose connection ended so, None without a close frame, may come back."""
        state = client.session.state
        return client.outbox is not None and code not in ENDS and state not in (State.RESUMING, State.CLOSED)

    def leave(self, client: Client, why: str) -> None:
        """A client has no connection any more."""
        client.connection = Absent(self._clients, client)
        self._log.debug("client {client} is away: {reason}", client=client.id, reason=why)
        self._give(client, Interrupted())
        self.wait_for(client)

    def wait_for(self, client: Client) -> None:
        """The time of a client without a connection begins."""
        self._away.begin(client)
        if len(self._away) > self._terms.at_most:
            self._clients.end(next(iter(self._away)), "too many sessions are away")

    def _give_up(self, client: Client) -> None:
        self._clients.end(client, "it did not come back")

    def forget(self, client: Client) -> None:
        """A session has ended."""
        self._away.end(client)
        self._postponed.pop(client, None)
        if client.outbox is not None:
            client.outbox.clear()

    def stop(self) -> None:
        """Wait for nobody any more."""
        self._away.stop()

    # --- coming back --------------------------------------------------------------------------------------------------

    def postpone(self, client: Client, message: ClientMessage) -> None:
        """A client said more before it was known which session it is."""
        postponed = self._postponed.setdefault(client, deque())
        if len(postponed) < POSTPONED_AT_MOST:
            postponed.append(message)

    def take_up(self, client: Client, wish: Resume) -> None:
        """A client wants to go on with a session."""
        is_first = client.messages == 1
        client.messages -= 1
        if not is_first or client.outbox is None:
            self.fail(client, "it has said something before")
        elif (said := self._terms.passes.read(wish.token)) is None:
            self._do(client, self._read_later(client, wish))
        else:
            self._take_or_fetch(client, said, wish)

    async def _read_later(self, client: Client, wish: Resume) -> None:
        """This process may have just started, and not know yet by which key the others make tokens."""
        said = self._terms.passes.read(wish.token) if await self._broker.know_key() else None
        if client.session.state is not State.RESUMING:
            return
        if said is None:
            self.fail(client, "nobody here has made its token")
        else:
            self._take_or_fetch(client, said, wish)

    def _take_or_fetch(self, client: Client, said: Pass, wish: Resume) -> None:
        here = self._clients.find(said.client)
        if here is not None and self._is_overtaken(here, said):
            self._broker.overtaken(said)
            here = None
        if said.issued > self._terms.unix_time() + CLOCKS_APART_S:
            self.fail(client, "its token is from the future", said)
        elif here is None or here is client:
            self._do(client, self.fetch(client, said, wish))
        else:
            self.take(client, here, said, wish)

    def _is_overtaken(self, here: Client, said: Pass) -> bool:
        """Whether a token tells that its session has had another home since it was here.

        That happens while the store is away, when a home cannot be asked, nor be told.
        """
        return said.epoch > here.epoch or (said.epoch == here.epoch and said.boot != self._terms.boot)

    def take(self, client: Client, here: Client, said: Pass, wish: Resume) -> None:
        """Let a newcomer go on with a session that is here, if the token is its last."""
        if self._is_good(client, here, said, wish):
            self._take(client, here, said, wish)
        else:
            self.fail(client, "its token is not the last one, or another user's", said)

    def _do(self, client: Client, step: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(step).addErrback(lambda failure: self._broke(client, failure))

    async def _nowhere(self, client: Client, said: Pass, wish: Resume) -> None:
        self.fail(client, "sessions stay here", said)

    def _is_good(self, client: Client, here: Client, said: Pass, wish: Resume) -> bool:
        """Whether a token is the last one of a session that is here."""
        last = is_last(here, said.epoch, said.sent, wish.received, wish.which())
        user = here.session.user
        return last and self.may_be(client, user) and not self.is_banned(user)

    def may_be(self, client: Client, user: UserId | None) -> bool:
        """Whether whoever is on this connection may be that user."""
        return None in (client.session.user, user) or client.session.user == user

    def is_banned(self, user: UserId | None) -> bool:
        """Whether a user may not come in."""
        return user is not None and self._terms.banned(user)

    def _take(self, newcomer: Client, client: Client, said: Pass, wish: Resume) -> None:
        """Let a session that is here go on with the newcomer's connection; the newcomer is no more."""
        outbox, away_s, old = client.outbox, self.away_for(client), client.connection
        if outbox is None or not self._clients.may_return(client, newcomer):
            self.fail(newcomer, "it may not be here", said)
            return
        self._away.end(client)
        again = said.epoch < client.epoch  # its client has not heard that it has gone on
        client.epoch, client.attempt = said.epoch + 1, wish.which()
        old.serve(None)
        self.hand_over(newcomer, client)
        old.close(SUPERSEDED, SUPERSEDED_BY)
        client.lost = outbox.resume(wish.received) or (again and client.lost)
        self.go_on(client, newcomer, away_s, Resumption.SAME)

    def hand_over(self, newcomer: Client, client: Client) -> None:
        """Let a client have a newcomer's connection."""
        connection, client.address = newcomer.connection, newcomer.address
        self._clients.dissolve(newcomer)
        connection.serve(client)

    def go_on(self, client: Client, newcomer: Client, away_s: float | None, result: Resumption) -> None:
        """Tell a client where it stands and what it has missed, and its partner that it is back."""
        lost, client.silence = client.lost, None
        effects = client.session.receive(Returned(lost), self._clock.seconds())
        missed = () if client.outbox is None else client.outbox.texts
        client.connection.send(self._resumed(client, lost))
        for text in missed:
            client.connection.send(messages.sent_again(text))
        self._counts.resumed(result, away_s, len(missed), lost=lost)
        self._log.info(
            "client {client} goes on ({result}) after {seconds} s away, {missed} messages sent again, lost: {lost}",
            client=client.id,
            result=result.value,
            seconds=None if away_s is None else round(away_s, 1),
            missed=len(missed),
            lost=lost,
        )
        self._run(client, effects)
        if newcomer.session.identity is not None:
            self._give(client, newcomer.session.identity)
        if not isinstance(newcomer.asked, UnsetType):
            self._run(client, (Send(messages.ok(newcomer.asked)),))

    def _resumed(self, client: Client, lost: bool) -> bytes:
        session = client.session
        told = messages.Resumed(
            clientId=client.id,
            state=_STATES[session.state],
            received=client.messages,
            lost=lost,
            iceServers=UNSET if self._ice_servers is None else self._ice_servers(client.id),
            resume=self.offer(client),
        )
        if session.room is not None and session.partner is not None:
            told.roomId, told.partnerId = session.room, session.partner
            told.partner = "away" if session.partner_away else "here"
            told.data = session.partner_takes_data
        return messages.to_json(told)

    def fail(self, client: Client, why: str, said: Pass | None = None) -> None:
        """A newcomer gets no other session, of which its token may tell: it stays who it is."""
        self._counts.resumptions[Resumption.FAILED] += 1
        self._log.debug(
            "client {client} does not go on as {session}, epoch {epoch}, last at {home}: {reason}",
            client=client.id,
            session=None if said is None else said.client,
            epoch=None if said is None else said.epoch,
            home=None if said is None else said.instance,
            reason=why,
        )
        self._give(client, ResumeFailed())
        for message in self._postponed.pop(client, ()):
            self._say(client, message)

    def _broke(self, client: Client, failure: Any) -> None:
        self._log.failure("could not look for a session", failure)
        if client.session.state is State.RESUMING:
            self.fail(client, "it could not be looked for")


def is_last(client: Client, epoch: int, sent: int, received: int, attempt: Attempt) -> bool:
    """Whether a token, which says epoch and number, is the last that a client here can have."""
    if client.outbox is None:
        return False
    if epoch == client.epoch:
        return client.outbox.is_current(sent, received)
    # An attempt whose answer was lost is made again.
    return epoch == client.epoch - 1 and attempt.follows(client.attempt)


def _conforms(absent: Absent) -> Connection:
    return absent

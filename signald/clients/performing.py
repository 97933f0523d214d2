"""Runs what sessions ask for: where the pure session meets the broker and the wire."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import UNSET, UnsetType
from twisted.internet.interfaces import IReactorTime

from signald.brokers.interface import Broker
from signald.clients.client import CallEvents, Client, Identities
from signald.clients.ending import Ending, dismiss
from signald.clients.requests import Requests
from signald.clients.resuming import Resuming
from signald.core import messages
from signald.core.effects import (
    AwaitProof,
    Close,
    CountOutcome,
    Enqueue,
    FileReport,
    KeepApart,
    LeaveRoom,
    Postpone,
    Refuse,
    Relay,
    Send,
    TakeUp,
    TellAway,
    TellBack,
    TellDone,
    TellMatched,
    VerifyToken,
    Withdraw,
)
from signald.core.ids import ClientId, ReportId, RequestId
from signald.core.inputs import Input, ResumeFailed, TokenRefused
from signald.core.messages import ClientMessage, Crossed, ErrorCode, IceServer, ProtocolError, ResumeOffer
from signald.core.standing import State
from signald.limits.pace import Pace
from signald.telemetry.counts import Counts

_TOO_MANY_BLOCKS: Final = ProtocolError(ErrorCode.RATE_LIMIT, "too many blocks: this one was dropped")

_NOT_CHECKED: Final = TokenRefused("tokens are not checked here")


class Performer:
    """Runs effects, one after the other.

    Args:
        broker: Pairs the clients and carries what they say to each other.
        clock: Tells the time.
        counts: Where to count what happens.
        ice_servers: What a client is told of STUN and TURN servers; None if there are none.
        identities: Check tokens; None: nobody does.
        pace: What a client may do besides.
        report: Takes what a client says of another, with its own address; gives its id, or raises ProtocolError.
        ending: Sends clients away, if the process ends.
    """

    def __init__(
        self,
        broker: Broker,
        clock: IReactorTime,
        counts: Counts,
        ice_servers: Callable[[ClientId], list[IceServer] | UnsetType] | None,
        identities: Identities | None,
        pace: Pace,
        report: Callable[[FileReport, str], ReportId],
        ending: Ending,
    ) -> None:
        self._broker = broker
        self._now = clock.seconds
        self._counts = counts
        self.ice_servers = ice_servers
        self._identities = identities
        self._pace = pace
        self._file = report
        self._ending = ending
        self.requests = Requests(counts, pace, self.tell, self.refuse)
        self.resuming: Resuming | None = None
        """Knows which session a token names; None if no session goes on."""
        self.waits: Callable[[Client], None] = lambda client: None
        """Called with each client that waits and has said whom it wants to meet."""
        self.awaits: Callable[[Client], None] = lambda client: None
        """Called with each client that does not wait before it has proven its work."""
        self.met: Callable[[Client, bool], None] = lambda client, initiator: None
        """Called with each client that was told of its partner, and whether it is the initiator."""
        self.calls: CallEvents | None = None
        """Hears of rooms that begin and end; None if nobody wants to know."""
        self._pending: deque[tuple[Client, Sequence[Any]]] = deque()
        self._running = False
        self._effects: dict[type, Callable[[Client, Any], None]] = {
            Send: self._send,
            TellMatched: self._tell_matched,
            Refuse: self._tell_refused,
            TellDone: self._tell_done,
            AwaitProof: self._await_proof,
            VerifyToken: self._verify_token,
            Close: self._close,
            Enqueue: self._enqueue,
            Withdraw: self._withdraw,
            Relay: self._relay,
            LeaveRoom: self._leave,
            FileReport: self._file_report,
            CountOutcome: self._count_outcome,
            KeepApart: self._keep_apart,
            TakeUp: self._take_up,
            Postpone: self._postpone,
            TellAway: self._tell_away,
            TellBack: self._tell_back,
        }

    def give(self, client: Client, given: Input) -> None:
        """Let a session receive something, and run what it asks for."""
        effects = client.session.receive(given, self._now())
        if effects:
            self.run(client, effects)

    def run(self, client: Client, effects: Sequence[Any]) -> None:
        """Run effects in order. Further effects that these cause wait for their turn, so nothing is re-entered."""
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

    def say(self, client: Client, message: ClientMessage) -> None:
        """A client sent this message a moment ago."""
        try:
            self.run(client, self.requests.take(client, message, self._now()))
        except ProtocolError as problem:
            self.refuse(client, problem)
        except Crossed:
            self._counts.crossed += 1

    def refuse(self, client: Client, problem: ProtocolError, asked: RequestId | UnsetType = UNSET) -> None:
        """Tell a client of its mistake; `asked` is the message in which it was made, if that is to be answered."""
        self._counts.errors[problem.code] += 1
        self.tell(client, messages.error(problem, asked))
        client.connection.useless()

    def tell(self, client: Client, text: bytes) -> None:
        """Send a client a message, now or when it is back."""
        if client.outbox is not None:
            client.outbox.add(text)
        client.connection.send(text)

    def _send(self, client: Client, effect: Send) -> None:
        self.tell(client, effect.text)

    def _tell_matched(self, client: Client, effect: TellMatched) -> None:
        outbox = client.outbox
        resume: ResumeOffer | UnsetType = UNSET
        if outbox is not None and self.resuming is not None:
            resume = self.resuming.offer(client, carried=True)
        text = messages.matched(
            effect.room,
            effect.partner,
            initiator=effect.initiator,
            ice_servers=UNSET if self.ice_servers is None else self.ice_servers(client.id),
            resume=resume,
            common=UNSET if effect.common is None else effect.common,
            data=UNSET if effect.takes_data is None else effect.takes_data,
        )
        if outbox is not None:
            outbox.add_with_token(text)
        client.connection.send(text)
        self.met(client, effect.initiator)
        if self.calls is not None:
            self.calls.began(client, effect.room)

    def _tell_refused(self, client: Client, effect: Refuse) -> None:
        self.refuse(client, effect.problem, client.take_asked())

    def _tell_done(self, client: Client, effect: TellDone) -> None:
        if self._pending:  # what came of it is told first
            self._pending.append((client, (effect,)))
        elif client.take_asked() is not UNSET and client.session.state is not State.CLOSED:
            self.tell(client, messages.ok(effect.id))

    def _await_proof(self, client: Client, effect: AwaitProof) -> None:
        self.awaits(client)

    def _verify_token(self, client: Client, effect: VerifyToken) -> None:
        if client.session.state is State.CLOSED:  # it went in this very turn, and must not be remembered
            return
        identities = self._identities
        known = _NOT_CHECKED if identities is None else identities.identify(client, effect.token)
        self.give(client, known)

    def _enqueue(self, client: Client, effect: Enqueue, held: bool = False) -> None:
        ticket = effect.ticket
        # The effect before may have been the message too many for a client that does not read: it is gone by now. Or it
        # was held for a while, and has left.
        if client.session.ticket != ticket:
            return
        if self._ending.begun:
            self._ending.send_away(client)
            return
        wait_s = 0.0 if held or not self._pace.limits_partners else self._pace.wait_s(ticket.client, ticket.user)
        if wait_s:
            self._counts.matches_delayed += 1
            self._pace.hold(ticket.client, wait_s, lambda: self._enqueue(client, effect, held=True))
            return
        if client.session.said is not None:
            self.waits(client)
        self._broker.enqueue(ticket)

    def _withdraw(self, client: Client, effect: Withdraw) -> None:
        self._pace.withdraw(client.id)
        self._broker.withdraw(effect.ticket)

    def _relay(self, client: Client, effect: Relay) -> None:
        self._broker.relay(effect.room, client.id, effect.text, effect.is_offer)

    def _leave(self, client: Client, effect: LeaveRoom) -> None:
        self._broker.leave(effect.room, client.id, effect.why)
        if self.calls is not None:
            self.calls.ended(client, effect.room, effect.why)
        if self._pace.limits_partners and effect.why != "silent":
            self._pace.left(client.id, client.session.user)
        if self._ending.begun:
            self._ending.send_away(client)

    def _file_report(self, client: Client, effect: FileReport) -> None:
        try:
            report = self._file(effect, client.address)
        except ProtocolError as problem:
            self.refuse(client, problem, client.take_asked())
            return
        if client.session.v1:
            self.tell(client, messages.reported(report, effect.about.partner.client))
            asked = client.take_asked()
            if not isinstance(asked, UnsetType):
                self.tell(client, messages.ok(asked, report=report))

    def _count_outcome(self, client: Client, effect: CountOutcome) -> None:
        self._counts.outcomes.add(effect.outcome)

    def _keep_apart(self, client: Client, effect: KeepApart) -> None:
        if not self._pace.may_block(client.id, client.address):
            self.refuse(client, _TOO_MANY_BLOCKS, client.take_asked())
            return
        self._counts.blocks += 1
        self._broker.block(effect.by, effect.whom)

    def _close(self, client: Client, effect: Close) -> None:
        dismiss(client, effect.code, effect.reason, effect.farewell)

    def _take_up(self, client: Client, effect: TakeUp) -> None:
        if self.resuming is None:
            client.messages -= 1
            self.give(client, ResumeFailed())
        elif client.session.state is not State.CLOSED:
            self.resuming.take_up(client, effect.wish)

    def _postpone(self, client: Client, effect: Postpone) -> None:
        if self.resuming is not None:
            self.resuming.postpone(client, effect.message)

    def _tell_away(self, client: Client, effect: TellAway) -> None:
        if self.resuming is not None:
            self._broker.away(effect.room, client.id, self.resuming.seconds)

    def _tell_back(self, client: Client, effect: TellBack) -> None:
        self._broker.back(effect.room, client.id, lost=effect.lost, epoch=client.epoch, attempt=client.attempt)

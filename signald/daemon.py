"""Runs the daemon: its listeners and clients, from the start to a clean end."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred, DeferredList, TimeoutError, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from signald.brokers.interface import Broker, ModerationEvents
from signald.clients.clients import Clients
from signald.limits.admission import Admission
from signald.limits.deadlines import Deadlines
from signald.limits.door import Door
from signald.network.endpoints import shown
from signald.network.lane import Lane
from signald.network.tls import TLSEndpoint
from signald.process.life import Life
from signald.process.root import ProcessService
from signald.telemetry.counts import Counts
from signald.websocket.entrance import Entrance

CLOSE_WITHIN_S: Final = 2.0
"""Seconds that clients may take to answer the close frame at the end, from when that is read."""

ALL_WITHIN_S: Final = 4.2
"""Seconds for parking and closing together: the process is cut off soon after (`signald.process.root`)."""

PARK_WITHIN_S: Final = 3.0
"""How long it may take to park all sessions at the end."""

BROKER_WITHIN_S: Final = 2.0
"""Seconds that the broker may take to clean up at the end."""

QUIET_S: Final = 3.0
"""Seconds without a relayed message after which a drain is over: calls are set up, or their clients gave up."""

POLL_S: Final = 0.02
"""Seconds between two looks at whether the end may go on."""

COME_BACK: Final = "the server is going away, connect again"
"""The reason in the close frame; clients reconnect, and find another instance."""


class Listener(NamedTuple):
    """Where to listen, and what.

    Attributes:
        words: What the operator calls the endpoint.
        endpoint: An `IStreamServerEndpoint`.
        factory: Makes a protocol for each connection.
    """

    words: str
    endpoint: Any
    factory: Any


class Daemon(ProcessService):
    """Listens, and ends within 5 s: every client gets 1001, the broker takes its entries out of the store.

    Args:
        reactor: For signals and the time.
        life: Is told of start and end.
        listeners: Where to listen, and what.
        lane: Polls what is accepted; None to leave that to the reactor.
        accepts: Is told of each port that listens.
        clients: Of this instance.
        entrance: Is closed at the end.
        door: The connections that are no WebSockets yet.
        admission: Counts the WebSockets.
        closings: Those of them that are about to end.
        broker: Started before the first client, stopped after the last.
        moderation: Hears of bans and questions of other instances.
        counts: Tell whether calls are being set up.
        drain_s: How long calls that are being set up may take to finish at the end.
        description: Lines about the settings, logged at the start.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        *,
        life: Life,
        listeners: Sequence[Listener],
        lane: Lane | None,
        accepts: Callable[[IListeningPort], None],
        clients: Clients,
        entrance: Entrance,
        door: Door,
        admission: Admission,
        closings: Deadlines,
        broker: Broker,
        moderation: ModerationEvents,
        counts: Counts,
        drain_s: float,
        description: Iterable[str],
    ) -> None:
        super().__init__(reactor, life, drain_s=drain_s)
        self._listeners = listeners
        self._lane = lane
        self._accepts = accepts
        self._clients = clients
        self._entrance = entrance
        self._door = door
        self._admission = admission
        self._closings = closings
        self._broker = broker
        self._moderation = moderation
        self._counts = counts
        self._description = description
        self._ports: list[IListeningPort] = []
        self._hurried = False
        self._deaf = ""
        """Why an endpoint could not be opened."""

    def privilegedStartService(self) -> None:
        """Listen, while the process may still have the rights for a low port."""
        super().privilegedStartService()
        for listener in self._listeners:
            listening: Deferred[IListeningPort] = listener.endpoint.listen(listener.factory)
            listening.addCallbacks(
                self._listening, self._not_listening, callbackArgs=(listener,), errbackArgs=(listener,)
            )
        if self._deaf:  # a Deferred would swallow a SystemExit
            raise SystemExit(f"signald: {self._deaf}")

    def startService(self) -> None:
        """Start everything."""
        super().startService()
        self.life.begin()
        if self._lane is not None:
            self._lane.start()
        for line in self._description:
            self._log.info("{line}", line=line)
        self._broker.start(self._clients, self._moderation, self._clients.homes)
        self._log.info(
            "instance {instance}: room for {clients} clients",
            instance=self._broker.instance,
            clients=self._admission.max_connections,
        )

    def reload(self) -> None:
        """Read all certificates again."""
        for listener in self._listeners:
            if isinstance(listener.endpoint, TLSEndpoint):
                listener.endpoint.reload()

    def stopService(self) -> "Deferred[None]":
        """Stop listening, close every client, clean up."""
        self.life.stopping = True
        return Deferred.fromCoroutine(self._stop())

    def lines_dropped(self, lines: int) -> None:
        """See `ProcessService.lines_dropped`."""
        self._counts.log_lines_dropped += lines

    def hurry(self) -> None:
        """See `ProcessService.hurry`."""
        self._hurried = True

    async def _stop(self) -> None:
        try:
            await self._say_goodbye()
        except Exception:
            self._log.failure("while stopping")
        await maybeDeferred(super().stopService)

    async def _say_goodbye(self) -> None:
        clock = self._reactor
        await self._drain()
        began = clock.seconds()
        await DeferredList([maybeDeferred(port.stopListening) for port in self._ports], consumeErrors=True)
        self._door.close()
        self._clients.close_all(COME_BACK)
        if self._broker.parks:
            await self._park()
        broker = Deferred.fromCoroutine(self._broker.stop()).addTimeout(BROKER_WITHIN_S, clock)
        broker.addErrback(self._not_cleaned_up)
        left_s = began + ALL_WITHIN_S - clock.seconds()
        await self._until(lambda: not self._admission.connected, min(CLOSE_WITHIN_S, left_s))
        self._closings.expire()
        await broker

    def _not_cleaned_up(self, failure: Failure) -> None:
        self._log.warn("the store was not cleaned up: {why}", why=_why(failure.value, BROKER_WITHIN_S))

    async def _park(self) -> None:
        """Park the sessions. Meanwhile nobody reads what clients say to their end: there are as many of them."""
        began, lane, sessions = self._reactor.seconds(), self._lane, sum(1 for _ in self._clients)
        if lane is not None:
            lane.rest()
        try:
            parked, why = await self._broker.park_all(PARK_WITHIN_S)
        except Exception as error:
            self._log.failure("while parking")
            parked, why = 0, str(error)
        finally:
            if lane is not None:
                lane.go_on()
        seconds = round(self._reactor.seconds() - began, 3)
        self._log.info("{count} sessions parked in {seconds} s", count=parked, seconds=seconds)
        if why:
            self._log.warn(
                "{count} of {all} sessions were not parked, and go on by their tokens alone: {why}",
                count=sessions - parked,
                all=sessions,
                why=why,
            )

    async def _drain(self) -> None:
        """Let calls that are being set up finish: until nobody is left, or nothing was relayed for a while."""
        if not self._drain_s:
            return
        self._log.info("draining for up to {seconds} s", seconds=self._drain_s)
        self._entrance.close()
        self._clients.drain(COME_BACK)
        until = self._reactor.seconds() + self._drain_s

        def over() -> bool:
            return self._hurried or not len(self._clients) or self._reactor.seconds() >= until

        while not over():
            signals = self._counts.signals()
            await self._until(over, QUIET_S)
            if self._counts.signals() == signals:
                return

    async def _until(self, holds: Callable[[], bool], within_s: float) -> None:
        until = self._reactor.seconds() + within_s
        while not holds() and self._reactor.seconds() < until:
            await deferLater(self._reactor, POLL_S)

    def _listening(self, port: IListeningPort, listener: Listener) -> None:
        self._ports.append(port)
        self._accepts(port)
        where = shown(port.getHost(), tls=isinstance(listener.endpoint, TLSEndpoint))
        self._log.info("listening on {where}", where=where)

    def _not_listening(self, failure: Any, listener: Listener) -> None:
        self._deaf = f"cannot listen on {listener.words}: {failure.value}"


def _why(error: BaseException | None, within_s: float) -> str:
    return f"not within {within_s:g} s" if isinstance(error, TimeoutError) else str(error)

"""The life of the daemon: its listeners and clients from start to a clean end."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.logger import Logger

from signald.brokers.interface import Broker, ModerationEvents
from signald.clients.clients import Clients
from signald.network.accepted import be_prompt
from signald.network.front import FrontFactory
from signald.network.tls import Certificate, TLSEndpoint
from signald.process.files import raise_file_limit
from signald.process.root import ProcessService
from signald.websocket.base import GOING_AWAY, WebSockets

CLOSE_WITHIN_S = 2.0
"""How long clients may take to answer the close frame at the end."""

BROKER_WITHIN_S = 2.0
"""How long the broker may take to clean up at the end."""


QUIET_S = 3.0
"""A drain is over when nothing was relayed for so long: calls are set up, or their clients gave up."""

POLL_S = 0.02
"""How often the end looks whether it may go on."""

COME_BACK = "the server is going away, connect again"
"""The reason in the close frame; clients reconnect, and find another instance."""

Listener = tuple[str, Any, Any]
"""What an endpoint is called, the endpoint, and the factory of what listens there."""


class Daemon(ProcessService):
    """Listens, and ends within 5 s: every client gets 1001, the broker takes its entries out of the store.

    Args:
        reactor: For signals and the time.
        listeners: Where to listen, and what.
        front: What clients connect to.
        websockets: The open connections.
        connections: The clients.
        broker: Started before the first client, stopped after the last.
        moderation: Hears of bans and questions of other instances.
        drain_s: How long calls that are being set up may take to finish at the end.
        description: Lines about the settings, logged at the start.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        listeners: Sequence[Listener],
        front: FrontFactory,
        websockets: WebSockets,
        connections: Clients,
        broker: Broker,
        moderation: ModerationEvents,
        drain_s: float,
        description: Iterable[str],
    ) -> None:
        super().__init__(reactor)
        self._listeners = listeners
        self._front = front
        self._websockets = websockets
        self._connections = connections
        self._broker = broker
        self._moderation = moderation
        self._ports: list[IListeningPort] = []
        self._certificates: list[Certificate] = []
        self._drain_s = drain_s
        self._description = description
        self._hurried = False
        self._deaf = ""
        """Why an endpoint could not be opened."""
        self._started = self._reactor.seconds()

    def health(self) -> dict[str, object]:
        """What ``/healthz`` says."""
        health: dict[str, object] = {
            "ok": True,
            "uptime": round(self._reactor.seconds() - self._started, 3),
            "clients": len(self._connections),
            "instanceId": self._broker.instance,
        }
        if self._broker.store_reachable is not None:
            health["redis"] = self._broker.store_reachable
        if self._broker.store_problem is not None:
            health["redisProblem"] = self._broker.store_problem
        return health

    def privilegedStartService(self) -> None:
        """Listen, while the process may still have the rights for a low port."""
        super().privilegedStartService()
        for words, endpoint, factory in self._listeners:
            if isinstance(endpoint, TLSEndpoint):
                self._certificates.append(endpoint.certificate)
            endpoint.listen(factory).addCallbacks(self._listening, self._not_listening, errbackArgs=(words,))
        if self._deaf:  # a Deferred would swallow a SystemExit
            raise SystemExit(f"signald: {self._deaf}")

    def startService(self) -> None:
        """Start everything."""
        super().startService()
        self._started = self._reactor.seconds()
        for line in self._description:
            self._log.info("{line}", line=line)
        self._broker.start(self._connections, self._moderation)
        self._log.info(
            "instance {instance}: room for {clients} clients",
            instance=self._broker.instance,
            clients=raise_file_limit(),
        )

    def reload(self) -> None:
        """Read all certificates again."""
        for certificate in self._certificates:
            certificate.reload()

    async def _stop(self) -> None:
        try:
            await self._say_goodbye()
        except Exception:
            self._log.failure("while stopping")
        await maybeDeferred(super().stopService)

    async def _say_goodbye(self) -> None:
        clock = self._reactor
        await self._drain()
        await DeferredList([maybeDeferred(port.stopListening) for port in self._ports], consumeErrors=True)
        # Who has not finished its handshake would become a client in the midst of this.
        self._front.handshakes.expire()
        self._connections.close_all(GOING_AWAY, COME_BACK)
        broker = Deferred.fromCoroutine(self._broker.stop()).addTimeout(BROKER_WITHIN_S, clock)
        broker.addErrback(lambda failure: self._log.warn("the store was not cleaned up: {why}", why=failure.value))
        await self._until(lambda: not self._websockets.open, CLOSE_WITHIN_S)
        for connection in list(self._websockets.open):
            connection.drop()
        await broker

    def stopService(self) -> "Deferred[None]":
        """Stop listening, close every client, clean up."""
        self.stopping = True
        return Deferred.fromCoroutine(self._stop())

    def hurry(self) -> None:
        """See `ProcessService.hurry`."""
        self._hurried = True

    async def _drain(self) -> None:
        """Let calls that are being set up finish: until nobody is left, or nothing was relayed for a while."""
        if not self._drain_s:
            return
        self._log.info("draining for up to {seconds} s", seconds=self._drain_s)
        self._websockets.refuse_all = True
        self._connections.drain(GOING_AWAY, COME_BACK)
        counts = self._websockets.counts
        until = self._reactor.seconds() + self._drain_s

        def over() -> bool:
            return self._hurried or not len(self._connections) or self._reactor.seconds() >= until

        while not over():
            relayed = counts.all_relayed()
            await self._until(over, QUIET_S)
            if counts.all_relayed() == relayed:
                return

    async def _until(self, holds: Callable[[], bool], within_s: float) -> None:
        until = self._reactor.seconds() + within_s
        while not holds() and self._reactor.seconds() < until:
            await deferLater(self._reactor, POLL_S)

    def _listening(self, port: IListeningPort) -> None:
        self._ports.append(port)
        be_prompt(port, self._reactor)
        self._log.info("listening on {address}", address=port.getHost())

    def _not_listening(self, failure: Any, words: str) -> None:
        self._deaf = f"cannot listen on {words}: {failure.value}"

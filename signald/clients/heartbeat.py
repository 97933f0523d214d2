"""Pings every client in turn, and drops whoever did not answer the last ping."""

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from signald.clients.client import Client
from signald.periodic import PeriodicService
from signald.telemetry.counts import Counts, Drop

SLOTS = 150
"""Beats in an interval, each for its share of the clients, so that thousands of them cause no long pause."""


PONG_WITHIN_S = 5.0
"""Seconds for which this process must have run since a ping if it also stood still: else a pong may be here, unread."""


class Heartbeat(PeriodicService):
    """Pings all clients by one timer.

    Args:
        clock: Runs the beats.
        interval_s: Seconds from one ping of a client to its next.
        counts: Where to count clients that are dropped.
        lost: For how long this process has stood still, until when it is asked; see `signald.telemetry.lag`.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, interval_s: float, counts: Counts, lost: Callable[[float], float]) -> None:
        self._lost_s = lost
        self._excused_s = max(0.0, interval_s - PONG_WITHIN_S)
        self._beat_s = interval_s / SLOTS
        super().__init__(clock, self._beat_s, "the heartbeat")
        self._counts = counts
        self._slots: list[set[Client]] = [set() for _ in range(SLOTS)]
        self._now = self._turn = 0
        self._began = 0.0
        self._done = 0

    def startService(self) -> None:
        """Begin to beat."""
        self._began, self._done = self._clock.seconds(), 0
        super().startService()

    def watch(self, client: Client) -> None:
        """Ping this client from now on, for the first time after half an interval at least and a whole one at most.

        Clients take the beats in turn, whenever they came: all come at once when a server is back.
        """
        self._turn = (self._turn + 1) % (SLOTS // 2)
        client.beat = (self._now - self._turn) % SLOTS
        self._slots[client.beat].add(client)

    def forget(self, client: Client) -> None:
        """Ping this client no more."""
        self._slots[client.beat].discard(client)

    def _beat(self) -> None:
        # More than one slot after a pause of the process: the interval must not grow by it.
        due = round((self._clock.seconds() - self._began) / self._beat_s)
        slots, self._done = due - self._done, due
        for _ in range(min(slots, SLOTS)):
            self._now = (self._now + 1) % SLOTS
            self._ping_slot()

    def _ping_slot(self) -> None:
        lost_s = self._lost_s(self._clock.seconds())
        for client in list(self._slots[self._now]):
            try:
                if client.answered:
                    client.answered = False
                    client.lost_s = lost_s
                    if client.outbox is not None:
                        client.outbox.mark()
                    client.connection.ping()
                elif lost_s - client.lost_s > self._excused_s:
                    client.lost_s = lost_s
                    client.connection.ping()
                else:
                    self._log.debug("client {client} did not answer a ping", client=client.id)
                    self._counts.drops[Drop.HEARTBEAT] += 1
                    client.connection.drop()
            except Exception:
                # One bad connection must not end the heartbeat of all others.
                self._log.failure("heartbeat of client {client}", client=client.id)

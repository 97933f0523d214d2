"""Makes what the operator's console shows of an instance."""

from typing import Any

from signald import __version__
from signald.brokers.interface import Broker
from signald.clients.clients import Clients
from signald.clients.questions import LookAtVitals, Questions, Vitals
from signald.process.life import Life
from signald.telemetry.counts import Counts
from signald.telemetry.hour import Hour
from signald.telemetry.lag import LoopLag
from signald.wiring.builders import UnixTime


def make_hour(
    *,
    broker: Broker,
    life: Life,
    clients: Clients,
    questions: Questions,
    room: int,
    counts: Counts,
    lag: LoopLag,
    unix_time: UnixTime,
    reactor: Any,
) -> Hour:
    """What remembers how this instance did, and tells all who ask; `room` is for how many clients there is room."""
    hour = Hour(
        reactor,
        connected=lambda: len(clients),
        away=lambda: clients.away,
        broker=broker,
        counts=counts,
        lag=lag,
        unix_time=unix_time,
    )

    def state() -> str:
        if life.stopping:
            return "stopping"
        return "store-away" if broker.store_reachable is False else "serving"

    def look(asked: LookAtVitals) -> Vitals:
        return Vitals(
            instance_id=broker.instance,
            version=__version__,
            state=state(),
            problem=broker.store_problem or "",
            uptime_seconds=life.uptime_s,
            clients_limit=room,
            samples=hour.samples() if asked.hour else [hour.now()],
        )

    questions.on(LookAtVitals, look)
    return hour

"""Puts the daemon together."""

import os
import secrets
import time
from typing import Any

from twisted.application.service import IService

from signald.brokers.redis.access import CALLS
from signald.brokers.redis.problems import PROBLEMS
from signald.clients.online import Online
from signald.clients.pools import Pools
from signald.core.common_time import CommonTime
from signald.daemon import Daemon, Listener
from signald.moderation.operator import Moderation
from signald.network.endpoints import DualStackEndpoint
from signald.network.endpoints import parse as parse_endpoint
from signald.network.front import FrontFactory
from signald.network.output import Output
from signald.process.notify import Notify
from signald.process.workers import WORKER_VARIABLE
from signald.settings.setting import SettingsError
from signald.settings.settings import Settings, describe
from signald.settings.values import WORKER
from signald.telemetry.counts import Counts
from signald.telemetry.lag import LoopLag
from signald.web.accounts import Accounts
from signald.web.api import Api
from signald.web.console import Console
from signald.web.hosts import Hosts
from signald.web.online import OnlinePage
from signald.web.pages import make_admin_site, make_site
from signald.web.probes import Probes
from signald.web.viewers import Viewers
from signald.wiring.builders import (
    UnixTime,
    make_accepts,
    make_broker,
    make_clients,
    make_lane,
    make_life,
    make_metrics,
    make_protocols,
    make_records,
    make_tokens,
    make_websockets,
)
from signald.wiring.limiting import make_limits
from signald.wiring.resuming import make_passes
from signald.wiring.watching import make_hour


def make_listeners(*, chosen: Settings, reactor: Any, public: Any, admin: Any) -> list[Listener]:
    """Where clients and the operator connect.

    Raises:
        SettingsError: An endpoint makes no sense.
    """
    listening = chosen.listening
    listeners = []
    if not listening.listen:
        listeners.append(Listener(f"port {listening.port}", DualStackEndpoint(reactor, listening.port), public))
    worker = os.environ.get(WORKER_VARIABLE, "1")
    for option, endpoints, factory in (
        ("listen", listening.listen, public),
        ("admin-listen", chosen.operator.admin_listen, admin),
    ):
        for words in endpoints:
            try:
                endpoint = parse_endpoint(words.replace(WORKER, worker), reactor)
            except ValueError as error:
                raise SettingsError(f"--{option}={words!r}: {error}") from None
            listeners.append(Listener(words, endpoint, factory))
    return listeners


def make_daemon(chosen: Settings, reactor: Any, unix_time: UnixTime = time.time) -> Daemon:
    """Make the daemon; it starts with its service.

    Args:
        chosen: The settings.
        reactor: A reactor, or in tests what stands for it.
        unix_time: Seconds since 1970, for what others have to agree about.

    Raises:
        SettingsError: An endpoint, a key or a certificate is no good.
    """
    told_apart = chosen.operator.metrics_pools, chosen.operator.outcome_releases
    counts = Counts(CALLS, [problem.word for problem in PROBLEMS], *told_apart)
    lag = LoopLag(reactor)
    boot = secrets.token_hex(8)
    common_time = CommonTime(reactor.seconds, unix_time())
    passes = make_passes(resuming=chosen.resuming)
    output = Output(reactor)
    lane = make_lane(chosen=chosen, reactor=reactor, output=output)
    accepts = make_accepts(chosen=chosen, reactor=reactor, lane=lane)
    broker = make_broker(
        chosen=chosen,
        boot=boot,
        passes=passes,
        reactor=reactor,
        output=output,
        accepts=accepts,
        common_time=common_time,
        counts=counts,
    )
    tokens = make_tokens(identity=chosen.identity, reactor=reactor)
    records = make_records(
        chosen=chosen,
        reactor=reactor,
        unix_time=unix_time,
        common_time=common_time,
        broker=broker,
        counts=counts,
    )
    limits = make_limits(chosen=chosen, reactor=reactor, bans=records.bans, lag=lag, counts=counts)
    everybody = make_clients(
        chosen=chosen,
        boot=boot,
        passes=passes,
        reactor=reactor,
        unix_time=unix_time,
        broker=broker,
        tokens=tokens,
        records=records,
        pace=limits.pace,
        lag=lag,
        counts=counts,
    )
    clients = everybody.clients
    moderation = Moderation(
        clients=clients,
        questions=everybody.questions,
        instance=lambda: broker.instance,
        bans=records.bans,
        traces=records.traces,
        now=reactor.seconds,
    )
    websockets = make_websockets(chosen=chosen, everybody=everybody, limits=limits, bans=records.bans, counts=counts)
    metrics = make_metrics(
        reads=websockets.frames.language if chosen.process.fast_path else "autobahn",
        broker=broker,
        clients=clients,
        limits=limits,
        records=records,
        lag=lag,
        counts=counts,
    )
    life = make_life(broker=broker, clients=clients, reactor=reactor)
    probes = Probes(life.health, life.ready, metrics.text)
    pools = Pools(clients, everybody.questions, reactor)
    online = Online(clients, broker, pools, everybody.questions, reactor)
    site = make_site(
        probes,
        online=OnlinePage(online.count, chosen.listening.allowed_origin) if chosen.operator.public_online else None,
        demo=chosen.listening.demo,
        metrics=chosen.operator.public_metrics,
        reactor=reactor,
    )
    api = Api(
        operator=moderation,
        ask=everybody.questions.ask,
        accounts=Accounts(chosen.operator.accounts),
        users_known=everybody.users is not None,
    )
    front = FrontFactory(
        websockets=make_protocols(chosen=chosen, shared=websockets, reactor=reactor, output=output),
        web=site.buildProtocol,
        read_upgrade=websockets.read_upgrade,
        turn_away=websockets.refusing.answer,
        door=limits.door,
        admission=limits.admission,
        counts=counts,
        trusted=chosen.listening.trusted_proxies,
    )
    hour = make_hour(
        broker=broker,
        life=life,
        clients=clients,
        questions=everybody.questions,
        room=limits.admission.max_connections,
        counts=counts,
        lag=lag,
        unix_time=unix_time,
        reactor=reactor,
    )
    viewers = Viewers(reactor, everybody.questions.ask)
    description = list(describe(chosen))
    console = Console(api, Hosts(chosen.operator.admin_hosts), viewers, description)
    admin = make_admin_site(probes, api, records.reports, console, reactor)
    daemon = Daemon(
        reactor,
        life=life,
        listeners=make_listeners(chosen=chosen, reactor=reactor, public=front, admin=admin),
        lane=lane,
        accepts=accepts,
        clients=clients,
        entrance=websockets.entrance,
        door=limits.door,
        admission=limits.admission,
        closings=limits.closings,
        broker=broker,
        moderation=moderation,
        counts=counts,
        drain_s=chosen.process.drain_seconds,
        description=description,
    )
    notify = Notify(reactor, os.environ, lambda: f"{len(clients)} clients on instance {broker.instance}")
    services: tuple[IService | None, ...] = (
        records.told.reports,
        records.told.rooms,
        None if tokens is None else tokens.refresh,
        everybody.users,
        everybody.heartbeat,
        clients.bulletins,
        clients.doorstep if clients.policy.toll is not None else None,
        clients.vigil if chosen.pairing.match_answer_seconds else None,
        limits.handshakes,
        limits.pages,
        limits.kept,
        limits.parting,
        limits.closings,
        limits.throttle,
        limits.turns,
        limits.pace,
        lag,
        hour,
        viewers,
        notify,
    )
    for service in services:
        if service is not None:
            service.setServiceParent(daemon)
    return daemon

"""``twistd signald``: the wiring of everything. Only this module reads settings."""

import os
import random
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from OpenSSL.crypto import Error as CryptoError
from twisted.application.service import IService, Service
from twisted.internet.interfaces import IAddress

from signald.brokers.interface import Broker
from signald.brokers.memory import MemoryBroker
from signald.brokers.redis.access import CALLS
from signald.brokers.redis.broker import RedisBroker
from signald.brokers.redis.connection import make_endpoint
from signald.brokers.redis.keys import Keys
from signald.brokers.redis.problems import PROBLEMS
from signald.check import SettingsCheck, store_probe
from signald.clients.clients import Clients
from signald.clients.heartbeat import Heartbeat
from signald.clients.questions import Asking, WhereIs
from signald.clients.users import Users
from signald.core import addresses, messages
from signald.core.ice import IceServers
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.session import AuthMode, Policy
from signald.daemon import Daemon, Listener
from signald.identity import jwks, signing_keys
from signald.identity.tokens import KeySource, Verifier
from signald.limits.admission import Admission
from signald.limits.deadlines import Deadlines
from signald.limits.pace import Pace
from signald.limits.throttle import Throttle
from signald.moderation import webhook
from signald.moderation.bans import Bans
from signald.moderation.operator import Moderation
from signald.moderation.reports import Reports
from signald.moderation.traces import Traces
from signald.moderation.webhook import Webhook
from signald.network.endpoints import DualStackEndpoint
from signald.network.endpoints import parse as parse_endpoint
from signald.network.front import Addressed, FrontFactory
from signald.process.clock import measure_steadily
from signald.process.files import raise_file_limit
from signald.process.garbage import LongLived
from signald.process.notify import Notify
from signald.process.root import ProcessService
from signald.process.workers import WORKER_VARIABLE, SharingReactor, Workers, end_with_parent
from signald.settings.groups import IdentitySettings, LimitsSettings, OperatorSettings
from signald.settings.options import Options
from signald.settings.setting import SettingsError
from signald.settings.settings import WORKER, Settings, describe
from signald.telemetry.counts import Counts, Drop
from signald.telemetry.lag import LoopLag
from signald.telemetry.metrics import Metrics
from signald.web.api import Api
from signald.web.pages import make_admin_site, make_site
from signald.web.probes import Probes
from signald.websocket.base import WebSockets
from signald.websocket.fast import FastConnection, MeteredConnection, Output
from signald.websocket.rfc6455 import WebSocketFactory

__all__ = ["Options", "makeService"]  # what twistd looks for

HALF_OPEN_SHARE = 4
"""Of all connections, the part that may not have said yet what they want: 1 in so many."""

DAY_S = 86400.0

CLOSING_TIMEOUT_S = 3.0
"""How long a client may take to answer a close frame."""


def _new_id() -> str:
    """16 characters that nobody can guess: who knows a client's id is not to find the next one from it."""
    return secrets.token_urlsafe(12)


def _make_broker(chosen: Settings, reactor: Any, counts: Counts, unix_time: Callable[[], float]) -> Broker:
    def new_room_id() -> RoomId:
        return RoomId(_new_id())

    address, block_s = chosen.store.redis_url, chosen.pairing.block_days * DAY_S
    if address is None:
        return MemoryBroker(reactor, new_room_id, chosen.process.instance_id, block_s)
    try:
        endpoint = make_endpoint(address, chosen.store.redis_ca_file, reactor)
    except (OSError, ValueError, CryptoError) as error:
        raise SettingsError(
            f"REDIS_CA_FILE={chosen.store.redis_ca_file!r}: {error or 'has a broken certificate'}"
        ) from None
    return RedisBroker(
        chosen.process.instance_id,
        secrets.token_hex(8),
        endpoint,
        address,
        Keys(chosen.store.redis_prefix),
        reactor,
        new_room_id,
        random.random,
        unix_time,
        block_s,
        counts.store_called,
        lambda problem: counts.store_troubled(problem.word),
    )


def _token_keys(identity: IdentitySettings, reactor: Any) -> KeySource | None:
    if identity.auth_mode is AuthMode.OFF:
        return None
    pinned, where = identity.jwt_algorithms, identity.jwt_jwks
    if where:
        fetch = jwks.from_url(where, reactor) if "://" in where else jwks.from_file(where)
        return jwks.Jwks(fetch, where, pinned, reactor)
    name = "JWT_SECRET" if identity.jwt_secret else "JWT_PUBLIC_KEY_FILE"
    try:
        if identity.jwt_secret:
            return signing_keys.from_secret(identity.jwt_secret, pinned)
        return signing_keys.from_pem(Path(identity.jwt_public_key_file).read_bytes(), pinned)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name}: {error}") from None


def _make_users(
    identity: IdentitySettings,
    keys: KeySource | None,
    reactor: Any,
    unix_time: Callable[[], float],
    banned: Callable[[UserId], bool],
    ask: Asking | None,
) -> Users | None:
    """Who checks tokens, a service; None if nobody does."""
    if keys is None:
        return None
    verifier = Verifier(keys, identity.jwt_issuer, identity.jwt_audience, identity.jwt_leeway_seconds)
    return Users(
        verifier.verify,
        reactor,
        unix_time,
        identity.max_connections_per_user,
        identity.user_overflow,
        banned,
        ask,
    )


def _make_webhook(operator: OperatorSettings, reactor: Any, unix_time: Callable[[], float]) -> Webhook | None:
    """What takes reports to the operator; None if nothing does."""
    if not operator.report_webhook_url:
        return None
    post = webhook.from_url(operator.report_webhook_url, reactor)
    where = urlsplit(operator.report_webhook_url).hostname or ""
    return Webhook(post, where, operator.report_webhook_secret, _new_id, unix_time, reactor, random.random)


def make_daemon(chosen: Settings, reactor: Any, unix_time: Callable[[], float] = time.time) -> Daemon:
    """Wire the whole daemon.

    Args:
        chosen: The settings.
        reactor: A reactor, or in tests what stands for it.
        unix_time: Seconds since 1970, for what others have to agree about.

    Raises:
        SettingsError: An endpoint cannot be understood.
    """
    counts = Counts(CALLS, [problem.word for problem in PROBLEMS])
    broker = _make_broker(chosen, reactor, counts, unix_time)
    bans = Bans(unix_time, chosen.limits.ban_seconds, broker.share)
    deliveries = _make_webhook(chosen.operator, reactor, unix_time)
    deliver = None if deliveries is None else deliveries.deliver
    reports = Reports(lambda: broker.instance, counts, reactor.seconds, unix_time, deliver)
    traces = Traces(reactor.seconds)
    admission = _make_admission(chosen.limits, bans, reactor)
    pace = Pace(
        reactor,
        parse=messages.bounded(chosen.limits.max_sdp_bytes, chosen.limits.max_candidate_bytes),
        matches_per_minute=chosen.pairing.matches_per_minute,
        violations_per_minute=chosen.limits.violations_per_minute,
        ban_address=bans.ban_address,
    )
    ice = IceServers(chosen.calls.ice_servers, chosen.calls.turn_secret, chosen.calls.turn_ttl)
    keys = _token_keys(chosen.identity, reactor)
    ask: Asking = lambda question: moderation.ask(question)  # noqa: E731 - made below
    asking = ask if chosen.store.redis_url else None
    users = _make_users(chosen.identity, keys, reactor, unix_time, bans.holds_user, asking)
    connections = Clients(
        broker,
        reactor,
        lambda: ClientId(_new_id()),
        Policy(
            chosen.pairing.requeue_on_partner_leave, chosen.pairing.rematch_delay_seconds, chosen.identity.auth_mode
        ),
        chosen.limits.max_msg_per_second,
        counts,
        addresses.normalise if chosen.logging.log_full_addresses else addresses.truncate,
        lambda client: ice.given_to(client, unix_time()),
        users,
        pace,
        reports.file,
        traces.remember if chosen.operator.admin_token else lambda client, user: None,
    )
    moderation = Moderation(connections, broker, bans, traces, reactor.seconds)
    heartbeat = Heartbeat(reactor, chosen.limits.heartbeat_seconds, counts)
    handshakes = Deadlines(reactor, chosen.limits.handshake_timeout_seconds, counts, Drop.HANDSHAKE_TIMEOUT)
    closings = Deadlines(reactor, CLOSING_TIMEOUT_S, counts, Drop.CLOSING_TIMEOUT)
    floods = Throttle(reactor, counts, chosen.limits.max_bytes_per_second)
    websockets = WebSockets(
        connections, heartbeat, handshakes, closings, chosen.listening.allowed_origin, counts, floods, admission
    )
    lag = LoopLag(reactor)
    gauges: dict[str, tuple[str, Callable[[], float]]] = {
        "connected": ("Clients that are connected.", lambda: len(connections)),
        "clients_limit": ("Clients for which there is room.", lambda: admission.max_connections),
        "half_open": ("Connections that have not finished their handshake.", lambda: len(handshakes)),
        "bans": ("Addresses and users that may not come in for now.", lambda: len(bans.in_force())),
        "loop_lag_seconds": ("How late the event loop was at worst, since the last scrape.", lag.worst),
    }
    webhooks: dict[str, Callable[[], int]] = {}
    if deliveries is not None:
        gauges["webhooks_queued"] = ("Reports that wait to be posted.", lambda: len(deliveries))
        webhooks = {
            "delivered": lambda: deliveries.delivered,
            "failed": lambda: deliveries.failed,
            "lost": lambda: deliveries.lost,
        }
    metrics = Metrics(counts, broker, gauges, webhooks)
    probes = Probes(lambda: daemon.health(), lambda: not daemon.stopping, metrics.text)
    site = make_site(probes, demo=chosen.listening.demo, metrics=chosen.operator.public_metrics, reactor=reactor)
    protocols = _protocols(chosen, websockets, reactor)
    front = FrontFactory(protocols, site.buildProtocol, handshakes, admission, counts, chosen.listening.trusted_proxies)
    api = Api(moderation, chosen.operator.admin_token, users_known=users is not None)
    listeners = _listeners(chosen, reactor, front, make_admin_site(probes, api, reactor))
    daemon = Daemon(
        reactor,
        listeners,
        front,
        websockets,
        connections,
        broker,
        moderation,
        chosen.process.drain_seconds,
        describe(chosen),
    )
    notify = Notify(reactor, os.environ, lambda: f"{len(connections)} clients on instance {broker.instance}")
    if deliveries is not None:
        deliveries.setServiceParent(daemon)
    if isinstance(keys, Service):
        keys.setServiceParent(daemon)
    if users is not None:
        users.on_expiry(connections.token_expired)
        moderation.on_question(WhereIs, users.seats)
        users.setServiceParent(daemon)
    for service in (heartbeat, handshakes, closings, floods, pace, lag, notify):
        service.setServiceParent(daemon)
    return daemon


def _make_admission(limits: LimitsSettings, bans: Bans, reactor: Any) -> Admission:
    room = raise_file_limit()
    connections = min(limits.max_connections or room, room)
    return Admission(
        reactor.seconds,
        bans,
        max_sockets=room,
        max_connections=connections,
        max_half_open=limits.max_half_open or max(1, connections // HALF_OPEN_SHARE),
        per_address=limits.max_connections_per_address,
        handshakes_per_second=limits.handshakes_per_address_per_second,
    )


def _protocols(chosen: Settings, shared: WebSockets, reactor: Any) -> Callable[[IAddress], Addressed]:
    """What makes the WebSocket side of a connection."""
    autobahn = WebSocketFactory(shared, reactor).buildProtocol
    if not chosen.process.fast_path:
        return autobahn
    output = Output(reactor)
    fast = MeteredConnection if chosen.limits.max_bytes_per_second else FastConnection
    return lambda peer: fast(shared, output, autobahn)


def _listeners(chosen: Settings, reactor: Any, front: Any, admin: Any) -> list[Listener]:
    listeners = (
        []
        if chosen.listening.listen
        else [(f"port {chosen.listening.port}", DualStackEndpoint(reactor, chosen.listening.port), front)]
    )
    worker = os.environ.get(WORKER_VARIABLE, "1")
    for option, endpoints, factory in (
        ("listen", chosen.listening.listen, front),
        ("admin-listen", chosen.operator.admin_listen, admin),
    ):
        for words in endpoints:
            try:
                listeners.append((words, parse_endpoint(words.replace(WORKER, worker), reactor), factory))
            except ValueError as error:
                raise SettingsError(f"--{option}={words!r}: {error}") from None
    return listeners


def makeService(options: Options) -> IService:
    """What twistd runs."""
    from twisted.internet import reactor  # noqa: TID251 - here alone: whoever chose a reactor has done so by now

    measure_steadily(reactor)
    chosen = options.settings
    try:
        service = _make_process(options, reactor)
    except SettingsError as error:
        raise SystemExit(f"signald: {error}") from None
    reactor.callWhenRunning(LongLived().start)
    level = "debug" if chosen.logging.debug else chosen.logging.log_level
    service.choose_log(
        options.parent or {}, level=level, look=chosen.logging.log_format, instance=chosen.process.instance_id
    )
    return service


def _make_process(options: Options, reactor: Any) -> ProcessService:
    chosen = options.settings
    if options["check"]:
        make_daemon(chosen, reactor)  # raises for endpoints and files that are no good
        return SettingsCheck(reactor, describe(chosen), store_probe(chosen.store, reactor))
    if os.environ.get(WORKER_VARIABLE):
        daemon = make_daemon(chosen, SharingReactor(reactor))
        reactor.callWhenRunning(end_with_parent)
        return daemon
    if chosen.process.workers == 1:
        return make_daemon(chosen, reactor)
    twistd: Any = options.parent or {}
    chosen_reactor = twistd.get("reactor")
    words = [*([f"--reactor={chosen_reactor}"] if chosen_reactor else []), "signald", *options.words]
    workers = Workers(
        reactor, chosen.process.workers, words, chosen.process.instance_id, os.environ, chosen.process.drain_seconds
    )
    status = f"{chosen.process.workers} workers"
    Notify(reactor, os.environ, lambda: status).setServiceParent(workers)
    return workers

"""Makes the parts of the daemon: a builder for each package, in the order in which they need each other.

Each takes what it needs by name, and nothing is named before it is made. Where two need each other, the second is given
to the first when it is there: by `Broker.start`, `Users.on_expiry`, `Questions.on`.
"""

import random
import select
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from OpenSSL.crypto import Error as CryptoError
from twisted.application.service import IService
from twisted.internet.interfaces import IListeningPort

from signald.brokers.interface import Broker
from signald.brokers.memory import MemoryBroker
from signald.brokers.redis.broker import RedisBroker
from signald.brokers.redis.keys import keys_of
from signald.brokers.redis.primary import make_primary
from signald.clients.clients import Clients
from signald.clients.heartbeat import Heartbeat
from signald.clients.questions import Questions, WhereIs
from signald.clients.users import Users
from signald.core import addresses
from signald.core.common_time import CommonTime
from signald.core.ice import IceServers
from signald.core.passes import Passes
from signald.core.reports import DAY_S, ReportBounds
from signald.core.standing import AuthMode, Policy
from signald.core.wishes import Vocabulary, fold
from signald.identity import jwks, signing_keys
from signald.identity.tokens import KeySource, Verifier
from signald.limits.pace import Pace
from signald.moderation.bans import Bans
from signald.moderation.reports import Reports
from signald.moderation.traces import Traces
from signald.network import sockets
from signald.network.accepting import accept_promptly
from signald.network.front import Entering
from signald.network.lane import Lane
from signald.network.output import Output
from signald.network.upgrade import reader
from signald.process.life import Life
from signald.settings.groups import IdentitySettings
from signald.settings.setting import SettingsError
from signald.settings.settings import Settings
from signald.telemetry.counts import Counts
from signald.telemetry.gauges import Gauges
from signald.telemetry.lag import LoopLag
from signald.telemetry.metrics import Metrics
from signald.websocket import frames
from signald.websocket.base import WebSockets
from signald.websocket.entrance import Entrance
from signald.websocket.fast import FastConnection, MeteredConnection
from signald.websocket.refusing import Refusing
from signald.websocket.rfc6455 import WebSocketFactory
from signald.wiring.limiting import Limits, make_toll
from signald.wiring.naming import fresh_names
from signald.wiring.resuming import make_terms
from signald.wiring.telling import Told, make_told

UnixTime = Callable[[], float]
"""Seconds since 1970."""

_new_id: Final[Callable[[], Any]] = fresh_names().__next__
"""Names a client, a room, or something that is told: each has a type of its own."""


# --- brokers ----------------------------------------------------------------------------------------------------------


def make_broker(
    *,
    chosen: Settings,
    boot: str,
    passes: Passes,
    reactor: Any,
    output: Output,
    accepts: Callable[[IListeningPort], None],
    common_time: CommonTime,
    counts: Counts,
) -> Broker:
    """What pairs clients: in memory, or through a store.

    Raises:
        SettingsError: REDIS_CA_FILE is no good.
    """
    address, ca_file = chosen.store.redis_url, chosen.store.redis_ca_file
    block_s, resume_s = chosen.pairing.block_days * DAY_S, chosen.resuming.resume_seconds
    per_user = chosen.identity.max_waiting_per_user
    reports = ReportBounds(chosen.operator.reports_kept, chosen.operator.report_days * DAY_S)
    if address is None:
        return MemoryBroker(reactor, _new_id, chosen.process.instance_id, block_s, resume_s, per_user, reports)
    keys = keys_of(address, chosen.store.redis_prefix)
    try:
        primary = make_primary(address, ca_file, keys.waiting, reactor)
    except (OSError, ValueError, CryptoError) as error:
        raise SettingsError(f"REDIS_CA_FILE={ca_file!r}: {error or 'has a broken certificate'}") from None
    return RedisBroker(
        instance=chosen.process.instance_id,
        boot=boot,
        primary=primary,
        address=address,
        keys=keys,
        clock=reactor,
        new_room_id=_new_id,
        jitter=random.random,
        common_time=common_time,
        block_s=block_s,
        resume_s=resume_s,
        waiting_per_user=per_user,
        reports=reports,
        letters_dir=chosen.store.letters_dir,
        listens=accepts,
        at_turns_end=output.add,
        passes=passes if resume_s and not chosen.resuming.resume_secret else None,
        observe=counts.store_called,
        trouble=lambda problem: counts.store_troubled(problem.word),
    )


# --- identity ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """How tokens are checked; `refresh` is what fetches the keys, if they are fetched."""

    verifier: Verifier
    refresh: IService | None


def make_tokens(*, identity: IdentitySettings, reactor: Any) -> Tokens | None:
    """Make what checks tokens; None if nothing does.

    Raises:
        SettingsError: The keys are no good.
    """
    if identity.auth_mode is AuthMode.OFF:
        return None
    refresh: jwks.Jwks | None = None
    if where := identity.jwt_jwks:
        fetch = jwks.from_url(where, reactor) if "://" in where else jwks.from_file(where)
        refresh = jwks.Jwks(fetch, where.partition("?")[0], identity.jwt_algorithms, reactor)
    verifier = Verifier(
        refresh or _fixed_keys(identity),
        issuer=identity.jwt_issuer,
        audience=identity.jwt_audience,
        leeway_s=identity.jwt_leeway_seconds,
        facts=identity.match_claims,
    )
    return Tokens(verifier=verifier, refresh=refresh)


def _fixed_keys(identity: IdentitySettings) -> KeySource:
    try:
        if identity.jwt_secret:
            return signing_keys.from_secret(identity.jwt_secret, identity.jwt_algorithms)
        return signing_keys.from_pem(Path(identity.jwt_public_key_file).read_bytes(), identity.jwt_algorithms)
    except (OSError, ValueError) as error:
        name = "JWT_SECRET" if identity.jwt_secret else "JWT_PUBLIC_KEY_FILE"
        raise SettingsError(f"{name}: {error}") from None


# --- moderation, as far as clients need it ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is known of clients that misbehave, and what takes news to the operator."""

    bans: Bans
    reports: Reports
    traces: Traces
    told: Told


def make_records(
    *,
    chosen: Settings,
    reactor: Any,
    unix_time: UnixTime,
    common_time: CommonTime,
    broker: Broker,
    counts: Counts,
) -> Records:
    """Bans, reports, and who has just gone."""
    told = make_told(
        operator=chosen.operator,
        instance=lambda: broker.instance,
        new_id=_new_id,
        reactor=reactor,
        unix_time=unix_time,
    )
    return Records(
        bans=Bans(common_time, chosen.limits.ban_seconds, broker.share),
        reports=Reports(
            inbox=broker.inbox,
            instance=lambda: broker.instance,
            new_id=_new_id,
            counts=counts,
            now=reactor.seconds,
            unix_time=unix_time,
            deliver=None if told.reports is None else told.reports.deliver,
        ),
        traces=Traces(reactor.seconds),
        told=told,
    )


# --- clients ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Everybody:
    """The clients of this instance, and how to ask for those of all; `users` if tokens are checked."""

    clients: Clients
    users: Users | None
    questions: Questions
    heartbeat: Heartbeat


def make_clients(
    *,
    chosen: Settings,
    boot: str,
    passes: Passes,
    reactor: Any,
    unix_time: UnixTime,
    broker: Broker,
    tokens: Tokens | None,
    records: Records,
    pace: Pace,
    lag: LoopLag,
    counts: Counts,
) -> Everybody:
    """Make what holds the clients of this instance."""
    questions = Questions(broker)
    users = None
    if tokens is not None:
        users = Users(
            verify=tokens.verifier.verify,
            clock=reactor,
            unix_time=unix_time,
            at_most=chosen.identity.max_connections_per_user,
            overflow=chosen.identity.user_overflow,
            ban_rest_s=records.bans.user_rest_s,
            ask=questions.ask if chosen.store.redis_url else None,
        )
        questions.on(WhereIs, users.seats)
    ice = IceServers(chosen.calls.ice_servers, chosen.calls.turn_secret, chosen.calls.turn_ttl)
    clients = Clients(
        broker,
        reactor,
        new_client_id=_new_id,
        policy=Policy(
            chosen.pairing.requeue_on_partner_leave,
            chosen.pairing.rematch_delay_seconds,
            chosen.identity.auth_mode,
            Vocabulary(
                keys=chosen.pairing.match_keys,
                claims=frozenset(map(fold, chosen.identity.match_claims)),
                likes_s=chosen.pairing.match_likes_seconds,
            ),
            make_toll(limits=chosen.limits, unix_time=unix_time),
        ),
        max_messages_per_second=chosen.limits.max_msg_per_second,
        counts=counts,
        show_address=addresses.normalise if chosen.logging.log_full_addresses else addresses.truncate,
        ice_servers=(lambda client: ice.given_to(client, unix_time())) if ice.servers else None,
        identities=users,
        pace=pace,
        report=records.reports.file,
        lag=lag,
        departed=records.traces.remember if chosen.operator.accounts else None,
        chance=random.random,
        answer_s=chosen.pairing.match_answer_seconds,
        calls=records.told.calls,
        terms=make_terms(resuming=chosen.resuming, passes=passes, boot=boot, unix_time=unix_time, bans=records.bans),
    )
    if users is not None:
        users.on_expiry(clients.token_expired)
    heartbeat = Heartbeat(reactor, chosen.limits.heartbeat_seconds, counts, lag.lost_s)
    return Everybody(clients=clients, users=users, questions=questions, heartbeat=heartbeat)


# --- websocket --------------------------------------------------------------------------------------------------------


def make_websockets(
    *, chosen: Settings, everybody: Everybody, limits: Limits, bans: Bans, counts: Counts
) -> WebSockets:
    """Make what all connections share."""
    entrance = Entrance(chosen.listening.allowed_origin)
    return WebSockets(
        clients=everybody.clients,
        entrance=entrance,
        refusing=Refusing(entrance, bans.address_rest_s, random.random),
        admission=limits.admission,
        handshakes=limits.handshakes,
        closings=limits.closings,
        heartbeat=everybody.heartbeat,
        throttle=limits.throttle,
        turns=limits.turns,
        read_upgrade=reader(native=chosen.process.fast_frames),
        frames=frames.choose(native=chosen.process.fast_frames),
        counts=counts,
    )


def make_protocols(*, chosen: Settings, shared: WebSockets, reactor: Any, output: Output) -> Callable[[str], Entering]:
    """Make what makes the WebSocket side of a connection, by the address of its client."""
    autobahn = WebSocketFactory(shared, reactor).connection
    if not chosen.process.fast_path:
        return autobahn
    fast = MeteredConnection if chosen.limits.max_bytes_per_second else FastConnection
    return partial(fast, shared, output, autobahn)


def make_lane(*, chosen: Settings, reactor: Any, output: Output) -> Lane | None:
    """Make what polls the accepted connections; None on a system without epoll."""
    if not hasattr(select, "epoll"):
        return None
    native = sockets.choose(native=chosen.process.fast_frames)
    return Lane(reactor, output, leads=chosen.process.fast_turn, sockets=native)


def make_accepts(*, chosen: Settings, reactor: Any, lane: Lane | None) -> Callable[[IListeningPort], None]:
    """Make what is told of each port that listens for clients, pages and neighbours."""
    native = sockets.choose(native=chosen.process.fast_frames)
    return partial(accept_promptly, reactor=reactor if lane is None else lane, sockets=native)


# --- telemetry --------------------------------------------------------------------------------------------------------


def make_metrics(
    *,
    reads: str,
    broker: Broker,
    clients: Clients,
    limits: Limits,
    records: Records,
    lag: LoopLag,
    counts: Counts,
) -> Metrics:
    """What ``/metrics`` says."""
    reports, rooms = records.told.reports, records.told.rooms
    toll = clients.policy.toll
    gauges = Gauges(
        connected=lambda: len(clients),
        clients_limit=lambda: limits.admission.max_connections,
        sessions_away=lambda: clients.away,
        kept_bytes=lambda: clients.kept_bytes,
        waiting_pools=lambda: len(broker.crowds().tickets),
        waiting_classes=lambda: broker.crowds().classes,
        half_open=lambda: len(limits.handshakes.due),
        bans=lambda: len(records.bans.in_force()),
        loop_lag_seconds=lag.worst,
        reports_held=None if broker.store_reachable is None else lambda: broker.inbox.held,
        webhooks_queued=None if reports is None else reports.__len__,
        call_webhooks_queued=None if rooms is None else rooms.__len__,
        challenging=None if toll is None else lambda: toll.asks(clients.now()),
        challenge_numbers=None if toll is None else lambda: toll.numbers(clients.now()),
        guests_per_second=None if toll is None else lambda: toll.rate(clients.now()),
    )
    of_reports, of_rooms = (dict if webhook is None else webhook.results for webhook in (reports, rooms))
    return Metrics(counts, broker, gauges, reads, of_reports, of_rooms, {} if toll is None else toll.results)


def make_life(*, broker: Broker, clients: Clients, reactor: Any) -> Life:
    """What ``/healthz`` and ``/readyz`` say."""

    def facts() -> dict[str, object]:
        found: dict[str, object] = {"clients": len(clients), "instanceId": broker.instance}
        if broker.store_reachable is not None:
            found["redis"] = broker.store_reachable
        if broker.store_problem is not None:
            found["redisProblem"] = broker.store_problem
        return found

    return Life(reactor, facts)

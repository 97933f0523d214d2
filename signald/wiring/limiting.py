"""Makes what limits how much anybody may use, and how long anything may take."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from signald.core import messages, signals
from signald.core.toll import ChallengeMode, Toll
from signald.limits.admission import Admission
from signald.limits.deadlines import Deadlines
from signald.limits.door import Door
from signald.limits.pace import Pace
from signald.limits.parting import Parting
from signald.limits.throttle import Throttle
from signald.limits.turns import Turns
from signald.moderation.bans import Bans
from signald.process.files import DOOR_FILES, raise_file_limit
from signald.settings.groups import LimitsSettings
from signald.settings.settings import Settings
from signald.telemetry.counts import Counts, Drop
from signald.telemetry.lag import LoopLag

HALF_OPEN_SHARE: Final = 4
"""The part of all connections that may not have said yet what they want: one in so many."""

HALF_OPEN_AT_LEAST: Final = 200
"""But so many at least: a browser opens a socket or two more than it needs, and says nothing on them yet."""

CLOSING_TIMEOUT_S: Final = 3.0
"""Seconds that a client may take to answer a close frame."""

PAGE_TIMEOUT_S: Final = 30.0
"""Seconds that a browser may take for a page: a bad mobile network carries the largest, 15 kB, in 10."""

KEPT_S: Final = 15.0
"""Seconds that a connection waits for the next request: the parts of a page are asked for within one or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much anybody may use, and how long anything may take."""

    admission: Admission
    pace: Pace
    throttle: Throttle
    turns: Turns
    handshakes: Deadlines
    pages: Deadlines
    kept: Deadlines
    parting: Parting
    closings: Deadlines
    door: Door


def make_toll(*, limits: LimitsSettings, unix_time: Callable[[], float]) -> Toll | None:
    """What guests pay before they wait; None for nothing."""
    if limits.challenge is ChallengeMode.OFF:
        return None
    return Toll(
        limits.challenge,
        limits.challenge_per_second,
        secrets.token_bytes(32),
        lambda: secrets.token_hex(12),
        secrets.randbelow,
        unix_time,
    )


def make_limits(*, chosen: Settings, reactor: Any, bans: Bans, lag: LoopLag, counts: Counts) -> Limits:
    """Make all limits; raises the limit on open files, on which that on connections depends."""
    limits = chosen.limits
    pace = Pace(
        reactor,
        parse=messages.bounded(
            signals.reader(native=chosen.process.fast_frames), limits.max_sdp_bytes, limits.max_candidate_bytes
        ),
        matches_per_minute=chosen.pairing.matches_per_minute,
        violations_per_minute=limits.violations_per_minute,
        ban_address=bans.ban_address,
    )
    room = raise_file_limit()
    connections = min(limits.max_connections or room, room)
    admission = Admission(
        reactor.seconds,
        bans,
        max_connections=connections,
        per_address=limits.max_connections_per_address,
        handshakes_per_second=limits.handshakes_per_address_per_second,
    )

    def deadlines(seconds: float, why: Drop | None) -> Deadlines:
        return Deadlines(reactor, seconds, counts, why, lag.running_s)

    handshakes = deadlines(limits.handshake_timeout_seconds, Drop.HANDSHAKE_TIMEOUT)
    pages, kept = deadlines(PAGE_TIMEOUT_S, Drop.PAGE_TIMEOUT), deadlines(KEPT_S, None)
    parting = Parting(reactor)
    return Limits(
        admission=admission,
        pace=pace,
        throttle=Throttle(reactor, counts, limits.max_bytes_per_second),
        turns=Turns(reactor, lag.latest, counts),
        handshakes=handshakes,
        pages=pages,
        kept=kept,
        parting=parting,
        closings=deadlines(CLOSING_TIMEOUT_S, Drop.CLOSING_TIMEOUT),
        door=Door(
            handshakes=handshakes,
            pages=pages,
            kept=kept,
            parting=parting,
            admission=admission,
            max_half_open=limits.max_half_open or max(HALF_OPEN_AT_LEAST, connections // HALF_OPEN_SHARE),
            max_sockets=room + DOOR_FILES,
        ),
    )

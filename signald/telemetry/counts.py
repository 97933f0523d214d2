"""Counts what has happened in this process since it started: plain numbers, cheap to raise."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from signald.core.messages import Answer, Data, ErrorCode, Ice, Offer, message_type
from signald.core.refusals import ALL, Refusal
from signald.telemetry.histogram import Histogram
from signald.telemetry.outcomes import Outcomes

WAIT_BUCKETS_S: Final = (0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)
"""Upper bounds of the histogram of waiting times: from "at once" to "nobody there"."""

OTHER_POOLS: Final = "other"
"""How metrics call all pools that the operator did not name: clients make up pools, and must not make up metrics."""

CALL_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)
"""The same for answers of the store: from one in the same rack to the timeout of a call."""

AWAY_BUCKETS_S: Final = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60)
"""The same for the time without a connection: from a proxy that was restarted to the end of RESUME_SECONDS."""

CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 4001, 4409))
"""Close codes that are counted apart (docs/protocol.md); others, made up by a client, must not become metrics."""


class Drop(StrEnum):
    """Names the reasons why signald itself ended a connection."""

    HEARTBEAT = "heartbeat"
    """A ping was not answered."""
    SLOW_READER = "slow_reader"
    """The client does not read what it is sent: closed with 1013."""
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    """The first request did not come, or came only in part."""
    CLOSING_TIMEOUT = "closing_timeout"
    """A close frame was not answered."""
    PAGE_TIMEOUT = "page_timeout"
    """A page was not taken."""
    CROWDED = "crowded"
    """It was the oldest of too many connections without a finished handshake."""


class Resumption(StrEnum):
    """What became of a client's wish to go on with a session."""

    SAME = "same"
    """Its home was this instance, and still is."""
    MOVED = "moved"
    """Its home was another instance."""
    STOPPED = "stopped"
    """Its home had stopped, and left it in the store."""
    DEAD = "dead"
    """Its home was dead: its token told all that is left."""
    RESTARTED = "restarted"
    """The same, and its home was the process before this one."""
    FAILED = "failed"
    """There is no such session, or the token is not its last one: RESUME_FAILED."""


class Counts:
    """Holds all counters. Attributes only ever grow.

    Args:
        store_calls: The kinds of calls to the store that will be counted.
        store_problems: The kinds of problems with it.
        pools: Those that are counted apart, besides that of all who name none.
        releases: Of the page, by which outcomes of calls are counted.
    """

    __slots__ = (
        "absences",
        "blocks",
        "clients",
        "closes",
        "crossed",
        "drops",
        "errors",
        "floods",
        "handshakes_refused",
        "log_lines_dropped",
        "matches_delayed",
        "matches_relaxed",
        "outcomes",
        "put_off",
        "received_bytes",
        "relayed",
        "replayed",
        "reports",
        "resumed_lost",
        "resumptions",
        "sent_bytes",
        "silent",
        "store_calls",
        "store_failures",
        "store_problems",
        "turned_away",
        "violators",
        "waits",
    )

    def __init__(
        self,
        store_calls: Iterable[str] = (),
        store_problems: Iterable[str] = (),
        pools: Iterable[str] = (),
        releases: Iterable[str] = (),
    ) -> None:
        self.outcomes = Outcomes(releases)
        self.blocks = 0
        self.clients = 0
        self.reports = 0
        self.crossed = 0
        """Messages about a room that was over."""
        self.resumptions: dict[Resumption, int] = dict.fromkeys(Resumption, 0)
        self.absences = Histogram(AWAY_BUCKETS_S)
        self.replayed = 0
        """Messages that were sent again to who was away."""
        self.resumed_lost = 0
        """Sessions that went on without something."""
        self.relayed: dict[type, int] = dict.fromkeys((Offer, Answer, Ice, Data), 0)
        self.errors: dict[ErrorCode, int] = dict.fromkeys(ErrorCode, 0)
        self.closes: dict[int, int] = dict.fromkeys((0, *sorted(CLOSE_CODES)), 0)
        """By code; 0 for all others."""
        self.drops: dict[Drop, int] = dict.fromkeys(Drop, 0)
        self.floods = 0
        self.put_off = 0
        """Reads that had to wait for the turn of their address."""
        self.matches_delayed = 0
        """Clients that had to wait because they left too many partners."""
        self.matches_relaxed = 0
        """Clients matched when something of their wishes did not bind any more."""
        self.silent = 0
        """Clients that were matched and said nothing."""
        self.log_lines_dropped = 0
        self.violators = 0
        """Clients that were closed because they broke the rate limit too often."""
        self.handshakes_refused: dict[int, int] = dict.fromkeys((400, 403, 429, 503), 0)
        """By the status of the response; only those that this program can give."""
        self.turned_away: dict[ErrorCode, int] = {each.code: 0 for each in ALL if each.code}
        """Clients of `signald.v1` that were told why they are not let in."""
        self.received_bytes = 0
        self.sent_bytes = 0
        self.waits = {pool: Histogram(WAIT_BUCKETS_S) for pool in ("", *pools, OTHER_POOLS)}
        """By pool: how long matched clients had waited."""
        self.store_calls = {kind: Histogram(CALL_BUCKETS_S) for kind in store_calls}
        self.store_failures = dict.fromkeys(self.store_calls, 0)
        self.store_problems = dict.fromkeys(store_problems, 0)

    def pool(self, name: str) -> str:
        """How a pool is called in metrics."""
        return name if name in self.waits else OTHER_POOLS

    def matched(self, pool: str, seconds: float, *, relaxed: bool) -> None:
        """Count a client that was matched after so long; relaxed: some wish did not bind any more."""
        (self.waits.get(pool) or self.waits[OTHER_POOLS]).add(seconds)
        self.matches_relaxed += relaxed

    def closed(self, code: int | None) -> None:
        """Count a client that went; None if no close frame came or went (1006), as RFC 6455 7.1.5 says."""
        known = 1006 if code is None else code
        self.closes[known if known in CLOSE_CODES else 0] += 1

    def resumed(self, result: Resumption, away_s: float | None, replayed: int, *, lost: bool) -> None:
        """A session goes on; it was away for so long, if that is known."""
        self.resumptions[result] += 1
        self.replayed += replayed
        self.resumed_lost += lost
        if away_s is not None:
            self.absences.add(away_s)

    def handshake_refused(self, status: int) -> None:
        """Count a handshake that got this status in place of 101."""
        self.handshakes_refused[status] = self.handshakes_refused.get(status, 0) + 1

    def turn_away(self, refusal: Refusal) -> None:
        """Count a client that is told why it is not let in."""
        if refusal.code is not None:
            self.turned_away[refusal.code] += 1

    def store_called(self, kind: str, seconds: float, *, answered: bool) -> None:
        """Count a call to the store that took this time. Not answered means lost, too late, or refused by the store."""
        if answered:
            self.store_calls[kind].add(seconds)
        else:
            self.store_failures[kind] += 1

    def store_troubled(self, problem: str) -> None:
        """Count that the store could not be used, for a reason of this kind."""
        self.store_problems[problem] += 1

    def signals(self) -> int:
        """The number of relayed messages that set up calls: of all types but ``data``."""
        return sum(self.relayed.values()) - self.relayed[Data]

    def relayed_by_type(self) -> dict[str, int]:
        """The number of relayed messages by their ``type``."""
        return {message_type(message): count for message, count in self.relayed.items()}

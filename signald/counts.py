"""What has happened in this process since it started, in plain numbers: cheap where it happens, read when asked."""

from collections import defaultdict
from typing import Final

from signald.core.messages import Answer, ErrorCode, Ice, Offer, message_type

WAIT_BUCKETS_S: Final = (0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)
"""Upper bounds of the histogram of waiting times: from "at once" to "nobody there"."""

CLOSE_CODES: Final = frozenset((1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1013))
"""Those that are told apart (RFC 6455 7.4.1); a client may choose any other, and must not make a metric of it."""


class Waits:
    """A histogram of waiting times in seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(WAIT_BUCKETS_S) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """A client was matched after this time."""
        self.seconds += seconds
        for at, bound in enumerate(WAIT_BUCKETS_S):
            if seconds <= bound:
                self.buckets[at] += 1
                return
        self.buckets[-1] += 1


class Counts:
    """All counters. Attributes only ever grow."""

    __slots__ = (
        "clients",
        "closes",
        "errors",
        "floods",
        "heartbeat_drops",
        "origins_refused",
        "received_bytes",
        "relayed",
        "sent_bytes",
        "waits",
    )

    def __init__(self) -> None:
        self.clients = 0
        self.relayed: dict[type, int] = dict.fromkeys((Offer, Answer, Ice), 0)
        self.errors: dict[ErrorCode, int] = dict.fromkeys(ErrorCode, 0)
        self.closes: dict[int, int] = defaultdict(int)
        self.floods = 0
        self.heartbeat_drops = 0
        self.origins_refused = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        self.waits = Waits()

    def closed(self, code: int | None) -> None:
        """A client went; None if no close frame came or went (1006), as RFC 6455 7.1.5 has it."""
        known = 1006 if code is None else code
        self.closes[known if known in CLOSE_CODES else 0] += 1

    def all_relayed(self) -> int:
        """Relayed messages of all types."""
        return sum(self.relayed.values())

    def relayed_by_type(self) -> dict[str, int]:
        """Relayed messages by their ``type``."""
        return {message_type(message): count for message, count in self.relayed.items()}

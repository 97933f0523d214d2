"""Says to clients that are sent away what to do then, and when, so that they do not all come back at once.

Chance is passed in: a number from 0 to 1, another one for each client.
"""

from typing import Final

import msgspec

from signald.core.messages import Action

COME_BACK_PER_SECOND: Final = 1000
"""Clients that are let come back in a second: a core takes about twice as many, and has calls to carry besides."""

SHARE_OF_ABSENCE: Final = 0.5
"""Of the time for which sessions are kept the part over which their clients are spread at most."""

AT_MOST_S: Final = 60.0
"""The same where no session is kept."""

RESTART_S: Final = 1.0
"""How long a process without a store is away at least that is restarted: to come earlier is of no use."""


class Farewell(msgspec.Struct, frozen=True, gc=False):
    """What a client is told before it is sent away.

    Attributes:
        action: What to do.
        reason: Why, in a word.
        after_ms: When; 0 for at once, or for never by itself.
    """

    action: Action
    reason: str
    after_ms: int = 0


BAD_TOKENS: Final = Farewell("stay-out", "bad-token")
TOO_MANY: Final = Farewell("stay-out", "too-many")
KICKED: Final = Farewell("stay-out", "kicked")


def banned(rest_s: float) -> Farewell:
    """For one who is banned for so long yet."""
    return Farewell("stay-out", "banned", _ms(rest_s))


def flood(banned_s: float) -> Farewell:
    """For one who has sent far too much, and whose address is banned for so long; 0 if it is not."""
    return Farewell("stay-out", "flood", _ms(banned_s))


def later(action: Action, reason: str, not_before_s: float, not_after_s: float, chance: float) -> Farewell:
    """For one who is to come some time between these two; seconds."""
    return Farewell(action, reason, _ms(not_before_s + chance * (not_after_s - not_before_s)))


def stopping(clients: int, chance: float, *, kept_s: float, elsewhere: bool) -> Farewell:
    """For one of so many clients of a process that stops.

    Args:
        clients: How many are sent away.
        chance: Of this one.
        kept_s: For how long its session is kept; 0 if it ends.
        elsewhere: Whether another process may take it at once.
    """
    window_s = min(clients / COME_BACK_PER_SECOND, kept_s * SHARE_OF_ABSENCE if kept_s else AT_MOST_S)
    after_s = chance * window_s + (0.0 if elsewhere else RESTART_S)
    return Farewell("resume" if kept_s else "reconnect", "stopping", _ms(after_s))


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))

"""How long to wait before a lost connection is opened again, and for it to come about."""

import random

BASE_S = 0.5
LONGEST_S = 15.0
LONGEST_RESUMABLE_S = 4.0
"""While the session could still be resumed: a long pause would cost the call."""

OPEN_WITHIN_S = 10.0
HURRIED_S = 5.0
"""For an attempt to resume: it may hang in a network that was, and there is not much time."""


def pause_s(attempt: int, resumable: bool) -> float:
    """Anything up to a bound that doubles with each attempt ("full jitter").

    The clients of a server that is gone do not all come back in the same instant.

    Args:
        attempt: 1 for the first.
        resumable: Whether the session can still be resumed.

    Returns:
        Seconds.
    """
    bound = min(LONGEST_RESUMABLE_S if resumable else LONGEST_S, BASE_S * 2 ** min(attempt - 1, 10))
    return random.uniform(0, bound)  # noqa: S311 - spreads load, and hides nothing


def patience_s(*, resumable: bool) -> float:
    """How long an attempt to connect may take until it is given up, in seconds."""
    return HURRIED_S if resumable else OPEN_WITHIN_S

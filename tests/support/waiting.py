"""How tests wait: for something that happens, and with one bound for what never does."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 120.0
"""A safety net, no statement about speed: what lives comes in milliseconds, and in some seconds on a busy machine."""


def until(holds: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> float:
    """Wait until a condition holds, looking often; gives the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began

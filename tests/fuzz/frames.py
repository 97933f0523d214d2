"""Fuzz the ways of reading frames against each other for a time: ``python -m tests.fuzz.frames [seconds]``.

The strategies are those of `tests.protocol.test_same_by_both`, which runs 150 examples of each at every `make test`.
"""

import sys
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tests.conftest  # noqa: F401 - no deadlines
from tests.protocol.test_same_by_both import answered, frames, requests, seen

ROUND = 2000
"""Examples between two looks at the clock."""


@settings(max_examples=ROUND, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(frames, max_size=12).map(b"".join), st.lists(st.integers(0, 2**17), max_size=8))
def structured(data: bytes, cuts: list[int]) -> None:
    """Whole frames, right and wrong, cut anywhere."""
    assert seen("c", data, cuts) == seen("python", data, cuts) == seen("autobahn", data, cuts)


@settings(max_examples=ROUND, database=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def raw(data: bytes, cuts: list[int]) -> None:
    """Any bytes, and enough behind them for every frame to be whole.

    What is in a frame that is not, Autobahn judges byte by byte, and the fast path not before the last one.
    """
    data += b"x" * 65_550
    assert seen("c", data, cuts) == seen("python", data, cuts) == seen("autobahn", data, cuts)


@settings(max_examples=ROUND, database=None, suppress_health_check=list(HealthCheck))
@given(requests)
def handshakes(request: bytes) -> None:
    """Requests, right and wrong."""
    assert answered("c", request) == answered("autobahn", request)


def main() -> None:
    """Run for so many seconds."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    began = time.monotonic()
    examples = 0
    while time.monotonic() - began < seconds:
        for test in (structured, raw, handshakes):
            test()
            examples += ROUND
            print(f"{time.monotonic() - began:.0f} s, {examples} examples, no difference", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

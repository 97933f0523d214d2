"""What has happened so far: calls, steps and how long they took, errors by kind."""

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Final

STEPS: Final = ("connect", "ready", "work", "matched", "answer", "candidates", "call", "leave", "close")
"""What a client waits for, in its order; `call` is all from the first packet to the last candidate. `work` is there
only if the service challenges guests (CHALLENGE), and is a part of `matched`."""


def percentile(ordered: Sequence[float], rank: float) -> float:
    """One of sorted values: the one that so many percent of them do not exceed; 100 is the greatest."""
    return ordered[round((len(ordered) - 1) * rank / 100)]


class Tally:
    """What has happened.

    Attributes:
        begun: Calls.
        whole: Calls that came to their end as they should.
        errors: Calls that did not, by what went wrong first.
        open: Calls under way.
        most_open: The most at a time.
        sent: Messages sent to the service.
        received: Messages had from it.
        steps: Seconds that each step took, of each client that got there.
        late_s: How long after its time a call was begun, at worst; seconds.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.whole = 0
        self.errors: Counter[str] = Counter()
        self.open = 0
        self.most_open = 0
        self.sent = 0
        self.received = 0
        self.steps = {step: array("d") for step in STEPS}
        self.late_s = 0.0

    @property
    def failed(self) -> int:
        """Calls that did not come to their end."""
        return self.errors.total()

    def took(self, step: str, seconds: float) -> None:
        """A client has got through a step."""
        self.steps[step].append(seconds)

    def percentile_s(self, step: str, rank: float) -> float | None:
        """How long a step took; seconds, None if nobody got there."""
        taken = self.steps[step]
        return percentile(sorted(taken), rank) if taken else None

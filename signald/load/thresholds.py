"""What is still good, as the operator has said it: a share of calls that may fail, times that steps may take."""

import re
from typing import Final

import msgspec

from signald.load.tally import STEPS, Tally

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_ALLOWANCE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)%|([0-9]+)")


def parse_duration(text: str) -> float:
    """Parse `500ms`, `2s`, `1.5m` or `1h` to seconds.

    Raises:
        ValueError: It is none; a number alone is ambiguous.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration such as 500ms, 2s or 5m")
    return float(found[1]) * _UNITS_S[found[2]]


class Allowance(msgspec.Struct, frozen=True):
    """How many calls may fail.

    Attributes:
        said: As the operator has said it.
        number: That many, or
        share: That share of those that were begun, from 0 to 1.
    """

    said: str
    number: int = 0
    share: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Allowance":
        """Parse `1%` or `5`.

        Raises:
            ValueError: It is neither.
        """
        found = _ALLOWANCE.fullmatch(text)
        if found is None or (found[1] and float(found[1]) > 100):
            raise ValueError(f"{text!r} is neither a share such as 1% nor a number of calls")
        if found[1]:
            return cls(text, share=float(found[1]) / 100)
        return cls(text, number=int(found[2]))

    def broken(self, tally: Tally) -> str:
        """What is wrong; empty if nothing is."""
        failed = tally.failed
        if failed <= self.number or failed <= self.share * tally.begun:
            return ""
        return f"{failed} of {tally.begun} calls failed, --max-errors is {self.said}"


class Limit(msgspec.Struct, frozen=True):
    """How long a step may take.

    Attributes:
        step: Which.
        rank: For so many percent of the clients.
        seconds: So long.
        said: The same in the operator's words.
    """

    step: str
    rank: int
    seconds: float
    said: str

    @classmethod
    def parse(cls, rank: int, text: str) -> "Limit":
        """Parse `matched=500ms`.

        Raises:
            ValueError: There is no such step, or no such duration.
        """
        step, equals, duration = text.partition("=")
        if not equals or step not in STEPS:
            raise ValueError(f"{text!r} is not STEP=DURATION with a step of {', '.join(STEPS)}")
        return cls(step, rank, parse_duration(duration), duration)

    def broken(self, tally: Tally) -> str:
        """What is wrong; empty if nothing is. A step that nobody got to is wrong."""
        taken = tally.percentile_s(self.step, self.rank)
        wish = f"--p{self.rank} {self.step}={self.said}"
        if taken is None:
            return f"nobody got to {self.step}, and there is {wish}"
        return f"{self.step} took {taken * 1000:.1f} ms, {wish}" if taken > self.seconds else ""

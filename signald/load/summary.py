"""What came out, for people and for programs."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from signald.load.tally import STEPS, Tally

_BUSY: Final = 0.9
"""Share of one core above which the load tool itself was the limit."""

_KINDS_SHOWN: Final = 20
"""Kinds of errors; most runs have one or two."""


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One run; `--json` prints it.

    Attributes:
        url: Of the service.
        seconds: How long it took.
        begun: Calls.
        whole: Calls that came to their end.
        failed: Calls that did not.
        most_open: Calls at a time, at most.
        calls_per_s: Whole ones in a second.
        messages_per_s: In both directions.
        late_ms: How long after its time a call was begun, at worst.
        cpu_share: Of one core, what the load tool has used.
        steps: Of each step `p50Ms`, `p99Ms`, `maxMs`, and how many clients got there (`count`).
        errors: Failed calls by what went wrong first.
        broken: The thresholds that do not hold, in words; empty: all is good.
        stopped: Whether the operator ended it.
    """

    url: str
    seconds: float
    begun: int
    whole: int
    failed: int
    most_open: int
    calls_per_s: float
    messages_per_s: float
    late_ms: float
    cpu_share: float
    steps: dict[str, dict[str, float | int]]
    errors: dict[str, int]
    broken: Sequence[str]
    stopped: bool


def summarise(
    url: str, tally: Tally, seconds: float, cpu_share: float, broken: Sequence[str], *, stopped: bool
) -> Summary:
    """Add up a run."""
    return Summary(
        url=url,
        seconds=round(seconds, 3),
        begun=tally.begun,
        whole=tally.whole,
        failed=tally.failed,
        most_open=tally.most_open,
        calls_per_s=round(tally.whole / seconds, 2),
        messages_per_s=round((tally.sent + tally.received) / seconds, 1),
        late_ms=round(tally.late_s * 1000, 1),
        cpu_share=round(cpu_share, 3),
        steps={step: _figures(tally, step) for step in STEPS if tally.steps[step]},
        errors=dict(tally.errors.most_common()),
        broken=broken,
        stopped=stopped,
    )


def _figures(tally: Tally, step: str) -> dict[str, float | int]:
    ranks: Any = {"p50Ms": 50, "p99Ms": 99, "maxMs": 100}
    taken = {name: tally.percentile_s(step, rank) or 0.0 for name, rank in ranks.items()}
    return {**{name: round(seconds * 1000, 2) for name, seconds in taken.items()}, "count": len(tally.steps[step])}


def as_json(summary: Summary) -> str:
    """One JSON object, in one line."""
    return msgspec.json.encode(summary).decode() + "\n"


def as_text(summary: Summary) -> str:
    """Some lines for people."""
    lines = [
        f"{summary.url}: {summary.whole} of {summary.begun} calls came to their end in {summary.seconds:.1f} s",
        f"  {summary.calls_per_s:g} calls and {summary.messages_per_s:g} messages a second, "
        f"{summary.most_open} calls at a time at most",
        "",
        "  step             p50        p99    longest   clients",
    ]
    for step, taken in summary.steps.items():
        times = "".join(f"{taken[name]:8.1f} ms" for name in ("p50Ms", "p99Ms", "maxMs"))
        lines.append(f"  {step:10} {times} {taken['count']:9}")
    if summary.errors:
        lines += ["", "  failed calls, by what went wrong first"]
        shown = list(summary.errors.items())[:_KINDS_SHOWN]
        lines += [f"  {number:6}  {kind}" for kind, number in shown]
        if len(summary.errors) > len(shown):
            lines.append(f"          and {len(summary.errors) - len(shown)} more kinds")
    if summary.cpu_share > _BUSY:
        lines += ["", "  This tool had its core to itself and was the limit: the times are not the service's."]
    if summary.stopped:
        lines += ["", "  It was stopped before its end."]
    lines += ["", *(f"not good: {wrong}" for wrong in summary.broken)] if summary.broken else []
    return "\n".join(lines) + "\n"

"""The command line: arguments to a plan, consent, run, summary, exit status."""

import argparse
import asyncio
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from signald.load.call import Plan, look
from signald.load.caller import Fault
from signald.load.consent import NoConsent, ask
from signald.load.progress import show
from signald.load.run import Pacing, Run, raise_file_limit
from signald.load.summary import as_json, as_text, summarise
from signald.load.tally import STEPS, Tally
from signald.load.target import Target, parse_tokens, parse_url, trust
from signald.load.thresholds import Allowance, Limit, parse_duration

GOOD: Final = 0
BROKEN: Final = 1
NOT_BEGUN: Final = 2
STOPPED: Final = 130
"""Exit statuses: all thresholds hold; one does not; nothing was done; the operator ended it."""

MAX_CALLS: Final = 1_000_000
"""Each keeps its times, 130 bytes, until the end."""

MAX_RATE: Final = 1_000.0
"""Calls a second; one core makes some hundred. Above it run it on several machines."""

MAX_HOLD_S: Final = 3600.0


def _number(parse: Callable[[str], Any], low: float, high: float) -> Callable[[str], Any]:
    """Make a parser that says what the value may be."""

    def bounded(text: str) -> Any:
        try:
            value = parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not from {low:.9g} to {high:.9g}")
        return value

    return bounded


def _parsed(parse: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    """Make a parser whose errors are not told in the words of Python."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError:
            raise ValueError(f"{text!r} is no {what}") from None

    return parsed


_parse_whole, _parse_number = _parsed(int, "whole number"), _parsed(float, "number")


def _said(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Make a parser whose errors are told in its own words."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def parser() -> argparse.ArgumentParser:
    """The arguments; durations are such as 500ms, 2s or 5m."""
    steps = f"; steps: {', '.join(STEPS)}"
    made = argparse.ArgumentParser(
        prog="signald-load",
        description="Makes whole calls against a running signald: connect, wait, be matched, exchange descriptions and "
        "candidates, talk, leave. Each call has a pool of its own, so that no stranger is met.",
        epilog="Durations are such as 500ms, 2s or 5m. Exit status: 0 good, 1 a threshold does not hold, 2 nothing was "
        "done, 130 stopped.",
    )
    made.add_argument("url", help="wss://example.org/ws; the path may be left out")
    made.add_argument("--calls", type=_number(_parse_whole, 1, MAX_CALLS), default=100, help="how many (100)")
    made.add_argument(
        "--rate", type=_number(_parse_number, 0.01, MAX_RATE), default=10.0, help="begun in a second (10)"
    )
    made.add_argument("--at-once", type=_number(_parse_whole, 1, 100_000), default=500, help="under way, at most (500)")
    hold = _number(parse_duration, 0, MAX_HOLD_S)
    made.add_argument("--hold", type=hold, default=1.0, metavar="DURATION", help="how long a call lasts (1s)")
    patience = _number(parse_duration, 0.1, 300)
    made.add_argument("--timeout", type=patience, default=10.0, metavar="DURATION", help="for each step (10s)")
    longest = _number(parse_duration, 1, 86_400)
    made.add_argument("--max-time", type=longest, default=300.0, metavar="DURATION", help="for all (5m)")
    made.add_argument("--origin", default="", help="the page that clients say they are; ALLOWED_ORIGIN may want one")
    made.add_argument("--tokens", type=Path, metavar="FILE", help="tokens, one a line, shown in turn; else guests")
    made.add_argument("--ca-file", default="", metavar="FILE", help="authorities for wss://, PEM; else the system's")
    made.add_argument("--insecure", action="store_true", help="do not check the certificate")
    made.add_argument(
        "--max-errors",
        type=_said(Allowance.parse),
        default=Allowance("0"),
        metavar="N|N%",
        help="calls that may fail (0)",
    )
    for rank in (50, 99):
        made.add_argument(
            f"--p{rank}",
            type=_said(partial(Limit.parse, rank)),
            action="append",
            default=[],
            metavar="STEP=DURATION",
            help=f"how long a step may take for {rank} %% of the clients{steps if rank == 50 else ''}",
        )
    made.add_argument("--json", action="store_true", help="print the summary as JSON")
    made.add_argument("--yes", action="store_true", help="do not ask, though the service is on another machine")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say.

    Returns:
        The exit status.
    """
    chosen = parser().parse_args(arguments)
    try:
        return _prepare(chosen)
    except KeyboardInterrupt:  # before the first call: from then on `Run.stop` is called
        sys.stderr.write("\nsignald-load: stopped, and nothing was done\n")
        return STOPPED


def _prepare(chosen: argparse.Namespace) -> int:
    try:
        target = _target(chosen)
        raise_file_limit(chosen.at_once)
        plan = f"{chosen.calls} calls, {chosen.rate:g} a second,"
        ask(target, plan, yes=chosen.yes, answers=sys.stdin, questions=sys.stderr)
    except (ValueError, OSError, NoConsent) as error:
        sys.stderr.write(f"signald-load: {error}\n")
        return NOT_BEGUN
    return asyncio.run(_load(chosen, target))


def _target(chosen: argparse.Namespace) -> Target:
    url, host = parse_url(chosen.url)
    secure = url.startswith("wss:")
    if not secure and (chosen.ca_file or chosen.insecure):
        raise ValueError("--ca-file and --insecure are for wss://")
    return Target(
        url=url,
        host=host,
        trust=trust(chosen.ca_file, verify=not chosen.insecure) if secure else None,
        origin=chosen.origin,
        tokens=parse_tokens(chosen.tokens.read_text()) if chosen.tokens else (),
    )


async def _load(chosen: argparse.Namespace, target: Target) -> int:
    try:
        await look(target, chosen.timeout)
    except Fault as fault:
        sys.stderr.write(f"signald-load: {target.url}: {fault}\n")
        return NOT_BEGUN
    tally = Tally()
    plan = Plan(target, f"load-{secrets.token_hex(6)}", chosen.hold, chosen.timeout)
    run = Run(plan, Pacing(chosen.calls, chosen.rate, chosen.at_once, chosen.max_time), tally)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, run.stop)
    showing = asyncio.create_task(show(run, tally, sys.stderr))
    try:
        await run.make_calls()
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
    thresholds = (chosen.max_errors, *chosen.p50, *chosen.p99)
    broken = [wrong for threshold in thresholds if (wrong := threshold.broken(tally))]
    if not run.stopped and tally.begun < chosen.calls:
        broken.append(f"{tally.begun} of {chosen.calls} calls were begun before the time was over")
    summary = summarise(target.url, tally, run.seconds, run.cpu_share, broken, stopped=run.stopped)
    sys.stdout.write(as_json(summary) if chosen.json else as_text(summary))
    sys.stdout.flush()
    if run.stopped:
        return STOPPED
    return BROKEN if broken else GOOD

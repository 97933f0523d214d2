"""Runs a mode on its servers in turn, A B A B, and prints what came out."""

import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Mapping
from statistics import median

import uvloop

from bench import procfs
from bench.errors import BenchError
from bench.measure import Figures
from bench.modes.base import Mode, Start
from bench.servers import Launcher

Lines = dict[str, list[Figures]]
"""The figures of each round, by the name of what was measured."""


def pin(core: int | None) -> None:
    """Keep the generator on one core, away from the servers."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def run(mode: Mode, launcher: Launcher, servers: tuple[str, ...], rounds: int) -> Lines:
    """Run a mode on each variant in turn, as often as asked, printing one JSON line for each run and one at the end.

    Args:
        mode: the workload.
        launcher: starts the servers, one at a time.
        servers: "node", "signald" or both.
        rounds: how often each is run.

    Returns:
        The figures.

    Raises:
        BenchError: an answer was wrong, or a server did not run.
    """
    procfs.raise_file_limit(mode.files())
    variants = mode.variants(launcher, servers)
    lines: Lines = {name: [] for name in variants}
    for number in range(rounds):
        for name, start in variants.items():
            figures = _run_once(mode, start)
            lines[name].append(figures)
            _print({"mode": mode.NAME, "server": name, "round": number + 1, **_options(mode), **figures, "errors": 0})
    if mode.comparisons(list(lines)):
        _print({"mode": mode.NAME, **_options(mode), "ratios": ratios(mode, lines), "of": mode.RATIO})
    return lines


def middle(figures: Iterable[Figures], name: str) -> float:
    """Take the median of a figure over the rounds."""
    return median(float(line[name]) for line in figures)


def ratios(mode: Mode, lines: Lines) -> dict[str, float]:
    """Divide the medians of the mode's figure, for each comparison it makes."""
    return {
        f"{name}/{base}": round(middle(lines[name], mode.RATIO) / middle(lines[base], mode.RATIO), 3)
        for name, base in mode.comparisons(list(lines))
    }


def _run_once(mode: Mode, start: Start) -> Figures:
    async def bounded() -> Figures:
        try:
            async with asyncio.timeout(mode.limit_s()):
                return await mode.run(target)
        except TimeoutError as error:
            raise BenchError(f"{mode.NAME}: given up after {mode.limit_s():g} s") from error

    with start() as target:
        try:
            return uvloop.run(bounded())
        except BaseExceptionGroup as group:  # of a TaskGroup: the first failure is the cause
            raise BenchError(str(_first(group))) from group


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _options(mode: Mode) -> Figures:
    unused = ("duration_s", "warmup_s", "settle")
    return {f.name: getattr(mode, f.name) for f in dataclasses.fields(mode) if f.name not in unused}


def _print(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()

"""The command line: `python -m bench MODE`."""

import argparse
import dataclasses
import os
import signal
import sys
from typing import get_type_hints

from bench import matching, procfs, runner, slots, table
from bench.errors import BenchError
from bench.modes import MODES
from bench.modes.base import Mode
from bench.servers import Launcher

_SERVERS = {"node": ("node",), "signald": ("signald",), "both": ("node", "signald")}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure signald beside a plain Node server.")
    common = argparse.ArgumentParser(add_help=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    common.add_argument("--server", choices=_SERVERS, default="both", help="what to run")
    common.add_argument("--rounds", type=int, default=2, help="how often each server is run, in turn")
    common.add_argument("--interpreter", default=sys.executable, help="the Python that has signald")
    common.add_argument("--signald-args", default="", help="further arguments of `twistd signald`, in one word")
    common.add_argument("--env", action="append", default=[], metavar="K=V", help="further environment of the servers")
    common.add_argument("--server-core", type=int, default=0, help="the core of the servers; -1: not pinned")
    common.add_argument("--client-core", type=int, default=1, help="the core of the generator; -1: not pinned")
    common.add_argument("--nice", type=int, default=0, help="priority of servers and generator")
    modes = parser.add_subparsers(dest="mode", required=True)
    for mode in MODES:
        help_line = (mode.__doc__ or "").splitlines()[0]
        _add_options(modes.add_parser(mode.NAME, parents=[common], help=help_line, description=help_line), mode)
    queue = modes.add_parser("match", help="what a match costs by how many wait, in memory and in a store")
    queue.add_argument("--matches", type=int, default=2_000, help="matches for each figure")
    side = modes.add_parser("slots", parents=[common], help="servers side by side, in turn, a second each: the ratios")
    side.add_argument("--rows", default=",".join(slots.ROWS), help="which, with commas between")
    side.add_argument("--servers", default=",".join(slots.PEERS), help="which, with commas; the first is the baseline")
    side.add_argument("--slot-s", type=float, default=1.0, help="seconds of one turn")
    everything = modes.add_parser("all", parents=[common], help="the table: every mode at several sizes")
    everything.add_argument("--duration-s", type=float, default=4.0, help="timed period of each run, in seconds")
    return parser


def _add_options(parser: argparse.ArgumentParser, mode: type[Mode]) -> None:
    types = get_type_hints(mode)
    for field in dataclasses.fields(mode):
        flag = "--" + field.name.replace("_", "-")
        text = f"{field.metadata['help']} (default: {field.default})"
        parser.add_argument(flag, dest=field.name, type=types[field.name], default=field.default, help=text)


def _core(asked: int) -> int | None:
    return asked if asked in os.sched_getaffinity(0) else None


def main() -> int:
    """Run what the arguments say.

    Returns:
        The exit status: 0, or 1 when an answer was wrong or a server did not run.
    """
    arguments = _parser().parse_args()
    if arguments.mode == "match":
        matching.run(arguments.matches)
        return 0
    launcher = Launcher(
        core=_core(arguments.server_core),
        interpreter=arguments.interpreter,
        signald_args=tuple(arguments.signald_args.split()),
        env=dict(pair.split("=", 1) for pair in arguments.env),
    )
    servers = _SERVERS[arguments.server]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the servers are ended too
    runner.pin(_core(arguments.client_core))
    try:
        procfs.set_priority(arguments.nice)
        if arguments.mode == "slots":
            names, rows = arguments.servers.split(","), arguments.rows.split(",")
            slots.run(launcher, names, rows, arguments.rounds, arguments.slot_s)
        elif arguments.mode == "all":
            table.run(launcher, servers, arguments.rounds, arguments.duration_s)
        else:
            mode = next(mode for mode in MODES if arguments.mode == mode.NAME)
            options = {field.name: getattr(arguments, field.name) for field in dataclasses.fields(mode)}
            runner.run(mode(**options), launcher, servers, arguments.rounds)
    except (BenchError, OSError, ValueError) as error:  # of a size that no candidate has, too
        sys.stderr.write(f"bench: {error}\n")
        return 1
    return 0

"""The workloads, one module each."""

from bench.modes.base import Mode
from bench.modes.connect import Connect
from bench.modes.idle import Idle
from bench.modes.pair import Pair
from bench.modes.relay import Relay
from bench.modes.setup import Setup

MODES: tuple[type[Mode], ...] = (Relay, Setup, Pair, Connect, Idle)
"""Every mode, in the order of `--help`."""

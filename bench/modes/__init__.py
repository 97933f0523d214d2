"""The workloads, one module each."""

from bench.modes.base import Mode
from bench.modes.connect import Connect
from bench.modes.cross import Cross, CrossPair
from bench.modes.heartbeat import Heartbeat
from bench.modes.idle import Idle
from bench.modes.latency import Latency
from bench.modes.pair import Pair
from bench.modes.relay import Relay
from bench.modes.setup import Setup
from bench.modes.tls import Tls
from bench.modes.workers import Workers

MODES: tuple[type[Mode], ...] = (Relay, Setup, Pair, Connect, Idle, Latency, Heartbeat, Tls, Cross, CrossPair, Workers)
"""Every mode, in the order of `--help`."""

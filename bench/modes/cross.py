"""Modes cross and cross-pair: two signald instances on one Redis, as neighbours or not, compared with one instance.

The bench starts a redis-server of its own. All servers share the servers' core, so the rate is for all of them
together; the figures are CPU per unit of the signald processes in sum, and of Redis.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from bench.modes.base import Start
from bench.modes.pair import Pair
from bench.modes.relay import Relay
from bench.servers import Launcher, Target


def on_a_store(launcher: Launcher, settings: dict[str, str]) -> dict[str, Start]:
    """Make the variants: one instance on a Redis, two on a Redis, and two that have a folder for their letters."""

    @contextmanager
    def one() -> Iterator[Target]:
        with launcher.redis_server() as (url, store), launcher.signald({**settings, "REDIS_URL": url}) as target:
            yield dataclasses.replace(target, store=(store,))

    @contextmanager
    def two(**more: str) -> Iterator[Target]:
        with launcher.redis_server() as (url, store):
            on_store = {**settings, "REDIS_URL": url, **more}
            with launcher.signald(on_store) as first, launcher.signald(on_store) as second:
                yield Target(first.urls + second.urls, first.processes + second.processes, (store,))

    @contextmanager
    def neighbours() -> Iterator[Target]:
        with TemporaryDirectory(prefix="letters-") as folder, two(LETTERS_DIR=folder) as target:
            yield target

    return {"one-instance": one, "two-instances": two, "two-neighbours": neighbours}


@dataclass(frozen=True, kw_only=True)
class Cross(Relay):
    """Relay between two instances: each pair has one client on either."""

    NAME = "cross"

    def variants(self, launcher: Launcher, servers: tuple[str, ...]) -> dict[str, Start]:
        """One instance and two, as neighbours too; the Node peer has no store."""
        return on_a_store(launcher, self.settings())


@dataclass(frozen=True, kw_only=True)
class CrossPair(Pair):
    """Matches on a store, with half of the churning clients on each of two instances."""

    NAME = "cross-pair"

    def variants(self, launcher: Launcher, servers: tuple[str, ...]) -> dict[str, Start]:
        """One instance and two, as neighbours too; the Node peer has no store."""
        return on_a_store(launcher, self.settings())

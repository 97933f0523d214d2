"""Mode workers: whole calls on N workers and a Redis, compared with one process in memory.

Clients connect to whatever worker takes them and are paired with whoever waits, so (N - 1) / N of all calls are between
two workers. All share the servers' core, and the figure is the CPU of all of them for one call: N workers with a core
each carry N / ratio times as many calls as one process.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.modes.base import Start, option
from bench.modes.setup import Setup
from bench.servers import Launcher, Target


@dataclass(frozen=True, kw_only=True)
class Workers(Setup):
    """Whole calls on several workers and a store, against one process without."""

    NAME = "workers"

    workers: int = option(2, "processes that share the port")

    def variants(self, launcher: Launcher, servers: tuple[str, ...]) -> dict[str, Start]:
        """One process in memory, and workers on a Redis; the Node peer has neither."""

        @contextmanager
        def one() -> Iterator[Target]:
            with launcher.signald(self.settings()) as target:
                yield target

        @contextmanager
        def many() -> Iterator[Target]:
            with launcher.redis_server() as (url, store):
                settings = {**self.settings(), "REDIS_URL": url, "WORKERS": str(self.workers)}
                with launcher.signald(settings) as target:
                    yield dataclasses.replace(target, store=(store,))

        return {"one-process": one, "workers": many}

    def comparisons(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """The workers with the one process."""
        return [("workers", "one-process")]

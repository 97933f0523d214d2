"""Mode workers: whole calls on N workers and a Redis, compared with one process on a Redis, and with one in memory.

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
    """Whole calls on several workers and a store, against one process with and without."""

    NAME = "workers"

    workers: int = option(2, "processes that share the port")

    def variants(self, launcher: Launcher, servers: tuple[str, ...]) -> dict[str, Start]:
        """One process in memory, one on a Redis, and workers on a Redis; the Node peer has neither."""

        @contextmanager
        def alone() -> Iterator[Target]:
            with launcher.signald(self.settings()) as target:
                yield target

        def on_a_store(workers: int) -> Start:
            @contextmanager
            def start() -> Iterator[Target]:
                with launcher.redis_server() as (url, store):
                    settings = {**self.settings(), "REDIS_URL": url, "WORKERS": str(workers)}
                    with launcher.signald(settings) as target:
                        yield dataclasses.replace(target, store=(store,))

            return start

        return {"in-memory": alone, "one-on-a-store": on_a_store(1), "workers": on_a_store(self.workers)}

    def comparisons(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """The workers with one process, each way."""
        return [("workers", "one-on-a-store"), ("workers", "in-memory")]

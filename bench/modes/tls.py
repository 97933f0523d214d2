"""Mode tls: the relay over wss, compared with the same server's plain one."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import certificate
from bench.modes.base import Start
from bench.modes.relay import Relay
from bench.servers import Certificate, Launcher, Target

_Serve = Callable[[Mapping[str, str], Certificate], AbstractContextManager[Target]]


@dataclass(frozen=True, kw_only=True)
class Tls(Relay):
    """Relay over TLS against relay in the clear; the server itself speaks TLS."""

    NAME = "tls"

    def variants(self, launcher: Launcher, servers: tuple[str, ...]) -> dict[str, Start]:
        """Each server plain, then with TLS."""
        serve: dict[str, _Serve] = {"node": launcher.node_peer, "signald": launcher.signald}
        both = {}
        for name, start in super().variants(launcher, servers).items():
            both[name] = start
            both[f"{name}-tls"] = self._with_tls(serve[name])
        return both

    def comparisons(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Each server with itself."""
        return [(name, name.removesuffix("-tls")) for name in names if name.endswith("-tls")]

    def _with_tls(self, serve: _Serve) -> Start:
        @contextmanager
        def start() -> Iterator[Target]:
            with (
                tempfile.TemporaryDirectory(prefix="bench-tls-") as folder,
                serve(self.settings(), certificate.make(Path(folder))) as target,
            ):
                yield target

        return start

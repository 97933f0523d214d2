"""What every workload is: options, the servers it runs on, and one run."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bench.measure import Figures
from bench.servers import Launcher, Target

Start = Callable[[], AbstractContextManager[Target]]


SETTINGS = {
    "MAX_MSG_PER_SECOND": "1000000",
    "LOG_LEVEL": "warn",  # the peers log nothing
    "REQUEUE_ON_PARTNER_LEAVE": "false",
    "DEMO": "false",
}
"""Environment variables of every server, unless a mode says otherwise."""


def option(default: Any, text: str) -> Any:
    """Declare an option of a mode: a dataclass field and a command-line argument.

    Args:
        default: its default; its type is the option's type.
        text: its line in `--help`.
    """
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Mode(ABC):
    """One workload with its options.

    Attributes:
        NAME: its name on the command line.
        UNIT: what is counted.
        RATIO: the figure that the final line compares.
    """

    NAME: ClassVar[str]
    UNIT: ClassVar[str]
    RATIO: ClassVar[str] = "server_cpu_us"

    duration_s: float = option(5.0, "timed period, in seconds")
    warmup_s: float = option(1.0, "seconds of work before it")

    def settings(self) -> dict[str, str]:
        """Environment variables that the workload asks of every server."""
        return dict(SETTINGS)

    def variants(self, launcher: Launcher, servers: tuple[str, ...]) -> dict[str, Start]:
        """Name what is run, in its order.

        Args:
            launcher: starts servers.
            servers: "node", "signald" or both, in that order.
        """
        starts = {"node": launcher.node_peer, "signald": launcher.signald}
        return {server: lambda start=starts[server]: start(self.settings()) for server in servers}  # type: ignore[misc]

    def comparisons(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Say which variants are compared.

        Args:
            names: of the variants.

        Returns:
            Pairs of a variant and its baseline.
        """
        return [(name, names[0]) for name in names[1:]]

    def files(self) -> int:
        """How many sockets the generator opens, at most."""
        return 256

    def limit_s(self) -> float:
        """Seconds after which a run is given up."""
        return self.warmup_s + self.duration_s + 60 + self.files() / 50

    @abstractmethod
    async def run(self, target: Target) -> Figures:
        """Do the work on running servers.

        Raises:
            BenchError: a wrong answer.
        """

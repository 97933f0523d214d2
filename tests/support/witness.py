"""Two clients who go on with their call while a daemon is attacked, and what the attack costs the daemon meanwhile."""

import os
import resource
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess
from tests.support.waiting import PATIENCE_S

PACE_S = 0.03
"""Between two relayed messages: below the default of MAX_MSG_PER_SECOND."""

AT_LEAST = 10
"""Messages that a witness relays, however short the attack."""


def resident(pid: int, field: str = "VmRSS") -> float:
    """MiB of memory of a process; ``VmHWM`` is the most since `Witness` began."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError(field)


def processor_s(pid: int) -> float:
    """Seconds that a process has computed up to now: on a busy machine they do not grow, as those of a clock do."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def raise_file_limit(wanted: int) -> int:
    """How many sockets, at most `wanted`, this process and a daemon may each have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, hard - 256)


class Witness:
    """A pair that relays in a thread from entering to leaving. Leaving fails if a message was lost or late.

    Args:
        daemon: Is attacked meanwhile.
        within_s: How long the daemon may compute before it passes a message on. By the clock a message may take longer,
            on a busy machine.
        grows_mib: How much more memory the daemon may have at any time.

    Attributes:
        relayed: How many messages.
        worst_s: The slowest, by the clock.
        computed_s: How long the daemon has computed meanwhile, at most for one message.
        grown_mib: The most memory above that at the start.
    """

    def __init__(self, daemon: DaemonProcess, *, within_s: float = 2.0, grows_mib: float = 64.0) -> None:
        self._daemon = daemon
        self._within_s = within_s
        self._grows_mib = grows_mib
        self._over = threading.Event()
        self._enough = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self.relayed = 0
        self.worst_s = 0.0
        self.computed_s = 0.0
        self.grown_mib = 0.0

    def __enter__(self) -> Self:
        self._one, self._other = Client(self._daemon.port), Client(self._daemon.port)
        pair(self._one, self._other)
        Path(f"/proc/{self._daemon.pid}/clear_refs").write_text("5")  # VmHWM begins anew (proc(5))
        self._before = resident(self._daemon.pid)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.wait(4 * PATIENCE_S)
        self._over.set()
        self._thread.join(4 * PATIENCE_S)
        self.grown_mib = resident(self._daemon.pid, "VmHWM") - self._before
        for client in (self._one, self._other):
            client.socket.close()
        if kind is not None:
            return
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive()
        assert self.relayed >= AT_LEAST
        assert self.computed_s < self._within_s, f"a bystander's message waited for {self.computed_s:.1f} s of work"
        assert self.grown_mib < self._grows_mib, f"memory grew by {self.grown_mib:.0f} MiB"
        assert self._daemon.errors == []

    def _go_on(self) -> None:
        try:
            while not self._over.wait(PACE_S):
                began, computed_s = time.monotonic(), processor_s(self._daemon.pid)
                self._one.send("ice", candidate={"n": self.relayed})
                assert self._other.expect("ice")["candidate"] == {"n": self.relayed}
                self.worst_s = max(self.worst_s, time.monotonic() - began)
                self.computed_s = max(self.computed_s, processor_s(self._daemon.pid) - computed_s)
                assert self._one.sync() == []  # and answers pings
                self.relayed += 1
                if self.relayed == AT_LEAST:
                    self._enough.set()
        except BaseException as failure:
            self._failure = failure
            self._enough.set()

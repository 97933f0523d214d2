"""What a process of signald needs besides its services: its log, its signals, its file limit, its garbage."""

import gc
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.logger import ILogObserver
from twisted.python.components import Componentized
from twisted.python.logfile import LogFile

from signald.logs import make_observer

_OLDEST: Final = 2
"""The generation that a full garbage collection is of."""

SPARE_FILES: Final = 64
"""File descriptors that are not clients: listeners, logs, the store, libraries."""


def raise_file_limit() -> int:
    """Raise the limit on open files to the hard one.

    Returns:
        How many clients fit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # macOS has a lower kernel limit than the hard one says
            pass
    return max(0, soft - SPARE_FILES)


class LongLived:
    """Takes what has survived a full garbage collection out of the next ones.

    Looking at everything stops the daemon for 40 ms with 10,000 clients, each time that some thousands have come and
    gone. So it looks at what is new only, and the more often. What lives long, above all a client, mostly goes by its
    reference count; only if old objects become more there may be garbage among them, and everything is looked at.
    """

    THRESHOLDS: Final = (700, 10, 2)
    """See `gc.set_threshold`: a full collection after 20,000 new objects, or 2,500 clients."""

    GROWTH: Final = 1.25
    """How many times as many old objects as after the last look at everything make the next one; as Python's own."""

    def __init__(self) -> None:
        self._old = 0
        self._at_everything = True

    def start(self) -> None:
        """To be called when all modules are loaded, which live as long as the process."""
        gc.callbacks.append(self._collected)
        gc.set_threshold(*self.THRESHOLDS)
        gc.collect()

    def _collected(self, phase: str, info: Mapping[str, int]) -> None:
        if phase != "stop" or info["generation"] != _OLDEST:
            return
        gc.freeze()
        old = gc.get_freeze_count()
        if self._at_everything:
            self._old = old
            self._at_everything = False
        elif old > self._old * self.GROWTH:
            gc.unfreeze()
            self._at_everything = True


class ProcessService(MultiService):
    """The root of a process: ends with status 0 on SIGTERM and SIGINT, and logs in signald's way.

    Args:
        reactor: Handles the signals.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self._reactor = reactor
        self._observer: ILogObserver | None = None
        self.stopping = False
        """Whether the end has begun."""

    def choose_log(self, twistd: Mapping[str, Any], *, level: str, look: str, instance: str) -> None:
        """Log in signald's way, to the place that twistd was told; not if twistd was told another way.

        Args:
            twistd: The options of twistd itself.
            level: See `make_observer`, as for the other two.
            look: Text or JSON.
            instance: The name of this process.
        """
        if twistd.get("syslog") or twistd.get("logger"):
            return
        name = twistd.get("logfile") or ("-" if twistd.get("nodaemon") else "twistd.log")
        out = sys.stdout if name == "-" else LogFile.fromFullPath(name)
        self._observer = make_observer(level=level, look=look, instance=instance, out=out, environment=os.environ)

    def setServiceParent(self, parent: Any) -> None:
        """The application is the parent; it holds the log observer too (`twisted.application.app.AppLogger`)."""
        super().setServiceParent(parent)
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)

    def startService(self) -> None:
        """Start everything. twistd's own handlers end a process by the signal, which supervisors take for a crash."""
        super().startService()
        self._reactor.callWhenRunning(self._handle_signals)

    def stopService(self) -> Any:
        """Stop everything."""
        self.stopping = True
        return super().stopService()

    def _handle_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGHUP, self._hung_up)

    def _signalled(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._end)

    def _hung_up(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Read again what may change while clients are connected, on SIGHUP."""

    def _end(self) -> None:
        if self.stopping:
            self.hurry()
        else:
            self.stopping = True
            self._reactor.stop()

    def hurry(self) -> None:
        """The second signal: wait for nobody."""

"""Runs a process: its log, its signals, its exit status."""

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.logger import ILogObserver
from twisted.python.components import Componentized
from twisted.python.logfile import LogFile

from signald.process.life import Life
from signald.telemetry.logs import make_observer


class ProcessService(MultiService):
    """The root of a process: ends with status 0 on SIGTERM and SIGINT, and logs in signald's way.

    Args:
        reactor: Handles the signals.
        life: Told of the end; None if nobody asks about it.
    """

    def __init__(self, reactor: Any, life: Life | None = None) -> None:
        super().__init__()
        self._reactor = reactor
        self._observer: ILogObserver | None = None
        self.life = Life(reactor) if life is None else life
        """Since when it runs, and whether it ends."""

    def choose_log(self, twistd: Mapping[str, Any], *, level: str, look: str, instance: str) -> None:
        """Log in signald's way, to where twistd was told to; not if twistd was told to log in another way.

        Args:
            twistd: The options of twistd itself.
            level: See `make_observer`, also for the other two.
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
        self.life.stopping = True
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
        if self.life.stopping:
            self.hurry()
        else:
            self.life.stopping = True
            self._reactor.stop()

    def hurry(self) -> None:
        """End at once, without waiting for anybody: a second signal came."""

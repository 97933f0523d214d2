"""Runs a process: its log, its signals, its exit status."""

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from signald.process.last_resort import LastResort
from signald.process.life import Life
from signald.process.signals import Acts, Signals
from signald.telemetry.logs import Log, goes_to_journal, make_observer
from signald.telemetry.sinks import Stream, Syslog, make_sink

END_WITHIN_S: Final = 4.5
"""Seconds that the end may take, besides draining, before it is cut off; 5 s with the last lines of the log."""

LAST_LINES_WITHIN_S: Final = 0.5
"""Seconds that the last lines may take then."""


class ProcessService(MultiService):
    """The root of a process: ends with status 0 on SIGTERM and SIGINT, and logs in signald's way.

    Args:
        reactor: Handles the signals.
        life: Told of the end; None if nobody asks about it.
        drain_s: How long the end may take besides what follows.
        end_within_s: Seconds after which the end is cut off.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, life: Life | None = None, *, drain_s: float = 0.0, end_within_s: float = END_WITHIN_S
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._logged: Log | None = None
        self._drain_s = drain_s
        self._end_within_s = end_within_s
        self._last_resort = LastResort(self._flush)
        self._signals = Signals(reactor, Acts(end=self._end, reload=self._reload, rotate=self._rotate))
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
        sink = make_sink(twistd, sys.stdout)
        if sink is None:
            return
        marked = isinstance(sink, Syslog) or (isinstance(sink, Stream) and goes_to_journal(sys.stdout, os.environ))
        self._logged = make_observer(
            sink, level=level, look=look, instance=instance, priorities=marked, count=self.lines_dropped
        )

    def lines_dropped(self, lines: int) -> None:
        """So many lines of the log were dropped, since nobody read it."""

    def heed_signals(self) -> None:
        """Heed signals from now on: before anything listens."""
        self._signals.heed()

    def setServiceParent(self, parent: Any) -> None:
        """The application is the parent; it holds the log observer too (`twisted.application.app.AppLogger`)."""
        super().setServiceParent(parent)
        if self._logged is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._logged.observer)

    def privilegedStartService(self) -> None:
        """Begin to write the log: the process is in the background by now, if it was to be."""
        self._signals.in_place()
        if self._logged is not None:
            self._logged.start()
        super().privilegedStartService()

    def stopService(self) -> Any:
        """Stop everything."""
        self.life.stopping = True
        return super().stopService()

    def reload(self) -> None:
        """Read again what may change while clients are connected, on SIGHUP."""

    def end_with(self, status: int) -> None:
        """End the process with this status: twistd has no way to say it."""
        self._reactor.addSystemEventTrigger("after", "shutdown", self._exit, status)
        self._reactor.callWhenRunning(self._end)

    def hurry(self) -> None:
        """End at once, without waiting for anybody: a second signal came."""

    def _end(self) -> None:
        if self.life.stopping:
            self._last_resort.in_at_most(self._end_within_s)
            self.hurry()
        else:
            self._last_resort.in_at_most(self._drain_s + self._end_within_s)
            self.life.stopping = True
            self._reactor.stop()

    def _reload(self) -> None:
        if self._logged is not None:
            self._logged.output.reopen()
        self.reload()

    def _rotate(self) -> None:
        if self._logged is not None:
            self._logged.output.rotate(self._no_file)
        else:
            self._no_file()

    def _no_file(self) -> None:
        self._log.info("SIGUSR1 is for a log in a file, which this is not")

    def _flush(self) -> None:
        if self._logged is not None:
            self._logged.output.close(LAST_LINES_WITHIN_S)

    def _exit(self, status: int) -> None:
        self._flush()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

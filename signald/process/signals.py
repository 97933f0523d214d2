"""What each signal does; docs/operations.md, "Signals", has the table for operators."""

import os
import signal
from collections.abc import Callable
from typing import Any, Final, NamedTuple

ENDING: Final = (signal.SIGTERM, signal.SIGINT)


class Acts(NamedTuple):
    """What a process does when it is told to.

    Attributes:
        end: SIGTERM, SIGINT; SIGHUP if it means that the terminal is gone.
        reload: SIGHUP else.
        rotate: SIGUSR1.
    """

    end: Callable[[], None]
    reload: Callable[[], None]
    rotate: Callable[[], None]


class Signals:
    """Lets signals act in the event loop, before it runs and in place of what Twisted does.

    Twisted ends a process by the signal that stopped it, which supervisors take for a crash.

    Args:
        reactor: Where acts are called.
        acts: What to do.
    """

    def __init__(self, reactor: Any, acts: Acts) -> None:
        self._reactor = reactor
        self._acts = acts
        # As nohup(1) and shells have it: who is told to ignore the end of a terminal, or Ctrl-C, does.
        self._may_outlive_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._ending = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
        self._has_terminal = False

    def heed(self) -> None:
        """Heed signals from now on; what comes before the reactor runs is done when it does."""
        self._install()
        # What a reactor of Twisted calls on a signal, and installs when it starts: there is no moment in between.
        self._reactor.sigTerm = self._reactor.sigInt = self._told_to_end
        # In case it has handlers that are not called so.
        self._reactor.addSystemEventTrigger("during", "startup", self._install)

    def in_place(self) -> None:
        """The process has gone into the background by now, if it was to: whether it has a terminal is known."""
        self._has_terminal = not self._may_outlive_terminal and _has_terminal()

    def _install(self) -> None:
        for number in self._ending:
            signal.signal(number, self._told_to_end)
        signal.signal(signal.SIGHUP, lambda number, frame: self._do(self._hung_up))
        signal.signal(signal.SIGUSR1, lambda number, frame: self._do(self._acts.rotate))

    def _told_to_end(self, number: int, frame: object) -> None:
        self._do(self._acts.end)

    def _do(self, act: Callable[[], None]) -> None:
        self._reactor.callFromThread(act)

    def _hung_up(self) -> None:
        if self._has_terminal and not _has_terminal():
            self._acts.end()
        else:
            self._acts.reload()


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal that is still there (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True

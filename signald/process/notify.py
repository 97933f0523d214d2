"""Tells systemd how the daemon is: ready, what it does, alive, stopping (sd_notify(3)). Silent without systemd.

Everything is sent from the event loop, so a loop that stands still is silent, and systemd restarts the daemon.
"""

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from signald.periodic import Periodic

STATUS_S = 10.0
"""Seconds between two status lines, unless systemd wants a sign of life more often."""


class Notify(Service):
    """Sends READY when all listens, then STATUS and WATCHDOG over and over, and STOPPING when the reactor stops.

    Args:
        reactor: For the time, and to learn of its end.
        environment: Environment variables, with NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from systemd.
        status: Returns one line for ``systemctl status``.
        ready: Fires when everything listens; None if that is so at the first turn of the event loop.
        alive: Tells whether all that belongs to this process lives; the watchdog is not fed otherwise.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        environment: Mapping[str, str],
        status: Callable[[], str],
        ready: "Deferred[None] | None" = None,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._alive = alive
        self._reactor = reactor
        self._everything_listens = ready
        # An abstract socket's name begins with a zero byte, which a variable cannot hold (unix(7)).
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._status = status
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_us = environment.get("WATCHDOG_USEC", "") if watched else ""
        # Half of what systemd allows, as sd_watchdog_enabled(3) recommends.
        self._alive_s = int(watchdog_us) / 2e6 if watchdog_us.isdecimal() and int(watchdog_us) else None
        self._first: IDelayedCall | None = None
        self._beats = Periodic(reactor, min(self._alive_s or STATUS_S, STATUS_S), self._beat, "the signs of life")

    def startService(self) -> None:
        """Be ready when everything listens: at the first turn of the event loop, when signals are handled, or later."""
        super().startService()
        if self._address:
            if self._everything_listens is None:
                self._first = self._reactor.callLater(0, self._ready)
            else:
                self._everything_listens.addCallback(lambda _: self._ready())
            self._reactor.addSystemEventTrigger("before", "shutdown", self._stopping)

    def stopService(self) -> None:
        """Send no more signs of life: the last client is gone."""
        super().stopService()
        if self._first is not None and self._first.active():
            self._first.cancel()
        self._beats.stop()

    def _ready(self) -> None:
        if not self.running:
            return
        self._send("READY=1")
        self._beats.start(now=True)

    def _beat(self) -> None:
        self._send(f"STATUS={self._status()}" + ("\nWATCHDOG=1" if self._alive_s and self._alive() else ""))

    def _stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
                notify.setblocking(False)
                notify.sendto(state.encode(), self._address)
        except OSError as error:
            self._log.warn("systemd was not told {state}: {why}", state=state, why=error)

"""Shares the event loop between addresses while it is late, so that no crowd of connections keeps all others waiting.

Each connection may send as much as it is allowed; a thousand of one address together can keep the loop busy all the
time. Then what each address sends is dealt with for so long in each turn of the loop, and the rest in the next turns:
whoever else sends something waits for one share, not for the whole crowd. Nothing is lost or refused, and an address
that is alone has the whole loop as before. While the loop is in time, nothing is measured.
"""

from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from signald.core.addresses import household
from signald.periodic import PeriodicService
from signald.telemetry.counts import Counts
from signald.telemetry.lag import LAG_S

SHARE_S: Final = 0.02
"""Seconds of each turn for one address: some 600 messages, more than a crowd sends that sets up calls."""

LATE_S: Final = 0.05
"""The loop is late when its timers are by this: nobody notices less."""

SHARING_S: Final = 10.0
"""Seconds for which the loop is shared after the last time that it was late, or that something had to wait."""

PUT_OFF_BYTES: Final = 32 * 1024 * 1024
"""Bytes that wait for their turn at most; what comes beyond it is dealt with at once."""


class Reader(Protocol):
    """Reads what its client sends: a connection."""

    @property
    def address(self) -> str:
        """Of its client."""
        ...

    def dataReceived(self, data: bytes) -> None:
        """Deal with bytes that came; or give them to `Turns`, if that is in use."""
        ...

    def wait_for_turn(self) -> None:
        """Let nothing more come."""
        ...

    def has_turn(self) -> None:
        """Let more come."""
        ...

    def drop(self) -> None:
        """Be gone."""
        ...


class Turns(PeriodicService):
    """Gives each address its share of each turn.

    Args:
        clock: Measures, and begins the next turn.
        lag: How late timers are of late; seconds.
        counts: Where to count what had to wait.

    Attributes:
        in_use: Whether readers are to give what comes to `give`: the loop is shared now, and it is not `give` that
            lets them deal with it.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, lag: Callable[[], float], counts: Counts) -> None:
        super().__init__(clock, LAG_S, "the shares of the loop")
        self._lag = lag
        self._counts = counts
        self.in_use = False
        self._until = 0.0
        self._homes: dict[str, str] = {}
        self._spent_s: dict[str, float] = {}
        self._waiting: dict[str, dict[Reader, bytes]] = {}
        self._bytes = 0
        self._turning = False

    def give(self, reader: Reader, data: bytes) -> None:
        """Let a reader deal with what came, now or when its address has its turn."""
        home = self._home(reader.address)
        waiting = self._waiting.get(home)
        if waiting is not None and reader in waiting:
            waiting[reader] += data
            self._bytes += len(data)
            reader.wait_for_turn()
        elif self._spent_s.get(home, 0.0) < SHARE_S or self._bytes + len(data) > PUT_OFF_BYTES:
            self._serve(home, reader, data)
        else:
            self._waiting.setdefault(home, {})[reader] = data
            self._bytes += len(data)
            self._counts.put_off += 1
            self._until = self._clock.seconds() + SHARING_S
            reader.wait_for_turn()
        if not self._turning:
            self._turning = True
            self._clock.callLater(0, self._next_turn)

    def forget(self, reader: Reader) -> None:
        """Forget a reader that waits, and is gone."""
        waiting = self._waiting.get(self._home(reader.address))
        if waiting is not None:
            self._bytes -= len(waiting.pop(reader, b""))

    def _serve(self, home: str, reader: Reader, data: bytes) -> None:
        began = self._clock.seconds()
        self.in_use = False
        try:
            reader.dataReceived(data)
        except Exception:
            self._log.failure("could not read what a client sent")
            reader.drop()
        finally:
            self.in_use = True
        self._spent_s[home] = self._spent_s.get(home, 0.0) + self._clock.seconds() - began

    def _next_turn(self) -> None:
        """Those who waited are the first; then the reactor reads from all others."""
        self._spent_s.clear()
        for home, waiting in list(self._waiting.items()):
            while waiting and self._spent_s.get(home, 0.0) < SHARE_S:
                reader = next(iter(waiting))
                data = waiting.pop(reader)
                self._bytes -= len(data)
                reader.has_turn()
                self._serve(home, reader, data)
            if not waiting:
                del self._waiting[home]
        self._turning = bool(self._waiting)
        if self._turning:
            self._clock.callLater(0, self._next_turn)

    def _home(self, address: str) -> str:
        home = self._homes.get(address)
        if home is None:
            home = self._homes[address] = household(address)
        return home

    def _beat(self) -> None:
        now = self._clock.seconds()
        if self._lag() >= LATE_S:
            self._until = now + SHARING_S
        self.in_use = now < self._until or bool(self._waiting)
        self._homes.clear()

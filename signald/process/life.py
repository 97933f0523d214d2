"""Tells since when a process runs, and whether it ends. Made before whoever asks it, and whoever ends it."""

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime


class Life:
    """Answers supervisors and balancers about this process.

    Args:
        clock: Tells the time.
        facts: Returns what else there is to say; called each time.
    """

    def __init__(self, clock: IReactorTime, facts: Callable[[], Mapping[str, object]] = dict) -> None:
        self._clock = clock
        self._facts = facts
        self._began = clock.seconds()
        self.stopping = False
        """Whether the end has begun."""

    def begin(self) -> None:
        """Count the time from now: everything is started."""
        self._began = self._clock.seconds()

    @property
    def uptime_s(self) -> float:
        """How long it runs, in seconds."""
        return round(self._clock.seconds() - self._began, 3)

    def health(self) -> dict[str, object]:
        """What ``/healthz`` says."""
        return {"ok": True, "uptime": self.uptime_s, **self._facts()}

    def ready(self) -> bool:
        """Whether new clients are welcome."""
        return not self.stopping

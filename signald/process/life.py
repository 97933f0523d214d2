"""Tells how a process is: since when it runs, whether it ends. Made before whoever asks it, and whoever ends it."""

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime


class Life:
    """The life of this process, for supervisors and balancers.

    Args:
        clock: Tells the time.
        facts: What there is to say besides; asked each time.
    """

    def __init__(self, clock: IReactorTime, facts: Callable[[], Mapping[str, object]] = dict) -> None:
        self._clock = clock
        self._facts = facts
        self._began = clock.seconds()
        self.stopping = False
        """Whether the end has begun."""

    def begin(self) -> None:
        """Everything is started: the time counts from now."""
        self._began = self._clock.seconds()

    def health(self) -> dict[str, object]:
        """What ``/healthz`` says."""
        return {"ok": True, "uptime": round(self._clock.seconds() - self._began, 3), **self._facts()}

    def ready(self) -> bool:
        """Whether new clients are welcome."""
        return not self.stopping

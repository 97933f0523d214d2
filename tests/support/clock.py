"""A clock for what takes the time as a function."""


class Time:
    """Seconds that pass when a test says so: ``time.now += 60``.

    Args:
        now: To begin with.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

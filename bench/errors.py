"""What ends a run."""


class BenchError(Exception):
    """A server gave a wrong answer, or could not be started: the run has no figure."""

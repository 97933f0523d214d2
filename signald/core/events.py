"""Names what an operator may want to be told of."""

from enum import StrEnum


class EventKind(StrEnum):
    """What can be posted to the operator."""

    REPORT = "report"
    """A client reports another."""

    MATCHED = "matched"
    """Two clients have been matched."""

    ENDED = "ended"
    """Two clients are partners no more."""

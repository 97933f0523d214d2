"""What twistd loads first: it heeds SIGTERM, and then loads everything else, which takes most of the start."""

from typing import Any

from signald.process.early import end_at_sigterm
from signald.process.garbage import nothing_to_collect


def __getattr__(name: str) -> Any:
    """``Options`` and ``makeService`` of `signald.tap`, which twistd looks for when ``signald`` was chosen."""
    end_at_sigterm()
    with nothing_to_collect():
        from signald import tap

    return getattr(tap, name)

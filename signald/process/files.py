"""Raises the limit on open files, and says for how many clients there is room."""

import resource
from typing import Final

SPARE_FILES: Final = 64
"""File descriptors that are not clients: listeners, logs, the store, libraries; and the next."""

DOOR_FILES: Final = 32
"""Of those, for connections that have not said yet what they want: when every place is taken, probes are answered, and
one client too many gets its 503."""


def raise_file_limit() -> int:
    """Raise the limit on open files to the hard one.

    Returns:
        How many clients fit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):  # macOS has a lower kernel limit than the hard one says
            pass
    return max(0, soft - SPARE_FILES)

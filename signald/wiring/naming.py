"""Makes the names of clients and rooms."""

import secrets
from collections.abc import Iterator
from itertools import chain
from typing import Final

NAME_BYTES: Final = 12
"""Of randomness in a name: 16 characters in base64url, and 96 bits."""

AT_ONCE: Final = 256
"""Names that are made together: the kernel is asked for randomness once, and one name costs a tenth of one alone."""


def fresh_names() -> Iterator[str]:
    """Names that were never given to anything, and that nobody can guess: one client's must not tell another's."""
    return chain.from_iterable(_batches())


def _batches() -> Iterator[list[str]]:
    while True:
        text = secrets.token_urlsafe(NAME_BYTES * AT_ONCE)
        size = len(text) // AT_ONCE
        yield [text[at : at + size] for at in range(0, len(text), size)]

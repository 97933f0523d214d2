"""Makes the names of clients and rooms."""

import secrets
from typing import Final

NAME_BYTES: Final = 12
"""Of randomness in a name: 16 characters in base64url, and 96 bits."""

AT_ONCE: Final = 256
"""Names that are made together: the kernel is asked for randomness once, and one name costs a tenth of one alone."""


class FreshNames:
    """Makes names that nobody can guess: whoever knows one client's must not find another from it."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: list[str] = []

    def new(self) -> str:
        """A name that was never given to anything, here or elsewhere."""
        if not self._left:
            text = secrets.token_urlsafe(NAME_BYTES * AT_ONCE)
            size = len(text) // AT_ONCE
            self._left = [text[at : at + size] for at in range(0, len(text), size)]
        return self._left.pop()

"""What both models are made of: steps, of which those that are under way may happen in any order."""

from typing import Any, Protocol

Step = tuple[Any, ...]
"""What happens, and to whom."""


class Stepping(Protocol):
    """A model."""

    def moves(self) -> list[Step]:
        """What is under way and may happen next."""
        ...

    def do(self, step: Step) -> None:
        """Do one step."""
        ...


def let_end(model: Stepping, at_most: int) -> None:
    """Let all that is under way happen, in so many steps at most."""
    for _ in range(at_most):
        moves = model.moves()
        if not moves:
            return
        model.do(moves[0])
    raise AssertionError("it never comes to rest")

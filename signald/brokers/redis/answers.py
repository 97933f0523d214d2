"""Waits for answers of the store, and of other instances, which may never come."""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, FirstError, TimeoutError, gatherResults

ANSWER_S: Final = 2.0
"""How long another instance may take to answer: one that takes longer counts as dead, and the epoch keeps it out."""

T = TypeVar("T")


async def within(clock: Any, answer: "Deferred[T]", otherwise: T, seconds: float = ANSWER_S) -> T:
    """An answer, or something else if it does not come in time."""
    answer.addTimeout(seconds, clock)
    try:
        return await answer
    except TimeoutError:
        return otherwise


async def all_of(answers: "Iterable[Deferred[Any]]") -> None:
    """Wait for all answers; raises what the first one fails with."""
    try:
        await gatherResults(list(answers), consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()


def fire(waiting: "Deferred[T] | None", answer: T) -> None:
    """An answer has come; whoever waited for it may have given up."""
    if waiting is not None and not waiting.called:
        waiting.callback(answer)

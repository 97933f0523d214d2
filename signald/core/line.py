"""A line of tickets in order of place: the next one, the one behind any place, and one in the middle cost the same."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Final

CHUNK: Final = 256
"""Tickets in one piece of a line: what is moved in memory when one goes out of its middle, 2 KB."""

Stand = tuple[float, int, Any]
"""Where a ticket stands: since when it waits, a number that no other one has, and the ticket."""


class Line:
    """Tickets in order, in pieces of some hundred. A piece is never empty."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[list[Stand]] = []

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def first(self) -> Stand:
        """Who stands first. There must be somebody."""
        return self._pieces[0][0]

    def __iter__(self) -> Iterator[Stand]:
        for piece in self._pieces:
            yield from piece

    def behind(self, place: Stand | None) -> Iterator[Stand]:
        """All who stand behind a place, whether or not somebody stands there; all at all for None."""
        if place is None:
            yield from self
            return
        number = self._find(place)
        if number < len(self._pieces):
            piece = self._pieces[number]
            at = bisect_left(piece, place)
            yield from piece[at + (at < len(piece) and piece[at][:2] == place[:2]) :]
            for piece in self._pieces[number + 1 :]:
                yield from piece

    def add(self, stand: Stand) -> None:
        """Put a ticket at its place."""
        pieces = self._pieces
        if not pieces:
            pieces.append([stand])
            return
        number = len(pieces) - 1
        piece = pieces[number]
        if stand > piece[-1]:  # a newcomer: mostly it is one
            piece.append(stand)
        else:
            number = min(self._find(stand), number)
            piece = pieces[number]
            insort(piece, stand)
        if len(piece) > 2 * CHUNK:
            pieces[number : number + 1] = [piece[:CHUNK], piece[CHUNK:]]

    def remove(self, stand: Stand) -> bool:
        """Take a ticket out that stands there; gives whether another one does yet."""
        pieces = self._pieces
        number = 0 if pieces[0][0] is stand else self._find(stand)
        piece = pieces[number]
        del piece[0 if piece[0] is stand else bisect_left(piece, stand)]
        if not piece:
            del pieces[number]
        return bool(pieces)

    def _find(self, stand: Stand) -> int:
        """The piece in which a place is: the first one whose last is not before it."""
        pieces = self._pieces
        if len(pieces) == 1 or not pieces or stand <= pieces[0][-1]:
            return 0
        return bisect_left(pieces, stand, key=_last)


def _last(piece: list[Stand]) -> Stand:
    return piece[-1]

"""The rule for what a client says of its calls: once for each of its last rooms. It changes nothing else."""

from typing import Final

from signald.core.effects import CountOutcome, Effects
from signald.core.ids import RoomId
from signald.core.messages import ErrorCode, Outcome, ProtocolError
from signald.core.standing import Standing

ROOMS_KNOWN: Final = 8
"""Rooms of one client of which it may still say what became of them: a page says it within seconds."""


def outcome(who: Standing, given: Outcome, now: float) -> Effects:
    """It says what became of a call."""
    room = RoomId(given.roomId)
    if room not in who.rooms:
        raise ProtocolError(ErrorCode.NOT_PAIRED, "`roomId` is none of the last rooms of this client")
    if room in who.judged:
        return ()
    who.judged = (room, *(other for other in who.judged if other in who.rooms))
    return (CountOutcome(given),)

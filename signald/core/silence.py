"""Notices who is matched and says nothing, and what becomes of it and of its partner.

Of a match the initiator owes a first message, and who was offered something owes an answer. Whatever a client says is a
sign, `ping` too. Clients of the first protocol do not know that they are the initiator, and others may have nothing to
offer: until an offer has reached it, the answer of its WebSocket to a ping will do. Whoever owes a sign for too long,
maybe to one partner after the other, stands in no queue until it gives one; its partner waits on in its old place.
"""

from enum import Enum
from typing import Final

from signald.core import messages
from signald.core.effects import Effects, LeaveRoom, Refuse, Send
from signald.core.ids import RoomId
from signald.core.inputs import FellSilent, Input
from signald.core.standing import EXPIRED, Standing, State
from signald.core.tickets import enqueue

ASK_AFTER: Final = 1 / 8
"""Of the time that a client has, until it is sent a ping: most have said something by then."""


class Verdict(Enum):
    """What a look at somebody who owes a sign has shown."""

    SIGN = "sign"
    """It has given one, or the room is over: it owes nothing now."""
    NONE = "none"
    """It has not, and there is time left."""
    ASK = "ask"
    """The same, and a ping is to be sent: its answer will do."""
    SILENT = "silent"
    """It has not, and its time is over."""


class Silence:
    """What one client has owed since it last said something.

    Args:
        sent: How many messages the client had sent when it was matched.
        limit_s: For how long it may owe a sign; seconds, in all rooms together.
    """

    __slots__ = ("_answer", "_asked", "_limit_s", "_looked_at", "_owed_s", "_pongs", "_room", "sent")

    def __init__(self, sent: int, limit_s: float) -> None:
        self.sent = sent
        self._limit_s = limit_s
        self._owed_s = 0.0
        self._room: RoomId | None = None
        self._looked_at: float | None = None
        self._answer = self._asked = False
        self._pongs = 0

    def matched(self, room: RoomId) -> None:
        """The client is in a room, and owes nothing there yet."""
        self._room = room
        self._looked_at = None
        self._answer = self._asked = False

    def owe(self, now: float, *, answer: bool, pongs: int) -> None:
        """The client owes a sign from now on, if it did not before.

        Args:
            now: Seconds, monotonic.
            answer: Whether nothing but a message will do.
            pongs: How many answers to pings have come of it.
        """
        if self._looked_at is None:
            self._looked_at = now
        self._answer = self._answer or answer
        self._pongs = pongs

    def look(self, room: RoomId | None, sent: int, pongs: int, now: float, *, excused: bool) -> Verdict:
        """See whether a client that owes a sign has given one.

        Args:
            room: Where it is now.
            sent: How many messages it has sent.
            pongs: How many answers to pings have come of it.
            now: Seconds, monotonic.
            excused: Whether this time does not count: it or its partner has no connection.
        """
        if sent != self.sent or room != self._room or self._looked_at is None:
            return Verdict.SIGN
        if not self._answer and pongs != self._pongs:
            self._looked_at, self._owed_s = None, 0.0
            return Verdict.SIGN
        passed_s, self._looked_at = now - self._looked_at, now
        if excused:
            return Verdict.NONE
        self._owed_s += passed_s
        if self._owed_s >= self._limit_s:
            return Verdict.SILENT
        if self._answer or self._asked or self._owed_s < ASK_AFTER * self._limit_s:
            return Verdict.NONE
        self._asked = True
        return Verdict.ASK


# --- rules of a session -----------------------------------------------------------------------------------------------


def fell_silent(who: Standing, given: FellSilent, now: float) -> Effects:
    """A client has owed a sign for too long: it has no partner any more, and waits for none until it says something."""
    room = who.room
    if room is None or given.room != room:
        return ()
    who.forget_room()
    who.state = State.IDLE
    who.silent = who.policy.requeue_on_partner_leave
    return Send(messages.FELL_SILENT if who.v1 else messages.PARTNER_LEFT), LeaveRoom(room, "silent")


def spoke(who: Standing, given: Input, now: float) -> Effects:
    """It says something again: it waits, as it believes that it does, unless what it says has settled that."""
    if not who.silent:
        return ()
    who.silent = False
    return enqueue(who, now) if who.may_wait(now) else (Refuse(EXPIRED),)

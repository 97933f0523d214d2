"""Notices who is matched and says nothing, and what becomes of it and of its partner.

Of a match the initiator owes a first message, and who was offered something owes an answer. Whatever a client says is a
sign, `ping` too. Clients of the first protocol do not know that they are the initiator, and others may have nothing to
offer: until an offer has reached it, the answer of its WebSocket to a ping will do. Whoever owes a sign for too long,
maybe to one partner after the other, stands in no queue until it gives one; its partner waits on in its old place.
"""

from enum import Enum
from typing import Final

import msgspec

from signald.core import guests, messages
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


class Silence(msgspec.Struct, gc=False):
    """What one client has owed since it last said something.

    Attributes:
        sent: How many messages the client had sent when it was matched.
        limit_s: For how long it may owe a sign; seconds, in all rooms together.
        room: Where it was matched last.
        looked_at: When it was last looked at; None while it owes nothing. Seconds, monotonic.
        owed_s: How long it has owed a sign so far.
        answer: Whether nothing but a message will do.
        asked: Whether it was sent a ping for it.
        pongs: How many answers to pings had come of it.
    """

    sent: int
    limit_s: float
    room: RoomId
    looked_at: float | None = None
    owed_s: float = 0.0
    answer: bool = False
    asked: bool = False
    pongs: int = 0

    def matched(self, room: RoomId) -> None:
        """The client is in another room, and owes nothing there yet."""
        self.room = room
        self.looked_at = None
        self.answer = self.asked = False

    def owe(self, now: float, *, answer: bool, pongs: int) -> None:
        """The client owes a sign from now on, if it did not before.

        Args:
            now: Seconds, monotonic.
            answer: Whether nothing but a message will do.
            pongs: How many answers to pings have come of it.
        """
        if self.looked_at is None:
            self.looked_at = now
        self.answer = self.answer or answer
        self.pongs = pongs

    def look(self, room: RoomId | None, sent: int, pongs: int, now: float, *, excused: bool) -> Verdict:
        """See whether a client that owes a sign has given one.

        Args:
            room: Where it is now.
            sent: How many messages it has sent.
            pongs: How many answers to pings have come of it.
            now: Seconds, monotonic.
            excused: Whether this time does not count: it or its partner has no connection.
        """
        if sent != self.sent or room != self.room or self.looked_at is None:
            return Verdict.SIGN
        if not self.answer and pongs != self.pongs:
            self.looked_at, self.owed_s = None, 0.0
            return Verdict.SIGN
        passed_s, self.looked_at = now - self.looked_at, now
        if excused:
            return Verdict.NONE
        self.owed_s += passed_s
        if self.owed_s >= self.limit_s:
            return Verdict.SILENT
        if self.answer or self.asked or self.owed_s < ASK_AFTER * self.limit_s:
            return Verdict.NONE
        self.asked = True
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
    problem = guests.why_not(who, now) if who.may_wait(now) else EXPIRED
    return enqueue(who, now) if problem is None else (Refuse(problem),)

"""Rules for waiting: into the queue, out of it, and on in it with other wishes."""

import msgspec

from signald.core import guests
from signald.core.effects import Effects, Enqueue, Withdraw
from signald.core.standing import Standing, State


def enqueue(who: Standing, now: float, *, avoiding: bool = False, since: float | None = None) -> Effects:
    """Let a client wait; see `Standing.new_ticket`."""
    who.ticket = who.new_ticket(now, avoiding=avoiding, since=since)
    who.state = State.WAITING
    who.owes = False
    return guests.admit(who, now) if who.policy.toll is not None else (Enqueue(who.ticket),)


def withdraw(who: Standing) -> Effects:
    """Let a client wait no longer, nor believe that it does."""
    ticket, who.ticket = who.ticket, None
    waits, who.owes = ticket is not None and not who.owes, False
    who.silent = False
    who.state = State.IDLE
    return (Withdraw(ticket),) if waits and ticket else ()


def file_anew(who: Standing) -> Effects:
    """Let a client wait on with other wishes, in the same place."""
    waits = who.ticket
    if waits is None or (waits.wish == who.wish and waits.browser == who.browser):
        return ()
    who.tickets += 1
    who.ticket = msgspec.structs.replace(waits, number=who.tickets, wish=who.wish, browser=who.browser)
    return () if who.owes else (Withdraw(waits), Enqueue(who.ticket))

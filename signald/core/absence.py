"""Rules for a session whose connection is lost, and for a connection that wants to go on with another session.

A session that is away keeps its room, and hears of its partner. If it waited, its ticket is shelved, so that nobody is
matched with somebody who may not come back; when it returns the ticket is filed at its old place. What it is told
meanwhile is kept (`signald.core.outbox`).
"""

from signald.core import guests, messages
from signald.core.effects import Effects, Enqueue, Postpone, Refuse, Send, TakeUp, TellAway, TellBack, Withdraw
from signald.core.inputs import Input, PartnerGone, PartnerInterrupted, PartnerReturned, Returned
from signald.core.messages import ClientMessage, ErrorCode, ProtocolError, Resume
from signald.core.silence import spoke
from signald.core.standing import EXPIRED, Standing, State

# --- going and coming -------------------------------------------------------------------------------------------------


def interrupted(who: Standing, given: Input, now: float) -> Effects:
    """The connection is lost. If a client comes back that had fallen silent, that is its sign."""
    if who.silent:
        who.shelved, who.stands, who.state = who.new_ticket(now), State.WAITING, State.AWAY
        who.owes = guests.is_to_pay(who, now)
        return ()
    who.stands, who.state = who.state, State.AWAY
    who.shelved, who.ticket = who.ticket, None
    if who.shelved is not None:
        return () if who.owes else (Withdraw(who.shelved),)
    return () if who.room is None else (TellAway(who.room),)


def returned(who: Standing, given: Returned, now: float) -> Effects:
    """The client is back, and is what it was, or what has become of it meanwhile."""
    expired = token_expired(who, given, now)
    asked = guests.returned(who, now)
    who.state = who.stands
    if who.room is not None:
        return (TellBack(who.room, given.lost), *asked)
    if who.shelved is None:
        return (*expired, *asked)
    who.ticket, who.shelved = who.shelved, None
    return asked if who.owes else (Enqueue(who.ticket), *asked)


def replaced(who: Standing, given: Returned, now: float) -> Effects:
    """The client is on another connection before anybody noticed the loss of the first."""
    if who.silent:
        return spoke(who, given, now)
    asked = guests.returned(who, now)
    return (TellBack(who.room, given.lost), *asked) if given.lost and who.room is not None else asked


# --- what happens while it is away ------------------------------------------------------------------------------------


def partner_gone(who: Standing, given: PartnerGone, now: float) -> Effects:
    """The room has ended: it waits again, from now on, though in no queue yet; or it is idle."""
    if given.room != who.room:
        return ()
    who.forget_room()
    who.stands = State.IDLE
    told: Effects = (Send(messages.partner_left(given.why)),)
    if not who.policy.requeue_on_partner_leave:
        return told
    if not who.may_wait(now):
        return (*told, Refuse(EXPIRED))
    who.stands = State.WAITING
    who.shelved = who.new_ticket(now, since=who.since if given.why == "silent" else None)
    who.owes = guests.is_to_pay(who, now)
    return told


def token_expired(who: Standing, given: Input, now: float) -> Effects:
    """Who may not wait any more does not."""
    if who.shelved is None or who.may_wait(now):
        return ()
    who.stands, who.shelved = State.IDLE, None
    return (Refuse(EXPIRED),)


# --- the partner ------------------------------------------------------------------------------------------------------


def partner_interrupted(who: Standing, given: PartnerInterrupted, now: float) -> Effects:
    """The partner's connection is lost; old clients know nothing of that."""
    if given.room != who.room or who.partner_away:
        return ()
    who.partner_away = True
    return (Send(messages.partner_away(given.seconds)),) if who.v1 else ()


def partner_returned(who: Standing, given: PartnerReturned, now: float) -> Effects:
    """The partner goes on. If nothing is lost and nobody noticed its loss, this is no news."""
    if given.room != who.room or not (who.partner_away or given.lost):
        return ()
    who.partner_away = False
    return (Send(messages.partner_back(lost=given.lost)),) if who.v1 else ()


# --- the wish to go on with another session ---------------------------------------------------------------------------


def resume(who: Standing, given: Resume, now: float) -> Effects:
    """It is looked for; until then nobody knows whose words the next ones are."""
    who.state = State.RESUMING
    return (TakeUp(given),)


def resume_too_late(who: Standing, given: Resume, now: float) -> Effects:
    """Who waits or is paired is somebody already."""
    raise ProtocolError(ErrorCode.RESUME_FAILED, "resume has to be the first message of a connection")


def postpone(who: Standing, given: ClientMessage, now: float) -> Effects:
    """The client did not wait for the answer."""
    return (Postpone(given),)


def failed(who: Standing, given: Input, now: float) -> Effects:
    """It stays who it is."""
    who.state = State.IDLE
    return (Refuse(ProtocolError(ErrorCode.RESUME_FAILED, "this token gives no session back")),)

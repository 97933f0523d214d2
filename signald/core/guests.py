"""Rules for guests, who have no token, while they have to prove work before they wait (`signald.core.toll`).

One proof is one stay in the queue. Who has none in hand is told `challenge`, and stands at the door: it believes that
it waits, and no broker knows of it until its proof is here. If none comes for too long, as from a client that knows of
no challenges, it is told, and is idle. With each stay comes the next challenge, so that a page solves it while its user
talks, and nobody has to wait for it at Next.
"""

from signald.core import messages
from signald.core.effects import AwaitProof, Effects, Enqueue, Refuse, Send
from signald.core.inputs import ProofMissing
from signald.core.messages import ErrorCode, Proof, ProtocolError
from signald.core.standing import CHALLENGED, UNPROVEN, Standing, State
from signald.core.toll import LIFE_S, MEMORY_S


def admit(who: Standing, now: float) -> Effects:
    """Let one who has a ticket into the queue, or to the door."""
    ticket, toll = who.ticket, who.policy.toll
    if ticket is None:
        return ()
    if toll is None or not who.v1 or who.is_known(now):  # those of the first protocol have been through `why_not`
        return (Enqueue(ticket),)
    if not toll.asks(now):
        toll.note(now)
        return (Enqueue(ticket),)
    if who.paid:
        toll.note(now)
        who.paid = False
        return (Enqueue(ticket), *challenge(who, now))
    who.owes = True
    if not is_challenged(who, now):
        return (*challenge(who, now), AwaitProof())
    knock(who, now)
    return (AwaitProof(),)


def is_to_pay(who: Standing, now: float) -> bool:
    """Whether one that is away, and is to wait when it is back, has to prove its work first."""
    toll = who.policy.toll
    if toll is None or who.is_known(now):
        return False
    asks = toll.asks(now)
    if asks and not who.paid:
        return True
    toll.note(now)
    if asks:
        who.paid = False
    return False


def knock(who: Standing, now: float) -> None:
    """Count one who comes again and is not let in, now and then: else a few could have all others work more."""
    toll = who.policy.toll
    if toll is not None and now >= who.knocked + MEMORY_S:
        who.knocked = now
        toll.note(now)


def is_challenged(who: Standing, now: float) -> bool:
    """Whether a challenge is out that may still be solved."""
    return who.challenged is not None and now < who.challenged + LIFE_S


def challenge(who: Standing, now: float) -> Effects:
    """Challenge a client anew; what was asked before counts no more."""
    toll = who.policy.toll
    if toll is None:
        return ()
    made = toll.make(who.client, now)
    who.turn, who.challenged = toll.turn, now
    return (Send(messages.to_json(made)),)


def prove(who: Standing, given: Proof, now: float) -> Effects:
    """A client shows that it has worked."""
    toll = who.policy.toll
    if toll is None or who.challenged is None:
        raise ProtocolError(ErrorCode.CHALLENGE_FAILED, "there is no challenge to solve")
    if not is_challenged(who, now):
        return _failed(who, ProtocolError(ErrorCode.CHALLENGE_FAILED, "the challenge is too old"), now)
    try:
        toll.check(given, who.client, who.turn)
    except ProtocolError as problem:
        if not toll.is_about(given, who.client, who.turn):
            raise  # it crossed the last challenge, on which the client works: that one stays
        return _failed(who, problem, now)
    who.challenged = None
    if not who.owes or who.ticket is None:
        who.paid = True
        return ()
    who.owes = False
    toll.note(now)
    return (Enqueue(who.ticket), *challenge(who, now))


def _failed(who: Standing, problem: ProtocolError, now: float) -> Effects:
    """Its work came to nothing, and it does not do it again: another challenge comes, now or with the next stay."""
    who.challenged = None
    told = Refuse(problem)
    return (told, *challenge(who, now)) if who.owes else (told,)


def returned(who: Standing, now: float) -> Effects:
    """One that is back may have forgotten what it was asked, as a page that was loaded anew has."""
    if who.owes:
        return (*challenge(who, now), AwaitProof())
    open_, who.challenged = is_challenged(who, now), None
    return challenge(who, now) if open_ else ()


def missing(who: Standing, given: ProofMissing, now: float) -> Effects:
    """One that stands at the door was awaited for long enough. A proof that comes yet is good for the next time."""
    if not who.owes:
        return ()
    who.ticket, who.owes, who.state = None, False, State.IDLE
    return (Refuse(UNPROVEN),)


def why_not(who: Standing, now: float) -> ProtocolError | None:
    """Why a client of the first protocol, which wants to wait, may not now; None if it may, and for all others."""
    toll = who.policy.toll
    if toll is None or who.v1 or who.is_known(now):
        return None
    if toll.asks(now):
        knock(who, now)
        return CHALLENGED
    toll.note(now)
    return None

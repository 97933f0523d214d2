"""Rules for tokens, which prove who a client is: where they go, and what comes of what they prove."""

from typing import Final

from signald.core.effects import POLICY_VIOLATION, Close, Effects, Refuse, VerifyToken
from signald.core.farewells import BAD_TOKENS
from signald.core.inputs import Identified, Input, TokenRefused
from signald.core.messages import Auth, ErrorCode, ProtocolError
from signald.core.standing import EXPIRED, AuthMode, Standing
from signald.core.tickets import enqueue, file_anew, withdraw

BAD_TOKENS_AT_MOST: Final = 3
"""In a row; then the connection is closed: a client that has no good token must not go on trying."""


def show(who: Standing, given: Auth, now: float) -> Effects:
    """A client shows a token, or says a name, which nobody believes."""
    if who.policy.auth is AuthMode.OFF or not given.token:
        return ()
    return (VerifyToken(given.token),)


def identified(who: Standing, given: Identified, now: float) -> Effects:
    """It is good."""
    facts = () if who.identity is None else who.identity.facts
    who.identity = given
    who.bad_tokens = 0
    if given.facts != facts:
        who.want(who.said)
    return ()


def identified_waiting(who: Standing, given: Identified, now: float) -> Effects:
    """The same for one who waits: its ticket has to carry the user."""
    identified(who, given, now)
    if who.ticket is None or (who.ticket.user == given.user and not who.owes):
        return file_anew(who)
    # The ticket names somebody else or nobody, or stands at the door: a new one, at the tail.
    return withdraw(who) + enqueue(who, now)


def refused(who: Standing, given: TokenRefused, now: float) -> Effects:
    """It is not accepted. Clients of today are told apart what another token mends, and what it does not."""
    who.bad_tokens += given.blame
    known = given.refusal.code if who.v1 and given.refusal is not None else None
    told = Refuse(ProtocolError(known or ErrorCode.AUTH_FAILED, given.why))
    if who.bad_tokens < BAD_TOKENS_AT_MOST:
        return (told,)
    return told, Close(POLICY_VIOLATION, "too many bad tokens", BAD_TOKENS)


def expired(who: Standing, given: Input, now: float) -> Effects:
    """It may have ended, and who waits without one may not wait everywhere."""
    if who.identity is None or now < who.identity.until:
        return ()
    return (*withdraw(who), Refuse(EXPIRED))

"""Looks at the tokens that come with handshakes: whoever brings a bad one is not let in, if its page is told so.

Whoever brings none that is good is a guest, and noted as such (`signald.core.toll`).
"""

from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.clients.client import Client, Identities
from signald.clients.ending import dismiss
from signald.clients.terms import Performing
from signald.core.inputs import Identified, TokenRefused
from signald.core.messages import ErrorCode, ProtocolError
from signald.core.refusals import TOO_MANY_OF_USER, Refused
from signald.core.standing import AuthMode, Policy, State
from signald.periodic import Countdown

RESUME_WITHIN_S: Final = 1.0
"""A connection too many of a user may have come to go on with the session of another one: neither is closed before."""


class Newcomers:
    """Clients that have just come.

    Args:
        clock: Tells the time.
        identities: Check tokens; None: nobody does.
        policy: Whether tokens are looked at, and what guests pay.
        performer: Tells clients why they have to go.
    """

    def __init__(
        self, clock: IReactorTime, identities: Identities | None, policy: Policy, performer: Performing
    ) -> None:
        self._now = clock.seconds
        self._identities = identities
        self._policy = policy
        self._performer = performer
        self._too_many = Countdown(clock, RESUME_WITHIN_S, self._send_away, "the wait for clients that may resume")

    def look(self, client: Client, token: str | None) -> Identified | TokenRefused | None:
        """Check the token of a client that nobody knows yet, if it has brought one.

        Returns:
            What its session is to hear; None for nothing.

        Raises:
            Refused: It is not let in.
        """
        identities, known = self._identities, None
        if token and identities is not None and self._policy.auth is not AuthMode.OFF:
            known = self._identify(client, identities, token)
        if self._policy.toll is not None and not isinstance(known, Identified):
            self._policy.toll.note(self._now())
        return known

    def _identify(self, client: Client, identities: Identities, token: str) -> Identified | TokenRefused:
        known = identities.identify(client, token)
        if isinstance(known, TokenRefused) and known.refusal is not None and client.session.v1:
            if known.refusal is not TOO_MANY_OF_USER or client.outbox is None:
                raise Refused(known.refusal, known.why, known.rest_s)
            self._too_many.begin(client)
        return known

    def stop(self) -> None:
        """Send nobody away any more."""
        self._too_many.stop()

    def _send_away(self, client: Client) -> None:
        session, refusal = client.session, TOO_MANY_OF_USER
        if session.state is State.RESUMING:
            self._too_many.begin(client)
        elif session.state not in (State.AWAY, State.CLOSED) and session.identity is None:
            self._performer.refuse(client, ProtocolError(ErrorCode.TOO_MANY_OF_USER, refusal.message))
            dismiss(client, refusal.close, refusal.message, refusal.farewell(0.0, 0.0))

"""Gives every message that its client wants answered exactly one answer: `ok`, or the `error` that it brings.

The answer comes after what the message did here, so that it is the last word about it. `resume` is answered by whoever
looks for the session; what was said too early waits with it until it is known whose words those are.
"""

from collections.abc import Callable
from typing import Final

from msgspec import UNSET, UnsetType

from signald.clients.client import Client
from signald.clients.ending import dismiss
from signald.core import farewells, messages
from signald.core.effects import POLICY_VIOLATION, Effects, TellDone
from signald.core.ids import RequestId
from signald.core.messages import ClientMessage, Crossed, ErrorCode, ProtocolError
from signald.core.standing import State
from signald.limits.pace import Pace
from signald.telemetry.counts import Counts

_RATE_LIMIT: Final = ProtocolError(ErrorCode.RATE_LIMIT, "too many messages: this one was dropped")


class Requests:
    """Takes messages that have an ``id``.

    Args:
        counts: Where to count what happens.
        pace: Knows who is to be closed for sending too much.
        tell: Sends a client a message.
        refuse: Tells a client of its mistake, in the message that it names so.
    """

    def __init__(
        self,
        counts: Counts,
        pace: Pace,
        tell: Callable[[Client, bytes], None],
        refuse: Callable[[Client, ProtocolError, RequestId | UnsetType], None],
    ) -> None:
        self._counts = counts
        self._pace = pace
        self._tell = tell
        self._refuse = refuse

    def take(self, client: Client, message: ClientMessage, now: float) -> Effects:
        """Let a session receive a message; gives what is to be done, the answer included.

        Raises:
            ProtocolError: Nobody can be told which message is refused: it has no ``id``, or a bad one.
            Crossed: The same for one about a room that is over.
        """
        session, given = client.session, message.id
        if isinstance(given, UnsetType) or not session.v1:
            return session.receive(message, now)
        id = messages.request_id(given)
        is_early = session.state is State.RESUMING
        try:
            effects = session.receive(message, now)
        except ProtocolError as problem:
            self._refuse(client, problem, id)
            return ()
        except Crossed:
            self._counts.crossed += 1
            self._tell(client, messages.ok(id, stale=True))
            return ()
        if is_early:
            return effects
        if not effects:
            self._tell(client, messages.ok(id))
            return ()
        client.asked = id
        return effects if session.state is State.RESUMING else (*effects, TellDone(id))

    def too_many(self, client: Client, text: bytes = b"") -> None:
        """Refuse a message above MAX_MSG_PER_SECOND: the one mistake that VIOLATIONS_PER_MINUTE counts.

        One report too many is RATE_LIMIT too, but does not count: clients that share an address share the limit on
        reports, and none of them should be closed or banned for what the others report.
        """
        self._refuse(client, _RATE_LIMIT, self.of(client, text))
        banned_s = self._pace.penalty_s(client.id, client.address)
        if banned_s is not None:
            self._counts.violators += 1
            dismiss(client, POLICY_VIOLATION, "too many messages above the rate limit", farewells.flood(banned_s))

    def of(self, client: Client, text: bytes) -> RequestId | UnsetType:
        """What a client calls a message that could not be taken; UNSET if it wants no answer."""
        return messages.asked_by(text) if client.session.v1 else UNSET

"""Gives every message that its client wants answered exactly one answer: `ok`, or the `error` that it brings.

The answer comes after what the message did here, so that it is the last word about it. `resume` is answered by whoever
looks for the session; what was said too early waits with it until it is known whose words those are.
"""

from collections.abc import Callable

from msgspec import UNSET, UnsetType

from signald.clients.client import Client
from signald.core import messages
from signald.core.effects import Effects, TellDone
from signald.core.ids import RequestId
from signald.core.messages import ClientMessage, Crossed, ProtocolError
from signald.core.standing import State
from signald.telemetry.counts import Counts


class Requests:
    """Takes messages that have an ``id``.

    Args:
        counts: Where to count what happens.
        tell: Sends a client a message.
        refuse: Tells a client of its mistake, in the message that it names so.
    """

    def __init__(
        self,
        counts: Counts,
        tell: Callable[[Client, bytes], None],
        refuse: Callable[[Client, ProtocolError, RequestId | UnsetType], None],
    ) -> None:
        self._counts = counts
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

    def of(self, client: Client, text: bytes) -> RequestId | UnsetType:
        """What a client calls a message that could not be taken; UNSET if it wants no answer."""
        return messages.asked_by(text) if client.session.v1 else UNSET

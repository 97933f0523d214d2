"""Tells pages why they are not let in: what stands in a 101 and the frames behind it, in place of a status.

It is as short as the status was: no client, no session, one write, and the connection is closed. Browsers show a page
nothing of a refused handshake but that it failed, so it could not tell "full" from "banned".
"""

from collections.abc import Callable
from itertools import cycle
from typing import Final

from signald.core import messages
from signald.core.messages import SUBPROTOCOL, ProtocolError
from signald.core.refusals import ALL, BANNED, Refusal, Refused
from signald.network.upgrade import Upgrade
from signald.websocket import handshake
from signald.websocket.entrance import Entrance
from signald.websocket.frames import close_frame, frame

MOMENTS: Final = 64
"""Answers that are made beforehand for each reason, each with another time to come again: they are given in turn."""


class Refusing:
    """Makes what is said to clients of `signald.v1` that are not let in.

    Args:
        entrance: Knows which pages may know why.
        ban_rest_s: How long an address is banned yet; seconds.
        chance: A random number from 0 to 1 at each call.
    """

    def __init__(self, entrance: Entrance, ban_rest_s: Callable[[str], float], chance: Callable[[], float]) -> None:
        self._entrance = entrance
        self._ban_rest_s = ban_rest_s
        self._chance = chance
        self._behind = {each.code: cycle([self._frames(Refused(each)) for _ in range(MOMENTS)]) for each in ALL}

    def answer(self, upgrade: Upgrade, refusal: Refusal, address: str) -> bytes | None:
        """Make the whole answer to a handshake of an address.

        Returns:
            None if the client gets the status: it asks for no `signald.v1`, or is a page of somebody else.
        """
        if SUBPROTOCOL not in upgrade.protocols or not self._entrance.allows(upgrade.origin):
            return None
        if refusal is BANNED:
            behind = self._frames(Refused(refusal, rest_s=self._ban_rest_s(address)))
        else:
            behind = next(self._behind[refusal.code])
        return handshake.accept(upgrade.key) + behind

    def words(self, refused: Refused) -> tuple[bytes, bytes]:
        """Make the messages for a client whose handshake is done."""
        code, farewell = refused.refusal.code, refused.refusal.farewell(self._chance(), refused.rest_s)
        error = b"" if code is None else messages.error(ProtocolError(code, refused.message))
        return error, messages.goodbye(farewell.action, farewell.after_ms, farewell.reason)

    def _frames(self, refused: Refused) -> bytes:
        """Make what follows the answer to the key: the end of the response, then what is said."""
        close = close_frame(refused.refusal.close, refused.refusal.message)
        return b"".join((handshake.ENDS[SUBPROTOCOL], *map(frame, self.words(refused)), close))

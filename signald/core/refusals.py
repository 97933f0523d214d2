"""Why somebody is not let in. A browser hides the status of a refused handshake, so pages are told by a message."""

from typing import Final

import msgspec

from signald.core.farewells import Farewell, banned, later
from signald.core.messages import Action, ErrorCode


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """One reason.

    Attributes:
        status: The HTTP status that clients of the first protocol get.
        message: For people.
        code: Of the error that clients of `signald.v1` are told; None if they get the status too.
        close: The close code that follows.
        action: What they are to do then.
        reason: Why, in a word.
        not_before_s: When at the earliest; seconds.
        not_after_s: When at the latest.
    """

    status: int
    message: str
    code: ErrorCode | None = None
    close: int = 0
    action: Action = "stay-out"
    reason: str = ""
    not_before_s: float = 0.0
    not_after_s: float = 0.0

    def farewell(self, chance: float, rest_s: float) -> Farewell:
        """What a client is told to do.

        Args:
            chance: A number from 0 to 1, another one for each client.
            rest_s: For how long it is banned yet, if that is the reason.
        """
        if self is BANNED:
            return banned(rest_s)
        return later(self.action, self.reason, self.not_before_s, self.not_after_s, chance)


class Refused(Exception):
    """Somebody is not let in.

    Attributes:
        refusal: Why.
        message: The same for people, if there is more to say than `refusal` does.
        rest_s: For how long it is banned yet; seconds.
    """

    def __init__(self, refusal: Refusal, message: str = "", rest_s: float = 0.0) -> None:
        super().__init__(refusal, message)
        self.refusal = refusal
        self.message = message or refusal.message
        self.rest_s = rest_s


FOREIGN: Final = Refusal(403, "origin not allowed")
"""A page of somebody else: whatever it were told could be read there."""

STOPPING: Final = Refusal(503, "the server is going away")
"""A balancer that sees the status lets another instance have the client, which notices nothing."""

FULL: Final = Refusal(503, "the server is full", ErrorCode.FULL, 4503, "reconnect", "full", 5.0, 30.0)
TOO_MANY: Final = Refusal(
    429, "too many connections from this address", ErrorCode.TOO_MANY, 4429, "reconnect", "too-many", 2.0, 12.0
)
BANNED: Final = Refusal(403, "banned", ErrorCode.BANNED, 4403, "stay-out", "banned")
AUTH_FAILED: Final = Refusal(401, "the token is not accepted", ErrorCode.AUTH_FAILED, 4401, "stay-out", "bad-token")
TOO_MANY_OF_USER: Final = Refusal(
    409, "this user has too many connections already", ErrorCode.TOO_MANY_OF_USER, 4409, "stay-out", "too-many"
)

ALL: Final = (FULL, TOO_MANY, BANNED, AUTH_FAILED, TOO_MANY_OF_USER)
"""Those that pages are told."""

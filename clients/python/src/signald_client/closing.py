"""What the end of a connection means: a pause, or the end of the client."""

from dataclasses import dataclass

from signald_client.errors import (
    Banned,
    Ended,
    Forbidden,
    Full,
    Replaced,
    ThrownOut,
    TokenRefused,
    TooMany,
    Unreachable,
    Unsupported,
)
from signald_client.protocol import SUBPROTOCOL, Error, Goodbye

SERVICE_RESTART = 1012
"""The server restarts, and another, or itself, is there in a moment."""

POLICY = 1008
REPLACED = 4001
UNUSABLE = 4400
TOKEN_REFUSED = 4401
BANNED = 4403
TOO_MANY_OF_USER = 4409
TOO_MANY = 4429
FULL = 4503


@dataclass(frozen=True)
class Loss:
    """The end of one connection, or of an attempt at one.

    Attributes:
        error: Why.
        final: Whether it makes no sense to connect again.
        again_in_s: When the server wants this client back; None if it has not said.
        soon: Whether somebody is surely there in a moment.
    """

    error: BaseException
    final: bool = False
    again_in_s: float | None = None
    soon: bool = False


def loss(code: int, reason: str, goodbye: Goodbye | None = None, refusal: Error | None = None) -> Loss:
    """What a close code means, with what the server has said before it.

    Args:
        code: 1006 if there was no close frame.
        reason: Of the close frame.
        goodbye: The message, if it came.
        refusal: The error with which the server has refused the connection, if it has.
    """
    why = refusal["message"] if refusal else reason or f"closed with {code}"
    by_code: dict[int, Ended] = {
        POLICY: ThrownOut(why),
        REPLACED: Replaced(why),
        UNUSABLE: Unsupported(why),
        TOKEN_REFUSED: TokenRefused(why),
        BANNED: Banned(why),
        TOO_MANY_OF_USER: TooMany(why),
    }
    if error := by_code.get(code):
        if goodbye and type(error) is ThrownOut:
            error = _thrown_out(goodbye["reason"])
        return Loss(error, final=True)
    if goodbye and goodbye["action"] == "stay-out":
        return Loss(_thrown_out(goodbye["reason"]), final=True)
    again_in_s = goodbye["afterMs"] / 1000 if goodbye else None
    of_refusal: dict[int, Unreachable] = {TOO_MANY: TooMany(why), FULL: Full(why)}
    return Loss(of_refusal.get(code, Unreachable(why)), again_in_s=again_in_s, soon=code == SERVICE_RESTART)


def loss_of_handshake(status: int) -> Loss:
    """What an HTTP status in place of a WebSocket means."""
    why = f"HTTP status {status}"
    if status == 403:
        return Loss(Forbidden(why), final=True)
    if status == 429:
        return Loss(TooMany(why))
    if status == 503:
        return Loss(Full(why))
    # A proxy answers so while the server behind it restarts.
    if status >= 500:
        return Loss(Unreachable(why))
    return Loss(Unsupported(f"{why}: a signald has its WebSocket at /ws" if status == 404 else why), final=True)


UNKNOWN_SERVER = Loss(Unsupported(f"the server does not speak {SUBPROTOCOL}"), final=True)


def _thrown_out(reason: str) -> ThrownOut:
    return (Banned if reason == "banned" else ThrownOut)(reason)

"""What can go wrong: a class for each thing that a program may want to tell apart."""

from typing import ClassVar


class SignaldError(Exception):
    """Anything that this package raises by itself."""


# --- one request ------------------------------------------------------------------------------------------------------


class Refused(SignaldError):
    """The server refused one request; the session goes on.

    Attributes:
        code: What went wrong, for programs: one of `protocol.ErrorCode`, or a newer one.
        message: What went wrong, for people.
    """

    codes: ClassVar[dict[str, type["Refused"]]] = {}

    def __init_subclass__(cls, *, code: str) -> None:
        Refused.codes[code] = cls

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class InvalidFormat(Refused, code="INVALID_FORMAT"):
    """A field is missing, of the wrong type or too large."""


class UnknownType(Refused, code="UNKNOWN_TYPE"):
    """The server is older than this message."""


class NotPaired(Refused, code="NOT_PAIRED"):
    """There is no partner, or none of those who were met lately is meant."""


class AlreadyPaired(Refused, code="ALREADY_PAIRED"):
    """There is a partner: leave first."""


class RateLimited(Refused, code="RATE_LIMIT"):
    """Too many messages in a second, or too many reports or blocks; this one was dropped."""


class AuthRequired(Refused, code="AUTH_REQUIRED"):
    """The server lets nobody wait without a good token."""


class AuthFailed(Refused, code="AUTH_FAILED"):
    """A token is not accepted; what one had before stays."""


class ChallengeRequired(Refused, code="CHALLENGE_REQUIRED"):
    """Guests have to work before they wait, and the server has had no proof that this one did."""


class Crowded(Refused, code="CROWDED"):
    """Too many different wishes in this pool, or too many connections of this user that wait."""


class PartnerCannot(Refused, code="PARTNER_CANNOT"):
    """The partner's client does not know this kind of message."""


def refused(code: str, message: str) -> Refused:
    """The error for a code of the server."""
    return Refused.codes.get(code, Refused)(code, message)


class SessionLost(SignaldError):
    """The session went while a request was under way, and what came of it cannot be known."""


# --- the client -------------------------------------------------------------------------------------------------------


class Ended(SignaldError):
    """The client is at its end: it is not connected, and does not try to be."""


class Closed(Ended):
    """By this side."""


class Replaced(Ended):
    """Another connection goes on with this session."""


class ThrownOut(Ended):
    """The server wants this client no more: an operator, a newer connection of the same user, or far too many messages.

    Attributes:
        reason: As the server has it: ``kicked``, ``too-many``, …
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Banned(ThrownOut):
    """The address or the user is banned."""


class Forbidden(Ended):
    """The server does not take connections from this ``Origin``."""


class TokenRefused(Ended):
    """The server does not take the token, nor a new one."""


class Unsupported(Ended):
    """What answers at this address is no signald, or one from before `signald.v1`."""


class Unreachable(Ended):
    """No connection came about within ``open_timeout`` seconds; its cause says why not."""


class Full(Unreachable):
    """The server takes no more clients, or stops."""


class TooMany(Unreachable):
    """This address or user has too many connections, or opens them too fast."""

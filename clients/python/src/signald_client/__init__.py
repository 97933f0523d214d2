"""Client of a signald server: WebRTC signaling and random pairing that outlives lost connections.

    async with connect("wss://signald.example.org/ws") as client:
        async for match in client.matches({"likes": ["chess"]}):
            await match.data({"text": "hello"})
            async for message in match:
                ...

By module: `client` is what one works with, `match` and `matches` are partners, `errors` what can go wrong, `protocol`
every message as types; `bot` (with the extra ``bot``) answers calls with picture and sound. Inside, `session` is the
pure state of what outlives a connection, `upkeep` has the connections.
"""

from signald_client.client import Client, ClientState, connect
from signald_client.errors import (
    AlreadyPaired,
    AuthFailed,
    AuthRequired,
    Banned,
    ChallengeRequired,
    Closed,
    Crowded,
    Ended,
    Forbidden,
    Full,
    InvalidFormat,
    NotPaired,
    PartnerCannot,
    RateLimited,
    Refused,
    Replaced,
    SessionLost,
    SignaldError,
    ThrownOut,
    TokenRefused,
    TooMany,
    UnknownType,
    Unreachable,
    Unsupported,
)
from signald_client.match import Match, MatchMessage
from signald_client.matches import Matches

__version__ = "0.1.0"

__all__ = [
    "connect",
    "Client",
    "ClientState",
    "Match",
    "MatchMessage",
    "Matches",
    "SignaldError",
    "Refused",
    "InvalidFormat",
    "UnknownType",
    "NotPaired",
    "AlreadyPaired",
    "RateLimited",
    "AuthRequired",
    "AuthFailed",
    "ChallengeRequired",
    "Crowded",
    "PartnerCannot",
    "SessionLost",
    "Ended",
    "Closed",
    "Replaced",
    "ThrownOut",
    "Banned",
    "Forbidden",
    "TokenRefused",
    "Unsupported",
    "Unreachable",
    "Full",
    "TooMany",
]

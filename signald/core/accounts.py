"""Says who may do what on the operator's endpoint, as plain values."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_NAME_LENGTH: Final = 32
"""Characters of an account's name: it stands in the log beside each thing that somebody has done."""

ADMIN: Final = "admin"
"""How the log calls whoever shows ADMIN_TOKEN, which several people may have."""


class Role(StrEnum):
    """What somebody may do."""

    MODERATOR = "moderator"
    """List, kick and ban clients, lift bans, work on reports. Sees no address and no settings."""
    OPERATOR = "operator"
    """All."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may do something; `token` is how they prove it, and is never shown."""

    name: str
    role: Role
    token: str = field(repr=False)

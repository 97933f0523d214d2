"""Knows who asks on the operator's endpoint, by the token that is shown, and names bans for who may see no address."""

import hmac
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from signald.core.accounts import Account, Role
from signald.core.bans import Ban

_DIGITS: Final = 24
"""Hexadecimal digits of a ban's name: 96 bits, so that no two have one."""


class Accounts:
    """Who may do something.

    Args:
        accounts: All of them; without any, nobody may.
    """

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._known = [(account, _digest(account.token.encode())) for account in accounts]
        # The same on all instances that have the same accounts. An address could be found from its name by trying all
        # 2^32, so a moderator must not know the key, and all moderators together do not know an operator's token.
        every = b"".join(sorted(digest for _, digest in self._known))
        may_all = any(account.role is Role.OPERATOR for account in accounts)
        self._key = _digest(every) if may_all else secrets.token_bytes(32)

    def __bool__(self) -> bool:
        return bool(self._known)

    def find(self, token: bytes) -> Account | None:
        """Whose token this is. Takes as long whatever it is: all are compared, and their digests, not they."""
        shown, found = _digest(token), None
        for account, digest in self._known:
            if hmac.compare_digest(shown, digest):
                found = account
        return found

    def ban_id(self, ban: Ban) -> str:
        """A name of a ban that tells nothing of whom it is on; the later word on somebody has the same one."""
        return hmac.digest(self._key, ban.key.encode(), "sha256").hex()[:_DIGITS]


def _digest(text: bytes) -> bytes:
    return sha256(text).digest()

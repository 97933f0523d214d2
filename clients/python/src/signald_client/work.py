"""Solves the challenges by which a server has guests work before they wait; the format is that of ALTCHA, version 1."""

import hashlib
from typing import Any

from signald_client.protocol import Challenge


def solve(challenge: Challenge) -> dict[str, Any] | None:
    """Find the number, by one to three million tries in a second: for a thread of its own.

    Returns:
        The fields of `proof`; None if there is no such number.
    """
    begun = hashlib.sha256(challenge["salt"].encode())
    wanted = bytes.fromhex(challenge["challenge"])
    for number in range(challenge["maxnumber"] + 1):
        tried = begun.copy()
        tried.update(b"%d" % number)
        if tried.digest() == wanted:
            return {
                "algorithm": challenge["algorithm"],
                "challenge": challenge["challenge"],
                "number": number,
                "salt": challenge["salt"],
                "signature": challenge["signature"],
            }
    return None

"""What guests pay before they wait, while too many come: proof that their machines have worked. Pure.

The scheme and its fields are those of ALTCHA (version 1, https://altcha.org/docs): whoever is challenged finds the
number whose SHA-256, behind a salt, is the challenge. Nothing is kept of a challenge but its turn, which no other of
this process has: the salt names the client and the turn, the challenge is a hash of both, and the signature
(HMAC-SHA256, RFC 2104) says that it was made here.
"""

import hashlib
import hmac
import math
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from signald.core.ids import ClientId
from signald.core.messages import Challenge, ErrorCode, Proof, ProtocolError

ALGORITHM: Final = "SHA-256"

NUMBERS: Final = 50_000
"""From which one is to be found while all is quiet: half of them are tried; docs/operations.md has what that costs."""

NUMBERS_AT_MOST: Final = 500_000
"""Under the greatest load: two seconds of a phone on average. More would cost a bot farm no more than money."""

LIFE_S: Final = 120.0
"""How long a challenge may take; a phone that sleeps gets another one."""

PATIENCE_S: Final = 30.0
"""How long a guest is awaited that cannot wait without a proof, until it is told so: a client may know nothing of
challenges. A phone six times as slow as the machine of docs/operations.md needs 4 s at worst."""

MEMORY_S: Final = 10.0
"""Over how many seconds the rate of guests is averaged: a second's crowd is not an attack yet."""

QUIET_SHARE: Final = 0.5
"""The share of the bound below which all is quiet again, so that the defence does not go on and off."""


class ChallengeMode(StrEnum):
    """When guests are challenged."""

    OFF = "off"
    AUTO = "auto"
    ON = "on"


class Toll:
    """Decides whether guests pay and how much, makes challenges and reads proofs.

    Args:
        mode: `AUTO` or `ON`; where it is off there is no toll.
        bound: Guests that come or begin to wait in a second, above which `AUTO` challenges them.
        key: What challenges are signed with; of this process alone, since a challenge is for one of its clients.
        nonce: Gives a random text in hexadecimal digits.
        below: Gives a random number from 0 to this one, itself not included.
        unix_time: Seconds since 1970, for `expires` in the salt.

    Attributes:
        turn: Of the last challenge that was made.
        busy: Whether there were too many guests when it was last asked.
        results: How many challenges were made, proven and failed.
    """

    __slots__ = (
        "_below",
        "_bound",
        "_key",
        "_mode",
        "_nonce",
        "_rate",
        "_since",
        "_unix_time",
        "busy",
        "results",
        "turn",
    )

    def __init__(
        self,
        mode: ChallengeMode,
        bound: float,
        key: bytes,
        nonce: Callable[[], str],
        below: Callable[[int], int],
        unix_time: Callable[[], float],
    ) -> None:
        self._mode = mode
        self._bound = bound
        self._key = key
        self._nonce = nonce
        self._below = below
        self._unix_time = unix_time
        self._rate = self._since = 0.0
        self.turn = 0
        self.busy = False
        self.results = dict.fromkeys(("made", "proven", "failed"), 0)

    def note(self, now: float) -> None:
        """A guest has come, or begins to wait."""
        self._rate = self.rate(now) + 1 / MEMORY_S
        self._since = now

    def rate(self, now: float) -> float:
        """Guests in a second, of late ones more than of early ones."""
        return self._rate * math.exp((self._since - now) / MEMORY_S)

    def asks(self, now: float) -> bool:
        """Whether guests have to prove their work at the moment."""
        rate = self.rate(now)
        self.busy = rate > (self._bound * QUIET_SHARE if self.busy else self._bound)
        return self.busy or self._mode is ChallengeMode.ON

    def numbers(self, now: float) -> int:
        """From how many one is to be found: the more the further above its bound the rate is."""
        return round(min(NUMBERS_AT_MOST, NUMBERS * max(1.0, self.rate(now) / self._bound)))

    def make(self, client: ClientId, now: float) -> Challenge:
        """Challenge a client: this is the next turn."""
        self.turn += 1
        numbers = self.numbers(now)
        expires = int(self._unix_time() + LIFE_S)
        # With the last "&" no digit of the number can be taken for one of the salt.
        salt = f"{self._nonce()}?expires={expires}&{_whose(client, self.turn)}&"
        challenge = _hash(salt, self._below(numbers + 1))
        self.results["made"] += 1
        return Challenge(ALGORITHM, challenge, salt, numbers, self._sign(challenge), expires)

    def check(self, proof: Proof, client: ClientId, turn: int) -> None:
        """See whether this client has solved the challenge of this turn.

        Raises:
            ProtocolError: It has not.
        """
        good = (
            proof.algorithm == ALGORITHM
            and self.is_about(proof, client, turn)
            and _hash(proof.salt, proof.number) == proof.challenge
        )
        self.results["proven" if good else "failed"] += 1
        if not good:
            raise ProtocolError(ErrorCode.CHALLENGE_FAILED, "this is no solution of the last challenge of this client")

    def is_about(self, proof: Proof, client: ClientId, turn: int) -> bool:
        """Whether this answers the challenge of this turn, which was made here, right or wrong."""
        return proof.salt.endswith(f"&{_whose(client, turn)}&") and hmac.compare_digest(
            self._sign(proof.challenge).encode(), proof.signature.encode()
        )

    def _sign(self, challenge: str) -> str:
        return hmac.digest(self._key, challenge.encode(), "sha256").hex()


def solve(challenge: str, salt: str, numbers: int) -> int | None:
    """Find the number of a challenge, as clients do: one to three million tries in a second. None if there is none."""
    begun = hashlib.sha256(salt.encode())
    wanted = bytes.fromhex(challenge)
    for number in range(numbers + 1):
        tried = begun.copy()
        tried.update(b"%d" % number)
        if tried.digest() == wanted:
            return number
    return None


def _whose(client: ClientId, turn: int) -> str:
    return f"client={client}&turn={turn}"


def _hash(salt: str, number: int) -> str:
    return hashlib.sha256(f"{salt}{number}".encode()).hexdigest()

"""Does the work that guests are challenged to, as clients do."""

from typing import Any

from signald.core.toll import solve


def proof_of(challenge: dict[str, Any]) -> dict[str, Any]:
    """What a client answers to a challenge."""
    number = solve(challenge["challenge"], challenge["salt"], challenge["maxnumber"])
    copied = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
    return {"type": "proof", **copied, "number": number}

"""Says what a message costs of MAX_MSG_PER_SECOND: a relay one, and what makes more work than that as much more.

Measured in relays, of which a core does some 30,000 in a second (docs/security.md). Only what was done is paid for:
`auth` where tokens are not looked at, `available` of one who waits already, or what is refused, costs as much as any
message. Nor does a client pay that sends few; see `signald.core.limits.MessageRate.charge`. `report` and `block` are
not here: an address has so many in a minute, and what is refused is cheap.
"""

from collections.abc import Mapping
from typing import Any, Final

from signald.core.messages import Auth, Available, Next, Resume

PRICES: Final[Mapping[type[Any], float]] = {
    Auth: 12.0,  # a signature is verified
    Available: 8.0,  # the store looks for a partner
    Next: 8.0,
    Resume: 8.0,  # other instances or the store are asked
}
"""What each costs that is dear; all others cost one."""

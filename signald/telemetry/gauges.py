"""Reads the gauges when somebody scrapes ``/metrics``: each field is one, named ``signald_`` and its name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields

Ask = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """Says how to read each gauge; None for what this process does not have."""

    connected: Ask = field(metadata={"help": "Clients that are connected."})
    clients_limit: Ask = field(metadata={"help": "Clients for which there is room."})
    sessions_away: Ask = field(metadata={"help": "Sessions without a connection, whose clients may come back."})
    kept_bytes: Ask = field(metadata={"help": "Messages that are kept since they may not have arrived."})
    waiting_pools: Ask = field(metadata={"help": "Pools in which clients of this instance wait."})
    waiting_classes: Ask = field(metadata={"help": "Different wishes of clients of this instance that wait."})
    half_open: Ask = field(metadata={"help": "Connections that have not finished their handshake."})
    bans: Ask = field(metadata={"help": "Addresses and users that may not come in for now."})
    loop_lag_seconds: Ask = field(metadata={"help": "How late the event loop was at worst, since the last scrape."})
    challenging: Ask | None = field(default=None, metadata={"help": "Whether guests have to prove work now."})
    challenge_numbers: Ask | None = field(
        default=None, metadata={"help": "From how many numbers guests have to find one."}
    )
    guests_per_second: Ask | None = field(
        default=None, metadata={"help": "Guests that came or began to wait in a second, lately."}
    )
    reports_held: Ask | None = field(default=None, metadata={"help": "Reports that the store does not have yet."})
    webhooks_queued: Ask | None = field(default=None, metadata={"help": "Reports that wait to be posted."})
    call_webhooks_queued: Ask | None = field(default=None, metadata={"help": "Events of rooms that wait to be posted."})

    def read(self) -> Iterator[tuple[str, str, float]]:
        """Read each gauge: name without prefix, help and value."""
        for each in fields(self):
            ask: Ask | None = getattr(self, each.name)
            if ask is not None:
                yield each.name, each.metadata["help"], ask()

"""A connection of which nothing comes."""

from signald.clients.client import Client


class Quiet:
    """Takes all that its client is sent; implements `signald.clients.client.Connection`."""

    def send(self, text: bytes) -> None: ...

    def ping(self) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def drop(self) -> None: ...

    def useless(self) -> None: ...

    def serve(self, client: Client | None) -> None:
        """See `Connection.serve`."""

"""Sends clients away: tells those that understand it what to do then, and closes their connections."""

from collections.abc import Callable
from typing import Final

from signald.brokers.interface import Broker
from signald.clients.client import Client
from signald.core import farewells, messages
from signald.core.effects import Close
from signald.core.farewells import Farewell
from signald.core.standing import State

GOING_AWAY: Final = 1001
"""Close code at the end of the process, for clients that come back as new ones (RFC 6455 7.4.1)."""

SERVICE_RESTART: Final = 1012
"""The same for those that go on with their session (IANA's registry of RFC 6455 11.7)."""


def dismiss(client: Client, code: int, words: str, farewell: Farewell) -> None:
    """Close a client's connection.

    Args:
        client: Which one.
        code: As on the wire (RFC 6455 7.4).
        words: The reason in the close frame; at most 123 bytes.
        farewell: What a client of `signald.v1` is told to do then.
    """
    session = client.session
    if session.v1 and session.state is not State.AWAY:
        text = messages.goodbye(farewell.action, farewell.after_ms, farewell.reason)
        if client.outbox is not None:
            client.outbox.add(text)
        client.connection.send(text)
    client.connection.close(code, words)


class Ending:
    """The end of this process, as its clients hear of it.

    Args:
        broker: Knows whether sessions can go on elsewhere.
        chance: A random number from 0 to 1 at each call.
        kept_s: How long sessions are kept whose client is away; 0: not at all.

    Attributes:
        begun: Whether nobody is to wait here any more.
    """

    __slots__ = ("_broker", "_chance", "_clients", "_kept_s", "_words", "begun")

    def __init__(self, broker: Broker, chance: Callable[[], float], kept_s: float) -> None:
        self._broker = broker
        self._chance = chance
        self._kept_s = kept_s
        self._words = ""
        self._clients = 0
        self.begun = False

    def begin(self, words: str, clients: int) -> None:
        """So many clients are to be sent away from now on, with these words."""
        self.begun, self._words, self._clients = True, words, clients

    def close(self, client: Client) -> Close:
        """What sends a client away, after what it is still to be told."""
        if client.outbox is None:
            code, kept_s = GOING_AWAY, 0.0
        else:
            code, kept_s = SERVICE_RESTART, self._kept_s
        chance, elsewhere = self._chance(), self._broker.parks
        return Close(code, self._words, farewells.stopping(self._clients, chance, kept_s=kept_s, elsewhere=elsewhere))

    def send_away(self, client: Client) -> None:
        """Close a client's connection, because nobody is to wait here any more."""
        close = self.close(client)
        dismiss(client, close.code, close.reason, close.farewell)

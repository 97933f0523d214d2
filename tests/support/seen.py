"""A Twisted protocol for tests of transports, and more bytes than fit into one at once."""

from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

MUCH = bytes(range(256)) * 40_000
"""More than a socket's buffers take."""


class Seen(Protocol):
    """Does what a test says for what comes."""

    def __init__(self) -> None:
        self.on_data: Any = lambda data: None
        self.lost: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        self.on_data(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(type(reason.value))

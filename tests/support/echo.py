"""signald's own reading and writing of frames with an echo behind it: conformance suites know echo servers only.

``python -m tests.support.echo [fast|slow]`` listens on a free port of 127.0.0.1 and prints it.
"""

import sys
from typing import Any

from twisted.internet import reactor  # noqa: TID251,TID253 - a program of its own
from twisted.internet.address import IPv4Address

from signald.clients.clients import Clients
from signald.settings import settings
from signald.websocket import rfc6455
from signald.websocket.base import ClientConnection
from tests.support.frames import WAYS

BINARY = 2
LARGEST = 32 * 1024 * 1024
"""Above the largest messages of the suites, so that they test frames and not our limit."""


class Echo:
    """Stands for `signald.clients.clients.Client`."""

    answered = True
    beat = 0
    outbox = None
    pongs = 0

    def __init__(self, connection: Any) -> None:
        self.connection = connection


def _open(self: Clients, connection: Any, *args: object, **options: object) -> Any:
    return Echo(connection)


def _receive(self: Clients, client: Any, text: bytes) -> None:
    client.connection.send(text)


def _closed(self: Clients, client: Any, *how: object) -> None:
    pass


_text_received = ClientConnection._received


def _received(self: Any, payload: bytes, *, binary: bool = False) -> None:
    if binary:
        self.sendFrame(BINARY, payload)
    else:
        _text_received(self, payload)


def main(way: str) -> None:
    """Serve until the process is ended."""
    setattr(rfc6455, "MAX_MESSAGE_BYTES", LARGEST)  # noqa: B010 - a name that it imports
    for name, function in (("open", _open), ("receive", _receive), ("closed", _closed)):
        setattr(Clients, name, function)
    ClientConnection._received = _received  # type: ignore[method-assign]
    from signald.wiring.daemon import make_daemon

    daemon = make_daemon(
        settings.parse({"LISTEN": "tcp:0:interface=127.0.0.1", "DEMO": "false", **WAYS[way]}),
        reactor,
    )
    daemon.privilegedStartService()
    daemon.startService()
    address = daemon._ports[0].getHost()
    assert isinstance(address, IPv4Address)
    print(address.port, flush=True)  # noqa: T201 - asked for
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1])

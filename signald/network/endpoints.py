"""Makes endpoints to listen on, from Twisted's endpoint strings, and says in the log where they listen."""

import os
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort

from signald.network import tls

BACKLOG: Final = 4096
"""Connections that the kernel keeps for us (it may say less: net.core.somaxconn). One too many is tried again by its
client only after a second, so Twisted's 50 make a long wait of a short storm."""


class DualStackEndpoint:
    """Listens on one port of all addresses, IPv6 and IPv4; IPv4 alone where the machine has no IPv6."""

    def __init__(self, reactor: Any, port: int) -> None:
        self._ipv6 = TCP6ServerEndpoint(reactor, port, BACKLOG)
        self._ipv4 = TCP4ServerEndpoint(reactor, port, BACKLOG)

    def listen(self, factory: Any) -> "Deferred[IListeningPort]":
        """See `IStreamServerEndpoint.listen`."""

        def without_ipv6(failure: Any) -> Any:
            failure.trap(CannotListenError)
            return self._ipv4.listen(factory)

        listening: Deferred[IListeningPort] = self._ipv6.listen(factory).addErrback(without_ipv6)
        return listening


def parse(words: str, reactor: Any) -> Any:
    """Make an endpoint from its words.

    Args:
        words: As Twisted has it.
        reactor: Listens.

    Raises:
        ValueError: It makes no sense; the message says why.
    """
    if words.startswith(("tcp:", "tcp6:")) and "backlog=" not in words:
        words = f"{words}:backlog={BACKLOG}"
    try:
        if words.startswith("ssl:"):
            return tls.parse(reactor, words, DualStackEndpoint)
        return serverFromString(reactor, words)
    except LookupError:
        raise ValueError("systemd passed no such socket") from None
    except Exception as error:  # each kind of endpoint raises what it likes
        raise ValueError(str(error) or type(error).__name__) from None


def shown(address: IAddress, *, tls: bool) -> str:
    """Show where a port listens, as something that can be copied: ``http://[::]:8080``, ``unix:/run/signald.sock``.

    Args:
        address: Of a port that listens.
        tls: Whether TLS is spoken there.
    """
    if isinstance(address, IPv4Address | IPv6Address):
        host = f"[{address.host}]" if isinstance(address, IPv6Address) else address.host
        return f"{'https' if tls else 'http'}://{host}:{address.port}"
    if isinstance(address, UNIXAddress):
        name = os.fsdecode(address.name or b"")
        # An abstract name begins with a zero byte, which nobody can type (unix(7)).
        return f"unix:{'@' + name[1:] if name.startswith(chr(0)) else name}{', with TLS' if tls else ''}"
    return str(address)

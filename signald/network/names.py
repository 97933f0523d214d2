"""Looks up names without holding up the end of the process.

Twisted asks the system's resolver in a pool of threads, and waits for all of them when it stops: 17 s and more while a
name server is silent. Here each question has a thread that nobody waits for.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

MAX_QUESTIONS: Final = 32
"""At one time. signald connects to some few names; each is asked once, however many wait for the answer."""

_KINDS: Final = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}

_Question = tuple[str, int, int]
"""The name, the family of addresses, the type of socket."""


@implementer(IHostResolution)
class _Resolution:
    """One that cannot be cancelled, as Twisted's own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        raise NotImplementedError


@implementer(IHostnameResolver)
class Names:
    """Asks the system's resolver.

    Args:
        reactor: Takes the answers.
        look_up: See `socket.getaddrinfo`.
    """

    def __init__(self, reactor: Any, look_up: Callable[..., Sequence[Any]] = socket.getaddrinfo) -> None:
        self._reactor = reactor
        self._look_up = look_up
        self._asked: dict[_Question, list[tuple[IResolutionReceiver, int]]] = {}

    def install(self) -> None:
        """Let whatever connects ask here."""
        self._reactor.installNameResolver(self)

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """See `IHostnameResolver.resolveHostName`."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        families = [family for family, kind in _KINDS.items() if addressTypes is None or kind in addressTypes]
        family = families[0] if len(families) == 1 else socket.AF_UNSPEC
        question = (hostName, family, socket.SOCK_DGRAM if transportSemantics == "UDP" else socket.SOCK_STREAM)
        if question in self._asked:
            self._asked[question].append((resolutionReceiver, portNumber))
        elif len(self._asked) < MAX_QUESTIONS:
            self._asked[question] = [(resolutionReceiver, portNumber)]
            threading.Thread(target=self._ask, args=(question,), name=f"name {hostName}", daemon=True).start()
        else:
            resolutionReceiver.resolutionComplete()
        return resolution

    def _ask(self, question: _Question) -> None:
        name, family, kind = question
        try:
            found = self._look_up(name, 0, family, kind)
        except (OSError, UnicodeError):  # there is none, or it cannot be one
            found = []
        self._reactor.callFromThread(self._answered, question, found)

    def _answered(self, question: _Question, found: Sequence[Any]) -> None:
        kind = "UDP" if question[2] == socket.SOCK_DGRAM else "TCP"
        for receiver, port in self._asked.pop(question):
            for family, _, _, _, (host, _, *more) in found:
                if family in _KINDS:
                    receiver.addressResolved(_KINDS[family](kind, host, port, *more))
            receiver.resolutionComplete()

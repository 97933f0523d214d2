"""Accepts, reads, writes and polls sockets, none of which waits, by their descriptors and in as few steps as can be.

`signald.network._sockets` does it in C, where there was a compiler. Python itself makes room for 64 KiB before each
read, and gives its lock away around each call: a fifth of what a small message costs there, the kernel's part included.
What stands here is the reference, and all that there is elsewhere.
"""

import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

READ_BYTES: Final = 65536
"""Taken by one read at most."""

POLL_BYTES: Final = 1024 * 1024
"""With this much taken a poll reads no more: what has come waits in the kernel, and not in our memory."""

READABLE: Final = getattr(select, "EPOLLIN", 0)
"""An event: there is something to read (epoll_ctl(2))."""

Accept = Callable[[], tuple[int, Any] | None]
"""Accepts a connection: the descriptor of its socket, which does not wait, and its address; None if nobody comes."""

Ready = tuple[Any, int, bytes | None]
"""Whoever holds a descriptor that is ready, None for one that nobody holds; what it is ready for (epoll_ctl(2)); and
what has come, if there was nothing to do but to read and that is done."""

Poll = Callable[[float | None, int], list[Ready]]
"""Waits as `select.epoll.poll` does, and reads at once from all that can be read."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Accepts, reads, writes and polls, in one language. What fails raises OSError; BlockingIOError means: not now.

    Attributes:
        receive: See `receive`.
        send: See `send`.
        acceptor: See `acceptor`.
        poller: See `poller`.
    """

    receive: Callable[[int], bytes]
    send: Callable[[int, bytes], int]
    acceptor: Callable[[socket.socket], Accept]
    poller: Callable[["select.epoll", dict[int, Any]], Poll]


def receive(descriptor: int) -> bytes:
    """Take what has come, READ_BYTES at most; nothing at all means that no more will come."""
    return os.read(descriptor, READ_BYTES)


def send(descriptor: int, data: bytes) -> int:
    """Give the kernel what it takes of this at once; returns the number of bytes, which may be less than all."""
    return os.write(descriptor, data)


def acceptor(listening: socket.socket) -> Accept:
    """Give what accepts the connections of a TCP socket that listens; whoever asks keeps that open."""

    def accept() -> tuple[int, Any] | None:
        try:
            # Its public sister looks for the names of family and type each time.
            descriptor, address = listening._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return None
        os.set_blocking(descriptor, False)
        return descriptor, address

    return accept


def poller(polled: "select.epoll", holders: dict[int, Any]) -> Poll:
    """Give what waits for descriptors that were registered there, none of which blocks; whoever asks keeps that open.

    Reading one after the other, with nothing between, finds the kernel's code in the caches.

    Args:
        polled: Where they are registered.
        holders: Who holds each, by its number. The poll looks there when it is over: a number may soon be another's.
    """

    def poll(timeout: float | None, at_most: int) -> list[Ready]:
        taken = 0
        ready: list[Ready] = []
        for descriptor, events in polled.poll(timeout, at_most):
            holder, data = holders.get(descriptor), b""
            if events == READABLE and holder is not None and taken < POLL_BYTES:
                try:
                    data = receive(descriptor)
                    taken += len(data)
                except OSError:
                    pass  # whoever holds it meets that, too
            ready.append((holder, events, data or None))
        return ready

    return poll


IN_PYTHON: Final = Sockets(receive, send, acceptor, poller)

try:
    from signald.network import _sockets
except ImportError:  # there was no compiler
    _FASTEST: Sockets = IN_PYTHON
else:
    _FASTEST = Sockets(
        _sockets.receive,
        _sockets.send,
        lambda listening: partial(_sockets.accept, listening.fileno()),
        lambda polled, holders: partial(_sockets.poll, polled.fileno(), holders),
    )


def choose(*, native: bool) -> Sockets:
    """Choose what accepts, reads, writes and polls.

    Args:
        native: Whether it may be the one in C; without that, or where it was not built, it is what stands here.
    """
    return _FASTEST if native else IN_PYTHON

"""Speaks with one server of the store: commands out, replies in, in order. The only file that imports txredisapi.

txredisapi is used for its protocol alone. Its factories and pools are not: they pick connections at random, wait for
ever without one, and do not verify certificates. Importing it installs the global reactor, so it is imported when the
first connection is made, by which time twistd has chosen the reactor.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from hiredis import pack_command
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from signald.brokers.redis.problems import StoreRefused, StoreUnavailable, classify


class Buffered(Protocol):
    """Has something to write."""

    def flush(self) -> None:
        """Write it."""
        ...


AtTurnsEnd = Callable[[Buffered], object]
"""Has something written when the reactor's turn is over."""


def translate(failure: Failure) -> Failure:
    """Give what txredisapi raises for an error reply or a lost connection as StoreUnavailable."""
    import txredisapi

    if not failure.check(txredisapi.RedisError):
        return failure
    why = failure.getErrorMessage()
    if failure.check(txredisapi.ConnectionError):
        return Failure(StoreUnavailable(why))
    return Failure(StoreRefused(why, classify(why)))


def make_factory(at_turns_end: AtTurnsEnd | None = None) -> "Factory[Any]":
    """Make what makes protocols.

    A protocol has the method `execute_command`, and says whether it is `connected`. `gone` fails when it is no more;
    `why` says the reason then.

    Args:
        at_turns_end: Has the commands of a turn written together; None: each is written at once.
    """
    import txredisapi

    class StoreProtocol(txredisapi.RedisProtocol):
        """Does what txredisapi does, with fewer steps: replies stay as they are, and commands leave within the turn.

        Twisted's transports write in a later turn of the reactor, which costs as much as the rest of a command.
        """

        transport: Any

        def __init__(self) -> None:
            super().__init__()
            self.gone: Deferred[None] = Deferred()
            self.why: BaseException | None = None
            self._asked: deque[Deferred[Any]] = deque()
            self._commands: list[bytes] = []
            self._can_write_at_once = False
            self._behind = True

        def execute_command(self, *words: Any) -> "Deferred[Any]":
            if not self.connected:
                raise txredisapi.ConnectionError("Not connected")
            self._commands.append(pack_command(words))
            asked: Deferred[Any] = Deferred()
            self._asked.append(asked)
            if at_turns_end is None:
                self.flush()
            elif len(self._commands) == 1:
                at_turns_end(self)
            return asked

        def flush(self) -> None:
            """Write the commands that were given."""
            data = b"".join(self._commands)
            self._commands.clear()
            if not self.connected:
                return
            if not self._behind:  # nothing waits in the transport
                sent = self.transport.writeSomeData(data)
                if sent == len(data):
                    return
                self._behind = True
                data = data[sent:] if isinstance(sent, int) else data  # an error comes up again below
            self.transport.write(data)

        def tryConvertData(self, data: Any) -> Any:
            """Leave bytes as they are; an id of digits is no number."""
            return data

        def replyReceived(self, reply: Any) -> None:
            if not self._asked:
                raise ValueError("the store answered what nobody asked")
            asked = self._asked.popleft()
            if not self._asked:  # all that was written has been read
                self._behind = not self._can_write_at_once
            if not asked.called:  # else nobody waits any more
                asked.callback(Failure(reply) if isinstance(reply, Exception) else reply)

        def connectionMade(self) -> None:
            self.connected = 1
            self._can_write_at_once = isinstance(self.transport, FileDescriptor)  # not what wraps one for TLS
            self._behind = not self._can_write_at_once

        def connectionLost(self, reason: Failure = connectionDone) -> None:
            self.why = reason.value
            super().connectionLost(reason)
            while self._asked:
                self.replyReceived(txredisapi.ConnectionError("Lost connection"))
            self.gone.errback(reason)

    factory: Factory[Any] = Factory.forProtocol(StoreProtocol)
    factory.noisy = False
    return factory

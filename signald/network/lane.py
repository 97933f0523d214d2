"""Polls all accepted connections as one, and all else that the reactor polls with them.

The reason: Twisted makes a context for the log around each event of each descriptor, four calls and two dictionaries,
which cost as much as a small message. A lane is an epoll of its own, and to its connections it is the reactor. An epoll
is a descriptor itself, readable when one of its own is, so there are two ways to wait for both:

- The lane stands before the reactor: it waits for the connections and for the reactor's epoll, in one call, and lets
  the reactor have its turn when there is something for it. That needs an attribute of Twisted's that is not public.
- The reactor polls the lane as one of its readers: two calls for each event, whatever the reactor is.
"""

import select
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from signald.network.accepted import Accepted
from signald.network.output import Output
from signald.network.sockets import IN_PYTHON, READABLE, Ready, Sockets

_WRITE: Final = getattr(select, "EPOLLOUT", 0)

AT_ONCE: Final = 256
"""Events of one poll: what these bring leaves together, and the reactor's timers wait for no more than these."""


class UsualEnd(Failure):
    """A usual end of a connection, made once: nobody looks at its traceback, and what it says is known."""

    def __init__(self, why: Exception) -> None:
        super().__init__(why)
        self._said = super().getErrorMessage()

    def getErrorMessage(self) -> str:
        """See `Failure.getErrorMessage`."""
        return self._said

    def check(self, *kinds: Any) -> Any:
        """See `Failure.check`, which compares names; these are classes."""
        for kind in kinds:
            if isinstance(self.value, kind):
                return kind
        return None


_REASONS: Final[dict[Exception, UsualEnd]] = {why: UsualEnd(why) for why in (CONNECTION_DONE, CONNECTION_LOST)}


@implementer(IReadDescriptor)
class Lane:
    """Is the reactor to accepted connections.

    Args:
        reactor: The real one.
        output: Holds what the connections send until all that one poll brought is read.
        leads: Whether to stand before the reactor, if it lets us.
        sockets: Poll the connections.
    """

    _log = Logger()

    def __init__(self, reactor: Any, output: Output, *, leads: bool = False, sockets: Sockets = IN_PYTHON) -> None:
        self._reactor = reactor
        self._output = output
        self._polled = select.epoll()
        self._connections: dict[int, Accepted] = {}
        self._poll = sockets.poller(self._polled, self._connections)
        self._wanted: dict[int, int] = {}
        self._may_lead = leads
        self._leads = False
        self._turned = False
        self._rests = False
        self._turn_of_reactor: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    # --- what a connection asks of its reactor: see `IReactorFDSet` ---------------------------------------------------

    def addReader(self, reader: Accepted) -> None:
        """Call its `doRead` when it can be read."""
        self._want(reader, READABLE, 0)

    def addWriter(self, writer: Accepted) -> None:
        """Call its `doWrite` when it can be written."""
        self._want(writer, _WRITE, 0)

    def removeReader(self, reader: Accepted) -> None:
        """No longer."""
        self._want(reader, 0, READABLE)

    def removeWriter(self, writer: Accepted) -> None:
        """No longer."""
        self._want(writer, 0, _WRITE)

    def _want(self, connection: Accepted, more: int, less: int) -> None:
        fd = connection.fileno()
        if fd < 0:  # closed, and so gone from here
            return
        before = self._wanted.get(fd, 0)
        wanted = (before | more) & ~less
        if wanted == before:
            return
        if not before:
            self._polled.register(fd, wanted)
            self._connections[fd] = connection
            if len(self._connections) == 1 and not (self._leads or self._rests):
                self._reactor.addReader(self)
        elif wanted:
            self._polled.modify(fd, wanted)
        else:
            self._polled.unregister(fd)
            del self._connections[fd], self._wanted[fd]
            if not self._connections and not self._leads:
                self._reactor.removeReader(self)
            return
        self._wanted[fd] = wanted

    # --- for a moment, nothing but the reactor ------------------------------------------------------------------------

    def rest(self) -> None:
        """Read and write no connection until `go_on`: the reactor has something to do that does not wait."""
        self._rests = True
        if self._connections and not self._leads:
            self._reactor.removeReader(self)

    def go_on(self) -> None:
        """The reactor has done it."""
        self._rests = False
        if self._connections and not self._leads:
            self._reactor.addReader(self)

    # --- before the reactor -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Stand before the reactor from now on, if that is wanted and can be.

        That it can is tried: something for the reactor to do must make its epoll readable.
        """
        theirs = getattr(self._reactor, "_poller", None)
        turn = getattr(self._reactor, "doIteration", None)
        itself = getattr(turn, "__self__", None)  # something else may stand for it here
        if not self._may_lead or not isinstance(theirs, select.epoll) or itself is None:
            return
        self._reactor.callFromThread(lambda: None)
        if not select.select([theirs], [], [], 0)[0]:
            self._log.info("this reactor does not wait as it is known to: clients and all else are polled apart")
            return
        if self._connections:
            self._reactor.removeReader(self)
        self._polled.register(theirs, READABLE)
        self._turn_of_reactor = turn
        itself.doIteration = self._turn
        self._reactor.callLater(0, self._reactor.callLater, 0, self._be_sure)
        self._reactor.addSystemEventTrigger("during", "shutdown", self.connectionLost, _REASONS[CONNECTION_LOST])
        self._leads = self._output.held = True

    def _be_sure(self) -> None:
        """Step back if a turn of the reactor went by without us: it would never hear of its clients."""
        if self._turned:
            return
        self._log.warn("this reactor takes its turns in another way: clients and all else are polled apart")
        self._leads = False
        self._polled.unregister(self._reactor._poller)
        self._output.release()
        if self._connections:
            self._reactor.addReader(self)

    def _turn(self, timeout: float | None) -> None:
        """Do what `ReactorBase.doIteration` does, for the connections too; seconds, None for as long as it takes.

        While nobody but clients has anything to do they have turn after turn: the reactor's part costs half a message.
        """
        self._turned = True
        reactor, output = self._reactor, self._output
        if output.waiting:  # for what timers sent
            output.write()
        try:
            while not self._rests:
                ready = self._poll(timeout, AT_ONCE)
                found, others = len(ready), self._serve(ready)
                del ready  # what came, and who has gone: the next poll may take long
                # Behind more connections than fit into one poll the reactor's epoll comes up once in many.
                if others or found == AT_ONCE:
                    self._turn_of_reactor(0)
                    return
                if timeout == 0 or not (found and reactor.running):
                    return
                if output.waiting:
                    output.write()
                timeout = reactor.timeout()
                if timeout == 0:
                    return
            self._turn_of_reactor(timeout)
        finally:
            if output.waiting:
                output.write()

    # --- the reactor calls: see `IReadDescriptor` ---------------------------------------------------------------------

    def fileno(self) -> int:
        """The file descriptor of the epoll."""
        return self._polled.fileno()

    def logPrefix(self) -> str:
        """See `ILoggingContext.logPrefix`."""
        return "signald"

    def doRead(self) -> None:
        """Read and write the connections that are ready."""
        self._output.held = True
        try:
            self._serve(self._poll(0, AT_ONCE))
        finally:
            self._output.release()

    def connectionLost(self, reason: Failure) -> None:
        """End all connections, as the reactor ends."""
        self._output.write()
        for connection in list(self._connections.values()):
            connection.connectionLost(reason)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _serve(self, ready: list[Ready]) -> bool:
        """Give these connections what came, and write; tells whether another descriptor was ready: the reactor's."""
        others = False
        for connection, events, data in ready:
            if connection is None:
                others = True
                continue
            try:
                why = connection.take(data) if data is not None else self._seldom(connection, events)
                if why is not None:
                    self._end(connection, why)
            except Exception as problem:
                self._log.failure("a connection failed; it is closed")
                self._end(connection, problem)
        return others

    def _seldom(self, connection: Accepted, events: int) -> Exception | None:
        fd = connection.fileno()
        if fd not in self._connections:  # it ended, or wants nothing more, by what another one's bytes brought
            return None
        if not events & READABLE and events & ~_WRITE:  # hung up, or broken, if it did not come to somebody before
            return connection.doRead() if self._wanted[fd] & READABLE else CONNECTION_LOST
        why = connection.doRead() if events & READABLE else None
        if why is None and events & _WRITE and fd in self._connections:
            why = connection.doWrite()
        return why

    def _end(self, connection: Accepted, why: Exception) -> None:
        connection.connectionLost(_REASONS.get(why) or Failure(why))

"""Keeps one connection to the store, and makes it again whenever it is lost."""

import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from signald.brokers.redis.problems import FAILOVER, SILENT, UNREACHABLE, Problem, StoreRefused, StoreUnavailable
from signald.brokers.redis.protocol import AtTurnsEnd, make_factory, translate
from signald.brokers.redis.timeouts import Timeouts
from signald.brokers.redis.url import StoreAddress

CALL_TIMEOUT_S: Final = 2.0
"""Seconds that the store may take to answer; if it takes longer it counts as gone, and the connection is made anew."""

UNDER_WAY_AT_MOST: Final = 256
"""Commands sent and not answered, so that all are in time; the rest wait. A match takes the store 0.1 to 2.5 ms."""

FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 1.0
"""Seconds between attempts to connect: doubled from the first to the longest, with jitter."""

STEADY_S: Final = 2.0
"""How long a connection must have served before the next attempts begin anew with the shortest pause. A store that
takes connections and then refuses each command must not be met by a storm of them."""

COMPLAIN_AGAIN_S: Final = 60.0
"""Seconds for which the log does not repeat a reason why the store cannot be used."""


Call = Callable[..., Awaitable[Any]]
"""See `StoreConnection.call`."""


class Primary(Protocol):
    """Knows which server is the primary now; see `signald.brokers.redis.primary`."""

    async def find(self) -> IStreamClientEndpoint:
        """Where to connect; asked before each attempt.

        Raises:
            StoreUnavailable: Nobody knows.
        """
        ...

    async def confirm(self, call: Call) -> None:
        """Look whether the server that was connected to, and logged in to, is the primary.

        Raises:
            StoreUnavailable: It is not.
        """
        ...

    def refused(self, why: str, problem: Problem) -> Problem | None:
        """The server has refused something; gives the problem as it is then, or None if the right one is known now."""
        ...


async def ask(
    endpoint: IStreamClientEndpoint, clock: Any, within_s: float, commands: Sequence[Sequence[str]]
) -> list[Any]:
    """Ask a server something over a connection for that alone.

    Args:
        endpoint: Where to connect.
        clock: For timeouts.
        within_s: Seconds for each of the answers.
        commands: Words of each command.

    Returns:
        The reply to each command, text as bytes.

    Raises:
        Exception: Whatever keeps it from answering.
    """
    protocol: Any = await endpoint.connect(make_factory())
    replies = []
    try:
        for command in commands:
            called: Deferred[Any] = protocol.execute_command(*command)
            if command[0] == "AUTH":
                called.addErrback(translate).addErrback(_without_quotes, command[-1])
            replies.append(await called.addTimeout(within_s, clock))
    finally:
        protocol.gone.addErrback(lambda reason: None)
        protocol.transport.abortConnection()
    return replies


class StoreConnection:
    """Keeps one connection.

    Twisted's ClientService is not used: it takes a connection that is lost while it is being prepared for a bug.

    Args:
        name: For the log.
        primary: Knows where to connect.
        address: With user, password and database.
        clock: For timeouts and retries.
        jitter: A random number from 0 to 1 at each call: keeps instances from coming back all at once.
        prepared: Called each time the connection is made and logged in; if it fails, that counts as a failed attempt.
        lost: Called when a prepared connection is lost, with the time since when the store did not answer.
        trouble: Told of each reason why the store could not be used.
        at_turns_end: Has the commands of a turn written together; None: each is written at once.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        primary: Primary,
        address: StoreAddress,
        clock: Any,
        jitter: Callable[[], float],
        prepared: Callable[[], Awaitable[None]],
        lost: Callable[[float], None],
        trouble: Callable[[Problem], None] = lambda problem: None,
        at_turns_end: AtTurnsEnd | None = None,
    ) -> None:
        self._trouble = trouble
        self._at_turns_end = at_turns_end
        self._name = name
        self._primary = primary
        self._address = address
        self._clock = clock
        self._jitter = jitter
        self._prepared = prepared
        self._lost = lost
        self._protocol: Any = None
        self._timeouts = Timeouts(clock, self._timed_out)
        self._under_way = 0
        self._next: deque[tuple[Deferred[Any], tuple[Any, ...], float]] = deque()
        self._kept: Deferred[None] | None = None
        self._stopped = False
        self._complaints: dict[str, float] = {}
        self._failures = 0
        self._led_on = False  # the last refusal has named the right server
        self._silent_since: float | None = None
        self._up_at: float | None = None
        self.ready = False
        """Whether there is a connection that was prepared."""
        self.problem: Problem | None = UNREACHABLE
        """Why there is none; None if there is one."""

    def start(self) -> None:
        """Begin to connect, for ever. Harmless when done twice, or after the end."""
        if self._kept is None and not self._stopped:
            self._kept = Deferred.fromCoroutine(self._keep())
            self._kept.addErrback(self._ended)

    def stop(self) -> None:
        """Close the connection and do not come back."""
        self._stopped = True
        if self._kept is not None:
            self._kept.cancel()
        if self._protocol is not None:
            self._protocol.transport.loseConnection()

    def call(self, *command: Any, timeout_s: float = CALL_TIMEOUT_S) -> "Deferred[Any]":
        """Send a command; calls are answered in the order in which they were made.

        Args:
            command: Words of a Redis command.
            timeout_s: Seconds from when it is sent; when they are over the connection is dropped, since its answers no
                longer tell which commands were done.

        Returns:
            Fires with the reply, text as bytes. Fails with StoreUnavailable alone.
        """
        if self._protocol is None:
            return fail(StoreUnavailable(f"no {self._name} connection to the store"))
        if not self._protocol.connected:
            return fail(StoreUnavailable(f"the {self._name} connection to the store was lost"))
        if self._under_way < UNDER_WAY_AT_MOST:
            return self._send(command, timeout_s)
        waiting: Deferred[Any] = Deferred()
        self._next.append((waiting, command, timeout_s))
        return waiting

    def drop(self, why: str, problem: Problem = UNREACHABLE) -> None:
        """Abort the connection, if it is not lost already; a new one is made."""
        if self._protocol is not None and self._protocol.connected:
            self.complain(why, problem)
            self._protocol.transport.abortConnection()
            self._protocol.connected = 0  # what is called for now would reach the store, and its answer not us

    def failed(self, failure: Failure) -> None:
        """A step that made calls has failed: drop the connection. What is not the store's fault is a bug."""
        if not failure.check(StoreUnavailable, CancelledError):
            self._log.failure("on the {name} connection", failure, name=self._name)
        self.drop(failure.getErrorMessage(), getattr(failure.value, "problem", UNREACHABLE))

    def complain(self, why: str, problem: Problem, *, usable: bool = False) -> None:
        """Say what is wrong with the store: once a minute for each reason, not once for each attempt.

        Args:
            why: In its words.
            problem: Which kind it is.
            usable: Whether the connection can be used all the same.
        """
        if not usable:
            known = self._primary.refused(why, problem)
            self.problem = problem = known or FAILOVER
            if known is None:
                self._led_on = True
                return
        self._trouble(problem)
        now = self._clock.seconds()
        said_at = self._complaints.get(why)
        if said_at is not None and now - said_at < COMPLAIN_AGAIN_S:
            return
        self._complaints[why] = now
        self._log.warn(
            "{name} connection to {store}: {why}{advice}",
            name=self._name,
            store=str(self._address),
            why=why,
            advice=f" ({problem.advice})" if problem.advice else "",
        )

    def _send(self, command: tuple[Any, ...], timeout_s: float) -> "Deferred[Any]":
        self._under_way += 1
        called: Deferred[Any] = self._protocol.execute_command(*command)
        self._timeouts.watch(called, timeout_s)
        return called.addBoth(self._over)

    def _over(self, result: Any) -> Any:
        """A command was answered, or will not be: the next one has its turn."""
        self._under_way -= 1
        if self._next:
            self._send_next()
        return translate(result) if isinstance(result, Failure) else result

    def _send_next(self) -> None:
        if self._protocol is not None and self._protocol.connected:
            waiting, command, timeout_s = self._next.popleft()
            self._send(command, timeout_s).chainDeferred(waiting)
            return
        lost, self._next = self._next, deque()
        for waiting, _, _ in lost:
            waiting.errback(StoreUnavailable(f"the {self._name} connection to the store was lost"))

    async def _keep(self) -> None:
        factory, followed = make_factory(self._at_turns_end), False
        while True:
            try:
                endpoint = await self._primary.find()
                await self._use(await endpoint.connect(factory))
            except CancelledError:
                raise
            except ConnectionAborted:
                pass  # by `drop`, which has complained
            except Exception as error:  # whatever it was: complain and try again
                if self._stopped:  # an attempt to connect that was cancelled
                    return
                self.complain(str(error) or type(error).__name__, getattr(error, "problem", UNREACHABLE))
            # Servers that name each other must not be asked without end: every other attempt has a pause before it.
            followed, self._led_on = self._led_on and not followed, False
            if not followed:
                await deferLater(self._clock, self._retry_after(self._failures))
                self._failures += 1

    async def _use(self, protocol: Any) -> None:
        """Prepare a connection and wait for its end, which is always an exception."""
        self._protocol = protocol
        try:
            await self._log_in()
            await self._primary.confirm(self.call)
            await self._prepared()
            self._up()
            await protocol.gone
        except StoreRefused:
            raise
        except StoreUnavailable as error:
            # A call fails with "Lost connection"; the connection itself knows why it was lost.
            raise protocol.why or error from None
        finally:
            self._down()
            protocol.gone.addErrback(lambda reason: None)
            protocol.transport.abortConnection()

    async def _log_in(self) -> None:
        address = self._address
        if address.password:
            user = (address.user,) if address.user else ()
            await self.call("AUTH", *user, address.password).addErrback(_without_quotes, address.password)
        if address.database:
            await self.call("SELECT", str(address.database))

    def _up(self) -> None:
        self.ready = True
        self.problem = None
        # One that comes and goes is told of by the reasons why it goes.
        if self._up_at is None:
            self._log.info("{name} connection to {store} is up", name=self._name, store=str(self._address))
        self._up_at = self._clock.seconds()

    def _down(self) -> None:
        self._protocol = None
        self._timeouts.stop()
        now = self._clock.seconds()
        silent_since, self._silent_since = self._silent_since, None
        if not self.ready:
            return
        self.ready = False
        self.problem = self.problem or UNREACHABLE
        if (since := self._up_at) is not None and now - since >= STEADY_S:
            self._up_at = None
            self._failures = 0
            # But not why it has ended, which was said a moment ago.
            self._complaints = {why: said_at for why, said_at in self._complaints.items() if said_at >= since}
        self._lost(now if silent_since is None else silent_since)

    def _timed_out(self, called: "Deferred[Any]", timeout_s: float) -> None:
        why = f"no answer within {timeout_s:g} s"
        if self._silent_since is None:
            self._silent_since = self._clock.seconds() - timeout_s
        self.drop(why, SILENT)
        called.errback(StoreUnavailable(why, SILENT))

    def _retry_after(self, failures: int) -> float:
        longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(failures, 8))
        return float(longest * (0.5 + self._jitter() / 2))

    def _ended(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("{name} connection is no longer kept", failure, name=self._name)


def _without_quotes(failure: Failure, password: str) -> Failure:
    """Why a login was refused. A server that knows no AUTH quotes all the words of it, cut off or whole."""
    if not failure.check(StoreRefused):
        return failure
    why = re.split("[`'\"]", failure.getErrorMessage())[0].rstrip(" ,:")
    known = why if why and password not in why else "AUTH was refused"
    return Failure(StoreRefused(known, getattr(failure.value, "problem", UNREACHABLE)))

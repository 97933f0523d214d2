"""Runs one process for each core: a parent starts so many workers, and starts one again when it ends.

Each worker is an instance of its own on the store. They listen on the same port, and the kernel gives each connection
to one of them (SO_REUSEPORT, socket(7)); sockets that systemd passed are handed on. The parent holds no client and no
port: it starts workers, watches them, and passes signals on. Each worker tells it through a pipe when it listens, and
then that it lives; one that is silent is killed and started again.
"""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import ProcessProtocol, Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

from signald.brokers.redis.neighbours import LONGEST_FOLDER
from signald.process.attention import Attention, SignsOfLife
from signald.process.root import ProcessService

WORKER_VARIABLE: Final = "SIGNALD_WORKER"
"""Set for a worker to its number: its standard input is held by the parent, and ends with it."""

LETTERS_VARIABLE: Final = "LETTERS_DIR"
"""The setting that names the folder in which workers find each other; theirs is made if the operator has named none."""

LISTENS_VARIABLE: Final = "SIGNALD_LISTENS_FD"
"""Set for a worker to the file descriptor on which the parent waits for bytes: the worker listens, and lives."""

_TWISTD: Final = "from twisted.scripts.twistd import run; run()"

STEADY_S: Final = 10.0
"""Seconds after which a worker that ends is started again at once; one that ends earlier waits, longer each time."""

LONGEST_WAIT_S: Final = 10.0
"""Seconds before a worker that always ends at once is started again."""

KILL_AFTER_S: Final = 6.0
"""Seconds that a worker may take to end, besides draining, before it is killed; it needs 5 s at most."""

CANNOT_START: Final = 1
"""The status of a process that has said in one line why it cannot start: a port in use, say."""

FIRST_PASSED_FILE: Final = 3
"""Where sockets that systemd passes begin (sd_listen_fds(3))."""


class Worker(ProcessProtocol):
    """Watches one child process.

    Args:
        number: From 1.
        lives: Called with the number when it listens, and from then on over and over.
        ended: Called with the number and how it ended.
    """

    def __init__(
        self, number: int, lives: Callable[[int], None], ended: Callable[[int, BaseException | None], None]
    ) -> None:
        self._number = number
        self._lives = lives
        self._ended = ended

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """See `IProcessProtocol.childDataReceived`."""
        self._lives(self._number)

    def processEnded(self, reason: Failure) -> None:
        """See `ProcessProtocol.processEnded`."""
        self._ended(self._number, reason.value)


class Workers(ProcessService):
    """Starts the workers, and starts them again when they end: the parent.

    Args:
        reactor: Starts processes, handles signals.
        count: How many workers.
        words: What comes after ``twistd -n``: its own options, ``signald``, and the options of that.
        instance: What the workers' names begin with.
        environment: Environment variables of this process.
        drain_s: How long workers may drain at the end.

    Attributes:
        all_listen: Fires when each worker has listened once.
        all_answer: Tells whether no worker hangs.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        *,
        count: int,
        words: Sequence[str],
        instance: str,
        environment: Mapping[str, str],
        drain_s: float,
    ) -> None:
        super().__init__(reactor, drain_s=drain_s, end_within_s=KILL_AFTER_S + 1.0)
        self._count = count
        self._words = list(words)
        self._instance = instance
        self._environment = environment
        self._running: dict[int, Any] = {}
        self._started_at: dict[int, float] = {}
        self._failures: dict[int, int] = {}
        self._listening: set[int] = set()
        self._ended: Deferred[None] | None = None
        self._letters: tempfile.TemporaryDirectory[str] | None = None
        self.all_listen: Deferred[None] = Deferred()
        self._attention = Attention(reactor, self._worker_hangs)
        self._attention.setServiceParent(self)
        self.all_answer = self._attention.all_answer

    def startService(self) -> None:
        """Start the first worker; the others follow when it listens. What no worker can do is said by one, and once."""
        super().startService()
        self._log.info("starting {count} workers", count=self._count)
        self._make_folder()
        self._start(1)

    def stopService(self) -> "Deferred[None]":
        """End all workers; fires when the last has ended."""
        super().stopService()
        self._ended = Deferred()
        for worker in self._running.values():
            worker.signalProcess("TERM")
        for worker in list(self._running.values()):
            self._reactor.callLater(self._drain_s + KILL_AFTER_S, self._kill, worker)
        if not self._running:
            self._all_ended()
        return self._ended

    def reload(self) -> None:
        """Pass SIGHUP on."""
        for worker in self._running.values():
            worker.signalProcess("HUP")

    def hurry(self) -> None:
        """See `ProcessService.hurry`."""
        for worker in self._running.values():
            worker.signalProcess("TERM")

    def _make_folder(self) -> None:
        """Make the folder in which the workers find each other. Where none can be, the store is the only way."""
        if LETTERS_VARIABLE in self._environment or any(word.startswith("--letters-dir") for word in self._words):
            return
        try:
            self._letters = tempfile.TemporaryDirectory(prefix="signald-", ignore_cleanup_errors=True)
        except OSError as error:
            self._log.info("workers send each other letters through the store: {why}", why=error)
            return
        if len(os.fsencode(self._letters.name)) > LONGEST_FOLDER:
            self._log.info("workers send each other letters through the store: TMPDIR is too long for sockets")
            return
        self._environment = {**self._environment, LETTERS_VARIABLE: self._letters.name}

    def _start(self, number: int) -> None:
        if self.life.stopping:
            return
        passed = self._environment.get("LISTEN_FDS", "0")
        files = range(FIRST_PASSED_FILE, FIRST_PASSED_FILE + (int(passed) if passed.isdecimal() else 0))
        listens = FIRST_PASSED_FILE + len(files)
        environment = {**self._environment, WORKER_VARIABLE: str(number), LISTENS_VARIABLE: str(listens)}
        for name in ("WORKERS", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)
        # sd_listen_fds(3) wants the receiver's own pid, which only the shell knows in time.
        command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"] if files else []
        command += [sys.executable, "-c", _TWISTD, "-n", "--pidfile=", *self._words]
        command += ["--workers=1", f"--instance-id={self._instance}-{number}"]
        self._started_at[number] = self._reactor.seconds()
        self._attention.begin(number)
        self._running[number] = self._reactor.spawnProcess(
            Worker(number, self._worker_lives, self._worker_ended),
            command[0],
            command,
            env=environment,
            childFDs={0: "w", 1: 1, 2: 2, **{file: file for file in files}, listens: "r"},
        )

    def _worker_lives(self, number: int) -> None:
        self._attention.hear(number)
        if not self._listening:
            for other in range(2, self._count + 1):
                self._start(other)
        self._listening.add(number)
        if len(self._listening) == self._count and not self.all_listen.called:
            self._log.info("all {count} workers listen", count=self._count)
            self.all_listen.callback(None)

    def _worker_hangs(self, number: int) -> None:
        self._log.error("worker {number} does not answer any more: it is killed", number=number)
        self._running[number].signalProcess("KILL")

    def _worker_ended(self, number: int, how: BaseException | None) -> None:
        del self._running[number]
        self._attention.end(number)
        if self.life.stopping:
            if not self._running:
                self._all_ended()
            return
        if not self._listening and getattr(how, "exitCode", None) == CANNOT_START:
            self.end_with(CANNOT_START)
            return
        steady = self._reactor.seconds() - self._started_at[number] >= STEADY_S
        failures = self._failures[number] = 0 if steady else self._failures.get(number, 0) + 1
        wait_s = 0.0 if steady else min(LONGEST_WAIT_S, 0.25 * 2**failures)
        self._log.error(
            "worker {number} ended ({how}); it is started again in {wait} s", number=number, how=how, wait=wait_s
        )
        self._reactor.callLater(wait_s, self._start, number)

    def _all_ended(self) -> None:
        if self._letters is not None:
            self._letters.cleanup()
            self._letters = None
        if self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    def _kill(self, worker: Any) -> None:
        if worker.pid is not None:
            self._log.warn("worker process {pid} does not end: it is killed", pid=worker.pid)
            worker.signalProcess("KILL")


class _Parent(Protocol):
    """Notices in a worker that its parent is gone: the parent holds the other end of its standard input."""

    def __init__(self, orphaned: Callable[[], None]) -> None:
        self._orphaned = orphaned

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._orphaned()


def tell_parent(reactor: Any, worker: ProcessService) -> None:
    """Let a worker tell its parent that it listens, as soon as it does, and lives."""
    pipe = os.environ.pop(LISTENS_VARIABLE, "")
    if pipe.isdecimal():
        SignsOfLife(reactor, int(pipe)).setServiceParent(worker)


def end_with_parent() -> None:
    """End this worker, as on SIGTERM, when the parent is gone: a new parent would start new workers beside it."""
    StandardIO(_Parent(lambda: os.kill(os.getpid(), signal.SIGTERM)))


class SharingReactor:
    """Listens on TCP ports that other processes share. Everything else is the reactor's own.

    Args:
        reactor: The real one.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> IListeningPort:
        """See `IReactorTCP.listenTCP`."""
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        try:
            with socket.socket(family) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                listener.setblocking(False)
                listener.bind((interface, port))
                listener.listen(backlog)
                adopted: IListeningPort = self._reactor.adoptStreamPort(listener.fileno(), family, factory)
                return adopted
        except OSError as error:
            raise CannotListenError(interface, port, error) from None

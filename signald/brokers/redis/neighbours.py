"""Carries letters to instances on the same machine over UNIX sockets, past the store.

The store remains the meeting place: who lives, and who waits, stands there alone. A letter takes the socket if its
receiver listens in the same folder, and the store's stream otherwise; its number (see `links`) tells the receiver what
has overtaken what. Each socket carries letters one way; in front of each batch stands its length (32 bits, big-endian).
"""

import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReadWriteDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from signald.brokers.redis.letters import Envelope, decode

ASK_AGAIN_S: Final = 2.0
"""Seconds until it is tried again whether an instance that was no neighbour has become one."""

EARLY_TICKS: Final = 8
"""So many ticks with the store a batch waits for those before it, which went through the store; then those count as
lost. They are there already, unless the store has lost them: its reader is behind by milliseconds."""

LONGEST_FOLDER: Final = 70
"""Bytes: the path of a UNIX socket may have 107 (unix(7)), and the names in the folder have 33."""

_HEAD: Final = Struct(">I")

_log = Logger()


@implementer(IReadWriteDescriptor)
class Way:
    """Carries batches to one neighbour, one after the other.

    Args:
        sock: A socket that is connected and does not block.
        reactor: Tells when it can be written again.
        ended: Called when the neighbour has closed it.
    """

    def __init__(self, sock: socket.socket, reactor: Any, ended: Callable[[], None]) -> None:
        self._socket = sock
        self._reactor = reactor
        self._ended = ended
        self._rest = memoryview(b"")
        self._over: Callable[[bool], None] | None = None
        reactor.addReader(self)  # to see its end; the neighbour writes nothing

    @property
    def busy(self) -> bool:
        """Whether a batch is under way, which must be over before the next."""
        return self._over is not None

    def carry(self, batch: bytes, over: Callable[[bool], None]) -> bool:
        """Carry a batch; gives whether it is with the neighbour.

        Args:
            batch: Letters, encoded.
            over: Else called when it is there (true), or will never be as a whole.
        """
        data = _HEAD.pack(len(batch)) + batch
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end()
            over(False)
            return False
        if sent == len(data):
            return True
        self._rest, self._over = memoryview(data)[sent:], over
        self._reactor.addWriter(self)
        return False

    def close(self) -> None:
        """End it. Of a batch that is under way nothing more is heard."""
        self._over = None
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._socket.close()

    # --- see `IReadWriteDescriptor` -----------------------------------------------------------------------------------

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See `ILoggingContext.logPrefix`."""
        return "letters to a neighbour"

    def doRead(self) -> Exception:  # type: ignore[override] # Twisted's reactors take exceptions
        """The neighbour is gone: it writes nothing."""
        return CONNECTION_DONE

    def doWrite(self) -> Exception | None:  # type: ignore[override]
        """Write what is left of a batch."""
        try:
            self._rest = self._rest[self._socket.send(self._rest) :]
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not self._rest:
            self._reactor.removeWriter(self)
            over, self._over = self._over, None
            if over is not None:
                over(True)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """See `IReadDescriptor.connectionLost`."""
        self._end()

    def _end(self) -> None:
        over = self._over
        self.close()
        self._ended()
        if over is not None:
            over(False)


class Receiver(Protocol):
    """Reads batches of one neighbour, in order, and takes no more while one waits for letters before it."""

    def __init__(self, neighbours: "Neighbours") -> None:
        self._neighbours = neighbours
        self._buffer = bytearray()
        self._come: list[Envelope] = []
        self._ticks: int | None = None  # for which the first of them has waited for others

    def connectionMade(self) -> None:
        """See `Protocol.connectionMade`."""
        self._neighbours.receivers.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See `Protocol.connectionLost`."""
        self._neighbours.receivers.discard(self)

    def dataReceived(self, data: bytes) -> None:
        """See `Protocol.dataReceived`."""
        kept = self._buffer
        if kept:
            kept += data
        read = self._read(kept or data)
        if kept:
            del kept[:read]
        elif read < len(data):
            kept += data[read:]
        if self._ticks is None:
            self.go_on()

    def _read(self, data: bytes | bytearray) -> int:
        """Read whole batches; gives where the first one begins that is none."""
        begin, head, size = 0, _HEAD.size, len(data)
        while (start := begin + head) <= size:
            end = start + _HEAD.unpack_from(data, begin)[0]
            if end > size:
                break
            try:
                self._come.append(decode(data[start:end]))
            except msgspec.MsgspecError:
                _log.failure("a neighbour's letters make no sense: its connection is closed")
                self.transport.abortConnection()  # type: ignore[union-attr]
                break
            begin = end
        return begin

    def go_on(self, *, ticks: int = 0) -> None:
        """Give what has come, unless something before it is still to come.

        Args:
            ticks: How many have passed since it was asked last.
        """
        if not self._come:
            return
        if self._neighbours.is_early(self._come[0]):
            if self._ticks is None:
                self._ticks = 0
                self.transport.pauseProducing()  # type: ignore[union-attr]
            self._ticks += ticks
            if self._ticks < EARLY_TICKS:
                return
        come, self._come = self._come, []
        if self._ticks is not None:
            self._ticks = None
            self.transport.resumeProducing()  # type: ignore[union-attr]
        self._neighbours.read(come)


class Neighbours:
    """Knows which instances are on this machine, and the ways to them.

    Args:
        folder: Of the sockets, of this user alone; empty for none.
        service: What all instances of one store have in common.
        reactor: Listens, and watches sockets.
        read: Called with the batches that have come, in order.
        is_early: Whether letters before a batch are still to come, through the store.
        listens: Called with the port on which neighbours connect.
    """

    def __init__(
        self,
        *,
        folder: str,
        service: str,
        reactor: Any,
        read: Callable[[list[Envelope]], None],
        is_early: Callable[[Envelope], bool],
        listens: Callable[[IListeningPort], None] = lambda port: None,
    ) -> None:
        self._folder = folder
        self._service = service
        self._reactor = reactor
        self.read = read
        self.is_early = is_early
        self._listens = listens
        self._port: Any = None
        self._name = ""
        self._ways: dict[str, Way] = {}
        self._ask_at: dict[str, float] = {}
        self.receivers: set[Receiver] = set()

    def __len__(self) -> int:
        """To how many instances there is a way."""
        return len(self._ways)

    def listen(self, instance: str) -> None:
        """Let neighbours connect, by this name from now on. Where that cannot be, all goes through the store."""
        if not self._folder or instance == self._name:
            return
        self.stop()  # whoever has come by another name wants whoever has that now
        self._name = instance
        path = self._path(instance)
        try:
            _make_private(self._folder)
            with suppress(FileNotFoundError):
                os.unlink(path)  # of one that died: the name is ours
            self._port = self._reactor.listenUNIX(path, _Receivers(self), mode=0o600)
        except (OSError, CannotListenError) as error:
            _log.warn(
                "letters to instances of this machine go through the store: LETTERS_DIR={folder}: {why}",
                folder=self._folder,
                why=error,
            )
            return
        self._listens(self._port)

    def stop(self) -> None:
        """End all ways, and let nobody connect."""
        self._stop_listening()
        for way in self._ways.values():
            way.close()
        self._ways.clear()
        for receiver in list(self.receivers):
            receiver.transport.abortConnection()  # type: ignore[union-attr]

    def way(self, instance: str) -> Way | None:
        """The way to an instance, if there is one."""
        way = self._ways.get(instance)
        if way is not None or self._port is None:
            return way
        now = self._reactor.seconds()
        if now < self._ask_at.get(instance, 0.0):
            return None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.connect(self._path(instance))
        except OSError:
            sock.close()
            self._ask_at[instance] = now + ASK_AGAIN_S
            return None
        self._ask_at.pop(instance, None)
        way = self._ways[instance] = Way(sock, self._reactor, lambda: self._lost(instance))
        return way

    def is_under_way(self, instance: str) -> bool:
        """Whether a batch is on its way to an instance over a socket, so that nothing must be sent again."""
        way = self._ways.get(instance)
        return way is not None and way.busy

    def part(self, instance: str) -> None:
        """End the way to an instance."""
        self._ask_at.pop(instance, None)
        way = self._ways.pop(instance, None)
        if way is not None:
            way.close()

    def go_on(self, *, ticks: int = 0) -> None:
        """Letters have come through the store, or time has passed: what has waited for them need not wait any more."""
        for receiver in list(self.receivers):
            receiver.go_on(ticks=ticks)

    def _lost(self, instance: str) -> None:
        self._ways.pop(instance, None)

    def _path(self, instance: str) -> str:
        return f"{self._folder}/{sha256(f'{self._service}|{instance}'.encode()).hexdigest()[:32]}"

    def _stop_listening(self) -> None:
        if self._port is not None:
            stopped: Deferred[None] | None = self._port.stopListening()
            if stopped is not None:
                stopped.addErrback(lambda failure: _log.failure("could not stop listening", failure))
            self._port = None


class _Receivers(Factory[Receiver]):
    """Makes a receiver for each neighbour that connects."""

    noisy = False

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours

    def buildProtocol(self, addr: Any) -> Receiver:
        """See `IProtocolFactory.buildProtocol`."""
        return Receiver(self._neighbours)


def _make_private(folder: str) -> None:
    """Make a folder that is this user's alone.

    Raises:
        OSError: It cannot be made, or others may enter it: who can connect can say whatever an instance may say.
    """
    Path(folder).mkdir(mode=0o700, exist_ok=True)
    found = os.stat(folder)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError("must belong to this user, and nobody else may enter it (mode 0700)")

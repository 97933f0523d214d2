"""A TCP proxy that can cut what goes through it, hold it up, or lose one direction of it."""

import contextlib
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]
"""``up`` is from whoever connected to the server behind the proxy, ``down`` is back."""


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything on.

    Args:
        target: Port on 127.0.0.1 of the server behind it.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._connections: set[tuple[socket.socket, socket.socket]] = set()
        self._lost: set[Direction] = set()
        self._refuses = False
        self._delay_s = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A listener that a thread waits on is woken by shutdown, not by close.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    @property
    def connections(self) -> int:
        """How many there are."""
        with self._lock:
            return len(self._connections)

    def cut(self, *, reset: bool = False) -> int:
        """End every connection, in good order or by a reset; new ones are taken. Gives how many there were."""
        with self._lock:
            connections, self._connections = self._connections, set()
        for ends in connections:
            if reset:
                _reset(*ends)
            else:
                _close(*ends)
        return len(connections)

    def redirect(self, target: int) -> None:
        """Take new connections to another server, as a balancer does."""
        self._target = target

    def refuse(self, *, refuse: bool = True) -> None:
        """End every connection, and every new one (or no longer)."""
        self._refuses = refuse
        if refuse:
            self.cut()

    def refuse_new(self) -> None:
        """End every new connection; those that are there go on."""
        self._refuses = True

    def lose(self, *directions: Direction) -> None:
        """Swallow what goes in these directions, on connections that stay open; none: let new connections be whole.

        A connection that has lost something goes on to lose all: what came through after a gap would be nonsense.
        """
        self._lost = set(directions)

    def delay(self, seconds: float) -> None:
        """Hold everything up by this long."""
        self._delay_s = seconds

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._refuses:
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self._target))
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                _close(near)
                continue
            with self._lock:
                self._connections.add((near, far))
            threading.Thread(target=self._pump, args=(near, far, near, far, "up"), daemon=True).start()
            threading.Thread(target=self._pump, args=(near, far, far, near, "down"), daemon=True).start()

    def _pump(
        self, near: socket.socket, far: socket.socket, source: socket.socket, sink: socket.socket, way: Direction
    ) -> None:
        lost = False
        try:
            while data := source.recv(65536):
                if self._delay_s:
                    time.sleep(self._delay_s)  # what this proxy is for
                lost = lost or way in self._lost
                if not lost:
                    sink.sendall(data)
        except OSError:
            pass
        with self._lock:
            self._connections.discard((near, far))
        _close(near, far)


def _reset(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.shutdown(socket.SHUT_RD)  # wakes the thread that reads it, and sends nothing
        end.close()


def _close(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

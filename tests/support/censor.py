"""A proxy before a Redis that answers some commands itself, as stores do that lack something or are not ready."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import hiredis

Command = list[bytes]
Verdict = Command | bytes
"""A command for the store in place of the one that came, or a reply in RESP."""


class Censor:
    """Listens on a free port of 127.0.0.1. Commands of one connection are answered one after the other.

    Args:
        target: Port on 127.0.0.1 of the Redis behind it.
        judge: What becomes of each command.
    """

    def __init__(self, target: int, judge: Callable[[Command], Verdict]) -> None:
        self.judge = judge
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """A `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A listener that a thread waits on is woken by shutdown, not by close.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        commands: Any = hiredis.Reader()
        with client, socket.create_connection(("127.0.0.1", self._target)) as store:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while data := client.recv(65536):
                    commands.feed(data)
                    while (command := commands.gets()) is not False:
                        client.sendall(self._answer(command, store))
            except OSError:
                pass

    def _answer(self, command: Command, store: socket.socket) -> bytes:
        verdict = self.judge(command)
        if isinstance(verdict, bytes):
            return verdict
        packed: tuple[Any, ...] = tuple(verdict)
        store.sendall(hiredis.pack_command(packed))
        reply, replies = b"", hiredis.Reader()
        while replies.gets() is False:
            data = store.recv(65536)
            if not data:
                raise ConnectionResetError
            reply += data
            replies.feed(data)
        return reply

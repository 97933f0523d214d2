"""A test client over a blocking socket. Every wait is for a condition and has a limit; none is a sleep."""

import json
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tests.support.frames import (
    ACCEPT,
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    client_frame,
    close_frame,
    handshake,
    parse_response,
)
from tests.support.waiting import PATIENCE_S

Message = dict[str, Any]


class Closed(Exception):
    """The connection ended while a message was awaited.

    Attributes:
        code: Of the server's close frame, None if there was none.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Client:
    """One WebSocket client.

    Args:
        address: Port on 127.0.0.1, (host, port), or the path of a UNIX socket.
        path: Target of the handshake.
        origin: Origin header.
        protocols: Subprotocols to offer.
        answers: Whether it answers pings and close frames.
        context: For TLS; the server must be ``localhost``.
        preamble: Sent before all else, TLS included: a PROXY protocol header.
        headers: More of the handshake, with ``_`` for ``-``.

    Attributes:
        token: The last resume token, for a client of `signald.v1`.
        received: Messages had in this session, as `resume` counts them.
        sent: Messages sent in this session.
    """

    def __init__(
        self,
        address: int | tuple[str, int] | str,
        *,
        path: str = "/ws",
        origin: str | None = None,
        protocols: Sequence[str] = (),
        answers: bool = True,
        context: ssl.SSLContext | None = None,
        preamble: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.socket = connect(address)
        self.socket.sendall(preamble)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._answers = answers
        self._reader = FrameReader()
        self._messages: deque[Message] = deque()
        self._pongs: deque[bytes] = deque()
        self._syncs = 0
        self.pings = 0
        """That it has heard."""
        self.token = ""
        self.received = 0
        self.sent: list[bytes] = []
        self.close_code: int | None = None
        self.ended = False
        self.socket.sendall(handshake(path=path, origin=origin, protocols=protocols, **(headers or {})))
        data = b""
        while (response := parse_response(data)) is None:
            received = self.socket.recv(65536)
            if not received:
                raise Closed(None)
            data += received
        assert response.status == 101, (response.status, response.rest)
        assert response.headers["sec-websocket-accept"] == ACCEPT
        self.subprotocol = response.headers.get("sec-websocket-protocol")
        self._feed(response.rest)
        self.ready = self.expect("ready")
        self.id: str = self.ready["clientId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, type: str, **fields: Any) -> None:
        """Send a message."""
        self.send_text(json.dumps({"type": type, **fields}).encode())

    def send_text(self, text: bytes) -> None:
        """Send a text frame, whatever it holds."""
        self.sent.append(text)
        self.socket.sendall(client_frame(TEXT, text))

    def resume(self, before: Self, **more: Any) -> Message:
        """Go on with the session of another client, and send again what the server has not had.

        Args:
            before: That client.
            more: Other or further fields of the wish.

        Returns:
            The server's answer, ``resumed`` or an error.
        """
        wish = {"type": "resume", "token": before.token, "received": before.received, **more}
        self.socket.sendall(client_frame(TEXT, json.dumps(wish).encode()))
        self.received = before.received
        answer = self.receive()
        if answer["type"] == "resumed":
            self.id = answer["clientId"]
            self.sent = before.sent[: answer["received"]]
            if not answer["lost"]:
                for text in before.sent[answer["received"] :]:
                    self.send_text(text)
        return answer

    def receive(self, within_s: float = PATIENCE_S) -> Message:
        """The next message.

        Raises:
            Closed: There will be none.
        """
        deadline = time.monotonic() + within_s
        while not self._messages:
            if self.ended:
                raise Closed(self.close_code)
            self._read(deadline)
        return self._messages.popleft()

    def expect(self, type: str, within_s: float = PATIENCE_S) -> Message:
        """The next message, which must be of this type."""
        message = self.receive(within_s)
        assert message["type"] == type, message
        return message

    def sync(self) -> list[Message]:
        """Wait until the daemon has handled all that this client sent before.

        Returns:
            The messages that came up to then and were not received yet: mostly to be compared with ``[]``.
        """
        self._syncs += 1
        mark = b"sync %d" % self._syncs
        self.socket.sendall(client_frame(PING, mark))
        deadline = time.monotonic() + PATIENCE_S
        while mark not in self._pongs:
            if self.ended:
                raise Closed(self.close_code)
            self._read(deadline)
        self._pongs.clear()
        messages = list(self._messages)
        self._messages.clear()
        return messages

    def close(self, code: int = 1000) -> None:
        """Close as a browser does, and wait for the end."""
        self.socket.sendall(close_frame(code))
        self.wait_closed()

    def abort(self) -> None:
        """Be gone without a word: the daemon's socket gets a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def wait_closed(self) -> int | None:
        """Wait until the daemon has closed the connection; gives the code of its close frame."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.ended:
            self._read(deadline)
        return self.close_code

    def wait_closed_frame(self) -> int | None:
        """Wait for the daemon's close frame; gives its code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.close_code is None and not self.ended:
            self._read(deadline)
        return self.close_code

    def _read(self, deadline: float) -> None:
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            if frame.opcode == TEXT:
                message = json.loads(frame.payload)
                self._messages.append(message)
                self.received += message["type"] not in ("ready", "resumed")
                self.token = message.get("resume", {}).get("token", self.token)
            elif frame.opcode == PONG:
                self._pongs.append(frame.payload)
            elif frame.opcode == PING:
                self.pings += 1
                if self._answers:
                    with suppress(ConnectionError):  # the end may stand behind the ping
                        self.socket.sendall(client_frame(PONG, frame.payload))
            elif frame.opcode == CLOSE:
                self.close_code = int.from_bytes(frame.payload[:2], "big") if frame.payload else 1005
                if self._answers:
                    try:
                        self.socket.sendall(close_frame(self.close_code if frame.payload else None))
                    except ConnectionError:
                        self.ended = True


def connect(address: int | tuple[str, int] | str) -> socket.socket:
    """A connected socket with a time limit."""
    if isinstance(address, str):
        unix = socket.socket(socket.AF_UNIX)
        unix.settimeout(PATIENCE_S)
        unix.connect(address)
        return unix
    place = ("127.0.0.1", address) if isinstance(address, int) else address
    return socket.create_connection(place, timeout=PATIENCE_S)


def pair(first: Client, second: Client) -> tuple[Message, Message]:
    """Make two waiting-room neighbours partners, the first one waiting first; gives their ``matched`` messages."""
    first.send("available")
    assert first.sync() == []
    second.send("available")
    one, other = first.expect("matched"), second.expect("matched")
    assert one["roomId"] == other["roomId"]
    assert (one["partnerId"], other["partnerId"]) == (second.id, first.id)
    return one, other

"""One client in a process of its own that pings without pause and notes how long each pong took.

`python -m bench.pinger PORT SECONDS` prints one JSON line. It is apart from the generator, whose own work would
otherwise be measured too, and asks the kernel for a real-time priority so as to wake at once; how late it woke itself
is in the line as well. Standard library only, blocking sockets, plain WebSocket frames (RFC 6455, section 5.2).
"""

import base64
import json
import os
import socket
import struct
import sys
import time
from array import array
from typing import BinaryIO

from bench.measure import percentiles

_MASK = bytes(4)  # masking with zeros leaves the payload as it is
_TEXT, _PING, _PONG = 0x1, 0x9, 0xA
_PAUSE_S = 0.001


def _frame(opcode: int, payload: bytes) -> bytes:
    return bytes((0x80 | opcode, 0x80 | len(payload))) + _MASK + payload


def _read_frame(stream: BinaryIO) -> tuple[int, bytes]:
    first, length = stream.read(2)
    if length == 126:
        (length,) = struct.unpack("!H", stream.read(2))
    return first & 0x0F, stream.read(length)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13"
    connection.sendall(f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{upgrade}\r\n\r\n".encode())
    return connection


def ping(port: int, seconds: float) -> dict[str, float | int | str]:
    """Ping for some seconds.

    Returns:
        Percentiles and maximum of the round trips in ms, `woke_late_max_ms`, and the number of round trips.

    Raises:
        OSError: the server closed the connection, or said nothing for 20 s.
        ValueError: an answer that is no pong.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        sys.stderr.write("bench: no real-time priority: the pinger's own waits count as the server's\n")
    connection = _connect(port)
    stream = connection.makefile("rb")
    while stream.readline().strip():
        """The head of the answer to the handshake."""
    if b'"ready"' not in _read_frame(stream)[1]:
        raise ValueError("no ready")
    trips, late = array("d"), array("d")
    end = time.perf_counter() + seconds
    while (sent := time.perf_counter()) < end:
        connection.sendall(_frame(_TEXT, b'{"type":"ping"}'))
        opcode, payload = _read_frame(stream)
        while opcode == _PING:
            connection.sendall(_frame(_PONG, payload))
            opcode, payload = _read_frame(stream)
        if json.loads(payload) != {"type": "pong"}:
            raise ValueError(f"not a pong: {payload!r}")
        received = time.perf_counter()
        trips.append(received - sent)
        time.sleep(_PAUSE_S)
        late.append(time.perf_counter() - received - _PAUSE_S)
    connection.close()
    return {**percentiles(trips, 50, 99, 99.9, 100), "woke_late_max_ms": round(max(late) * 1e3, 3), "pings": len(trips)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ping(int(sys.argv[1]), float(sys.argv[2]))) + "\n")

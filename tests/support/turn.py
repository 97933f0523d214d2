"""A real coturn for one test, and just enough of a TURN client to ask it for an allocation (RFC 8656).

Apart from the daemon on purpose: coturn judges the passwords that signald makes.
"""

import hashlib
import hmac
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until

REALM = "signald.test"

_COOKIE = 0x2112A442
_ALLOCATE, _ALLOCATED, _REFUSED = 0x0003, 0x0103, 0x0113
_USERNAME, _INTEGRITY, _ERROR, _REALM, _NONCE, _RELAYED, _TRANSPORT = 0x06, 0x08, 0x09, 0x14, 0x15, 0x16, 0x19
_UDP = 17


def find_turnserver() -> str:
    """The command; empty if it is missing."""
    return shutil.which("turnserver", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin") or ""


class TurnServer:
    """A running coturn on 127.0.0.1, UDP and TCP on the same port.

    Args:
        folder: For its configuration and its log.
        secret: ``static-auth-secret``.
    """

    def __init__(self, folder: Path, secret: str) -> None:
        self.port = free_port()
        self.log = folder / "turn.log"
        configuration = folder / "turn.conf"
        configuration.write_text(
            f"listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={self.port}\nrealm={REALM}\n"
            f"use-auth-secret\nstatic-auth-secret={secret}\n"
            f"allow-loopback-peers\nno-multicast-peers\nno-cli\nno-tls\nno-dtls\nfingerprint\n"
            f"userdb={folder}/turn.db\npidfile={folder}/turn.pid\nlog-file={self.log}\nsimple-log\nverbose\n"
        )
        with open(folder / "turn.out", "wb") as out:
            self._process = subprocess.Popen(
                [find_turnserver(), "-c", str(configuration)], stdout=out, stderr=subprocess.STDOUT
            )
        until(lambda: self._process.poll() is not None or _listens(self.port), "turnserver listens")
        assert self._process.poll() is None, (folder / "turn.out").read_text()

    def __enter__(self) -> Self:
        return self

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """It answers nobody meanwhile, as behind a firewall that lets nothing pass."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def allocate(port: int, username: str, credential: str, *, tcp: bool) -> int:
    """Ask for an allocation as a browser does.

    Args:
        port: Of the TURN server on 127.0.0.1.
        username: As the client was told.
        credential: As the client was told.
        tcp: Whether to go there by TCP; the allocation is for UDP in either case.

    Returns:
        0, or the server's error code.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as server:
        server.settimeout(PATIENCE_S)
        server.connect(("127.0.0.1", port))
        wish = _attribute(_TRANSPORT, bytes([_UDP, 0, 0, 0]))
        kind, first = _ask(server, wish)
        assert kind == _REFUSED
        assert _code(first) == 401, "it must want a password"
        nonce, realm = first[_NONCE], first[_REALM]
        wish += _attribute(_USERNAME, username.encode()) + _attribute(_REALM, realm) + _attribute(_NONCE, nonce)
        key = hashlib.md5(f"{username}:{realm.decode()}:{credential}".encode()).digest()  # noqa: S324 - RFC 8489 9.2.2
        kind, second = _ask(server, wish, key)
        if kind == _ALLOCATED:
            assert _RELAYED in second
            return 0
        return _code(second)


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _code(attributes: dict[int, bytes]) -> int:
    return attributes[_ERROR][2] * 100 + attributes[_ERROR][3]


def _ask(server: socket.socket, attributes: bytes, key: bytes | None = None) -> tuple[int, dict[int, bytes]]:
    signed = 24 if key else 0
    head = struct.pack("!HHI", _ALLOCATE, len(attributes) + signed, _COOKIE) + secrets.token_bytes(12)
    request = head + attributes
    if key:
        request += _attribute(_INTEGRITY, hmac.new(key, request, hashlib.sha1).digest())
    server.sendall(request)
    reply = b""
    while len(reply) < 20 or len(reply) < 20 + struct.unpack_from("!H", reply, 2)[0]:
        received = server.recv(4096)
        assert received, "the TURN server closed the connection"
        reply += received
    kind, size = struct.unpack_from("!HH", reply)
    found: dict[int, bytes] = {}
    at = 20
    while at < 20 + size:
        attribute, length = struct.unpack_from("!HH", reply, at)
        found[attribute] = reply[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
    return kind, found

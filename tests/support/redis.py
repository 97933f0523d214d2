"""A real store for one test, on a free port, that can be killed, frozen and started again.

It is Debian's redis-server, or what STORE_BIN names: any server of Redis or Valkey.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import hiredis

from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until

STORE_BIN = os.environ.get("STORE_BIN") or "redis-server"
"""The server's program."""

USER, _PASSWORD = "signald", "password"
"""A user of each server, who has the least rights that do."""

LOGIN = f"{USER}:{_PASSWORD}"
"""The same in a `REDIS_URL`."""


def rights(*prefixes: str) -> list[str]:
    """The rights of a user for signald alone, as docs/scaling.md has them, on keys with these prefixes."""
    text = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
    found = re.search(rf"`ACL SETUSER {USER} on >{_PASSWORD} ~webrtc:\* ([^`]+)`", text)
    assert found, "docs/scaling.md tells of no user"
    return [*(f"~{prefix}*" for prefix in prefixes), *found[1].split()]


def version() -> tuple[int, ...]:
    """The version of the server."""
    shown = subprocess.run([STORE_BIN, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r" v=([\d.]+)", shown)
    assert found, shown
    return tuple(map(int, found[1].split(".")))


def lacks_tls() -> bool:
    """Whether a server that STORE_BIN names was built without TLS; Debian's has it."""
    program = shutil.which(STORE_BIN)
    return STORE_BIN != "redis-server" and program is not None and b"SSL_CTX_new" not in Path(program).read_bytes()


class RedisServer:
    """A running server. Commands are sent by `command`, over a connection of its own each.

    Args:
        folder: Where it keeps its data, its socket and its log.
        keeps: Whether what it was told is on the disk before it answers (AOF), and there again after a restart.
        password: Of the default user; empty for none.
        tls: Folder with ``ca.pem``, ``server.pem`` and ``server.key``: the port then speaks TLS alone.
        options: More lines of the configuration, each as words.
        arguments: Of the program, after the configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keeps: bool = False,
        password: str = "",
        tls: Path | None = None,
        options: Sequence[Sequence[str]] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        self._arguments = arguments
        self.port = free_port()
        self.path = folder / "redis.sock"
        self.log = folder / "redis.log"
        self.password = password
        self._tls = tls is not None
        lines = [
            ["bind", "127.0.0.1"],
            ["tls-port" if tls else "port", str(self.port)],
            ["dir", str(folder)],
            ["unixsocket", str(self.path)],
            ["logfile", str(self.log)],
            ["save", '""'],
            ["appendonly", "yes" if keeps else "no"],
            ["appendfsync", "always"],
            *options,
        ]
        if tls:
            lines += [
                ["port", "0"],
                ["tls-cert-file", str(tls / "server.pem")],
                ["tls-key-file", str(tls / "server.key")],
                ["tls-ca-cert-file", str(tls / "ca.pem")],
                ["tls-auth-clients", "no"],
            ]
        if password:
            lines.append(["requirepass", password])
        if "--sentinel" not in arguments:
            lines.append(["user", USER, "on", f">{_PASSWORD}", *rights("webrtc:", "{webrtc:}")])
        self._configuration = folder / "redis.conf"
        self._configuration.write_text("".join(" ".join(words) + "\n" for words in lines), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Its `REDIS_URL`; without a password of the default user, that of one who has the least rights that do."""
        secret = f":{self.password}@" if self.password else f"{LOGIN}@"
        host = "localhost" if self._tls else "127.0.0.1"
        return f"{'rediss' if self._tls else 'redis'}://{secret}{host}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self, *, empty: bool = False) -> None:
        """Start it, with what it has kept or with nothing, and wait until it answers."""
        if empty:
            shutil.rmtree(self._configuration.parent / "appendonlydir", ignore_errors=True)
            (self._configuration.parent / "appendonly.aof").unlink(missing_ok=True)  # of Redis 6.2
        self._process = subprocess.Popen([STORE_BIN, str(self._configuration), *self._arguments])
        until(self._answers, "the store answers")

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not killed."""
        return self._process is not None

    def freeze(self) -> None:
        """Let it do nothing, while the kernel still takes connections for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str | bytes | int, database: int = 0) -> Any:
        """Send one command and wait for its reply.

        Raises:
            hiredis.ReplyError: The server refuses.
        """
        with Commands(self, database) as commands:
            return commands(*words)

    def keys(self, prefix: str = "") -> set[str]:
        """The names of all keys that begin so."""
        return {key.decode() for key in self.command("KEYS", f"{prefix}*")}

    def cpu_s(self) -> float:
        """Seconds of processor time that it has used."""
        info: bytes = self.command("INFO", "cpu")
        fields = dict(line.split(":", 1) for line in info.decode().split("\r\n") if ":" in line)
        return float(fields["used_cpu_sys"]) + float(fields["used_cpu_user"])

    def _answers(self) -> bool:
        try:
            return bool(self.command("PING") == b"PONG")
        except (OSError, hiredis.ReplyError):  # not yet, or it still loads
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            return False


class Commands:
    """A connection to a `RedisServer` for many commands, over its UNIX socket."""

    def __init__(self, server: RedisServer, database: int = 0) -> None:
        self._reader: Any = hiredis.Reader()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect(str(server.path))
        if server.password:
            self("AUTH", server.password)
        if database:
            self("SELECT", database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def __call__(self, *words: str | bytes | int) -> Any:
        """Send one command and wait for its reply."""
        packed: tuple[Any, ...] = words
        self._socket.sendall(hiredis.pack_command(packed))
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the store closed the connection")
            self._reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply


def make_certificates(folder: Path, name: str = "localhost") -> Path:
    """Make a CA and a server certificate of it for a host name, by openssl; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=a test CA")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    (folder / "names").write_text(f"subjectAltName=DNS:{name}\n", encoding="utf-8")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.pem", "-days", "2", "-extfile", "names",
    )  # fmt: skip
    return folder

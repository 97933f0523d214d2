"""Starts the servers under test on free loopback ports, pinned to a core, and ends what it started."""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench import procfs
from bench.errors import BenchError

_ROOT = Path(__file__).resolve().parent.parent
_NODE_PEER = Path(__file__).resolve().parent / "peers" / "node"
_GO_PEER = Path(__file__).resolve().parent / "peers" / "go"
_GO_PATH = Path("/usr/share/gocode")
_PICOWS_PEER = Path(__file__).resolve().parent / "peers" / "picows"
_TWISTD = "from twisted.scripts.twistd import run; run()"  # the twistd of the given interpreter
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
_LOG_TAIL_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Target:
    """Running servers that behave as one.

    Attributes:
        urls: WebSocket URLs, one per instance.
        processes: the servers' process ids, without their children.
        store: process ids of the store, if there is one.
        ssl_context: what to verify the servers with, for wss.
    """

    urls: tuple[str, ...]
    processes: tuple[int, ...]
    store: tuple[int, ...] = ()
    ssl_context: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """The first instance's URL."""
        return self.urls[0]

    @property
    def pids(self) -> list[int]:
        """Process ids of the servers and of their children."""
        return [pid for process in self.processes for pid in procfs.tree(process)]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A TLS certificate for 127.0.0.1.

    Attributes:
        key: PEM file of the private key.
        certificate: PEM file of the certificate, its own authority.
    """

    key: Path
    certificate: Path

    def context(self) -> ssl.SSLContext:
        """Make a context that trusts this certificate only."""
        return ssl.create_default_context(cafile=str(self.certificate))


@dataclass(frozen=True, kw_only=True)
class Launcher:
    """How servers are started here.

    Attributes:
        core: the core they are pinned to, None for no pinning.
        interpreter: the Python that has signald.
        signald_args: further arguments of `twistd signald`.
        env: further environment variables of every server.
        node: the Node.js binary.
        redis: the redis-server binary.
    """

    core: int | None
    interpreter: str = sys.executable
    signald_args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    node: str = "node"
    redis: str = "redis-server"

    @contextmanager
    def signald(self, settings: Mapping[str, str], tls: Certificate | None = None) -> Iterator[Target]:
        """Run signald.

        Args:
            settings: environment variables of the workload.
            tls: serve wss with this certificate.
        """
        port = free_port()
        listen = f"tcp:{port}:interface=127.0.0.1"
        if tls is not None:
            listen = f"ssl:{port}:interface=127.0.0.1:privateKey={tls.key}:certKey={tls.certificate}"
        argv = [self.interpreter, "-c", _TWISTD, "-n", "--pidfile=", "signald", "--listen", listen]
        with self._server([*argv, *self.signald_args], settings, port, tls, _ROOT) as target:
            yield target

    @contextmanager
    def node_peer(self, settings: Mapping[str, str], tls: Certificate | None = None) -> Iterator[Target]:
        """Run the Node peer; its one dependency is installed first if it is missing.

        Args:
            settings: environment variables of the workload.
            tls: serve wss with this certificate.
        """
        if not (_NODE_PEER / "node_modules" / "ws").is_dir():
            npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(npm, cwd=_NODE_PEER, check=True, timeout=300, stdout=sys.stderr)
        port = free_port()
        env = {**settings, "PORT": str(port), "NODE_ENV": "production"}
        if tls is not None:
            env |= {"TLS_KEY": str(tls.key), "TLS_CERT": str(tls.certificate)}
        with self._server([self.node, "server.js"], env, port, tls, _NODE_PEER) as target:
            yield target

    @contextmanager
    def go_peer(self, settings: Mapping[str, str]) -> Iterator[Target]:
        """Run the Go peer, built on Debian's packages of Go and gorilla/websocket."""
        if shutil.which("go") is None or not _GO_PATH.is_dir():
            raise BenchError("the Go peer needs golang-go and golang-github-gorilla-websocket-dev of Debian's")
        with tempfile.TemporaryDirectory(prefix="bench-go-") as folder:
            env = {**os.environ, "GO111MODULE": "off", "GOPATH": str(_GO_PATH), "GOCACHE": f"{folder}/cache"}
            build = ["go", "build", "-o", f"{folder}/server", "server.go"]
            subprocess.run(build, cwd=_GO_PEER, env=env, check=True, timeout=300)
            port = free_port()
            # One core is what it has, and what the others use.
            env = {**settings, "PORT": str(port), "GOMAXPROCS": "1"}
            with self._server([f"{folder}/server"], env, port, None, _GO_PEER) as target:
                yield target

    @contextmanager
    def picows_peer(self, settings: Mapping[str, str]) -> Iterator[Target]:
        """Run the picows peer."""
        port = free_port()
        env = {**settings, "PORT": str(port)}
        with self._server([self.interpreter, "server.py"], env, port, None, _PICOWS_PEER) as target:
            yield target

    @contextmanager
    def redis_server(self) -> Iterator[tuple[str, int]]:
        """Run an empty Redis that keeps nothing on disk.

        Yields:
            Its URL and its process id.
        """
        port = free_port()
        with tempfile.TemporaryDirectory(prefix="bench-redis-") as folder:
            argv = [self.redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            with self._process([*argv, "--dir", folder], {}, Path(folder)) as process:
                _wait(process, lambda: _pings(port), "redis-server")
                yield f"redis://127.0.0.1:{port}/0", process.pid

    @contextmanager
    def _server(
        self, argv: list[str], settings: Mapping[str, str], port: int, tls: Certificate | None, folder: Path
    ) -> Iterator[Target]:
        context = None if tls is None else tls.context()
        with self._process(argv, settings, folder) as process:
            _wait(process, lambda: _healthy(port, context), argv[0])
            scheme = "ws" if tls is None else "wss"
            yield Target((f"{scheme}://127.0.0.1:{port}/ws",), (process.pid,), ssl_context=context)

    @contextmanager
    def _process(self, argv: list[str], settings: Mapping[str, str], folder: Path) -> Iterator["_Process"]:
        binary = shutil.which(argv[0])
        if binary is None:
            raise BenchError(f"{argv[0]} is not installed")
        with tempfile.TemporaryFile() as log:
            process = _Process(
                [binary, *argv[1:]],
                cwd=folder,
                env={**os.environ, **settings, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=self._pin,
            )
            process.log = log
            try:
                yield process
            except Exception as error:
                raise BenchError(f"{error}\n{process.tail()}") from error
            finally:
                ended = process.poll()
                process.stop()
            if ended is not None or "Traceback" in process.tail():
                raise BenchError(f"{argv[0]} ended by itself ({ended}) or logged an error\n{process.tail()}")

    def _pin(self) -> None:
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})


class _Process(subprocess.Popen[bytes]):
    """A child process with its output in a file."""

    log: IO[bytes]

    def tail(self) -> str:
        """The end of its output."""
        size = os.fstat(self.log.fileno()).st_size
        return os.pread(self.log.fileno(), _LOG_TAIL_BYTES, max(0, size - _LOG_TAIL_BYTES)).decode(errors="replace")

    def stop(self) -> None:
        """End it: politely, then at once."""
        if self.poll() is None:
            self.send_signal(signal.SIGTERM)
        try:
            self.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()


def free_port() -> int:
    """Find a TCP port that nobody listens on at 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait(process: _Process, is_up: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not is_up():
        if process.poll() is not None:
            raise BenchError(f"{name} ended at its start with {process.returncode}")
        if time.monotonic() > deadline:
            raise BenchError(f"{name} is not up after {_START_TIMEOUT_S:g} s")
        time.sleep(0.05)


def _healthy(port: int, context: ssl.SSLContext | None) -> bool:
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()


def _pings(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except ConnectionRefusedError:
        return False

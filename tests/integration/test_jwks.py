"""An issuer's keys, fetched by a real daemon over real HTTP and TLS, and what ends in its log."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.client import Client
from tests.support.daemon import DaemonProcess
from tests.support.redis import make_certificates
from tests.support.tokens import jwks, private_key, public_jwk, public_pem, sign
from tests.support.waiting import PATIENCE_S
from tests.support.witness import resident

MOST_MEMORY_MIB = 200
"""What a daemon without clients may use; it is 60. Headers without end made it 1,800 MB in ten seconds."""

Answer = Callable[[BaseHTTPRequestHandler], None]


class Issuer:
    """An HTTP server on 127.0.0.1 that serves keys, or something worse.

    Attributes:
        answer: What it does with each request.
        asked: How often it was asked.
    """

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.asked = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                with suppress(OSError):  # the daemon has heard enough
                    issuer.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def keys(body: bytes, status: int = 200) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Location", "/elsewhere")
        request.end_headers()
        request.wfile.write(body)

    return answer


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b" " * 65536)


def endless_headers(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        request.wfile.write((b"X-More: " + b"a" * 1000 + b"\r\n") * 50)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer with one key."""
    server = Issuer(keys(jwks(public_jwk("ES256", "one"))))
    yield server
    server.close()


def daemon(where: str, **variables: str) -> DaemonProcess:
    # A client answers no ping while the test looks at the issuer.
    always = {"AUTH_MODE": "required", "JWT_JWKS": where, "HEARTBEAT_SECONDS": "3600"}
    return DaemonProcess(variables=always | variables)


def token(key: str = "ES256", key_id: str = "one") -> str:
    return sign({"sub": "ada", "exp": time.time() + 600}, private_key(key), "ES256", kid=key_id)


def gets_in(client: Client, shown: str) -> bool:
    """Whether a token is accepted; one whose key is on its way is shown again, up to a time."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        client.send("auth", token=shown)
        refused = client.sync()
        if not refused:
            return True
        if "not here yet" not in refused[0]["message"] or time.monotonic() > deadline:
            return False
        time.sleep(0.1)  # asking without end would be RATE_LIMIT


def test_keys_from_a_url(issuer: Issuer) -> None:
    """Nobody gets in with what the identity provider gives out, or everybody."""
    with daemon(f"http://127.0.0.1:{issuer.port}/jwks") as process, Client(process.port) as client:
        assert gets_in(client, token())
        client.send("available")
        assert client.sync() == []
        assert not gets_in(client, token("ES256'"))
        assert not process.errors


def test_a_token_never_ends_in_the_log(issuer: Issuer) -> None:
    """Whoever reads the log, at its most talkative, is every user in it."""
    good, bad = token(), token("ES256'")
    with daemon(f"http://127.0.0.1:{issuer.port}/jwks", DEBUG="true") as process:
        with Client(process.port) as client:
            assert gets_in(client, good)  # the keys are there, so what is wrong with a token is known
        for shown in (good, bad):
            with Client(process.port, path=f"/ws?token={shown}") as client:
                client.send("auth", token=shown)
                client.sync()
            protocols = ["signald.v1", f"bearer.{shown}"]
            if shown == bad:
                with pytest.raises(AssertionError, match="AUTH_FAILED"):
                    Client(process.port, protocols=protocols)
            else:
                with Client(process.port, protocols=protocols) as client:
                    assert client.subprotocol == "signald.v1"
                    client.sync()
            with Client(process.port) as client:
                client.send_text(f'{{"type":"auth","token":"{shown}"'.encode())
                client.sync()
            for path in (f"/ws?token={shown}", f"/?token={shown}", f"/static/{shown}", f"/{shown}"):
                request = (
                    f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nReferer: http://a/?token={shown}\r\n\r\n"
                )
                with (
                    socket.create_connection(("127.0.0.1", process.port), PATIENCE_S) as page,
                    page.makefile("rb") as read,
                ):
                    page.sendall(request.encode())
                    assert read.read().startswith(b"HTTP/1.1 ")
        process.stop()
        assert "connected from 127.0.0.0/24" in process.log
        assert "127.0.0.1" not in process.log.replace(f"127.0.0.1:{issuer.port}", "")
        for shown in (good, bad):
            for part in shown.split("."):
                assert part not in process.log


def test_issuers_that_give_no_keys(issuer: Issuer) -> None:
    """The daemon stops answering, fills its memory or lets everybody in, while the issuer is ill."""
    good = keys(jwks(public_jwk("ES256", "one")))
    answers: dict[str, Answer] = {
        "/a-page": keys(b"<html>"),
        "/an-error": keys(b"", 503),
        "/a-redirect": keys(jwks(public_jwk("ES256", "one")), 302),
        "/too-long": keys(b" " * 300_000),
        "/endless": endless,
        "/endless-headers": endless_headers,
    }
    issuer.answer = lambda request: answers[request.path](request)
    with ExitStack() as stack:  # all at once: each waits for its second try
        begun = {path: stack.enter_context(daemon(f"http://127.0.0.1:{issuer.port}{path}")) for path in answers}
        clients = {path: stack.enter_context(Client(process.port)) for path, process in begun.items()}
        for path, client in clients.items():
            begun[path].wait_for("no keys from")
            assert resident(begun[path].pid) < MOST_MEMORY_MIB, path
            client.send("auth", token=token())
            (error,) = client.sync()
            assert (error["code"], "not here yet" in error["message"]) == ("AUTH_FAILED", True), path
            client.send("available")
            assert client.expect("error")["code"] == "AUTH_REQUIRED"
            answers[path] = good
        for path, client in clients.items():
            begun[path].wait_for("are here again")
            assert gets_in(client, token()), path
            assert not begun[path].errors


def test_an_issuer_that_says_nothing(issuer: Issuer) -> None:
    """While the issuer hangs, so does everybody."""
    held = threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        held.wait(PATIENCE_S)

    issuer.answer = hang
    with daemon(f"http://127.0.0.1:{issuer.port}/jwks") as process, Client(process.port) as client:
        client.send("auth", token=token())
        (error,) = client.sync()
        assert "not here yet" in error["message"]
        assert process.stop(client) == (0, [1001])
        assert not process.errors
    held.set()


def test_over_tls(tmp_path: Path) -> None:
    """Whoever stands between this server and the issuer is every user."""
    make_certificates(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    server = Issuer(keys(jwks(public_jwk("ES256", "one"))), context)
    url = f"https://localhost:{server.port}/jwks"
    with closing(server):
        with daemon(url, SSL_CERT_FILE=str(tmp_path / "ca.pem")) as process, Client(process.port) as client:
            assert gets_in(client, token())
        with daemon(url) as process:
            process.wait_for("no keys from")
        assert server.asked == 1


def test_a_key_file_that_is_none(tmp_path: Path) -> None:
    """The daemon starts, and every token is refused."""
    path = tmp_path / "issuer.pem"
    for content, words in ((b"nothing", "holds no PEM public key"), (public_pem("ES256"), "")):
        path.write_bytes(content)
        variables = {"AUTH_MODE": "required", "JWT_PUBLIC_KEY_FILE": str(path)}
        with DaemonProcess(variables=variables, ready=0 if words else 1) as process:
            if words:
                assert process.wait_exit() == 1
                (line,) = [line for line in process.log.splitlines() if "JWT_PUBLIC_KEY_FILE" in line]
                assert words in line
            else:
                with Client(process.port) as client:
                    assert gets_in(client, token())

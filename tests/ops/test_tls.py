"""TLS endpoints of the real daemon, looked at with OpenSSL's own client."""

import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess
from tests.support.frames import handshake
from tests.support.waiting import PATIENCE_S


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs certificates for localhost: a root, and one in between that servers must send along."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = self._make("root", "/CN=root", None, ca=True)
        self._make("between", "/CN=between", "root", ca=True)

    def _make(self, name: str, subject: str, issuer: str | None, *, ca: bool) -> Path:
        key, certificate = self.folder / f"{name}.key", self.folder / f"{name}.crt"
        new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7"]
        new += ["-keyout", str(key), "-out", str(certificate), "-subj", subject]
        new += ["-addext", f"basicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}"]
        new += [] if ca else ["-addext", "subjectAltName=DNS:localhost"]
        if issuer:
            new += ["-CA", str(self.folder / f"{issuer}.crt"), "-CAkey", str(self.folder / f"{issuer}.key")]
        _openssl_sign(new, issuer, self.folder)
        return certificate

    def issue(self, name: str, common_name: str) -> tuple[Path, Path]:
        """A key, and the chain that a server sends, the certificate first."""
        certificate = self._make(name, f"/CN={common_name}", "between", ca=False)
        chain = self.folder / f"{name}.pem"
        chain.write_text(certificate.read_text() + (self.folder / "between.crt").read_text())
        return self.folder / f"{name}.key", chain

    def client(self) -> ssl.SSLContext:
        """A client that trusts the root only, and verifies."""
        return ssl.create_default_context(cafile=str(self.root))


def _openssl_sign(new: list[str], issuer: str | None, folder: Path) -> None:
    """OpenSSL 3.0's ``req`` cannot sign by another key: ask for a request first, then sign it."""
    if issuer is None:
        return _openssl(*new)
    out, extensions = new[new.index("-out") + 1], [new[at + 1] for at, word in enumerate(new) if word == "-addext"]
    config = folder / "extensions.cnf"
    config.write_text("\n".join(extensions) + "\n")
    request = folder / "request.csr"
    key, subject = new[new.index("-keyout") + 1], new[new.index("-subj") + 1]
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    _openssl("req", "-new", *curve, "-nodes", "-keyout", key, "-subj", subject, "-out", request)
    by = ("-CA", folder / f"{issuer}.crt", "-CAkey", folder / f"{issuer}.key", "-CAcreateserial", "-days", "7")
    return _openssl("x509", "-req", "-in", request, *by, "-extfile", config, "-out", out)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def daemon(authority: Authority) -> Iterator[DaemonProcess]:
    key, chain = authority.issue("server", "first")
    with DaemonProcess("--listen", f"ssl:0:privateKey={key}:certKey={chain}") as daemon:
        # Signals are handled as soon as connections are.
        _connect(daemon, authority).close()
        yield daemon
        assert daemon.stop()[0] == 0


def _connect(daemon: DaemonProcess, authority: Authority) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", daemon.port), PATIENCE_S)
    return authority.client().wrap_socket(plain, server_hostname="localhost")


def _common_name(connection: ssl.SSLSocket) -> str:
    certificate = connection.getpeercert()
    assert certificate
    return str(dict(part[0] for part in certificate["subject"])["commonName"])  # type: ignore[misc]


def _client(daemon: DaemonProcess, authority: Authority) -> Client:
    return Client(daemon.port, context=authority.client())


def _scan(port: int, *arguments: str) -> str:
    """What ``openssl s_client`` reports; security level 0 lets the client itself offer the worst."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", *arguments],
        input="",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return done.stdout + done.stderr


def test_pages_and_then_a_websocket_over_one_connection(daemon: DaemonProcess, authority: Authority) -> None:
    """Over TLS, each file of the page would cost a handshake, or the second request of a connection never be heard."""
    with _connect(daemon, authority) as connection, connection.makefile("rb") as answers:
        for path in (b"/", b"/static/signaling.js"):
            connection.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
            head = b"".join(iter(answers.readline, b"\r\n"))
            assert head.startswith(b"HTTP/1.1 200")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length
            assert len(answers.read(int(length[1]))) == int(length[1])
        connection.sendall(handshake())
        assert answers.readline().startswith(b"HTTP/1.1 101")


def test_clients_meet_over_tls(daemon: DaemonProcess, authority: Authority) -> None:
    """Pages served over HTTPS may only open ``wss:``; the chain must be whole for a client that has the root alone."""
    with _client(daemon, authority) as first, _client(daemon, authority) as second:
        pair(first, second)
        first.send("offer", sdp="v=0\r\n" * 4000)
        assert second.expect("offer")["sdp"] == "v=0\r\n" * 4000


def test_only_modern_versions_and_ciphers(daemon: DaemonProcess) -> None:
    """Scanners, and those who must certify the service, would find TLS 1.0 or ciphers without forward secrecy."""
    assert "Protocol  : TLSv1.2" in _scan(daemon.port, "-tls1_2")
    assert "TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384" in _scan(daemon.port, "-tls1_3")
    for old in ("-tls1", "-tls1_1"):
        assert "Cipher is (NONE)" in _scan(daemon.port, old, "-cipher", "ALL:@SECLEVEL=0"), old
    listed = subprocess.run(
        ["openssl", "ciphers", "-tls1_2", "-s", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        capture_output=True,
        text=True,
        check=True,
    )
    accepted = set()
    for cipher in listed.stdout.strip().split(":"):
        said = _scan(daemon.port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
        if found := re.search(r"Cipher is ([A-Z0-9-]+)$", said, re.MULTILINE):
            accepted.add(found[1])
    assert accepted == {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    }


def test_renewed_certificate_is_used_without_closing_a_connection(daemon: DaemonProcess, authority: Authority) -> None:
    """Every renewal, each two months, would end all calls that are being set up, or go unnoticed until it expires."""
    with _client(daemon, authority) as first, _client(daemon, authority) as second:
        pair(first, second)
        authority.issue("server", "second")
        daemon.kill(signal.SIGHUP)
        daemon.wait_for("was read again")
        with _connect(daemon, authority) as new:
            assert _common_name(new) == "second"
        first.send("ice", candidate=None)
        assert second.expect("ice")["candidate"] is None
    assert daemon.errors == []


def test_broken_renewal_keeps_the_old_certificate(daemon: DaemonProcess, authority: Authority) -> None:
    """A renewal that failed half way would take the service down at once."""
    whole = (authority.folder / "server.pem").read_text()
    (authority.folder / "server.pem").write_text("nothing")
    daemon.kill(signal.SIGHUP)
    daemon.wait_for("was not read again")
    with _connect(daemon, authority) as new:
        assert _common_name(new) == "first"
    (authority.folder / "server.pem").write_text(whole)
    daemon.kill(signal.SIGHUP)
    daemon.wait_for("was read again")
    assert len(daemon.errors) == 1


def test_key_that_does_not_fit_stops_the_start(authority: Authority) -> None:
    """A daemon that starts and then fails at every handshake looks healthy."""
    key, _ = authority.issue("one", "one")
    _, chain = authority.issue("other", "other")
    words = f"ssl:0:privateKey={key}:certKey={chain}"
    with DaemonProcess("--listen", words, ready=0) as daemon:
        assert daemon.wait_exit() == 1
        assert daemon.log == f"signald: --listen={words!r}: key values mismatch\n"


@pytest.mark.parametrize("words", ["ssl:0", "ssl:0:privateKey=/nowhere", "ssl:0:key=a", "ssl:x:privateKey=/nowhere"])
def test_wrong_words_are_one_clear_line(words: str) -> None:
    """An operator would have to guess from a traceback."""
    with DaemonProcess("--listen", words, ready=0) as daemon:
        assert daemon.wait_exit() == 1
        assert daemon.log.startswith(f"signald: --listen={words!r}: ")
        assert daemon.log.count("\n") == 1


def test_hangup_without_tls_is_harmless() -> None:
    """``systemctl reload`` of a service behind a proxy would kill it."""
    with DaemonProcess() as daemon, Client(daemon.port) as client:
        daemon.kill(signal.SIGHUP)
        assert client.sync() == []
        client.close()
        assert daemon.stop()[0] == 0


def test_tls_to_a_plain_port() -> None:
    """Who uses wss:// or https:// with the wrong port waits for ten seconds, and nothing says why."""
    context = ssl.create_default_context()
    with DaemonProcess() as daemon:
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", daemon.port), PATIENCE_S) as plain,
                pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"),
            ):
                context.wrap_socket(plain, server_hostname="localhost")
        daemon.wait_for("somebody speaks TLS to a port that does not")
        with Client(daemon.port) as client:
            assert client.sync() == []
        assert daemon.log.count("speaks TLS") == 1

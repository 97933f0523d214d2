"""Real proxies before two real instances, with the configurations that docs/deploy recommends."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ops.test_tls import Authority
from tests.support.client import Client, pair
from tests.support.daemon import DaemonProcess, environment
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
CLAIMED = "203.0.113.9"
"""What a client claims to be."""


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert found, f"{name} is missing: make system-packages"
    return found


def _adapt(configuration: str, changes: dict[str, str]) -> str:
    """The recommended configuration with this test's ports and files; each change must find its place."""
    for before, after in changes.items():
        assert before in configuration, before
        configuration = configuration.replace(before, after)
    return configuration


class Proxy:
    """A proxy on a free port, for HTTP and for HTTPS, before two instances."""

    def __init__(self, command: list[str], port: int, tls_port: int, instances: list[DaemonProcess]) -> None:
        self.port = port
        self.tls_port = tls_port
        self.instances = instances
        self.process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def wait(self, serves: Callable[[], bool]) -> None:
        """Wait until it serves; it says so nowhere."""
        until(lambda: self.process.poll() is not None or serves(), "the proxy serves")
        assert self.process.poll() is None


def answers(port: int) -> bool:
    """Whether something serves HTTP on a port."""
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(4096).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 302 "))
    except OSError:
        return False


def _nginx(folder: Path, ports: list[int], instances: list[DaemonProcess], authority: Authority) -> list[str]:
    key, chain = authority.issue("nginx", "nginx")
    site = _adapt(
        (DEPLOY / "nginx.conf").read_text(),
        {
            "listen 80;": f"listen 127.0.0.1:{ports[0]};",
            "listen 443 ssl;": f"listen 127.0.0.1:{ports[1]} ssl;",
            "127.0.0.1:8081": f"127.0.0.1:{instances[0].port}",
            "127.0.0.1:8082": f"127.0.0.1:{instances[1].port}",
            "/etc/nginx/signald.crt": str(chain),
            "/etc/nginx/signald.key": str(key),
        },
    )
    temporary = "".join(
        f"    {name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n    access_log off;\n{temporary}{site}}}\n"
    )
    checked = [_program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    subprocess.run([*checked, "-t"], check=True, capture_output=True)
    return checked


def haproxy(folder: Path, ports: list[int], instances: list[DaemonProcess], authority: Authority) -> list[str]:
    """The command of HAProxy with the recommended configuration: for HTTP on the first port, for HTTPS on the other."""
    key, chain = authority.issue("haproxy", "haproxy")
    (folder / "signald.pem").write_text(chain.read_text() + key.read_text())
    configuration = _adapt(
        (DEPLOY / "haproxy.cfg").read_text(),
        {
            "bind :80\n": f"bind 127.0.0.1:{ports[0]}\n",
            "bind :443 ": f"bind 127.0.0.1:{ports[1]} ",
            "127.0.0.1:8081": f"127.0.0.1:{instances[0].port}",
            "127.0.0.1:8082": f"127.0.0.1:{instances[1].port}",
            "/etc/haproxy/signald.pem": str(folder / "signald.pem"),
            "maxconn 100000": "maxconn 1000",
        },
    )
    (folder / "haproxy.cfg").write_text(configuration)
    subprocess.run([_program("haproxy"), "-c", "-f", str(folder / "haproxy.cfg")], check=True, capture_output=True)
    return [_program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]


@pytest.fixture(params=[_nginx, haproxy], ids=["nginx", "haproxy"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> Iterator[Proxy]:
    options = ("--trusted-proxies=127.0.0.1", "--log-full-addresses")
    with DaemonProcess(*options) as first, DaemonProcess(*options) as second:
        ports = [free_port(), free_port()]
        command = request.param(tmp_path, ports, [first, second], authority)
        proxy = Proxy(command, ports[0], ports[1], [first, second])
        try:
            proxy.wait(lambda: answers(ports[0]))
            yield proxy
        finally:
            proxy.process.terminate()
            proxy.process.wait(PATIENCE_S)
            assert proxy.process.stderr
            proxy.process.stderr.close()
        assert [instance.stop()[0] for instance in (first, second)] == [0, 0]
        assert first.errors == second.errors == []


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Authority(folder)


def test_clients_of_both_instances_meet_through_the_proxy(proxy: Proxy, authority: Authority) -> None:
    """Behind the proxy that the documentation recommends, nobody would be connected, or all to one instance."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(proxy.tls_port, context=authority.client())) for _ in range(4)]
        # The one with the fewest gets the next: two each. Without a store those of one instance meet.
        assert [instance.health()["clients"] for instance in proxy.instances] == [2, 2]
        for client in clients:
            client.send("available")
        matched = [client.expect("matched") for client in clients]
        rooms = {message["roomId"] for message in matched}
        assert len(rooms) == 2
        by_id = {client.id: client for client in clients}
        for client, message in zip(clients, matched, strict=True):
            client.send("offer", sdp=client.id)
            offer = by_id[message["partnerId"]].expect("offer")
            assert (offer["from"], offer["sdp"]) == (client.id, client.id)


def test_log_has_the_address_that_the_proxy_saw(proxy: Proxy, authority: Authority) -> None:
    """Every client would be the proxy, or whoever it claims to be."""
    with Client(proxy.tls_port, context=authority.client(), headers={"x_forwarded_for": CLAIMED}) as client:
        client.close()
    line = f"client {client.id} from 127.0.0.1 gone"
    until(lambda: any(line in instance.log for instance in proxy.instances), line)


def test_forwarded_address_is_believed_from_a_trusted_proxy_only() -> None:
    """A client that needs no proxy could have any address."""
    for options, shown in ((("--trusted-proxies=127.0.0.0/8",), "203.0.113.0/24"), ((), "127.0.0.0/24")):
        with DaemonProcess(*options) as daemon:
            with Client(daemon.port, headers={"x_forwarded_for": f"198.51.100.1, {CLAIMED}"}) as client:
                client.send("ping")
                client.expect("pong")
                client.close()
            daemon.wait_for(f"client {client.id} from {shown} gone after ")
            assert CLAIMED not in daemon.log


@pytest.mark.parametrize("header", [b"PROXY TCP4 203.0.113.9 127.0.0.1 5555 8080\r\n", "v2"], ids=["v1", "v2"])
def test_proxy_protocol(header: bytes | str) -> None:
    """Behind a balancer that passes TCP on, every client would have the balancer's address."""
    if header == "v2":
        signature = b"\r\n\r\n\x00\r\nQUIT\n"
        addresses = socket.inet_aton(CLAIMED) + socket.inet_aton("127.0.0.1") + bytes((0x15, 0xB3, 0x1F, 0x90))
        header = signature + b"\x21\x11" + len(addresses).to_bytes(2, "big") + addresses
    assert isinstance(header, bytes)
    with DaemonProcess("--listen", "haproxy:tcp:0:interface=127.0.0.1", "--log-full-addresses") as daemon:
        with Client(daemon.port, preamble=header) as first, Client(daemon.port, preamble=header) as second:
            pair(first, second)
            first.send("offer", sdp="v=0")
            assert second.expect("offer")["sdp"] == "v=0"
            first.close()
        daemon.wait_for(f"client {first.id} from {CLAIMED} gone after ")
        assert daemon.stop()[0] == 0
        assert daemon.errors == []


def test_proxy_protocol_before_tls(authority: Authority) -> None:
    """A balancer that passes TLS on writes its header before it, in clear."""
    key, chain = authority.issue("server", "server")
    header = f"PROXY TCP4 {CLAIMED} 127.0.0.1 5555 443\r\n".encode()
    words = rf"ssl:haproxy\:tcp\:0\:interface=127.0.0.1:privateKey={key}:certKey={chain}"
    with DaemonProcess("--listen", words, "--log-full-addresses") as daemon:
        context: ssl.SSLContext = authority.client()
        with Client(daemon.port, preamble=header, context=context) as client:
            client.send("ping")
            client.expect("pong")
            client.close()
        daemon.wait_for(f"client {client.id} from {CLAIMED} gone after ")
        assert daemon.stop()[0] == 0
        assert daemon.errors == []


def test_caddy_understands_the_recommended_file(tmp_path: Path) -> None:
    """The file would be refused. Caddy gets its certificate from the internet, so more than that cannot be tried."""
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("caddy is not installed")
    variables = environment(HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path))
    done = subprocess.run(
        [caddy, "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")],
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.search("Valid configuration", done.stdout + done.stderr)

"""What is read of a handshake, and which are left to Autobahn."""

import pytest

from signald.network.head import MAX_HEAD_BYTES
from signald.network.upgrade import Upgrade, read, read_loosely
from tests.support.frames import KEY, handshake

CHROME = (
    b"GET /ws?token=a%20b HTTP/1.1\r\n"
    b"Host: signal.example.com\r\n"
    b"Connection: Upgrade\r\n"
    b"Pragma: no-cache\r\n"
    b"Cache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0\r\n"
    b"Upgrade: websocket\r\n"
    b"Origin: https://example.com\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\n"
    b"Cookie: a=b; session=0123456789\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    b"Sec-WebSocket-Protocol: signald.v1, bearer.t\r\n"
    b"\r\n"
)
NGINX = (
    b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nHost: [2001:db8::1]:8443\r\n"
    b"X-Forwarded-For: 192.0.2.1, 198.51.100.7\r\nX-Forwarded-Proto: https\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
GO = (
    b"GET /ws HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\n"
    b"Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Websocket-Version: 13\r\nUpgrade: websocket\r\n\r\n"
)


def test_a_browser() -> None:
    """Each page costs what Autobahn takes for a handshake, four times as much; or its token is lost."""
    protocols = ("signald.v1", "bearer.t")
    assert read(CHROME) == Upgrade(KEY.encode(), "https://example.com", protocols, "token=a%20b", size=len(CHROME))


def test_behind_a_proxy() -> None:
    """All clients have the proxy's address."""
    assert read(NGINX) == Upgrade(KEY.encode(), None, (), forwarded=b"192.0.2.1, 198.51.100.7", size=len(NGINX))


def test_a_library() -> None:
    """A bot whose library has a spelling of its own is slow, or not let in."""
    assert read(GO) == Upgrade(KEY.encode(), None, (), size=len(GO))


def test_what_stands_behind_it() -> None:
    """The first frames of a client that does not wait are taken for headers, or are lost."""
    upgrade = read(GO + NGINX)
    assert upgrade is not None
    assert (GO + NGINX)[upgrade.size :] == NGINX
    assert not upgrade.forwarded


@pytest.mark.parametrize("end", range(0, len(GO), 7))
def test_what_is_not_whole(end: int) -> None:
    """A handshake that comes in pieces is refused for its first one."""
    assert read(GO[:end]) is None


GOOD = handshake(origin="https://example.com", protocols=["a", "b"])


@pytest.mark.parametrize(
    "odd",
    [
        GOOD.replace(b"GET", b"PUT"),
        GOOD.replace(b"/ws", b"/wsx"),
        GOOD.replace(b"/ws", b"/ws/"),
        GOOD.replace(b"/ws", b"http://localhost/ws"),
        GOOD.replace(b"/ws", b"/ws?a#b"),
        GOOD.replace(b"/ws", b"/ws?a b"),
        GOOD.replace(b"/ws", b"/ws?a\r\nx: y"),
        GOOD.replace(b"1.1", b"1.0"),
        b"\r\n" + GOOD,
        GOOD.replace(b"host", b"host "),
        GOOD.replace(b"origin", b" origin"),
        GOOD.replace(b"origin", b"\torigin"),
        GOOD.replace(b"origin:", b":"),
        GOOD.replace(b"origin: https://example.com", b"origin"),
        GOOD.replace(b"origin:", b"upgrade:"),
        GOOD.replace(b"\r\norigin", b"\r\nX: y\r\nx: z\r\norigin"),
        GOOD.replace(b"\r\norigin", b"\r\ncontent-length: 5\r\norigin"),
        GOOD.replace(b"\r\norigin", b"\r\nTransfer-Encoding: chunked\r\norigin"),
        GOOD.replace(b"https://example.com", "https://größer.example".encode()),
        GOOD.replace(b"\r\norigin", b"\r\nx: " + b"y" * MAX_HEAD_BYTES + b"\r\norigin"),
        *(handshake(without=[name]) for name in ("host", "upgrade", "connection")),
        *(handshake(without=[f"sec-websocket-{name}"]) for name in ("key", "version")),
        *(handshake(sec_websocket_protocol=offered) for offered in ("a, a", "a,,b", "", "a,")),
        *(handshake(sec_websocket_key=KEY[:at] + "=" + KEY[at + 1 :]) for at in (0, 11, 21)),
        handshake(sec_websocket_key=KEY[:-1] + "A"),
        handshake(sec_websocket_key=KEY[:-3] + "==="),
        handshake(sec_websocket_key=KEY + "="),
        handshake(sec_websocket_key="_" + KEY[1:]),
        handshake(sec_websocket_version="8"),
        handshake(sec_websocket_version="13, 8"),
        handshake(connection="keep-alive"),
        handshake(upgrade="websocket, h2c"),
        handshake(host="localhost:x"),
    ],
)
def test_what_is_left_to_autobahn(odd: bytes) -> None:
    """What is wrong is let in; or what is right, in a way that few know, has two readings here."""
    assert read(GOOD) is not None
    assert read(odd) is None


def test_an_empty_body() -> None:
    """A library that says that there is no body goes by another way than without these words."""
    assert read(handshake(content_length="0")) is not None


def test_read_loosely() -> None:
    """A client whose handshake is written in an odd way is refused without a reason."""
    odd = GOOD.replace(b": ", b":").replace(b"\r\nupgrade", b"\r\nX: y\r\n z\r\nupgrade")[:-4]
    assert read(odd + b"\r\n\r\n") is None
    assert read_loosely(odd) == Upgrade(KEY.encode(), "https://example.com", ("a", "b"))
    for name in (b"\r\nsec-websocket-key", b"\r\nsec-websocket-version", b"\r\nsec-websocket-protocol"):
        assert read_loosely(odd.replace(name, b"\r\nx")) is None
    assert read_loosely(odd.replace(KEY.encode(), b"short")) is None
    assert read_loosely(odd.replace(b":13", b":8")) is None

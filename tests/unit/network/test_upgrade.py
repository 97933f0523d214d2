"""What is read of a handshake, and which are left to Autobahn."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signald.network import upgrade
from signald.network.head import MAX_HEAD_BYTES
from signald.network.upgrade import Upgrade, read_loosely
from tests.support.frames import KEY, handshake
from tests.support.heads import CHROME, GO, NGINX, USUAL, Change, changed, changes
from tests.support.traced import kept

by_choice = upgrade.reader(native=True)
needs_c = pytest.mark.skipif(by_choice is upgrade.read, reason="signald was built without a compiler")
ways = pytest.mark.parametrize("read", [upgrade.read, pytest.param(by_choice, marks=needs_c)], ids=["python", "c"])

Read = Callable[[bytes], Upgrade | None]


def in_c(data: bytes) -> Upgrade | None:
    """What is read in C alone."""
    from signald.network import _upgrade

    return _upgrade.read(lambda _: None, Upgrade, data)


@ways
def test_a_browser(read: Read) -> None:
    """Each page costs what Autobahn takes for a handshake, four times as much; or its token is lost."""
    protocols = ("signald.v1", "bearer.t")
    assert read(CHROME) == Upgrade(KEY.encode(), "https://example.com", protocols, "token=a%20b", size=len(CHROME))


@ways
def test_by_address(read: Read) -> None:
    """Whoever asks for the server by its IPv6 address is not let in."""
    head = handshake(host="[2001:db8::1]:8443")
    assert read(head) == Upgrade(KEY.encode(), None, (), size=len(head))


@ways
def test_behind_a_proxy(read: Read) -> None:
    """All clients have the proxy's address."""
    assert read(NGINX) == Upgrade(KEY.encode(), None, (), forwarded=b"192.0.2.1, 198.51.100.7", size=len(NGINX))


@ways
def test_a_library(read: Read) -> None:
    """A bot whose library has a spelling of its own is slow, or not let in."""
    assert read(GO) == Upgrade(KEY.encode(), None, (), size=len(GO))


@ways
def test_what_stands_behind_it(read: Read) -> None:
    """The first frames of a client that does not wait are taken for headers, or are lost."""
    found = read(GO + NGINX)
    assert found is not None
    assert (GO + NGINX)[found.size :] == NGINX
    assert not found.forwarded


@ways
@pytest.mark.parametrize("end", range(0, len(GO), 7))
def test_what_is_not_whole(read: Read, end: int) -> None:
    """A handshake that comes in pieces is refused for its first one."""
    assert read(GO[:end]) is None


GOOD = handshake(origin="https://example.com", protocols=["a", "b"])


@ways
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
def test_what_is_left_to_autobahn(read: Read, odd: bytes) -> None:
    """What is wrong is let in; or what is right, in a way that few know, has two readings here."""
    assert read(GOOD) is not None
    assert read(odd) is None


@ways
def test_an_empty_body(read: Read) -> None:
    """A library that says that there is no body goes by another way than without these words."""
    assert read(handshake(content_length="0")) is not None


@ways
def test_the_longest(read: Read) -> None:
    """A browser with large cookies is let in, or not, by whether there was a compiler."""
    longest = handshake(x="y" * (MAX_HEAD_BYTES - len(handshake(x="")) + 4))
    assert read(longest + GO) == Upgrade(KEY.encode(), None, (), size=MAX_HEAD_BYTES + 4)
    assert read(longest.replace(b"x: ", b"x: y") + GO) is None


@ways
def test_many(read: Read) -> None:
    """A proxy that adds many headers is not let through, or the process writes where it must not."""
    for count in (55, 58, 59, 60, 61, 100):
        assert read(handshake(**{f"x{number}": "y" for number in range(count)})) is not None
    for count in (7, 8, 9, 30):
        protocols = tuple(map(str, range(count)))
        assert read(handshake(protocols=protocols)) == Upgrade(
            KEY.encode(), None, protocols, size=len(handshake(protocols=protocols))
        )


@needs_c
@pytest.mark.parametrize("usual", USUAL)
def test_what_is_usual_is_read_in_c(usual: bytes) -> None:
    """Each page costs several microseconds more than it has to."""
    assert in_c(usual) == upgrade.read(usual) != None  # noqa: E711 - all three


@needs_c
@given(st.sampled_from(USUAL), changes())
def test_both_read_the_same(head: bytes, made: list[Change]) -> None:
    """A client may connect, or not, by whether there was a compiler."""
    data = changed(head, made)
    assert by_choice(data) == upgrade.read(data)
    assert in_c(data) in (None, upgrade.read(data))


@needs_c
@pytest.mark.parametrize("wrong", [(), (upgrade.read,), (upgrade.read, Upgrade), (upgrade.read, Upgrade, "x")])
def test_what_makes_no_sense_is_an_error(wrong: tuple[object, ...]) -> None:
    """A mistake of ours crashes the process with everybody in it."""
    from signald.network import _upgrade

    read: object = _upgrade.read
    with pytest.raises(TypeError):
        read(*wrong)  # type: ignore[operator]


@needs_c
def test_what_is_read_is_given_back() -> None:
    """The daemon's memory grows with each client."""
    by_choice(CHROME)

    def read() -> None:
        for data in (*USUAL, CHROME[:-2], CHROME.replace(b"13", b"14"), CHROME.replace(b"bearer.t", b"signald.v1")):
            by_choice(data)

    assert kept(read, 500) < 100_000


@ways
def test_read_loosely(read: Read) -> None:
    """A client whose handshake is written in an odd way is refused without a reason."""
    odd = GOOD.replace(b": ", b":").replace(b"\r\nupgrade", b"\r\nX: y\r\n z\r\nupgrade")[:-4]
    assert read(odd + b"\r\n\r\n") is None
    assert read_loosely(odd) == Upgrade(KEY.encode(), "https://example.com", ("a", "b"))
    for name in (b"\r\nsec-websocket-key", b"\r\nsec-websocket-version", b"\r\nsec-websocket-protocol"):
        assert read_loosely(odd.replace(name, b"\r\nx")) is None
    assert read_loosely(odd.replace(KEY.encode(), b"short")) is None
    assert read_loosely(odd.replace(b":13", b":8")) is None

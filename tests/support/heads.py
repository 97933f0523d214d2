"""Handshakes as browsers, proxies and libraries write them, and those that are nearly so."""

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from tests.support.frames import handshake

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
FIREFOX = (
    b"GET /ws HTTP/1.1\r\n"
    b"Host: localhost:8080\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n"
    b"Accept: */*\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Origin: http://localhost:8080\r\n"
    b"Sec-WebSocket-Protocol: signald.v1\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Connection: keep-alive, Upgrade\r\n"
    b"Sec-Fetch-Mode: websocket\r\n"
    b"Upgrade: websocket\r\n"
    b"\r\n"
)
NGINX = (
    b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nHost: signal.example.com:8443\r\n"
    b"X-Forwarded-For: 192.0.2.1, 198.51.100.7\r\nX-Forwarded-Proto: https\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
GO = (
    b"GET /ws HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\n"
    b"Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Websocket-Version: 13\r\nUpgrade: websocket\r\n\r\n"
)
USUAL = (CHROME, FIREFOX, NGINX, GO, handshake(), handshake(origin="null", protocols=["a", "b"], path="/ws?"))

PIECES = (
    *(b"", b" ", b"\t", b"\n", b"\r", b"\r\n", b"\r\n\r\n", b"\x0b", b"\x0c", b"\x00", b"\x1c", b"\x7f", b"\x80"),
    *(b":", b": ", b",", b", ", b", a", b"#", b"?", b"=", b"/", b"a", b"A", b"0", b"13", b"[", b"]", b"@", b"`", b"{"),
    *(b"\r\nx: y", b"\r\nX:y", b"\r\n y", b"\r\nhost: a", b"\r\nOrigin: b", b"\r\nOrigi\n: b", b"\r\nupgrade: h2c"),
    *(b"\r\nContent-Length: 0", b"\r\ncontent-length: 1", b"\r\nTransfer-Encoding: chunked"),
    *(b"\r\nX-Forwarded-For: 192.0.2.1", b"\r\nSec-WebSocket-Version: 13"),
    *(b"\r\nSec-WebSocket-Protocol: a, b", b"\r\nsec-websocket-protocol:c\x1c"),
)
"""What one of them may be changed with."""

Change = tuple[int, int, int, bool]
"""Where, how much goes, which piece comes there; and whether just there where a word begins or ends."""


def changes(pieces: Sequence[bytes] = PIECES) -> st.SearchStrategy[list[Change]]:
    """Up to four of them, for hypothesis."""
    one = st.tuples(st.integers(0, 2**16), st.integers(0, 3), st.integers(0, len(pieces) - 1), st.booleans())
    return st.lists(one, max_size=4)


def changed(head: bytes, changes: Iterable[Change], pieces: Sequence[bytes] = PIECES) -> bytes:
    """A handshake, or another text, with some of its bytes changed; all numbers will do."""
    for where, goes, piece, at_edge in changes:
        places: Sequence[int] = range(len(head) + 1)
        if at_edge:
            places = [at for at in places if head[at - 1 : at].isalnum() != head[at : at + 1].isalnum()] or places
        at = places[where % len(places)]
        head = head[:at] + pieces[piece % len(pieces)] + head[at + goes % 4 :]
    return head

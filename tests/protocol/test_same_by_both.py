"""The fast path is exact: whatever bytes a client sends, it sees the same by all ways of reading frames."""

import os
import struct
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WAYS, client_frame, handshake
from tests.support.memory import MemoryDaemon

READ_BYTES = 65536
"""What a transport of Twisted's reads at once, at most (`tcp.Connection.bufferSize`)."""

EXAMPLES = int(os.environ.get("EXAMPLES", "100"))

texts = st.one_of(
    st.sampled_from(
        [
            b'{"type":"ping"}',
            b'{"type":"ice","candidate":{"x":"gr\xc3\xb6\xc3\x9fer"}}',
            b'{"type":"offer","sdp":"' + b"x" * 200 + b'"}',
            b'{"type":"offer","sdp":"' + b"x" * 65_490 + b'"}',
            b'{"type":"answer","sdp":"' + b"x" * 65_600 + b'"}',
            b'{"type":"leave"}',
            b"{",
        ]
    ),
    st.binary(max_size=140),
    st.text(max_size=50).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
closes = st.one_of(
    st.just(b""),
    st.binary(max_size=4),
    st.builds(
        lambda code, reason: struct.pack("!H", code) + reason,
        st.sampled_from([0, 999, 1000, 1001, 1003, 1004, 1005, 1006, 1011, 1012, 1014, 1015, 2999, 3000, 4999, 5000]),
        st.binary(max_size=10) | st.just("größer".encode()),
    ),
)
frames = st.one_of(
    st.builds(client_frame, st.just(TEXT), texts),
    st.builds(client_frame, st.just(TEXT), texts),
    st.builds(client_frame, st.sampled_from([PING, PONG]), st.binary(max_size=125)),
    st.builds(client_frame, st.just(CLOSE), closes),
    st.builds(client_frame, st.sampled_from([TEXT, BINARY, CONTINUATION]), texts, fin=st.booleans()),
    st.builds(
        client_frame,
        st.integers(0, 15),
        st.binary(max_size=130),
        fin=st.booleans(),
        rsv=st.sampled_from([0, 0, 0, 1, 4]),
        masked=st.sampled_from([True, True, True, False]),
        length_bytes=st.sampled_from([None, None, 2, 8]),
    ),
)


def seen(way: str, data: bytes, cuts: list[int]) -> dict[str, Any]:
    """What two partners see when one of them sends these bytes, cut in these places."""
    daemon = MemoryDaemon(**WAYS[way], REQUEUE_ON_PARTNER_LEAVE="false")
    client, partner = daemon.pair()
    edges = sorted([*range(0, len(data), READ_BYTES), *(cut % (len(data) + 1) for cut in cuts), len(data)])
    for start, end in pairwise(edges):
        if not client.gone:
            client.write(data[start:end])
    partner.send("ping")
    daemon.advance(5)

    def anonymous(raw: bytes) -> bytes:
        return raw.replace(client.id.encode(), b"CLIENT").replace(partner.id.encode(), b"PARTNER")

    facts = {
        "client": [(frame.opcode, anonymous(frame.payload)) for frame in client.frames[2:]],
        "partner": [(frame.opcode, anonymous(frame.payload)) for frame in partner.frames[2:]],
        "gone": client.gone,
        "clients": daemon.clients,
    }
    daemon.stop()
    daemon.advance(3)
    return facts


requests = st.builds(
    lambda headers, path: handshake(path=path, **{"origin": "https://example.com", **headers}),
    st.dictionaries(
        st.sampled_from(
            [
                *("host", "upgrade", "connection", "sec_websocket_key", "sec_websocket_version", "origin"),
                *("sec_websocket_protocol", "sec_websocket_extensions", "content_length", "x_forwarded_for", "x"),
            ]
        ),
        st.sampled_from(
            [
                *("", "0", "websocket", "WebSocket, h2c", "Upgrade", "keep-alive, upgrade", "13", "8", "13, 8", "null"),
                *("https://example.com", "signald.v1", "a, signald.v1", "a, a", "localhost", "localhost:x", "é"),
                *("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", "permessage-deflate", "a\tb"),
            ]
        ),
        max_size=3,
    ),
    st.sampled_from(["/ws", "/ws?x=1", "/ws#x", "/ws?#", "/ws?%zz"]),
)


def answered(way: str, request: bytes) -> tuple[int, str | None, str | None, bool]:
    """What a client is told that asks in this way."""
    daemon = MemoryDaemon(**WAYS[way], ALLOWED_ORIGIN="https://example.com")
    client = daemon.connect()
    client.write(request)
    response = client.response
    assert daemon.clients == int(response.status == 101)
    headers = response.headers
    chosen, accept = headers.get("sec-websocket-protocol"), headers.get("sec-websocket-accept")
    return response.status, chosen, accept, client.gone


class Same(SynchronousTestCase):
    """Each against the others."""

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(frames, max_size=6).map(b"".join), st.lists(st.integers(0, 2**17), max_size=4))
    def test_frames(self, data: bytes, cuts: list[int]) -> None:
        """A client's calls work or fail by the luck of which code reads its frames."""
        self.assertEqual(seen("c", data, cuts), seen("autobahn", data, cuts))
        self.assertEqual(seen("python", data, cuts), seen("autobahn", data, cuts))

    @settings(max_examples=EXAMPLES)
    @given(requests)
    def test_handshakes(self, request: bytes) -> None:
        """A client may connect, or not, by the luck of which code reads its handshake."""
        self.assertEqual(answered("c", request), answered("autobahn", request))
        self.assertEqual(answered("python", request), answered("autobahn", request))

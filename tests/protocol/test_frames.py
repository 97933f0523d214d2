"""RFC 6455 on an open connection: whole and broken messages, frames between frames, the closing handshake."""

import tracemalloc

from signald.core.messages import MAX_MESSAGE_BYTES
from tests.support.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame, close_frame
from tests.support.memory import MemoryTest

PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1002, 1007, 1009
PING_MESSAGE = b'{"type":"ping"}'


class Frames(MemoryTest):
    """Each broken frame is sent by one of two partners, so that what the other one sees is covered too."""

    def setUp(self) -> None:
        self.daemon = self.start(REQUEUE_ON_PARTNER_LEAVE="false")
        self.client, self.partner = self.daemon.pair()

    def assertCloses(self, code: int, *data: bytes) -> None:
        """What is sent closes the connection with this code, the partner is told, and nobody else minds."""
        client, partner = self.daemon.pair()
        before = self.daemon.clients
        for piece in data:
            client.write(piece)
        self.assertEqual(client.close_code, code, data[-1][:40])
        self.assertTrue(client.gone, "the closing handshake was not finished")
        self.assertEqual(partner.types(), ["partner-left"])
        self.assertEqual(self.daemon.clients, before - 1)
        partner.text(PING_MESSAGE)
        self.assertEqual(partner.types(), ["pong"])
        self.assertEqual(self.flushLoggedErrors(), [])

    def assertRelays(self, *data: bytes) -> None:
        """What is sent is one offer, and the partner gets it."""
        for piece in data:
            self.client.write(piece)
        self.assertEqual([message["sdp"] for message in self.partner.take()], ["größer"])

    def test_fragmented_message(self) -> None:
        """Clients and proxies that cut long messages in pieces could not send an SDP."""
        text = '{"type":"offer","sdp":"größer"}'.encode()
        for cut in range(len(text) + 1):
            self.assertRelays(client_frame(TEXT, text[:cut], fin=False), client_frame(CONTINUATION, text[cut:]))
        pieces = [client_frame(CONTINUATION, text[at : at + 1], fin=False) for at in range(len(text))]
        self.assertRelays(client_frame(TEXT, fin=False), *pieces, client_frame(CONTINUATION))

    def test_bytes_in_any_portion(self) -> None:
        """TCP cuts where it likes: a message would be lost or mixed with the next."""
        frame = client_frame(TEXT, '{"type":"offer","sdp":"größer"}'.encode())
        for cut in range(1, len(frame)):
            self.assertRelays(frame[:cut], frame[cut:])
        self.assertRelays(*(bytes([byte]) for byte in frame))

    def test_many_frames_in_one_portion(self) -> None:
        """The candidates of one call come in one segment: all but the first would be lost."""
        self.client.write(b"".join(client_frame(TEXT, b'{"type":"ice","candidate":{"n":%d}}' % n) for n in range(30)))
        self.assertEqual([message["candidate"]["n"] for message in self.partner.take()], list(range(30)))

    def test_every_length_encoding(self) -> None:
        """Messages of some sizes would be cut or refused."""
        for size in (125, 126, 127, 1000, 65535, MAX_MESSAGE_BYTES):
            text = b'{"type":"ping","x":"%s"}' % (b"x" * (size - 22))
            self.assertEqual(len(text), size)
            self.client.text(text)
            self.assertEqual(self.client.types(), ["pong"], size)

    def test_every_length_encoding_outwards(self) -> None:
        """An SDP of some size would not arrive, or break the receiver's connection."""
        for size in (20, 60, 61, 62, 63, 64, 65, 66, 126, 1000, 65_000, 65_400, 65_480, 65_500):
            self.client.send("offer", sdp="x" * size)
            self.assertEqual([len(message["sdp"]) for message in self.partner.take()], [size])
            self.daemon.advance(0.1)

    def test_control_frames_between_fragments(self) -> None:
        """A heartbeat in the middle of a long message would break it (RFC 6455 5.4)."""
        text = '{"type":"offer","sdp":"größer"}'.encode()
        self.assertRelays(
            client_frame(TEXT, text[:9], fin=False),
            client_frame(PING, b"between"),
            client_frame(PONG, b"unsolicited"),
            client_frame(CONTINUATION, text[9:20], fin=False),
            client_frame(PING),
            client_frame(CONTINUATION, text[20:]),
        )
        self.assertEqual(self.client.pongs, [b"between", b""])

    def test_pings_are_answered_with_their_payload(self) -> None:
        """Clients and proxies that watch the connection would take it for dead."""
        for payload in (b"", b"x", bytes(range(125))):
            self.client.write(client_frame(PING, payload))
        self.assertEqual(self.client.pongs, [b"", b"x", bytes(range(125))])

    def test_protocol_errors(self) -> None:
        """A peer that frames wrongly would be misread: what it sends next could mean anything."""
        text = client_frame(TEXT, b"{", fin=False)
        for broken in (
            [client_frame(TEXT, PING_MESSAGE, masked=False)],
            *([client_frame(TEXT, PING_MESSAGE, rsv=rsv)] for rsv in (1, 2, 4)),
            *([client_frame(opcode)] for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
            [client_frame(PING, fin=False)],
            [client_frame(PING, b"x" * 126)],
            [client_frame(CONTINUATION, PING_MESSAGE)],
            [client_frame(CONTINUATION, b"{", fin=False)],
            [text, client_frame(TEXT, PING_MESSAGE)],
            [text, client_frame(BINARY, PING_MESSAGE)],
            [client_frame(TEXT, PING_MESSAGE, length_bytes=2)],
            [client_frame(TEXT, b"x" * 200, length_bytes=8)],
            [client_frame(TEXT, announced=2**63)],
            [client_frame(CLOSE, b"\x03")],
            *([close_frame(code)] for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)),
        ):
            self.assertCloses(PROTOCOL_ERROR, *broken)

    def test_invalid_utf8(self) -> None:
        """A partner's JSON parser would get bytes that are no text."""
        for wrong in (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xe2\x82"):
            text = b'{"type":"offer","sdp":"' + wrong + b'"}'
            self.assertCloses(INVALID_DATA, client_frame(TEXT, text))
            self.assertCloses(
                INVALID_DATA, client_frame(TEXT, text[:24], fin=False), client_frame(CONTINUATION, text[24:])
            )
        self.assertCloses(INVALID_DATA, client_frame(TEXT, b'"\xe2\x82'))
        self.assertCloses(INVALID_DATA, close_frame(1000, b"\xff"))

    def test_too_large(self) -> None:
        """One message could fill the memory."""
        size = MAX_MESSAGE_BYTES + 1
        self.assertCloses(TOO_BIG, client_frame(TEXT, b"x" * size))
        self.assertCloses(TOO_BIG, client_frame(TEXT, b"", announced=2**40))
        half = b"x" * (size // 2 + 1)
        self.assertCloses(TOO_BIG, client_frame(TEXT, half, fin=False), client_frame(CONTINUATION, half))
        self.assertCloses(TOO_BIG, client_frame(BINARY, b"x" * size))

    def test_too_large_is_known_from_the_header(self) -> None:
        """The memory for it would be spent before it is refused."""
        self.client.write(client_frame(TEXT, b"xxxx", announced=MAX_MESSAGE_BYTES + 1))
        self.assertEqual(self.client.close_code, TOO_BIG)

    def test_what_comes_after_the_close_is_not_kept(self) -> None:
        """Who is closed could go on and fill the memory until the closing times out."""
        self.client.answers_close = False
        self.client.write(client_frame(TEXT, announced=2**40)[:14])
        self.assertEqual(self.client.close_code, TOO_BIG)
        flood = b"x" * 65536
        tracemalloc.start()
        try:
            for _ in range(200):
                self.client.transport.arrive(flood)
            used, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        self.assertLess(used - len(self.client.transport.unread), 2_000_000)
        self.daemon.advance(5)
        self.assertTrue(self.client.gone)

    def test_messages_behind_a_broken_frame_do_nothing(self) -> None:
        """A client that is closed would go on acting, for its partner too."""
        ghost = self.daemon.client()
        ghost.answers_close = False
        ghost.write(client_frame(3) + client_frame(TEXT, b'{"type":"available"}'))
        self.assertEqual(ghost.close_code, PROTOCOL_ERROR)
        newcomer = self.daemon.client()
        newcomer.send("available")
        self.assertEqual(newcomer.types(), [])

    def test_binary_message(self) -> None:
        """A client that sends binary frames would be cut off in place of being told what to do."""
        for data in (PING_MESSAGE, b"", b"\xff\xfe"):
            self.client.write(client_frame(BINARY, data))
            (error,) = self.client.take()
            self.assertEqual((error["type"], error["code"]), ("error", "INVALID_FORMAT"))
            self.assertIn("binary", error["message"])
        self.client.send("ice", candidate=None)
        self.assertEqual(self.partner.types(), ["ice"])

    def test_close_by_the_client(self) -> None:
        """A closed tab would leave its partner hanging."""
        for code in (None, 1000, 1001, 3000, 4999):
            client, partner = self.daemon.pair()
            client.close(code)
            self.assertEqual(client.close_code, 1005 if code is None else code)
            self.assertTrue(client.gone)
            self.assertEqual(partner.types(), ["partner-left"])

    def test_partner_is_told_before_the_socket_is_gone(self) -> None:
        """A client that says goodbye and keeps its socket open would keep its partner for the time of a time-out."""
        self.client.transport.reads = False
        self.client.close()
        self.assertEqual(self.partner.types(), ["partner-left"])

    def test_connection_lost(self) -> None:
        """A phone that loses its network would leave its partner hanging."""
        before = self.daemon.clients
        self.client.vanish()
        self.assertEqual(self.partner.types(), ["partner-left"])
        self.assertEqual(self.daemon.clients, before - 1)

    def test_lost_while_waiting(self) -> None:
        """The next one who comes would be matched with a ghost."""
        for end in ("vanish", "close"):
            waiting = self.daemon.client()
            waiting.send("available")
            getattr(waiting, end)()
            one, other = self.daemon.client(), self.daemon.client()
            one.send("available")
            self.assertEqual(one.types(), [])
            other.send("available")
            self.assertEqual((one.types(), other.types()), (["matched"], ["matched"]))

    def test_close_that_is_not_answered(self) -> None:
        """A client that keeps its end open would keep its memory here."""
        self.client.answers_close = False
        self.client.write(client_frame(3))
        self.assertFalse(self.client.gone)
        self.daemon.advance(5)
        self.assertTrue(self.client.gone)
        self.assertEqual(self.flushLoggedErrors(), [])


class FramesByPython(Frames):
    """The same where there was no compiler."""

    fast_frames = False


class FramesByAutobahn(Frames):
    """The same by Autobahn alone, which the fast path must not differ from."""

    fast_path = False

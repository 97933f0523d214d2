"""What clients say: the messages of a browser, in its sizes."""

from functools import cache

import msgspec

from bench.errors import BenchError

NUMBERS = 10_000
DIGITS = [b"%010d" % number for number in range(NUMBERS)]
"""The numbers that tell one candidate from the next, all of one length."""

MARK = b"@" * len(DIGITS[0])
"""Stands in a template where the number comes."""

_MASK = b"\x37\xfa\x21\x3d"  # the example of RFC 6455, section 5.7

_SDP_LINE = "a=rtpmap:111 opus/48000/2\r\n"  # CR and LF are escaped in JSON, as in real SDP


def candidate_template(size: int) -> bytes:
    """Make an `ice` message with MARK where the number comes.

    Args:
        size: length of the whole message, in bytes.

    Raises:
        BenchError: no candidate is that short.
    """
    shortest = _candidate("EEtu")
    if size < len(shortest):
        raise BenchError(f"a candidate has {len(shortest)} bytes at least, not {size}")
    return _candidate("EEtu" + "x" * ((size - len(shortest)) // 2))


def candidate(size: int, number: int) -> bytes:
    """Make an `ice` message.

    Args:
        size: length of the whole message, in bytes.
        number: tells it from others.
    """
    return candidate_template(size).replace(MARK, DIGITS[number % NUMBERS])


def description(kind: str, size: int) -> bytes:
    """Make an `offer` or `answer`.

    Args:
        kind: "offer" or "answer".
        size: length of its SDP, in bytes.
    """
    return msgspec.json.encode({"type": kind, "sdp": (_SDP_LINE * (size // len(_SDP_LINE) + 1))[:size]})


@cache
def masked(template: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Make the WebSocket frame of a template (RFC 6455, section 5.2) but for its number, masked beforehand.

    The generator then joins three pieces where it would mask each message; to a server every mask is as good.

    Args:
        template: a message of 126 to 65,535 bytes with MARK in it.

    Returns:
        What stands before the number, each number, what comes after it.
    """
    at = template.index(MARK)
    header = bytes((0x81, 0x80 | 126)) + len(template).to_bytes(2, "big") + _MASK
    head, tail = template[:at], template[at + len(MARK) :]
    return (
        header + _masked(head, 0),
        [_masked(digits, at) for digits in DIGITS],
        _masked(tail, at + len(MARK)),
    )


def _masked(part: bytes, offset: int) -> bytes:
    return bytes(byte ^ _MASK[(offset + index) % 4] for index, byte in enumerate(part))


def _candidate(ufrag: str) -> bytes:
    address = "203.0.113.77 46154 typ srflx raddr 10.0.0.17 rport 46154"
    line = f"candidate:{MARK.decode()} 1 udp 1677729535 {address} generation 0 ufrag {ufrag}"
    fields = {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": ufrag}
    return msgspec.json.encode({"type": "ice", "candidate": fields})

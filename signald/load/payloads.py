"""What clients say: the messages of a browser, in its sizes."""

from typing import Final

import msgspec

NUMBERS: Final = 10_000
DIGITS: Final = [b"%010d" % number for number in range(NUMBERS)]
"""The numbers that tell one candidate from the next, all of one length."""

MARK: Final = b"@" * len(DIGITS[0])
"""Stands in a template where the number comes."""

_SDP_LINE: Final = "a=rtpmap:111 opus/48000/2\r\n"  # CR and LF are escaped in JSON, as in real SDP


def candidate_template(size: int) -> bytes:
    """Make an `ice` message with MARK where the number comes.

    Args:
        size: Length of the whole message, in bytes.

    Raises:
        ValueError: No candidate is that short.
    """
    shortest = _candidate("EEtu")
    if size < len(shortest):
        raise ValueError(f"a candidate has {len(shortest)} bytes at least, not {size}")
    return _candidate("EEtu" + "x" * ((size - len(shortest)) // 2))


def candidate(size: int, number: int) -> bytes:
    """Make an `ice` message.

    Args:
        size: Length of the whole message, in bytes.
        number: Tells it from others.
    """
    return candidate_template(size).replace(MARK, DIGITS[number % NUMBERS])


def description(kind: str, size: int) -> bytes:
    """Make an `offer` or `answer`.

    Args:
        kind: "offer" or "answer".
        size: Length of its SDP, in bytes.
    """
    return msgspec.json.encode({"type": kind, "sdp": (_SDP_LINE * (size // len(_SDP_LINE) + 1))[:size]})


def _candidate(ufrag: str) -> bytes:
    address = "203.0.113.77 46154 typ srflx raddr 10.0.0.17 rport 46154"
    line = f"candidate:{MARK.decode()} 1 udp 1677729535 {address} generation 0 ufrag {ufrag}"
    fields = {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": ufrag}
    return msgspec.json.encode({"type": "ice", "candidate": fields})

"""Offers, answers and candidates as pages, kits and bots write them, and those that are nearly so."""

import json
from collections.abc import Callable

from msgspec import Raw

from signald.core.messages import ClientMessage, ProtocolError

_SDP = 'v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=\tgrößer "so" a\\b/c\r\n'
_CANDIDATE = {
    "candidate": "candidate:1 1 udp 2122260223 192.0.2.1 61665 typ host generation 0 ufrag abcd network-id 1",
    "sdpMid": "0",
    "sdpMLineIndex": 0,
    "usernameFragment": None,
    "deep": {"a": {"b": {"c": {"d": {}}}}, "n": -12, "yes": True, "no": False},
}


def _written(*fields: tuple[str, object]) -> list[bytes]:
    message = dict(fields)
    compact = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    return [compact.encode(), json.dumps(message, ensure_ascii=False).encode()]


USUAL = (
    *_written(("type", "offer"), ("sdp", {"type": "offer", "sdp": _SDP})),
    *_written(("type", "answer"), ("sdp", _SDP)),
    *_written(("sdp", ""), ("roomId", "0123456789abcdef"), ("type", "answer")),
    *_written(("type", "ice"), ("candidate", _CANDIDATE)),
    *_written(("type", "ice"), ("candidate", None)),
    *_written(("roomId", "r"), ("type", "ice"), ("candidate", _CANDIDATE)),
)
"""Such as are read in C."""

PIECES = (
    *(b"", b" ", b"\t", b"\n", b"\x00", b"\x1f", b"\x7f", b"\xc3\xb6", b"x", b"0", b"-", b"1.5", b"1e3", b"00"),
    *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b'""', b"{}", b"[]", b"null", b"true", b"nul", b"17"),
    *(b"\\u0041", b"\\ud83d\\ude00", b"\\ud800", b"\\x", b"\\n", b"9007199254740993", b"1" * 40),
    *(b',"id":1', b',"id":"a"', b',"roomId":"r"', b',"roomId":null', b',"roomId":5', b',"sdp":1', b',"candidate":{}'),
    *(b',"type":"offer"', b'"type":"ice",', b'"type":"data","data":', b'"t\\u0079pe":', b',"other":{}', b"{" * 20),
)
"""What one of them may be changed with; see `tests.support.heads.changed`."""


def told(message: ClientMessage) -> tuple[object, ...]:
    """What is in a message, to be held against another: raw values as bytes, whatever holds them."""
    values = (getattr(message, name) for name in message.__struct_fields__)
    return type(message), *(bytes(value) if isinstance(value, Raw) else value for value in values)


def outcome(read: Callable[[bytes], ClientMessage], text: bytes) -> tuple[object, ...]:
    """What comes of reading a text, to be held against another way."""
    try:
        return told(read(text))
    except ProtocolError as problem:
        return problem.code, problem.message

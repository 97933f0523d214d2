"""Fuzz `messages.parse` against the standard library's json: ``python -m tests.fuzz.parse [seconds]`` (needs atheris).

Whatever parse takes, json takes too, with the same type; what is relayed of it is JSON with the same payload; what it
refuses is a ProtocolError, whose message shows nothing of the text.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris
from msgspec import UNSET

with atheris.instrument_imports(include=["signald"]):
    from signald.core import messages
    from signald.core.ids import ClientId

SENDER = ClientId("x")
HEADS = messages.relay_heads(SENDER)
PAYLOADS = {messages.Offer: "sdp", messages.Answer: "sdp", messages.Ice: "candidate", messages.Data: "data"}

SEEDS = (
    b'{"type":"offer","sdp":"v=0\\r\\n"}',
    b'{"type":"ice","candidate":{"candidate":"","sdpMid":null,"n":1e400,"d":[[{}]]}}',
    b'{"type":"auth","userId":"\\ud800","token":null}',
    b'{"type":"next","id":9007199254740991}',
    b'{"type":"data","data":[1.50,"\\ud83d\\ude00"],"id":"a"}',
    b'{"type":"x"}',
    b'{"t\\u0079pe":"leave","type":"ping"}',
)


TOKENS = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b" ",
        b"\n",
        b'"',
        b"\\",
        b"\\u0022",
        b"\\ud83d\\ude00",
        b"\\ud800",
        b"\xc3\xa9",
        b"\x00",
        b"\x7f",
    ),
    *(
        b'{"type":',
        b',"type":',
        b'"t\\u0079pe":',
        b'"sdp":',
        b'"candidate":',
        b'"data":',
        b'"id":',
        b'"userId":',
        b'"token":',
        b'"from":',
        b'"x":',
        b'"":',
    ),
    *(
        b'"offer"',
        b'"answer"',
        b'"ice"',
        b'"data"',
        b'"auth"',
        b'"available"',
        b'"next"',
        b'"leave"',
        b'"ping"',
        b'"off\\u0065r"',
    ),
    *(
        b"null",
        b"true",
        b"false",
        b"0",
        b"-0",
        b"1e400",
        b"-1.5E+3",
        b"99999999999999999999",
        b'""',
        b'"v=0\\r\\n"',
        b"{}",
        b"[]",
        b"NaN",
    ),
    *(b"[" * 33, b"]" * 33, b'{"a":' * 16, b"}" * 16, b"\xef\xbb\xbf", b"/", b"'", b"\t"),
]


def compose(data: bytes) -> bytes:
    """Text from bytes: each stands for a token, so that most of it nearly is a message."""
    return b"".join(TOKENS[byte % len(TOKENS)] for byte in data)


def same(one: Any, other: Any) -> bool:
    """Equal, with NaN equal to itself."""
    return repr(one) == repr(other)


def test(data: bytes) -> None:
    """One input: composed if it starts with an odd byte, else as it is."""
    text = compose(data[1:]) if data and data[0] & 1 else data[1:]
    text = text[: messages.MAX_MESSAGE_BYTES]
    try:
        text.decode()  # the caller of parse has checked it
        message = messages.parse(text)
    except UnicodeDecodeError:
        return
    except messages.ProtocolError:
        asked = messages.asked_by(text)
        assert asked is UNSET or json.loads(text)["id"] == asked, text
        return
    known = json.loads(text)
    _check_id(message.id, known.get("id"))
    assert messages.CLIENT_TYPES.__contains__(known["type"]), known
    assert messages.message_type(type(message)) == known["type"], known
    field = PAYLOADS.get(type(message))
    if field is not None:
        is_data = isinstance(message, messages.Data)
        out = json.loads(messages.relayed_data(SENDER, message) if is_data else messages.relayed(HEADS, message))  # type: ignore[arg-type]
        assert set(out) == {"type", "from", field}, out
        assert out["from"] == "x"
        assert same(out[field], known[field]), (out, known)


def _check_id(given: Any, known: Any) -> None:
    """What is to be answered is answered as it was named, or refused."""
    if given is UNSET:
        return
    try:
        name = messages.request_id(given)
    except messages.ProtocolError:
        return
    assert type(name) is type(known) and name == known, (name, known)
    assert json.loads(messages.ok(name))["id"] == known


def main() -> None:
    """Run for so many seconds."""
    seconds = sys.argv[1] if len(sys.argv) > 1 else "60"
    for seed in SEEDS:
        test(b"\0" + seed)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / str(number)).write_bytes(b"\0" + seed)
        atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=256", "-print_final_stats=1", corpus], test)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

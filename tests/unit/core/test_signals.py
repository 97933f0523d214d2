"""Reading signals: what is read in C is what the reference reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from signald.core import messages, signals
from signald.core.messages import Answer, ClientMessage, Ice, Offer, parse
from tests.support.heads import Change, changed, changes
from tests.support.signals import PIECES, USUAL, outcome, told
from tests.support.traced import kept

by_choice = signals.reader(native=True)
pytestmark = pytest.mark.skipif(by_choice is parse, reason="signald was built without a compiler")

_LEAVE = messages.Leave()


def in_c(text: bytes) -> ClientMessage | None:
    """What is read in C alone."""
    from signald.core import _signals

    read = _signals.read(lambda _: _LEAVE, Offer, Answer, Ice, Raw, text)
    return None if read is _LEAVE else read


@pytest.mark.parametrize("usual", USUAL)
def test_the_usual_ones_are_read_in_c(usual: bytes) -> None:
    """Each message of a call costs a tenth more, and nobody notices."""
    read = in_c(usual)
    assert read is not None
    assert told(read) == told(parse(usual))


@pytest.mark.parametrize(
    "unusual",
    [
        b'{"type":"ice","candidate":{},"id":1}',
        b'{"type":"ice","candidate":{},"candidate":{}}',
        b'{"type":"ice","candidate":[]}',
        b'{"type":"ice","candidate":"text"}',
        b'{"type":"ice","sdp":{}}',
        b'{"type":"ice","candidate":{},"sdp":""}',
        b'{"type":"offer","sdp":"\\ud800"}',
        b'{"type":"offer","sdp":1.5}',
        b'{"type":"offer","sdp":01}',
        b'{"type":"offer","sdp":"a\nb"}',
        b'{"type":"offer","sdp":"a"} ',
        b'{"type":"offer","sdp":"a"',
        b'{"type":"offer","sdp":"a',
        b'{"type":"offer","sdp":"a\\',
        b'{"type":"offer","sdp":tru}',
        b'{"type":"offer","sdp":',
        b'{"type":"offer","sdp":-}',
        b'{"type":"offer"}',
        b'{"sdp":""}',
        b'{"type":offer,"sdp":""}',
        b'{"type":"available"}',
        b"{}",
        b"{",
        b"",
        b'{"type":"ice","candidate":' + b'{"a":' * 8 + b"1" + b"}" * 9,
    ],
)
def test_all_others_are_left_to_the_reference(unusual: bytes) -> None:
    """What is wrong would be relayed, or what is right refused, by whether there was a compiler."""
    assert in_c(unusual) is None
    assert outcome(by_choice, unusual) == outcome(parse, unusual)


@given(st.sampled_from(USUAL), changes(PIECES))
def test_both_read_the_same(usual: bytes, made: list[Change]) -> None:
    """A message is relayed, or refused, by whether there was a compiler."""
    text = changed(usual, made, PIECES)
    assert outcome(by_choice, text) == outcome(parse, text)


@given(st.integers(0, 40), st.sampled_from([b'"', b"\\n", b"\x1f", b"\x20", b"\x80", b"\xff", b"\x22\x22", b"!", b"]"]))
def test_each_byte_is_looked_at_wherever_it_stands(before: int, byte: bytes) -> None:
    """A quote among the first eight bytes ends a string, and among the next eight it does not."""
    text = b'{"type":"offer","sdp":"' + b"x" * before + byte + b'y"}'
    read = in_c(text)
    assert (read is not None) == (byte not in (b'"', b"\x1f", b"\x22\x22"))
    if read is not None:
        assert told(read)[1] == text[22:-1]


@pytest.mark.parametrize("count", range(8))
def test_what_makes_no_sense_is_an_error(count: int) -> None:
    """A mistake of ours crashes the process with everybody in it."""
    from signald.core import _signals

    read: object = _signals.read
    for text in (b"", USUAL[0]):
        given = (parse, Offer, Answer, Ice, Raw, "text", text)[:count]
        with pytest.raises(TypeError):
            read(*given)  # type: ignore[operator]


def test_what_is_read_is_given_back() -> None:
    """The daemon's memory grows with each message."""
    texts = (*USUAL, *(usual[:-1] for usual in USUAL), USUAL[0].replace(b"offer", b"other"))

    def read() -> None:
        for text in texts:
            outcome(by_choice, text)

    read()
    assert kept(read, 300) < 100_000

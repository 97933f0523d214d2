"""Reading frames: the reference, and that in C, which must do the same whatever comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signald.websocket import frames
from tests.support.frames import TEXT, client_frame
from tests.support.traced import kept

TRICKY = [
    b"\xed\xa0\x80",  # a surrogate
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",  # above U+10FFFF
    b"\xf5\x80\x80\x80",
    b"\xc0\x80",  # not in the shortest form
    b"\xc1\xbf",
    b"\xc2\x80",
    b"\xe0\x9f\xbf",
    b"\xe0\xa0\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\x80",
    b"\xe2\x82",  # cut
    b"\xf0\x9f\x98",
    b"\xc3(",
]
texts = st.one_of(
    st.binary(max_size=20),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.tuples(st.integers(0, 17), st.sampled_from(TRICKY), st.integers(0, 17)).map(
        lambda parts: b"x" * parts[0] + parts[1] + b"y" * parts[2]
    ),
    st.sampled_from([125, 126, 127, 128, 300, 65_535, 65_536]).map(lambda size: b"z" * size),
)
pieces = st.one_of(
    st.builds(client_frame, st.just(TEXT), texts),
    st.builds(client_frame, st.just(TEXT), texts),
    st.builds(
        client_frame,
        st.integers(0, 15),
        st.binary(max_size=10),
        fin=st.booleans(),
        rsv=st.sampled_from([0, 0, 4]),
        masked=st.sampled_from([True, True, False]),
        length_bytes=st.sampled_from([None, 2, 8]),
    ),
    st.binary(max_size=12),
)

by_choice = frames.choose(native=True)
in_c = by_choice.texts
needs_c = pytest.mark.skipif(by_choice.language != "c", reason="signald was built without a compiler")
both = [frames.choose(native=False), pytest.param(by_choice, marks=needs_c)]
ways = pytest.mark.parametrize("way", both, ids=["python", "c"])


@ways
def test_whole_text_frames_are_read_and_what_follows_is_left(way: frames.Frames) -> None:
    """A message is lost, or read twice."""
    read = way.texts
    data = client_frame(TEXT, b"one") + client_frame(TEXT, "größer".encode() * 30) + client_frame(TEXT)
    rest = client_frame(TEXT, b"not whole")[:-1]
    found, at = read(b"before" + data + rest, 6)
    assert found == [b"one", "größer".encode() * 30, b""]
    assert at == 6 + len(data)
    assert read(data, len(data)) == ([], len(data))
    assert read(b"", 0) == ([], 0)


@ways
@pytest.mark.parametrize("text", TRICKY)
def test_only_utf8_is_read(way: frames.Frames, text: bytes) -> None:
    """A client could send its partner what closes the partner's connection (RFC 6455 8.1)."""
    read = way.texts
    try:
        text.decode()
    except UnicodeDecodeError:
        good = False
    else:
        good = True
    for before in range(17):
        whole = b"x" * before + text + b"y" * 9
        assert (read(client_frame(TEXT, whole), 0)[0] == [whole]) == good


@ways
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 1023, 1024, 65_535, 65_536, 70_000])
def test_a_frame_says_how_long_it_is(way: frames.Frames, size: int) -> None:
    """A partner takes the rest of an SDP for the next message, and closes."""
    text = bytes(range(256)) * (size // 256 + 1)
    made = way.frame(text[:size])
    if size < 126:
        head = bytes((TEXT | 0x80, size))
    elif size < 65_536:
        head = b"\x81\x7e" + size.to_bytes(2, "big")
    else:
        head = b"\x81\x7f" + size.to_bytes(8, "big")
    assert made == head + text[:size]


@ways
@given(st.binary(max_size=150))
def test_a_payload_is_known_without_its_mask(way: frames.Frames, payload: bytes) -> None:
    """A close code is taken for another, and a ping is answered with other bytes than it brought."""
    framed = b"before" + client_frame(0x9, payload[:125])
    start = len(framed) - len(payload[:125])
    assert way.unmask(framed + b"behind", start, len(framed)) == payload[:125]


@needs_c
@pytest.mark.parametrize("place", [(3, 4), (4, 3), (4, 9), (-1, 4), (4, 2**70)])
def test_no_payload_is_read_where_none_can_be(place: tuple[int, int]) -> None:
    """The process reads memory that is not its own."""
    with pytest.raises((ValueError, OverflowError)):
        by_choice.unmask(b"12345678", *place)


@needs_c
@given(st.lists(pieces, max_size=5).map(b"".join), st.integers(0, 3), st.integers(0, 4))
def test_both_read_the_same(data: bytes, begin: int, cut: int) -> None:
    """Calls work or fail by whether there was a compiler."""
    data = data[: max(0, len(data) - cut)]
    at = min(begin, len(data))
    assert in_c(data, at) == frames.texts(data, at)


@needs_c
@pytest.mark.parametrize(
    "wrong", [(bytearray(b"x"), 0), ("x", 0), (b"x", None), (b"x", -1), (b"x", 2**70), (b"x",), ()]
)
def test_what_makes_no_sense_is_an_error(wrong: tuple[object, ...]) -> None:
    """A mistake of ours crashes the process with everybody in it."""
    read: object = in_c
    with pytest.raises((TypeError, ValueError, OverflowError)):
        read(*wrong)  # type: ignore[operator]


@needs_c
def test_behind_the_end_there_is_nothing() -> None:
    """The process reads memory that is not its own."""
    assert in_c(b"\x81\x80", 100) == ([], 100)


@needs_c
def test_what_is_read_is_given_back() -> None:
    """The daemon's memory grows with each message."""
    data = client_frame(TEXT, b"x" * 50) * 100
    in_c(data, 0)

    def read() -> None:
        in_c(data, 0)
        in_c(data + client_frame(TEXT, b"\xff"), 0)

    assert kept(read, 200) < 100_000

"""What is kept for a session, against a plain list of everything that it was sent."""

from hypothesis import given
from hypothesis import strategies as st

from signald.core.outbox import TEXT_BYTES, Outbox, Shelf

STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "token", "ping", "pong", "resume"]), st.integers(0, 60)), max_size=60
)


@given(STEPS, st.integers(1, 8), st.integers(TEXT_BYTES, 6 * TEXT_BYTES))
def test_who_comes_back_gets_what_it_missed_or_is_told(
    steps: list[tuple[str, int]], messages: int, bytes_in_all: int
) -> None:
    """A message is lost without a word, comes twice, or is kept for ever."""
    shelf = Shelf(messages, 4 * TEXT_BYTES, bytes_in_all)
    outbox, other = Outbox(shelf), Outbox(shelf)
    sent: list[bytes] = []
    had = marked = 0  # what has arrived at the client; what had been sent at the ping
    for step, number in steps:
        if step in ("send", "token"):
            sent.append(b"%d" % len(sent))
            (outbox.add if step == "send" else outbox.add_with_token)(sent[-1])
            other.add(b"x")
        elif step == "ping":
            outbox.mark()
            marked = len(sent)
        elif step == "pong":
            outbox.acknowledge()
            had = max(had, marked)
        else:
            had = marked = min(len(sent), had + number)  # the rest was under way when the connection was lost
            if not outbox.resume(had):
                assert list(outbox.texts) == sent[had:]
        assert outbox.sent == len(sent)
        assert len(outbox.texts) <= messages
        assert outbox.bytes <= 4 * TEXT_BYTES
        assert shelf.bytes == outbox.bytes + other.bytes
        assert list(outbox.texts) == sent[len(sent) - len(outbox.texts) :]
    outbox.clear()
    other.clear()
    assert shelf.bytes == 0


def test_nothing_is_lost_within_the_bounds() -> None:
    """Each resume would say `lost`, and all calls begin anew."""
    outbox = Outbox(Shelf(10, 10_000, 10_000))
    for text in (b"a", b"b", b"c"):
        outbox.add(text)
    assert outbox.resume(1) is False
    assert list(outbox.texts) == [b"b", b"c"]
    assert outbox.resume(1) is False, "the second loss in a row"
    assert outbox.resume(0) is True, "it has had less than it said before"
    assert outbox.resume(7) is True, "it has had more than there was"
    assert outbox.sent == 7
    outbox.add(b"d")
    assert outbox.resume(7) is False
    assert list(outbox.texts) == [b"d"]


def test_the_last_token_that_can_have_arrived() -> None:
    """A `matched` that was lost makes the token before it worthless; or a token of long ago is good yet."""
    outbox = Outbox(Shelf(10, 10_000, 10_000))
    outbox.add_with_token(b"matched")
    assert outbox.is_current(0, received=0)
    assert outbox.is_current(1, received=1)
    assert not outbox.is_current(0, received=1)
    outbox.mark()
    outbox.acknowledge()
    assert not outbox.is_current(0, received=0), "the pong says that the next one has arrived"
    assert not outbox.is_current(2, received=1), "never given out"
    outbox.resume(1)
    assert outbox.is_current(1, received=1)


def test_many_partners_behind_a_dead_connection() -> None:
    """Who was shown to a dozen people before anybody noticed that its connection is dead cannot come back."""
    outbox = Outbox(Shelf(100, 10_000, 10_000))
    for _ in range(20):
        outbox.add_with_token(b"matched")
    assert all(outbox.is_current(number, received=number) for number in range(21))
    outbox.mark()
    outbox.add_with_token(b"matched")
    outbox.acknowledge()
    assert outbox.tokens == (20, 21)

"""Who of the workers does not answer any more is noticed; who was only not heard for a while is left alone."""

from twisted.internet.task import Clock

from signald.process.attention import SIGN_S, SILENT_S, START_WITHIN_S, Attention


class Looked:
    """What is watched, and who was said to hang."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.hung: list[int] = []
        self.attention = Attention(self.clock, self.hung.append)
        self.attention.startService()

    def pass_time(self, seconds: float, *alive: int) -> None:
        """So long these and no others give signs of life."""
        for _ in range(round(seconds / SIGN_S)):
            for number in alive:
                self.attention.hear(number)
            self.clock.advance(SIGN_S)


def test_who_is_silent_hangs() -> None:
    """A worker whose event loop stands still gets its share of the clients for ever, and none of them an answer."""
    looked = Looked()
    looked.attention.begin(1)
    looked.attention.begin(2)
    looked.pass_time(30, 1, 2)
    looked.pass_time(SILENT_S - 1, 1)
    assert looked.hung == [] and looked.attention.all_answer()
    looked.pass_time(30, 1)
    assert looked.hung == [2], "once"
    assert not looked.attention.all_answer(), "systemd is told that all is well"
    looked.attention.end(2)
    assert looked.attention.all_answer()


def test_who_starts_has_time() -> None:
    """On a busy machine workers are killed while they start, over and over."""
    looked = Looked()
    looked.attention.begin(1)
    looked.pass_time(START_WITHIN_S - 1)
    assert looked.hung == []
    looked.pass_time(3)
    assert looked.hung == [1]


def test_the_parent_stood_still() -> None:
    """After a pause of the parent, or of the machine, all workers are killed though they live."""
    looked = Looked()
    looked.attention.begin(1)
    looked.pass_time(5, 1)
    looked.clock.advance(3600)
    looked.pass_time(5, 1)
    assert looked.hung == []
    looked.pass_time(SILENT_S + 2)
    assert looked.hung == [1]


def test_who_has_ended_is_expected_no_more() -> None:
    """A worker that ends and is started again is killed for the silence in between."""
    looked = Looked()
    looked.attention.begin(1)
    looked.pass_time(5, 1)
    looked.attention.end(1)
    looked.pass_time(60)
    assert looked.hung == []

"""What is sent within one turn of the reactor leaves at its end."""

from collections.abc import Callable

from twisted.internet.task import Clock

from signald.network.output import Output


class Says:
    """Says something, and brings something about."""

    def __init__(self, said: list[str], word: str, then: Callable[[], None] = lambda: None) -> None:
        self._said, self._word, self._then = said, word, then

    def flush(self) -> None:
        """See `Writer.flush`."""
        self._said.append(self._word)
        self._then()


def test_what_writing_brings_about_is_written_too() -> None:
    """A client hears that its partner has left only when somebody else says something."""
    said: list[str] = []
    output = Output(Clock())
    output.held = True
    last = Says(said, "last")
    output.add(Says(said, "first", lambda: output.add(last)))
    output.add(Says(said, "second"))
    output.write()
    assert said == ["first", "second", "last"]
    assert not output.waiting

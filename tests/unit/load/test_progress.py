"""The line that says how a run goes."""

from signald.load.progress import line
from signald.load.tally import Tally


def test_it_fits_into_a_terminal() -> None:
    """What matters most stands at its end, and is cut off: how long people wait."""
    tally = Tally()
    tally.begun, tally.open, tally.whole = 1000, 250, 745
    tally.errors["FULL"] = 5
    tally.took("call", 0.1234)
    said = line(100.0, tally)
    assert said.endswith("745 whole (7.5/s), 5 failed, call p99 123 ms")
    assert len(said) < 80
    assert len(line(100.0, tally, stopping=True)) < 80

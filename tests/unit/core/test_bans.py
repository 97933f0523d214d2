"""The table of bans: the last word counts, and there are not too many."""

import pytest

from signald.core import bans as core_bans
from signald.core.bans import LOOK_S, Ban, BanKind, BanTable


def ban(value: str, at: float, until: float = 5000.0, keep: float = 5000.0, *, automatic: bool = False) -> Ban:
    return Ban(BanKind.USER, value, until, at, max(until, keep), automatic=automatic)


def test_the_last_word_counts_in_whatever_order_it_comes() -> None:
    """Two instances that hear of a ban and of its end in different orders disagree for ever."""
    said, lifted, again = ban("x", 1.0), ban("x", 2.0, until=2.0), ban("x", 3.0)
    for words, held in (((said, lifted), None), ((lifted, said), None), ((again, said, lifted), again)):
        table = BanTable()
        for word in words:
            table.merge([word], 10.0)
        assert table.find(BanKind.USER, "x", 10.0) == held
        assert table.in_force(10.0) == ([] if held is None else [held])


def test_only_news_is_news() -> None:
    """Each word that comes twice would close clients twice, and go round among the instances."""
    table = BanTable()
    assert table.merge([ban("x", 1.0)], 10.0) == [ban("x", 1.0)]
    assert table.merge([ban("x", 1.0), ban("x", 0.5), ban("over", 1.0, until=9.0, keep=9.0)], 10.0) == []


def test_bans_that_are_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bans fill the memory, or one look at many holds everything up."""
    monkeypatch.setattr(core_bans, "MAX_BANS", 3)
    table = BanTable()
    table.merge([ban("short", 1.0, until=20.0, keep=20.0)], 10.0)
    assert table.find(BanKind.USER, "short", 19.0)
    assert not table.find(BanKind.USER, "short", 20.0)
    table.merge([ban(f"user {number}", 1.0) for number in range(5)], 10.0 + LOOK_S)
    assert [said.value for said in table.all(30.0)] == ["user 2", "user 3", "user 4"]


def test_floods_push_out_no_ban_of_an_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody with many addresses ends all bans there are."""
    monkeypatch.setattr(core_bans, "MAX_BANS", 3)
    table = BanTable()
    table.merge([ban("said", 1.0)], 10.0)
    table.merge([ban(f"flooder {number}", 2.0, automatic=True) for number in range(9)], 10.0)
    assert table.find(BanKind.USER, "said", 10.0)
    assert len(table.in_force(10.0)) == 4

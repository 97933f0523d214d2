"""When clients come back that were sent away."""

import pytest

from signald.core import farewells
from signald.core.farewells import AT_MOST_S, COME_BACK_PER_SECOND, RESTART_S, Farewell


def moments(clients: int, *, kept_s: float, elsewhere: bool) -> list[int]:
    """When all clients of a process come back; milliseconds."""
    chances = [number / clients for number in range(clients)]
    told = [farewells.stopping(clients, chance, kept_s=kept_s, elsewhere=elsewhere) for chance in chances]
    assert {each.action for each in told} == {"resume" if kept_s else "reconnect"}
    return sorted(each.after_ms for each in told)


def test_a_crowd_is_spread() -> None:
    """10,000 clients come back in the same second, and what takes them in stands still."""
    after = moments(10_000, kept_s=30.0, elsewhere=True)
    in_each_second = [sum(second * 1000 <= each < (second + 1) * 1000 for each in after) for second in range(10)]
    assert sum(in_each_second) == 10_000
    assert max(in_each_second) < 1.2 * COME_BACK_PER_SECOND


@pytest.mark.parametrize("kept_s", [30.0, 4.0])
def test_nobody_comes_too_late(kept_s: float) -> None:
    """A crowd so large that its last are let in when their sessions are gone."""
    assert moments(50_000, kept_s=kept_s, elsewhere=True)[-1] <= 1000 * kept_s / 2
    assert moments(50_000, kept_s=kept_s, elsewhere=False)[-1] <= 1000 * (kept_s / 2 + RESTART_S)


def test_few_come_at_once() -> None:
    """Two people wait for seconds, since a thousand might have been there."""
    assert moments(20, kept_s=30.0, elsewhere=True)[-1] <= 20
    assert moments(20, kept_s=0.0, elsewhere=True)[-1] <= 20


def test_the_only_process_needs_time_to_restart() -> None:
    """Clients knock while nobody is there, and wait for longer after that."""
    assert moments(20, kept_s=30.0, elsewhere=False)[0] >= 1000 * RESTART_S
    assert moments(100_000, kept_s=0.0, elsewhere=False)[-1] <= 1000 * (AT_MOST_S + RESTART_S)


def test_banned() -> None:
    """A page says that somebody may come back in a minute who is banned for a day."""
    assert farewells.banned(86_400.0) == Farewell("stay-out", "banned", 86_400_000)
    assert farewells.banned(-1.0).after_ms == 0

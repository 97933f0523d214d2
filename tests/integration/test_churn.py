"""Hundreds of clients on three instances do all that clients do, faults come, and an oracle judges what they see.

``SEED=7 DURATION=1800 make test-churn`` runs what seed 7 decides, for half an hour each. The seed decides who does what
and which fault comes when; how the processes are scheduled is the machine's. Without DURATION it is one round.
"""

import os
import random
from pathlib import Path

import pytest

from tests.support.churn import REMATCH_DELAY_S, Churn, behind_proxies, run_to_the_end
from tests.support.redis import LOGIN
from tests.support.stores import watched
from tests.support.swarm import Swarm
from tests.support.troubles import Clocked, Failovers, Troubles

DURATION_S = float(os.environ.get("DURATION", "0"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
CLIENTS = 300


def test_churn(tmp_path: Path) -> None:
    """Some order of what clients do and what breaks would leave people alone, with a stranger's words, or with two."""
    with behind_proxies(tmp_path, 3) as (store, proxies):
        urls = [f"redis://{LOGIN}@127.0.0.1:{proxy.port}" for proxy in proxies]
        with _service(urls, tmp_path) as service:
            rng = random.Random(SEED)  # noqa: S311 - to be repeated, not to be secret
            churn = Troubles(store, tmp_path, proxies, service, Swarm(rng, CLIENTS), rng)
            if not DURATION_S:
                churn.choices.remove(
                    churn.kill_instance
                )  # whose partners are told within 20 s: the longest rest by far
            _run(churn)


@pytest.mark.slow
def test_churn_of_failovers(tmp_path: Path) -> None:
    """Some moment of a failover would leave people alone, with a stranger's words, or with two."""
    with watched(tmp_path) as store, _service([store.url] * 3, tmp_path) as service:
        rng = random.Random(SEED)  # noqa: S311 - to be repeated, not to be secret
        _run(Failovers(store, service, Swarm(rng, CLIENTS), rng))


def _service(urls: list[str], folder: Path) -> Clocked:
    return Clocked(urls, folder, REMATCH_DELAY_SECONDS=str(REMATCH_DELAY_S), MATCH_ANSWER_SECONDS="0")


def _run(churn: Churn) -> None:
    def report(seconds: float) -> str:
        swarm = churn.swarm
        return (
            f"seed {SEED}, {seconds:.0f} s: {swarm.words} operations of {swarm.connected} clients,"
            f" {swarm.matches // 2} matches, {churn.relays} relays, {churn.faults.total()} faults"
            f" {dict(churn.faults)}, {len(churn.rests)} rests of at most {max(churn.rests, default=0):.1f} s,"
            f" {swarm.late_matches} matches with one gone that ended at once\n"
        )

    run_to_the_end(churn.run(DURATION_S), SEED, report)
    assert churn.errors == []

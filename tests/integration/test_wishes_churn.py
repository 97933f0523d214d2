"""People say whom they want to meet, on three instances, faults come, and an oracle judges whom they meet.

``SEED=7 DURATION=1200 make test-churn`` runs what seed 7 decides, for twenty minutes each.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import hiredis
import pytest

from tests.support.churn import REMATCH_DELAY_S, behind_proxies, run_to_the_end
from tests.support.daemon import DaemonProcess
from tests.support.matchmaking import CLAIM, LIKES_S
from tests.support.oracle import waiting
from tests.support.redis import LOGIN, Commands
from tests.support.tokens import SECRET
from tests.support.troubles import Clocked, Troubles
from tests.support.wishers import Wishers

DURATION_S = float(os.environ.get("DURATION", "20"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
CLIENTS = 240
CALM_S = 10.0
"""How long nothing but clients disturbs, after each rest."""

SOMETHING_ELSE = """
redis.call('DEL', KEYS[1])
redis.call('SADD', KEYS[1], 'other')
redis.call('EXPIRE', KEYS[1], 5) -- what nobody asks for again is not put aside
"""


class Wishing(Troubles):
    """A run with all faults of `Troubles`, and after each rest some time without any, in which all is judged."""

    swarm: Wishers

    async def _round(self, seconds: float) -> None:
        self.swarm.strict_since = None
        await super()._round(seconds)
        self.swarm.strict_since = time.monotonic()
        churning = asyncio.ensure_future(self._churn())
        while time.monotonic() - self.swarm.strict_since < CALM_S:  # what the clients do meanwhile is the test
            await asyncio.sleep(0.1)
            self.swarm.look()
            assert not self.swarm.broken, "\n".join(self.swarm.broken)
        churning.cancel()
        await self._rest()

    async def _restart(self, number: int, instance: DaemonProcess) -> None:
        await super()._restart(number, instance)
        self.swarm.lives[number] += 1

    async def restart_store_empty(self) -> None:
        await super().restart_store_empty()
        self.swarm.store_lost_at = time.monotonic()

    async def go_back(self) -> None:
        await super().go_back()
        self.swarm.store_lost_at = time.monotonic()

    async def hold_something_else_in_a_pool(self) -> None:
        """Another program writes under a key of a pool."""
        found = {key for key in await self._blocking(self._store.keys) if ":pool:" in key}
        if found:
            key = self._rng.choice(sorted(found))
            await self._command("EVAL", SOMETHING_ELSE, 1, key)

    async def lose_a_key_of_a_pool(self) -> None:
        """Somebody deletes one."""
        found = {key for key in await self._blocking(self._store.keys) if ":pool" in key}
        if found:
            await self._command("DEL", self._rng.choice(sorted(found)))

    async def _strange_keys(self) -> set[str]:
        return {key for key in await super()._strange_keys() if not key.startswith("webrtc:pool")}

    async def _wrong_tickets(self) -> object:
        """The store holds those who wait, each once, and of their classes what the scripts go by."""
        try:
            return await self._blocking(self._wrong_in_store)
        except hiredis.ReplyError as wrong:  # what is none of ours is not yet put aside
            return wrong

    def _wrong_in_store(self) -> str:
        with Commands(self._store) as commands:
            keys = {key for key in self._store.keys("webrtc:pool:") if ":aside:" not in key}
            lines = {key: scores(commands, key) for key in keys if ":line:" in key}
            of_classes = {key: line for key, line in lines.items() if key.count(":") == 4}
            tickets = [*scores(commands, "webrtc:waiting"), *chain.from_iterable(of_classes.values())]
            clients = sorted(ticket.split("|")[1] for ticket in tickets)
            if clients != sorted(waiting(self.swarm.views)):
                return f"{clients} stand in the store, and {waiting(self.swarm.views)} wait"
            heads: dict[str, dict[str, int]] = {}
            for key, line in lines.items():
                pool, _, rest = key.partition("line:")
                name, _, like = rest.partition(":")
                heads.setdefault(f"{pool}heads{like and ':'}{like}", {})[name] = min(line.values())
            found = {key: scores(commands, key) for key in keys if ":heads" in key}
            if found != heads:
                return f"first are {heads}, and in the heads are {found}"
            pools = {key[: -len("heads")] for key in heads if key.endswith(":heads")}
            if {pool.decode() for pool in commands("SMEMBERS", "webrtc:pools")} != pools:
                return f"there are {pools}, and others are noted"
            for pool in pools:
                if {name.decode() for name in commands("HKEYS", f"{pool}sides")} != set(heads[f"{pool}heads"]):
                    return f"not all classes of {pool} are known"
        return ""

    async def _lasting_keys(self) -> set[str]:
        return {key for key in await super()._lasting_keys() if not key.startswith("webrtc:block")}


def scores(commands: Commands, key: str) -> dict[str, int]:
    """The members of a sorted set."""
    words = commands("ZRANGE", key, 0, -1, "WITHSCORES")
    return {name.decode(): int(float(at)) for name, at in zip(words[::2], words[1::2], strict=True)}


def shown(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts))


@pytest.mark.slow
def test_churn_of_wishes(tmp_path: Path) -> None:
    """Somebody would meet whom it does not want, be overtaken, or wait for ever beside the one that it looks for."""
    with behind_proxies(tmp_path, 3) as (store, proxies):
        urls = [f"redis://{LOGIN}@127.0.0.1:{proxy.port}" for proxy in proxies]
        variables = {
            "REMATCH_DELAY_SECONDS": str(REMATCH_DELAY_S),
            "RESUME_SECONDS": "0",
            "MATCH_ANSWER_SECONDS": "0",
            "AUTH_MODE": "optional",
            "JWT_SECRET": SECRET,
            "MATCH_CLAIMS": CLAIM,
            "MATCH_LIKES_SECONDS": str(LIKES_S),
        }
        with Clocked(urls, tmp_path, **variables) as service:
            rng = random.Random(SEED)  # noqa: S311 - to be repeated, not to be secret
            swarm = Wishers(rng, CLIENTS)
            churn = Wishing(store, tmp_path, proxies, service, swarm, rng)
            churn.choices += [churn.hold_something_else_in_a_pool, churn.lose_a_key_of_a_pool]

            def report(seconds: float) -> str:
                return (
                    f"seed {SEED}, {seconds:.0f} s: {swarm.words} operations of {swarm.connected} clients,"
                    f" {swarm.judged} matches judged, {swarm.liked // 2} with a shared like,"
                    f" worn off: {shown(swarm.relaxed.items())}; {swarm.blocks} blocks, {churn.relays} relays;"
                    f" {swarm.looked_at} newcomers looked at for whom they passed over,"
                    f" {swarm.doubts} of those were on their way elsewhere; two that may meet waited for"
                    f" {swarm.longest:.2f} s at most; {churn.faults.total()} faults {dict(churn.faults)},"
                    f" {len(churn.rests)} rests of at most {max(churn.rests, default=0):.1f} s\n"
                )

            run_to_the_end(churn.run(DURATION_S), SEED, report)
            assert churn.errors == []

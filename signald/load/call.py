"""A whole call: two callers, from the first connection to the last farewell."""

import asyncio
import time
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from signald.load.caller import Caller, Fault
from signald.load.tally import Tally
from signald.load.target import Target

TIME_OVER: Final = "given up: the time was over"
STOPPED: Final = "given up: stopped"
"""What is counted for calls that are ended from outside: the words with which their tasks are cancelled."""


class Plan:
    """What each call of a run has in common.

    Args:
        target: The service.
        pools: What the pool of each call begins with: no other load, and no stranger, has the same.
        hold_s: How long a call lasts once it stands; seconds.
        patience_s: How long each step may take; seconds.
    """

    def __init__(self, target: Target, pools: str, hold_s: float, patience_s: float) -> None:
        self.target = target
        self.pools = pools
        self.hold_s = hold_s
        self.patience_s = patience_s


async def make_call(plan: Plan, number: int, tally: Tally) -> None:
    """Make one call, and count what became of it.

    The two have a pool of their own. Whoever is left is queued again by the service at once, and would be another
    call's partner in the moment before it closes; so a call that fails takes no other with it, either.
    """
    began = time.perf_counter()
    sides = [Caller(plan.target, 2 * number + side, tally, plan.patience_s) for side in range(2)]
    try:
        await _both(side.connect() for side in sides)
        pool = f"{plan.pools}-{number}"
        await _both(_until_it_stands(side, pool, began, tally) for side in sides)
        await _both(side.stay(plan.hold_s) for side in sides)
        leaver, left = sorted(sides, key=lambda side: not side.initiator)
        await _both((leaver.leave(), left.be_left()))
        await _both(side.go() for side in sides)
        tally.whole += 1
    except Fault as fault:
        tally.errors[str(fault)] += 1
    except asyncio.CancelledError as why:
        tally.errors[str(why) or STOPPED] += 1
    finally:
        for side in sides:
            side.cut()


async def look(target: Target, patience_s: float) -> None:
    """Connect one client and close it, to see that there is a signald.

    Raises:
        Fault: There is none, or it lets nobody in.
    """
    scout = Caller(target, 0, Tally(), patience_s)
    try:
        await scout.connect()
        await scout.go()
    finally:
        scout.cut()


async def _until_it_stands(side: Caller, pool: str, began: float, tally: Tally) -> None:
    await side.have_call(pool)
    tally.took("call", time.perf_counter() - began)


async def _both(steps: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do both at once; the first fault ends the other.

    Raises:
        Fault: Of whichever failed first.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except* Fault as faults:
        first = next(error for error in faults.exceptions if isinstance(error, Fault))
    else:
        return
    raise first

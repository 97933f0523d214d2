"""Makes calls at a rate, until they are made, the time is over or the operator has had enough."""

import asyncio
import gc
import resource
import time
from typing import Final

from signald.load.call import STOPPED, TIME_OVER, Plan, make_call
from signald.load.tally import Tally

_SPARE_FILES: Final = 64
"""Open files beside the connections."""


class Pacing:
    """How fast a run goes, and where it ends.

    Args:
        calls: To be made.
        rate: Begun in a second.
        at_once: Under way at a time; no more are begun above it.
        max_s: When what is not over is given up; seconds.
    """

    def __init__(self, calls: int, rate: float, at_once: int, max_s: float) -> None:
        self.calls = calls
        self.rate = rate
        self.at_once = at_once
        self.max_s = max_s


class Run:
    """The calls of one load.

    Args:
        plan: What each call is.
        pacing: How many, and how fast.
        tally: Takes what happens.

    Attributes:
        seconds: How long it has taken so far.
        stopped: Whether somebody has called `stop`.
        cpu_share: Of one core, what the load tool itself has used.
    """

    def __init__(self, plan: Plan, pacing: Pacing, tally: Tally) -> None:
        self._plan = plan
        self._pacing = pacing
        self._tally = tally
        self._began = 0.0
        self._took: float | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(pacing.at_once)
        self.stopped = False
        self.cpu_share = 0.0

    @property
    def seconds(self) -> float:
        """How long it takes already, or has taken."""
        if self._took is not None:
            return self._took
        return time.perf_counter() - self._began if self._began else 0.0

    async def make_calls(self) -> None:
        """Make all calls, and wait until the last one is over."""
        cpu_s = time.process_time()
        self._began = time.perf_counter()
        gc.freeze()  # what a pause of the collector adds to would be taken for the service's
        try:
            async with asyncio.timeout(self._pacing.max_s):
                self._beginning = asyncio.create_task(self._begin_calls())
                await asyncio.wait([self._beginning])
                while self._calls:
                    await asyncio.wait(self._calls)
        except TimeoutError:
            self._give_up(TIME_OVER)
            while self._calls:
                await asyncio.wait(self._calls)
        finally:
            self._took = self.seconds
            self.cpu_share = (time.process_time() - cpu_s) / self._took

    def stop(self) -> None:
        """Begin no more calls; the second time give up those under way."""
        if self.stopped:
            self._give_up(STOPPED)
        self.stopped = True
        if self._beginning is not None:
            self._beginning.cancel()

    def _give_up(self, why: str) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
        for call in self._calls:
            call.cancel(why)

    async def _begin_calls(self) -> None:
        for number in range(self._pacing.calls):
            due = self._began + number / self._pacing.rate
            await asyncio.sleep(due - time.perf_counter())
            await self._room.acquire()
            self._tally.late_s = max(self._tally.late_s, time.perf_counter() - due)
            self._begin(number)

    def _begin(self, number: int) -> None:
        tally = self._tally
        tally.begun += 1
        tally.open += 1
        tally.most_open = max(tally.most_open, tally.open)
        call = asyncio.create_task(make_call(self._plan, number, tally))
        self._calls.add(call)
        call.add_done_callback(self._over)

    def _over(self, call: "asyncio.Task[None]") -> None:
        self._calls.discard(call)
        self._tally.open -= 1
        self._room.release()
        if not call.cancelled() and (error := call.exception()) is not None:
            raise error


def raise_file_limit(at_once: int) -> None:
    """Allow as many open files as a run needs.

    Raises:
        ValueError: The system allows fewer.
    """
    needed = 2 * at_once + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ValueError(f"{at_once} calls at a time need {needed} open files, and the limit is {hard}: see --at-once")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))

"""Joins both connections to the store: commands out, letters in, and what is done about each refusal.

One connection carries commands, whose order is the order of everything that leaves this instance; the other one waits
for letters. The store counts as reachable when both have been answered.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib.resources import files
from typing import Any, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from signald.brokers.redis.answers import all_of
from signald.brokers.redis.connection import Primary, StoreConnection
from signald.brokers.redis.keys import Keys
from signald.brokers.redis.letters import Envelope
from signald.brokers.redis.mailbox import Mailbox
from signald.brokers.redis.problems import DEAF, WRONG_TYPE, Problem, Remedy, StoreRefused
from signald.brokers.redis.protocol import AtTurnsEnd
from signald.brokers.redis.url import StoreAddress

MEND_AGAIN_S: Final = 1.0
"""Seconds between two attempts to put aside what is not ours, if the first has found nothing."""

REFUSED_S: Final = 5.0
"""Seconds until a refused call that pairing does not need is tried again."""

CALLS: Final = (
    "match",
    "lease",
    "goodbye",
    "block",
    "ban",
    "append",
    "unfile",
    "scan",
    "park",
    "take",
    "note",
    "report",
)
"""The kinds of calls that an `Observe` is told of: the scripts, XADD, ZREM, and looking through what there is."""


AUXILIARY: Final = frozenset(("block", "ban", "scan", "park", "take", "note", "report"))
"""The kinds of calls that pairing does not need."""


class Observe(Protocol):
    """Told of each call when it is over."""

    def __call__(self, kind: str, seconds: float, *, answered: bool) -> None:
        """A call of one of CALLS took this time; not answered: lost, too late or refused by the store."""


def unobserved(kind: str, seconds: float, *, answered: bool) -> None:
    """An `Observe` that does nothing."""


class Script:
    """One Lua script, known to the store by its hash.

    Args:
        name: Of its file.
        before: The name of another file, of what it shares with others.
        kind: Of its calls, one of CALLS; its name, if it is not told.
    """

    def __init__(self, name: str, before: str = "", kind: str = "") -> None:
        self.name = name
        self.kind = kind or name
        texts = [(files("signald.brokers.redis") / f"{part}.lua").read_bytes() for part in (before, name) if part]
        self.text = b"\n".join(texts)
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()


MATCH: Final = Script("match", "lines")
UNFILE: Final = Script("unfile", "lines")
LEASE: Final = Script("lease")
GOODBYE: Final = Script("goodbye")
BLOCK: Final = Script("block")
BAN: Final = Script("ban")
PARK: Final = Script("park")
TAKE: Final = Script("take")
NOTE: Final = Script("note")
FILE: Final = Script("file", kind="report")
JUDGE: Final = Script("judge", kind="report")
_MEND: Final = Script("mend")
SCRIPTS: Final = (MATCH, UNFILE, LEASE, GOODBYE, BLOCK, BAN, PARK, TAKE, NOTE, FILE, JUDGE, _MEND)
"""All of them."""


class Access:
    """Reaches the store: sends commands, and takes letters.

    Args:
        instance: The name under which this instance is known there.
        primary: Knows where to connect.
        address: With user, password and database.
        keys: Names in the store.
        clock: For timeouts.
        jitter: A random number from 0 to 1 at each call.
        up: Called when commands can be sent (again); if it fails the connection is made anew.
        joined: Called when both connections are answered (again), or what stood in the store may be gone.
        down: Called when one of them is not, with the time since when.
        read: Called with the batches of letters that have come since the last call.
        observe: Told of each call.
        trouble: Told of each problem with the store.
        at_turns_end: Has the commands of a turn written together; None: each is written at once.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        instance: str,
        primary: Primary,
        address: StoreAddress,
        keys: Keys,
        clock: Any,
        jitter: Callable[[], float],
        up: Callable[[], Awaitable[None]],
        joined: Callable[[], None],
        down: Callable[[float], None],
        read: Callable[[list[Envelope]], None],
        observe: Observe,
        trouble: Callable[[Problem], None],
        at_turns_end: AtTurnsEnd | None,
    ) -> None:
        self._instance = instance
        self._keys = keys
        self._clock = clock
        self._up = up
        self._joined = joined
        self._observe = observe
        self._trouble = trouble
        self._suspects: set[str] = set()
        self._mending: Deferred[None] | None = None
        self._mended_at = float("-inf")
        self._mended_in_vain = False
        self._refused: dict[str, tuple[float, StoreRefused]] = {}
        self._evicts = False
        self._commands = StoreConnection(
            "command", primary, address, clock, jitter, self._commands_up, down, trouble, at_turns_end
        )
        self.mailbox = Mailbox(
            instance=instance,
            primary=primary,
            address=address,
            keys=keys,
            clock=clock,
            jitter=jitter,
            up=self.look_whether_joined,
            down=down,
            read=read,
            trouble=trouble,
        )

    @property
    def reachable(self) -> bool:
        """Whether both connections are answered: half a store serves nobody."""
        return self._commands.ready and self.mailbox.ready

    @property
    def commands(self) -> bool:
        """Whether commands go to the store, though letters may not come: what was asked for before is still done."""
        return self._commands.ready

    @property
    def problem(self) -> Problem | None:
        """Why the store is not reachable, or what it does not do as it should."""
        refused = next((error.problem for _, error in self._refused.values()), None)
        return self._commands.problem or self.mailbox.problem or refused

    def rename(self, instance: str) -> None:
        """Be known under another name from now on."""
        self._instance = instance
        self.mailbox.rename(instance)

    def start(self) -> None:
        """Begin to connect."""
        self._commands.start()

    def stop(self) -> None:
        """Close the connections."""
        if self._mending is not None:
            self._mending.cancel()
        self._commands.stop()
        self.mailbox.stop()

    def drop(self, why: str) -> None:
        """Make the command connection anew: what it answered makes no sense."""
        self._commands.drop(why)

    def deaf(self) -> None:
        """Make both connections anew: what this instance has written to itself did not come."""
        self.mailbox.deaf()
        self._commands.drop("letters do not arrive", DEAF)

    def failed(self, failure: Failure) -> None:
        """A step with the store failed.

        What stands under a name of ours and is not ours is put aside, and everything begins anew. A refused call
        that pairing does not need is logged and tried again later. In all other cases nobody knows what was done,
        so the command connection is made anew.
        """
        refused = failure.value
        if isinstance(refused, StoreRefused):
            if refused.problem.remedy is Remedy.MEND and self._mend_soon():
                return
            if any(refused is known for _, known in self._refused.values()):
                return
        self._commands.failed(failure)

    def _mend_soon(self) -> bool:
        """Begin to mend; false if that was done just now, and in vain."""
        if self._mending is not None:
            return True
        now = self._clock.seconds()
        if self._mended_in_vain and now - self._mended_at < MEND_AGAIN_S:
            return False
        self._mended_at = now
        self._trouble(WRONG_TYPE)
        self._mending = mending = Deferred.fromCoroutine(self._mend_and_rejoin())

        def over(result: Any) -> None:
            self._mending = None
            if isinstance(result, Failure) and not result.check(CancelledError):
                self._commands.failed(result)

        mending.addBoth(over)
        return True

    async def script(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """Run a script."""
        return await self.call(script.kind, "EVALSHA", script.sha, len(keys), *keys, *arguments)

    def call(self, kind: str, *command: Any) -> "Deferred[Any]":
        """Send a command of one of CALLS; see `StoreConnection.call`."""
        began = self._clock.seconds()
        if kind in AUXILIARY and kind in self._refused:
            until, refused = self._refused[kind]
            if began < until:
                return fail(refused)
            del self._refused[kind]

        def over(result: Any) -> Any:
            now = self._clock.seconds()
            self._observe(kind, now - began, answered=not isinstance(result, Failure))
            if isinstance(result, Failure) and isinstance(result.value, StoreRefused):
                self._suspects.update(word for word in command if isinstance(word, str) and self._keys.kind_of(word))
                if kind in AUXILIARY and result.value.problem.remedy is not Remedy.MEND:
                    self._refused[kind] = now + REFUSED_S, result.value
                    self._commands.complain(f"{kind}: {result.value}", result.value.problem, usable=True)
            return result

        return self._commands.call(*command).addBoth(over)

    async def _commands_up(self) -> None:
        await all_of(self._commands.call("SCRIPT", "LOAD", script.text) for script in SCRIPTS)
        await self._mend_suspects()
        await self._up()
        await self._look_at_eviction()
        # The connection counts as up only after this: until then nothing else would be asked.
        self._clock.callLater(0, self.look_whether_joined)

    def look_whether_joined(self) -> None:
        """Begin anew if the store is reachable."""
        if self.reachable:
            self._joined()

    async def _mend(self, keys: Iterable[str]) -> None:
        """Put aside what stands under names of ours and is something else (``mend.lua``)."""
        known = {key: kind for key in keys if (kind := self._keys.kind_of(key))}
        moved = await self._commands.call(
            "EVALSHA", _MEND.sha, len(known), *known, *known.values(), self._keys.aside_prefix
        )
        self._mended_in_vain = not moved
        for was, kind, name in zip(moved[::3], moved[1::3], moved[2::3], strict=True):
            self._log.warn(
                "{key} is a {kind} and none of ours: it is called {name} now",
                key=was.decode("utf-8", "replace"),
                kind=kind.decode(),
                name=name.decode("utf-8", "replace"),
            )

    async def _mend_suspects(self) -> None:
        suspects, self._suspects = self._suspects, set()
        await self._mend(suspects.union(self._keys.of(self._instance)))

    async def _mend_and_rejoin(self) -> None:
        await self._mend_suspects()
        await self._up()
        self.look_whether_joined()

    async def _look_at_eviction(self) -> None:
        """Warn if the store may throw away what it holds: an evicted lease is an instance declared dead."""
        try:
            text = await self._commands.call("INFO", "memory")
        except StoreRefused:  # a user without +info
            return
        found = re.search(rb"maxmemory_policy:(\S+)", text)
        policy = found[1].decode() if found else "noeviction"
        if policy != "noeviction" and not self._evicts:
            self._log.warn(
                "the store's maxmemory-policy is {policy}: it may throw away leases and letters; set it to noeviction",
                policy=policy,
            )
        self._evicts = policy != "noeviction"

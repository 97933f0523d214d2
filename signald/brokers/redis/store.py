"""Does with the store what an instance needs: tickets, leases, letters, bans and blocks.

Commands used here, by `access` and by `mailbox`: EVALSHA, SCRIPT LOAD, ZREM, ZSCAN, SSCAN, DEL, XADD with NOMKSTREAM,
XREAD, ZRANGE, HSCAN, INFO, and those in the Lua scripts; all are in Redis 6.2 and later and in Valkey.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from signald.brokers.redis.access import BAN, BLOCK, GOODBYE, LEASE, MATCH, UNFILE, Access, Observe
from signald.brokers.redis.connection import Primary
from signald.brokers.redis.keys import Keys, class_of, file_ticket, forms, names, parse_ticket, side_as_json
from signald.brokers.redis.letters import Envelope
from signald.brokers.redis.mailbox import BEGIN
from signald.brokers.redis.outside import Crowd, Filed, Outcome, Taken, Wanted
from signald.brokers.redis.problems import Problem
from signald.brokers.redis.protocol import AtTurnsEnd
from signald.brokers.redis.url import StoreAddress
from signald.core import classes
from signald.core.bans import Ban
from signald.core.blocks import at_most
from signald.core.common_time import CommonTime
from signald.core.encounters import Party
from signald.core.ids import ClientId
from signald.core.matching import Ticket

LEASE_MS: Final = 8_000
"""Milliseconds for which an instance counts as alive without a sign of life."""

STREAM_MS: Final = 120_000
"""Milliseconds for which letters to an instance that does not read them are kept."""

STREAM_LETTERS: Final = 20_000
"""Batches that may stand in one stream; an instance that is so far behind finds a gap, and its rooms end."""

GUESTS_WITH_BLOCKS: Final = 50_000
"""Guests whose blocks the store keeps, some 10 MB, 190 MB if each has blocked as many as it may; then it forgets those
of the one whose last block is the oldest."""

MOVED_S: Final = 3600
"""How long the queue stays out of the way after the old server's list was seen last: that is gone whenever nobody waits
there, and comes back."""

CLOCKS_DIFFER_S: Final = 5.0
"""By how much this machine's clock and the store's may differ without a word; less than the usual leeway of tokens."""

PAGE: Final = 500
"""Tickets or bans that one call reads or writes; the store does nothing else meanwhile."""

_encode_ban = msgspec.json.Encoder().encode
_decode_ban = msgspec.json.Decoder(Ban).decode


class Store:
    """Uses the store for one instance.

    Args:
        primary: Knows where to connect.
        address: With user, password and database.
        keys: Names in the store.
        instance: The name under which this instance is known there.
        boot: This process's boot id.
        clock: For timeouts.
        jitter: A random number from 0 to 1 at each call.
        up: Called when commands can be sent (again); if it fails the connection is made anew.
        joined: Called when both connections are answered (again), or what stood in the store may be gone.
        down: Called when they cannot, with the time since when.
        read: Called with the batches of letters that have come since the last call.
        observe: Told of each call.
        trouble: Told of each problem with the store.
        common_time: Learns the time of the store, which all instances go by.
        at_turns_end: Has the commands of a turn written together; None: each is written at once.
    """

    _log = Logger()

    def __init__(
        self,
        primary: Primary,
        address: StoreAddress,
        keys: Keys,
        instance: str,
        boot: str,
        clock: Any,
        jitter: Callable[[], float],
        up: Callable[[], Awaitable[None]],
        joined: Callable[[], None],
        down: Callable[[float], None],
        read: Callable[[list[Envelope]], None],
        observe: Observe,
        trouble: Callable[[Problem], None],
        common_time: CommonTime,
        at_turns_end: AtTurnsEnd | None,
    ) -> None:
        self._common_time = common_time
        self._keys = keys
        self.instance = instance
        self._boot = boot
        self._clock = clock
        self._fresh = True
        self._elsewhere = False
        self.access = Access(
            instance=instance,
            primary=primary,
            address=address,
            keys=keys,
            clock=clock,
            jitter=jitter,
            up=up,
            joined=joined,
            down=down,
            read=read,
            observe=observe,
            trouble=trouble,
            at_turns_end=at_turns_end,
        )
        self._mailbox = self.access.mailbox
        self._call = self.access.call
        self._script = self.access.script
        self.start = self.access.start
        self.stop = self.access.stop
        self.drop = self.access.drop
        self.failed = self.access.failed

    @property
    def reachable(self) -> bool:
        """See `Access.reachable`."""
        return self.access.reachable

    @property
    def problem(self) -> Problem | None:
        """See `Access.problem`."""
        return self.access.problem

    @property
    def _queue(self) -> str:
        """The key of the queue."""
        return self._keys.waiting_elsewhere if self._elsewhere else self._keys.waiting

    def rename(self, instance: str) -> None:
        """Be known under another name from now on."""
        self.instance = instance
        self.access.rename(instance)
        self._fresh = True

    async def match(self, ticket: Ticket, wanted: Wanted, shunned: Iterable[str]) -> Outcome:
        """Find a partner for a ticket, or file it (``match.lua``)."""
        side, plain = wanted.side, ticket.wish is None
        pool = self._keys.pool(ticket.pool)
        name = "" if plain else class_of(side)
        filed = file_ticket(self.instance, ticket, avoiding=wanted.avoiding)
        several = not plain or ticket.avoid or ticket.browser is not None  # else there is but one form
        former = [form for form in forms(self.instance, ticket) if form != (name, filed)] if several else []
        reply = await self._script(
            MATCH,
            [
                self._queue,
                self._keys.pools,
                f"{pool}heads",
                f"{pool}sides",
                f"{pool}meets:{name.rstrip('+') or 'none'}",
            ],
            pool,
            filed,
            "" if wanted.place is None else str(wanted.place),
            str(int(wanted.waited_s * 1e6)),
            name,
            side_as_json(side),
            "" if ticket.pool else "1",
            wanted.reached,
            self._keys.lease_prefix,
            self._keys.blocks_prefix,
            classes.CLASSES_AT_MOST,
            len(former),
            *(word for form in former for word in form),
            *shunned,
        )
        place = int(reply[0])
        if len(reply) == 1:
            return Filed(place)
        if len(reply) == 3:
            return Filed(place, reply[2].decode()) if reply[2] else Crowd(place)
        instance, client, number = parse_ticket(reply[1].decode())
        return Taken(place, instance, ClientId(client), number)

    def unfile(self, ticket: Ticket) -> "Deferred[Any] | None":
        """Take a ticket out of the lines; None if the store takes no commands.

        Nor does it matter whether letters come: a ticket may be filed by a command that is on its way.
        """
        if not self.access.commands:
            return None
        filed = forms(self.instance, ticket)
        if ticket.wish is None:
            return self._call("unfile", "ZREM", self._queue, *(form.ticket for form in filed))
        return self._unfile(self._keys.pool(ticket.pool), filed)

    def _unfile(self, pool: str, filed: Iterable[tuple[str, str]]) -> "Deferred[Any]":
        """Take tickets out of lines of a pool, each told with its class (``unfile.lua``)."""
        words = [word for form in filed for word in form]
        return self._call("unfile", "EVALSHA", UNFILE.sha, 2, self._queue, self._keys.pools, pool, *words)

    async def unfile_strangers(self, instance: str, waiting: Callable[[], Iterable[Ticket]]) -> None:
        """Take an instance's tickets out of all lines that do not wait.

        Args:
            instance: Whose tickets.
            waiting: Gives those that wait. Asked after a line was read: what it then does not know was withdrawn.
        """
        async for stale in self._strangers(self._queue, instance, waiting):
            await self._call("unfile", "ZREM", self._queue, *stale)
        async for pools in self._pages("SSCAN", self._keys.pools):
            for pool in (name.decode() for name in pools):
                async for heads in self._pages("ZSCAN", f"{pool}heads"):
                    for name in (name.decode() for name in heads[::2]):
                        async for stale in self._strangers(f"{pool}line:{name}", instance, waiting):
                            await self._unfile(pool, ((name, ticket.decode("latin-1")) for ticket in stale))

    async def _strangers(
        self, line: str, instance: str, waiting: Callable[[], Iterable[Ticket]]
    ) -> AsyncIterator[list[bytes]]:
        """The tickets of an instance in a line that do not wait, some at a time."""
        async for found in self._pages("ZSCAN", line, "MATCH", f"{instance}|*"):
            keep = {(ticket.client, ticket.number) for ticket in waiting()}
            stale = [ticket for ticket in found[::2] if _names(ticket) not in keep]
            if stale:
                yield stale

    async def renew(self, others: Sequence[str]) -> tuple[str, list[str]]:
        """Take or keep the lease (``lease.lua``).

        Args:
            others: Instances whose leases are looked at.

        Returns:
            ``kept``, ``taken`` or ``other``, and the boot ids of the others, empty for those without a lease.
        """
        asked_at = self._clock.seconds()
        position = self._mailbox.position
        own = (self._keys.lease(self.instance), self._keys.stream(self.instance))
        shared = (self._keys.instances, self._keys.waiting, self._keys.moved)
        status, made, elsewhere, entry, time, *boots = await self._script(
            LEASE,
            [*own, *shared, *(self._keys.lease(other) for other in others)],
            self._boot,
            str(LEASE_MS),
            str(STREAM_MS),
            "" if position == BEGIN else position,
            "1" if self._fresh else "0",
            self.instance,
            str(MOVED_S),
        )
        self._compare_clocks(float(time), asked_at)
        if status != b"other":
            self._fresh = False
            self._follow(moved=elsewhere == b"1")
            self._listen(entry.decode(), BEGIN if made == b"1" else position)
        return status.decode(), [boot.decode("utf-8", "replace") for boot in boots]

    def _compare_clocks(self, unix_time: float, asked_at: float) -> None:
        correction_s = self._common_time.learn(unix_time, asked_at, self._clock.seconds())
        if abs(correction_s) >= CLOCKS_DIFFER_S:
            self._log.warn(
                "the store's clock is {seconds} s {where} this machine's, or was set: bans go by the store's",
                seconds=round(abs(correction_s), 1),
                where="ahead of" if correction_s > 0 else "behind",
            )

    def _follow(self, *, moved: bool) -> None:
        if moved == self._elsewhere:
            return
        self._elsewhere = moved
        if moved:
            self._log.warn(
                "{key} is a list, of the old server: the queue is {queue}, and clients of one meet none of the other",
                key=self._keys.waiting,
                queue=self._queue,
            )
        self._clock.callLater(0, self.access.look_whether_joined)  # who waits stands in the other queue

    def _listen(self, entry: str, since: str) -> None:
        if since == BEGIN:  # the stream is another one, or none of it was read yet
            self._mailbox.begin_anew()
        if not self._mailbox.expect(entry, since):
            self._log.warn("the store went back in time, or letters come from another one than is written to")
            self.access.deaf()
        self._mailbox.start()

    def append(self, instance: str, batch: bytes) -> "Deferred[bool]":
        """Put a batch of letters into an instance's stream; fires with false if it has none."""
        stream = self._keys.stream(instance)
        written = self._call("append", "XADD", stream, "NOMKSTREAM", "MAXLEN", "~", STREAM_LETTERS, "*", "d", batch)
        return written.addCallback(_is_there)

    async def say_goodbye(self) -> None:
        """Take everything of this instance out."""
        await self._take_out(self.instance, self._boot)

    async def bury(self, instance: str) -> None:
        """Take out what a dead instance left; nothing if it lives."""
        await self._take_out(instance, "")

    async def _take_out(self, instance: str, boot: str) -> None:
        keys = [self._keys.lease(instance), self._keys.stream(instance), self._keys.instances]
        if await self._script(GOODBYE, keys, boot, instance):
            await self.unfile_strangers(instance, tuple)

    async def block(self, by: Party, whom: Party, lasting_s: float) -> None:
        """Let no instance match these two any more (``block.lua``)."""
        name = names(by)[0]
        keys = [self._keys.blocks_prefix + name, *([self._keys.blockers] if by.user is None else [])]
        beyond = await self._script(
            BLOCK, keys, names(whom)[0], str(int(lasting_s)), at_most(by), name, GUESTS_WITH_BLOCKS
        )
        if beyond:
            await self._unblock([guest.decode() for guest in beyond])

    async def unblock(self, guests: Sequence[ClientId]) -> None:
        """Forget whom guests have blocked."""
        await self._unblock([names(Party(guest))[0] for guest in guests])

    async def _unblock(self, guests: Sequence[str]) -> None:
        await self._call("block", "DEL", *(self._keys.blocks_prefix + guest for guest in guests))
        await self._call("block", "ZREM", self._keys.blockers, *guests)

    async def save_bans(self, bans: Sequence[Ban], over: Sequence[str], unix_time: float) -> None:
        """Write bans down, and take out those of these keys that may be forgotten (``ban.lua``).

        Args:
            bans: At most PAGE.
            over: Keys, at most PAGE.
            unix_time: Seconds since 1970.
        """
        words = (word for ban in bans for word in (ban.key, _encode_ban(ban)))
        await self._script(BAN, [self._keys.bans], f"{unix_time:.3f}", len(bans), *words, *over)

    async def bans(self) -> AsyncIterator[list[Ban]]:
        """All bans, some at a time; without what cannot be read, since another version or somebody else wrote it."""
        async for found in self._pages("HSCAN", self._keys.bans):
            page = []
            for key, text in zip(found[::2], found[1::2], strict=True):
                try:
                    page.append(_decode_ban(text))
                except msgspec.MsgspecError as error:
                    self._log.debug("not a ban: {key!r} in {hash}: {why}", key=key, hash=self._keys.bans, why=error)
            yield page

    async def instances(self) -> list[str]:
        """All instances that have renewed their lease of late."""
        return [name.decode() for name in await self._call("scan", "ZRANGE", self._keys.instances, 0, -1)]

    async def others(self) -> set[str]:
        """The same without this one."""
        return set(await self.instances()) - {self.instance}

    async def _pages(self, command: str, key: str, *options: str) -> AsyncIterator[list[bytes]]:
        """What stands under a key, some at a time."""
        cursor = b"0"
        while True:
            cursor, found = await self._call("scan", command, key, cursor, *options, "COUNT", PAGE)
            yield found
            if cursor == b"0":
                return


def _is_there(entry: bytes | None) -> bool:
    return entry is not None


def _names(filed: bytes) -> tuple[str, int] | None:
    """Client and number of a filed ticket; None for what is none."""
    try:
        return parse_ticket(filed.decode())[1:]
    except ValueError:
        return None

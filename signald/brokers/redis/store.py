"""What an instance does with the store: tickets, leases, and letters in streams.

Two connections: one for commands, whose order is the order of everything that leaves this instance, and one that
waits for letters. Commands used: EVALSHA, SCRIPT LOAD, ZREM, ZSCAN, XADD with NOMKSTREAM, XREAD, ZRANGE, HSCAN, HDEL;
all are in Redis 6.2 and later and in Valkey.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from importlib.resources import files
from typing import Any, Final, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from signald.brokers.redis.connection import StoreConnection
from signald.brokers.redis.keys import Keys, file_ticket, names, parse_ticket
from signald.brokers.redis.letters import Envelope, decode
from signald.brokers.redis.outside import Filed, Outcome, Taken
from signald.brokers.redis.url import StoreAddress
from signald.core.bans import Ban
from signald.core.blocks import BLOCKS_EACH
from signald.core.encounters import Party
from signald.core.ids import ClientId
from signald.core.matching import Ticket

LEASE_MS: Final = 8_000
"""How long an instance is taken for alive without a sign of life."""

STREAM_MS: Final = 120_000
"""How long letters to an instance are kept that does not read them."""

STREAM_LETTERS: Final = 20_000
"""Batches that may stand in one stream; an instance that is so far behind finds a gap, and its rooms end."""

READ_WAIT_MS: Final = 2_000
"""How long one read waits for letters."""

READ_AT_MOST: Final = 200
"""Batches in one read."""


PAGE: Final = 500
"""As many tickets or bans are read or written in one call; the store does nothing else meanwhile."""

CALLS: Final = ("match", "lease", "goodbye", "block", "ban", "append", "unfile", "scan")
"""The kinds of calls that an `Observe` is told of: the scripts, XADD, ZREM, and looking through what there is."""


_encode_ban = msgspec.json.Encoder().encode
_decode_ban = msgspec.json.Decoder(Ban).decode


class Observe(Protocol):
    """Told of each call when it is over."""

    def __call__(self, kind: str, seconds: float, *, answered: bool) -> None:
        """A call of one of CALLS took this time; not answered: lost, too late or refused by the store."""


def unobserved(kind: str, seconds: float, *, answered: bool) -> None:
    """An `Observe` that does nothing."""


class Script:
    """One Lua script, known to the store by its hash."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.text = (files("signald.brokers.redis") / f"{name}.lua").read_bytes()
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()


_MATCH = Script("match")
_LEASE = Script("lease")
_GOODBYE = Script("goodbye")
_BLOCK = Script("block")
_BAN = Script("ban")


class Store:
    """The store, as one instance uses it.

    Args:
        endpoint: Where to connect.
        address: With user, password and database.
        keys: Names in the store.
        instance: The name under which this instance is known there.
        boot: This process's boot id.
        clock: For timeouts.
        jitter: A random number from 0 to 1 at each call.
        up: Called when commands can be sent (again); if it fails the connection is made anew.
        down: Called when they cannot, with the time since when.
        read: Called with the batches of letters that have come since the last call.
        observe: Told of each call.
    """

    _log = Logger()

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        address: StoreAddress,
        keys: Keys,
        instance: str,
        boot: str,
        clock: Any,
        jitter: Callable[[], float],
        up: Callable[[], Awaitable[None]],
        down: Callable[[float], None],
        read: Callable[[list[Envelope]], None],
        observe: Observe,
    ) -> None:
        self._observe = observe
        self._seconds = clock.seconds
        self._keys = keys
        self.instance = instance
        self._boot = boot
        self._up = up
        self._read = read
        self._position = "0-0"
        self._fresh = True
        self._commands = StoreConnection("command", endpoint, address, clock, jitter, self._commands_up, down)
        self._letters = StoreConnection("letter", endpoint, address, clock, jitter, self._letters_up, lambda _: None)

    @property
    def reachable(self) -> bool:
        """Whether commands are answered."""
        return self._commands.ready

    def rename(self, instance: str) -> None:
        """Be known under another name from now on."""
        self.instance = instance
        self._position = "0-0"
        self._fresh = True

    def start(self) -> None:
        """Begin to connect."""
        self._commands.start()

    def stop(self) -> None:
        """Close the connections."""
        self._commands.stop()
        self._letters.stop()

    def drop(self, why: str) -> None:
        """Make the command connection anew: what it answered makes no sense."""
        self._commands.drop(why)

    def failed(self, failure: Failure) -> None:
        """A step with the store failed. Nobody knows what was done, so the command connection is made anew."""
        self._commands.failed(failure)

    async def match(
        self, ticket: Ticket, place: int | None, waited_s: float, *, avoiding: bool, shunned: Iterable[str]
    ) -> Outcome:
        """Find a partner for a ticket, or file it (``match.lua``)."""
        filed = file_ticket(self.instance, ticket, avoiding=avoiding)
        former = file_ticket(self.instance, ticket, avoiding=not avoiding)
        reply = await self._script(
            _MATCH,
            [self._keys.waiting],
            self._keys.lease_prefix,
            filed,
            former if former != filed else "",
            "" if place is None else str(place),
            str(int(waited_s * 1e6)),
            self._keys.blocks_prefix,
            *shunned,
        )
        place = int(reply[0])
        if len(reply) == 1:
            return Filed(place)
        instance, client, number = parse_ticket(reply[1].decode())
        return Taken(place, instance, ClientId(client), number)

    def unfile(self, tickets: Sequence[Ticket]) -> "Deferred[Any]":
        """Take tickets out of the queue."""
        filed = [file_ticket(self.instance, ticket, avoiding=True) for ticket in tickets]
        filed += [file_ticket(self.instance, ticket, avoiding=False) for ticket in tickets if ticket.avoid is not None]
        return self._call("unfile", "ZREM", self._keys.waiting, *filed)

    async def unfile_strangers(self, instance: str, waiting: Callable[[], Iterable[Ticket]]) -> None:
        """Take an instance's tickets out of the queue that do not wait.

        Args:
            instance: Whose tickets.
            waiting: Gives those that wait. Asked after the queue was read: what it then does not know was withdrawn.
        """
        async for found in self._pages("ZSCAN", self._keys.waiting, "MATCH", f"{instance}|*"):
            keep = {(ticket.client, ticket.number) for ticket in waiting()}
            filed = [ticket.decode() for ticket in found[::2]]
            stale = [ticket for ticket in filed if parse_ticket(ticket)[1:] not in keep]
            if stale:
                await self._call("unfile", "ZREM", self._keys.waiting, *stale)

    async def renew(self, others: Sequence[str]) -> tuple[str, list[str]]:
        """Take or keep the lease (``lease.lua``).

        Args:
            others: Instances whose leases are looked at.

        Returns:
            ``kept``, ``taken`` or ``other``, and the boot ids of the others, empty for those without a lease.
        """
        keys = [self._keys.lease(self.instance), self._keys.stream(self.instance), self._keys.instances]
        status, made, *boots = await self._script(
            _LEASE,
            keys + [self._keys.lease(other) for other in others],
            self._boot,
            str(LEASE_MS),
            str(STREAM_MS),
            self._position if self._position != "0-0" else "",
            "1" if self._fresh else "0",
            self.instance,
        )
        if status != b"other":
            self._fresh = False
            if made == b"1":
                self._position = "0-0"
            self._letters.start()
        return status.decode(), [boot.decode() for boot in boots]

    async def append(self, instance: str, batch: bytes) -> bool:
        """Put a batch of letters into an instance's stream; false if it has none."""
        reply = await self._call(
            "append", "XADD", self._keys.stream(instance), "NOMKSTREAM", "MAXLEN", "~", STREAM_LETTERS, "*", "d", batch
        )
        return reply is not None

    async def say_goodbye(self) -> None:
        """Take everything of this instance out."""
        await self._take_out(self.instance, self._boot)

    async def bury(self, instance: str) -> None:
        """Take out what a dead instance left; nothing if it lives."""
        await self._take_out(instance, "")

    async def _take_out(self, instance: str, boot: str) -> None:
        keys = [self._keys.lease(instance), self._keys.stream(instance), self._keys.instances]
        if await self._script(_GOODBYE, keys, boot, instance):
            await self.unfile_strangers(instance, tuple)

    async def block(self, by: Party, whom: Party, lasting_s: float) -> None:
        """Let no instance match these two any more (``block.lua``)."""
        key = self._keys.blocks_prefix + names(by)[0]
        await self._script(_BLOCK, [key], names(whom)[0], str(int(lasting_s)), BLOCKS_EACH)

    async def save_bans(self, bans: Sequence[Ban], over: Sequence[str], unix_time: float) -> None:
        """Write bans down, and take out those of these keys that may be forgotten (``ban.lua``).

        Args:
            bans: At most PAGE.
            over: Keys, at most PAGE.
            unix_time: Seconds since 1970.
        """
        words = (word for ban in bans for word in (ban.key, _encode_ban(ban)))
        await self._script(_BAN, [self._keys.bans], f"{unix_time:.3f}", len(bans), *words, *over)

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

    async def _script(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        return await self._call(script.name, "EVALSHA", script.sha, len(keys), *keys, *arguments)

    def _call(self, kind: str, *command: Any) -> "Deferred[Any]":
        began = self._seconds()

        def over(result: Any) -> Any:
            self._observe(kind, self._seconds() - began, answered=not isinstance(result, Failure))
            return result

        return self._commands.call(*command).addBoth(over)

    async def _commands_up(self) -> None:
        for script in (_MATCH, _LEASE, _GOODBYE, _BLOCK, _BAN):
            await self._commands.call("SCRIPT", "LOAD", script.text)
        await self._up()

    async def _letters_up(self) -> None:
        # When it fails the connection is lost, or will be: the next one reads on from the same place.
        Deferred.fromCoroutine(self._read_for_ever()).addErrback(self._letters.failed)

    async def _read_for_ever(self) -> None:
        wait_s = READ_WAIT_MS / 1000 * 2
        while True:
            reply = await self._letters.call(
                "XREAD", "COUNT", READ_AT_MOST, "BLOCK", READ_WAIT_MS,
                "STREAMS", self._keys.stream(self.instance), self._position,
                timeout_s=wait_s,
            )  # fmt: skip
            # A reader that waits when `lease.lua` makes the stream gets its first, empty entry, or none at all.
            entries = reply[0][1] if reply else []
            if entries:
                self._position = entries[-1][0].decode()
                self._read([envelope for _, (_, batch) in entries if batch for envelope in self._envelope(batch)])

    def _envelope(self, batch: bytes) -> list[Envelope]:
        """A batch, if it can be read: what is lost is noticed by its number, and costs no other sender's letters."""
        try:
            return [decode(batch)]
        except msgspec.MsgspecError as error:
            self._log.warn("letters that cannot be read, of another version? {why}", why=error)
            return []

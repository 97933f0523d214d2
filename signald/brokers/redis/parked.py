"""What stands in the store of sessions that change their home: they themselves, who took them, notes about rooms."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import MsgspecError
from twisted.internet.defer import Deferred

from signald.brokers.redis.access import NOTE, PARK, TAKE
from signald.brokers.redis.answers import all_of
from signald.brokers.redis.keys import Keys
from signald.brokers.redis.store import Store
from signald.core import parcel
from signald.core.ids import ClientId, RoomId
from signald.core.parcel import Parcel
from signald.core.passes import LIFE_S, Attempt, Pass

PARKED_AT_ONCE: Final = 100
"""Sessions in one call: 90 kB, half a millisecond of the store's time."""

REMEMBERED_S: Final = LIFE_S
"""How long it is remembered who took a session: as long as its old tokens might be tried."""

SECRET_S: Final = 86_400
"""How long the key of tokens outlives the last instance."""

STOPPED_KEPT: Final = 100
"""Processes of which it is known that they stop though their lease still stands: those of a moment ago."""

NOBODY: Final = "-"
"""Stands for who has taken a session if it was not by an earlier attempt after the same loss."""


class Turn(NamedTuple):
    """What came of the attempt to take a session.

    Attributes:
        parcel: The session, if it was parked.
        taken: Whether it is ours now.
        holder: Who has taken it by an earlier attempt, or if it is ours had it before, as ``instance/boot``; empty for
            none, and NOBODY if it cannot be had any more.
    """

    parcel: Parcel | None = None
    taken: bool = False
    holder: str = ""


class ParkedSessions:
    """Sessions without a home, and where the last ones went.

    Args:
        store: The store.
        keys: Names there.
        seconds: How long a session without a connection is kept.
        boot: This process's boot id.
    """

    def __init__(self, store: Store, keys: Keys, seconds: float, boot: str) -> None:
        self._store = store
        self._boot = boot
        self._keys = keys
        self._last_ms = str(int(seconds * 1000) + 1)
        self._remembered_ms = str(int(REMEMBERED_S * 1000))
        self._notes_ms = str(int(seconds * 2000) + 1)
        self._stopped: deque[str] = deque(maxlen=STOPPED_KEPT)

    @property
    def _seat(self) -> str:
        return f"{self._store.instance}/{self._boot}"

    async def take(self, said: Pass, attempt: Attempt, *, from_dead: str | None = None) -> Turn:
        """Take a session, if it is parked (``take.lua``).

        Args:
            said: What the client's token says.
            attempt: Which one this is.
            from_dead: Who has taken it by an earlier attempt, and does not have it any more; empty for nobody. Then it
                is taken even if it is not parked.
        """
        client, epoch = said.client, said.epoch
        keys = [self._keys.parked(client, epoch), self._keys.parked(client, epoch + 1), self._keys.taken(client)]
        dead = "0" if from_dead is None else "1"
        words = (self._remembered_ms, dead, str(epoch), str(attempt.number), attempt.nonce, from_dead or "")
        found, text, before = await self._store.access.script(TAKE, keys, self._seat, *words)
        if found == b"nothing":
            return Turn(holder=text.decode())
        holder = before.decode()
        if found == b"dead":
            return Turn(taken=True, holder=holder)
        try:
            return Turn(parcel.decode(text), taken=True, holder=holder)
        except MsgspecError:  # of another version: there is the token still
            return Turn(taken=True, holder=holder)

    async def park(self, parcels: Sequence[Parcel]) -> None:
        """Park sessions that have no home any more (``park.lua``), PARKED_AT_ONCE at most. Harmless when done twice."""
        keys = [
            key
            for each in parcels
            for key in (self._keys.parked(each.client, each.epoch), self._keys.taken(each.client))
        ]
        words = [
            word
            for each in parcels
            for word in (str(each.epoch), str(each.attempt.number), each.attempt.nonce, parcel.encode(each))
        ]
        # Whoever takes it out needs the key of its token, which the last instance forgets: this is said before.
        said = self._store.access.call("park", "SET", self._keys.parked_lately, 1, "PX", self._last_ms)
        script = self._store.access.script(PARK, keys, self._last_ms, self._remembered_ms, self._seat, *words)
        await all_of((said, Deferred.fromCoroutine(script)))

    async def note(self, room: RoomId, client: ClientId, epoch: int, partner: ClientId) -> str:
        """Leave a note that a client is here, and read its partner's (``note.lua``).

        Returns:
            Where the partner is, as ``instance/boot``; empty if nobody knows, or if it was here and is no longer.
        """
        key = self._keys.notes(room)
        words = (client, str(epoch), self._seat, partner, self._notes_ms)
        note = (await self._store.access.script(NOTE, [key], *words)).decode()
        seat: str = note.partition("|")[2]
        return "" if seat == self._seat else seat

    async def boot_of(self, instance: str) -> str:
        """The boot id of an instance that lives; empty for one that does not."""
        lease = await self._store.access.call("take", "GET", self._keys.lease(instance))
        boot = "" if lease is None else lease.decode("utf-8", "replace")
        return "" if boot in self._stopped else boot

    def stops(self, boot: str) -> None:
        """A process has said its last word, and answers nothing any more."""
        self._stopped.append(boot)

    async def taken(self, sessions: Sequence[tuple[ClientId, int, Attempt]]) -> list[tuple[ClientId, int]]:
        """Those of these sessions, at home here, that another instance has taken, each with its epoch."""
        gone: list[tuple[ClientId, int]] = []
        for at in range(0, len(sessions), PARKED_AT_ONCE):
            some = sessions[at : at + PARKED_AT_ONCE]
            keys = [self._keys.taken(client) for client, _, _ in some]
            found = await self._store.access.call("take", "MGET", *keys)
            gone += [
                (client, epoch)
                for (client, epoch, attempt), mark in zip(some, found, strict=True)
                if mark is not None and self._is_rival(mark, epoch, attempt)
            ]
        return gone

    def _is_rival(self, mark: bytes, epoch: int, attempt: Attempt) -> bool:
        """Whether a session that is at home here has another home, as far as the store knows (as in ``park.lua``)."""
        last, seat, number, nonce = (mark.decode("utf-8", "replace").split("|", 3) + [""] * 3)[:4]
        if not (last.isdigit() and number.isdigit()):
            return False
        if int(last) != epoch - 1:
            return int(last) >= epoch
        return seat.partition("/")[2] != self._boot and not attempt.counted.follows(Attempt(nonce, int(number)))

    async def secret(self, own: str) -> str:
        """The key of tokens that all instances have; this one's, if there is none."""
        key = self._keys.secret
        await self._store.access.call("take", "SET", key, own, "NX", "EX", SECRET_S)
        found: bytes = await self._store.access.call("take", "GETEX", key, "EX", SECRET_S)
        return found.decode("utf-8", "replace")

    async def forget_secret(self) -> None:
        """Take the key of tokens out, if this was the last instance, and nobody has left a session behind."""
        if not await self._store.instances() and not await self._store.access.call(
            "take", "EXISTS", self._keys.parked_lately
        ):
            await self._store.access.call("take", "DEL", self._keys.secret)

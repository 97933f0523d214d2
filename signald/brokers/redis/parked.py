"""What stands in the store of sessions that change their home: they themselves, who took them, notes about rooms."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import MsgspecError
from twisted.internet.defer import Deferred

from signald.brokers.redis.access import NOTE, PARK, TAKE
from signald.brokers.redis.keys import Keys
from signald.brokers.redis.store import Store
from signald.core import parcel
from signald.core.ids import ClientId, RoomId
from signald.core.parcel import Parcel
from signald.core.passes import LIFE_S

PARKED_AT_ONCE: Final = 200
"""Sessions in one call: 100 kB at 500 bytes each, 1 ms of the store's time."""

REMEMBERED_S: Final = LIFE_S
"""How long it is remembered who took a session: as long as its old tokens might be tried."""

SECRET_S: Final = 86_400
"""How long the key of tokens outlives the last instance."""


class Turn(NamedTuple):
    """What came of the attempt to take a session.

    Attributes:
        parcel: The session, if it was parked.
        taken: Whether it is ours now.
        holder: The instance that has taken it, or if it is ours did so before; empty for none, and ``-`` if nobody can
            have it any more.
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
    """

    def __init__(self, store: Store, keys: Keys, seconds: float) -> None:
        self._store = store
        self._keys = keys
        self._last_ms = str(int(seconds * 1000) + 1)
        self._remembered_ms = str(int(REMEMBERED_S * 1000))
        self._notes_ms = str(int(seconds * 2000) + 1)

    async def take(self, client: ClientId, epoch: int, *, dead: bool = False) -> Turn:
        """Take a session, if it is parked; or in any case, if its home is dead (``take.lua``)."""
        keys = [self._keys.parked(client, epoch), self._keys.taken(client)]
        words = (self._store.instance, self._remembered_ms, "1" if dead else "0", str(epoch))
        found, text, before = await self._store.access.script(TAKE, keys, *words)
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
        """Park sessions that have no home any more (``park.lua``); all calls are under way at once."""
        if not parcels:
            return
        calls = [self._store.access.call("park", "SET", self._keys.parked_lately, 1, "PX", self._last_ms)]
        for at in range(0, len(parcels), PARKED_AT_ONCE):
            some = parcels[at : at + PARKED_AT_ONCE]
            keys = [
                key
                for each in some
                for key in (self._keys.parked(each.client, each.epoch), self._keys.taken(each.client))
            ]
            words = [word for each in some for word in (str(each.epoch), parcel.encode(each))]
            script = self._store.access.script(PARK, keys, self._last_ms, *words)
            calls.append(Deferred.fromCoroutine(script))
        for call in calls:
            await call

    async def put_back(self, packed: Parcel) -> None:
        """Park a session that was taken in vain."""
        await self._store.access.call("park", "DEL", self._keys.taken(packed.client))
        await self.park([packed])

    async def note(self, room: RoomId, client: ClientId, epoch: int, partner: ClientId) -> tuple[int, str] | None:
        """Leave a note that a client is here, and read its partner's: epoch and instance (``note.lua``)."""
        key = self._keys.notes(room)
        words = (client, str(epoch), self._store.instance, partner, self._notes_ms)
        note = (await self._store.access.script(NOTE, [key], *words)).decode()
        if not note:
            return None
        of, _, instance = note.partition("|")
        return int(of), instance

    async def boot_of(self, instance: str) -> str:
        """The boot id of an instance that lives; empty for one that does not."""
        lease = await self._store.access.call("take", "GET", self._keys.lease(instance))
        return "" if lease is None else lease.decode()

    async def taken(self, sessions: Sequence[tuple[ClientId, int]]) -> list[ClientId]:
        """Those of these sessions, at home here, that another instance has taken."""
        gone: list[ClientId] = []
        for at in range(0, len(sessions), PARKED_AT_ONCE):
            some = sessions[at : at + PARKED_AT_ONCE]
            found = await self._store.access.call("take", "MGET", *(self._keys.taken(client) for client, _ in some))
            gone += [
                client
                for (client, epoch), mark in zip(some, found, strict=True)
                if mark is not None and int(mark.partition(b"|")[0]) >= epoch
            ]
        return gone

    async def secret(self, own: str) -> str:
        """The key of tokens that all instances have; this one's, if there is none."""
        key = self._keys.secret
        await self._store.access.call("take", "SET", key, own, "NX", "EX", SECRET_S)
        found: bytes = await self._store.access.call("take", "GETEX", key, "EX", SECRET_S)
        return found.decode()

    async def forget_secret(self) -> None:
        """Take the key of tokens out, if this was the last instance, and nobody has left a session behind."""
        if not await self._store.instances() and not await self._store.access.call(
            "take", "EXISTS", self._keys.parked_lately
        ):
            await self._store.access.call("take", "DEL", self._keys.secret)

"""Tells the operator of rooms that begin and end, each once over all instances.

Of the two in a room the one with the smaller id tells, wherever its session is: ids never change, so this survives a
resume and a move, and no two instances have to agree. If it is lost with its instance, nobody tells of the end.
"""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from msgspec import UNSET

from signald.clients.client import CallEvents, Client
from signald.core.encounters import Party
from signald.core.events import EventKind
from signald.core.ids import RoomId
from signald.core.messages import Parting
from signald.core.reports import told_as
from signald.moderation.events import EndedEvent, MatchedEvent, Tell


class Calls:
    """Makes the events of rooms. Implements `CallEvents`.

    Args:
        wanted: Which kinds the operator wants.
        instance: Gives this instance's name.
        now: Seconds, monotonic; as in sessions.
        unix_time: Seconds since 1970.
        deliver: Sends an event to the operator.
    """

    def __init__(
        self,
        *,
        wanted: Collection[EventKind],
        instance: Callable[[], str],
        now: Callable[[], float],
        unix_time: Callable[[], float],
        deliver: Tell,
    ) -> None:
        self._matched = EventKind.MATCHED in wanted
        self._ended = EventKind.ENDED in wanted
        self._instance = instance
        self._now = now
        self._unix_time = unix_time
        self._deliver = deliver

    def began(self, client: Client, room: RoomId) -> None:
        """See `CallEvents.began`."""
        if self._matched and (about := self._about(client, room)) is not None:
            self._deliver(msgspec.json.encode(MatchedEvent(**about)))

    def ended(self, client: Client, room: RoomId, why: Parting) -> None:
        """See `CallEvents.ended`."""
        if self._ended and (about := self._about(client, room)) is not None:
            paired = client.session.paired
            duration_ms = UNSET if paired is None else round((self._now() - paired) * 1000)
            self._deliver(msgspec.json.encode(EndedEvent(reason=why, duration_ms=duration_ms, **about)))

    def _about(self, client: Client, room: RoomId) -> dict[str, Any] | None:
        """What stands in each event of a room, if it is for this client to tell."""
        session = client.session
        met = session.met[0] if session.met else None
        if met is None or met.room != room or met.partner.client < session.client:
            return None
        return {
            "time": round(self._unix_time(), 3),
            "instance_id": self._instance(),
            "room_id": room,
            "clients": (told_as(Party(session.client, session.user)), told_as(met.partner)),
        }


def _conforms(calls: Calls) -> CallEvents:
    return calls

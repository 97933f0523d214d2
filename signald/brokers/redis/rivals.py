"""Sees to it that no session has two homes: one that hears of a later one gives it up, and tells nobody.

Two instances may have taken the same session since one was silent for too long, or the store was away. The later epoch
has it; in the same one, which began with one loss of a connection, the later attempt of the client after that loss.
"""

from collections.abc import Callable
from typing import Any

from signald.brokers.interface import Fetched, SessionEvents
from signald.brokers.redis.halves import Halves
from signald.brokers.redis.letters import Hold, Letter, Moved
from signald.brokers.redis.partners import Partners
from signald.brokers.redis.store import Store
from signald.core.ids import ClientId
from signald.core.passes import Attempt


class Rivals:
    """This instance as one that may have a session which another one has too.

    Args:
        store: Knows the name of this instance.
        halves: Rooms that wait.
        partners: Finds partners again.
        send: Sends a letter to another instance.
        sessions: The sessions of this instance.
        seat: An instance with its boot id, as far as that is known.
        went: Told of each session that is given up, and where it is, if that is known.
        clock: A reactor.
        seconds: How long a session without a connection is kept.
    """

    def __init__(
        self,
        *,
        store: Store,
        halves: Halves,
        partners: Partners,
        send: Callable[[str, Letter], None],
        sessions: SessionEvents,
        seat: Callable[[str], str],
        went: Callable[[ClientId, str], None],
        clock: Any,
        seconds: float,
    ) -> None:
        self._store = store
        self._halves = halves
        self._partners = partners
        self._send = send
        self._sessions = sessions
        self._seat = seat
        self._went = went
        self._clock = clock
        self._seconds = seconds

    def settled(self, client: ClientId, found: Fetched) -> None:
        """See `Broker.settled`."""
        if found.shadow is not None:
            instance, epoch = found.shadow
            self._send(instance, self._home_of(client, epoch, rival=True))

    def fence(self, client: ClientId, epoch: int, attempt: Attempt) -> bool:
        """See `Outside.fence`."""
        self.give_up(client, epoch, attempt)
        return self._sessions.epoch(client) == 0

    def give_up(
        self,
        client: ClientId,
        epoch: int,
        attempt: Attempt,
        *,
        rival: bool = False,
        home: str = "",
        room: str | None = None,
    ) -> None:
        """A session has another home, of this epoch: if that is later than here, it is no longer here.

        Args:
            client: Whose session.
            epoch: Of the other home.
            attempt: The one by which the client has come there.
            rival: See `SessionEvents.moved`.
            home: The other home; empty if it is not known.
            room: Where the client is there, empty for in no room; None if that is not known.
        """
        was = self._sessions.moved(client, epoch, attempt, rival=rival)
        if was is None:
            return
        self._went(client, self._seat(home))
        if not was:
            return
        if room not in (None, was):
            self._halves.leave(was, client)
            return
        now = self._clock.seconds()
        parted = self._halves.part(was, client, now)
        if parted is None:
            if instance := self._halves.instance_of(was):  # it waits for whoever has it now
                self._send(instance, Hold(was, self._seconds))
            self._halves.forget(was, client, now, home)
            return
        parted.lost = True  # its partner may have said something to the session that was here
        if home:
            parted.was = self._seat(home)
            self._partners.look_for(parted)

    def told(self, instance: str, letter: Moved, now: float) -> None:
        """Another instance says that it has a session, or knows who has."""
        client, attempt = letter.client, letter.attempt
        self.give_up(client, letter.epoch, attempt, rival=letter.rival, home=instance, room=letter.room)
        here, is_first = self._sessions.epoch(client), self._store.instance < instance
        is_later = is_first or self._sessions.attempt(client).counted.follows(attempt)
        if here > letter.epoch or (here == letter.epoch and is_later):  # it has gone on here since
            self._send(instance, self._home_of(client, here, rival=is_first))

    def _home_of(self, client: ClientId, epoch: int, *, rival: bool) -> Moved:
        sessions = self._sessions
        return Moved(client, epoch, rival, sessions.room(client) or "", sessions.attempt(client).counted)

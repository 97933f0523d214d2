"""Sees to it that nothing is on its way to a session that leaves: partners on other instances hold what they say."""

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import Deferred

from signald.brokers.interface import SessionEvents
from signald.brokers.redis.answers import ANSWER_S, fire, within
from signald.brokers.redis.halves import Halves
from signald.brokers.redis.letters import Held, Hold, Letter
from signald.core.ids import ClientId, RoomId


class Holds:
    """What this instance has asked others to hold.

    Args:
        halves: Know where partners are.
        send: Sends a letter to another instance.
        sessions: The sessions of this instance.
        clock: A reactor.
        seconds: How long a session without a connection is kept.
    """

    def __init__(
        self,
        *,
        halves: Halves,
        send: Callable[[str, Letter], None],
        sessions: SessionEvents,
        clock: Any,
        seconds: float,
    ) -> None:
        self._halves = halves
        self._send = send
        self._sessions = sessions
        self._clock = clock
        self._seconds = seconds
        self._asked: defaultdict[tuple[RoomId, str], list[Deferred[bool]]] = defaultdict(list)

    async def quieten(self, clients: Callable[[], Collection[ClientId]]) -> set[RoomId]:
        """Let partners on other instances keep what they say, and wait until nothing of it is under way.

        Args:
            clients: Whose partners. Asked again until all is held: meanwhile somebody may have come to another
                instance, or found its partner here.

        Returns:
            The rooms of which it is not known.
        """
        until = self._clock.seconds() + ANSWER_S
        asked: set[tuple[RoomId, str]] = set()
        lost: set[RoomId] = set()
        while True:
            rooms = ((room, self._halves.instance_of(room)) for room in map(self._sessions.room, clients()) if room)
            found = {(room, instance) for room, instance in rooms if instance} - asked
            if not found:
                return lost
            asked |= found
            answers: dict[tuple[RoomId, str], Deferred[bool]] = {}
            for room, instance in found:
                answer = answers[room, instance] = Deferred()
                self._asked[room, instance].append(answer)
                self._send(instance, Hold(room, self._seconds))
            for (room, instance), answer in answers.items():
                if not await within(self._clock, answer, False, max(0.0, until - self._clock.seconds())):
                    lost.add(room)
                    self._asked.pop((room, instance), None)

    def held(self, instance: str, letter: Held, now: float) -> None:
        """An instance keeps what is said in a room from now on; links keep order."""
        for waiting in self._asked.pop((letter.room, instance), ()):
            fire(waiting, True)

    def farewell(self, instance: str) -> None:
        """An instance has stopped, and says nothing more: it may have had no time for an answer."""
        for room, asked in list(self._asked):
            if asked == instance:
                self.held(instance, Held(room), 0.0)

"""Watches those who are matched until they say something, by one timer, and lets nobody wait for who says nothing.

Each instance watches its own clients; the partner hears of it by its own instance, as of anybody who leaves. Nothing of
this is in the way of a message: whether a client has said something its count of messages tells. Nor is it told of one
that is gone: who has no room owes nothing, as the next look shows.
"""

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from signald.clients.client import Client
from signald.core.ids import RoomId
from signald.core.inputs import FellSilent, Input, Spoke
from signald.core.silence import Silence, Verdict
from signald.core.standing import State
from signald.periodic import PeriodicService
from signald.telemetry.counts import Counts
from signald.telemetry.logs import ClientLog

BEAT_S: Final = 0.5
"""Seconds between two looks at those who owe something. Most have said it by the first."""


class Vigil(PeriodicService):
    """The clients that owe their partners a sign, and those that have given none.

    Args:
        clock: Calls the beats.
        seconds: For how long a client may owe a sign; 0: for ever.
        give: Lets a client's session receive something, and runs what it asks for.
        running: Seconds for which this process has not stood still: nobody could be heard while it did.
        counts: Where to count those who fall silent.
    """

    _log = ClientLog()

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        give: Callable[[Client, Input], None],
        running: Callable[[], float],
        counts: Counts,
    ) -> None:
        super().__init__(clock, min(BEAT_S, seconds / 4) or BEAT_S, "the look at those who say nothing")
        self._seconds = seconds
        self._give = give
        self._running = running
        self._counts = counts
        self._initiators: dict[Client, RoomId] = {}  # matched since the last beat, and where
        self._owing: dict[Client, None] = {}
        self._silent: dict[Client, int] = {}

    def __len__(self) -> int:
        return len(self._initiators) + len(self._owing) + len(self._silent)

    def matched(self, client: Client, initiator: bool) -> None:
        """A client was told of its partner, whom it owes an offer from the next beat on if it is the initiator."""
        room, silence = client.session.room, client.silence
        if not self._seconds or room is None:
            return
        if silence is None or silence.sent != client.messages:
            client.silence = Silence(client.messages, self._seconds, room)
        else:
            silence.matched(room)
        if initiator:
            self._initiators[client] = room

    def offered(self, client: Client) -> None:
        """An offer has reached a client; it owes an answer, unless it has said something already."""
        silence = client.silence
        if silence is not None and silence.sent == client.messages:
            self._owe(client, silence, self._running(), answer=True)

    def _owe(self, client: Client, silence: Silence, now: float, *, answer: bool) -> None:
        silence.owe(now, answer=answer, pongs=client.pongs)
        self._owing[client] = None

    def _beat(self) -> None:
        now = self._running()
        initiators, self._initiators = self._initiators, {}
        for client, room in initiators.items():
            silence = client.silence
            if silence is not None and silence.sent == client.messages and client.session.room == room:
                self._owe(client, silence, now, answer=False)
        for client in list(self._owing):
            self._look_at(client, now)
        for client, sent in list(self._silent.items()):
            if client.messages != sent or client.session.state is State.CLOSED:
                del self._silent[client]
                self._give(client, Spoke())

    def _look_at(self, client: Client, now: float) -> None:
        session, silence = client.session, client.silence
        if silence is None:
            del self._owing[client]
            return
        excused = session.state is State.AWAY or session.partner_away
        look = silence.look(session.room, client.messages, client.pongs, now, excused=excused)
        if look is Verdict.ASK:
            client.connection.ping()
        elif look is Verdict.SIGN:
            del self._owing[client]
            if client.messages != silence.sent:
                client.silence = None
        elif look is Verdict.SILENT:
            del self._owing[client]
            client.silence = None
            self._fall_silent(client)

    def _fall_silent(self, client: Client) -> None:
        room = client.session.room
        if room is None:
            return
        self._counts.silent += 1
        self._log.info(
            "client {client} has said nothing since it was matched: its partner waits on", client=client.id, room=room
        )
        self._give(client, FellSilent(room))
        if client.session.silent:
            self._silent[client] = client.messages

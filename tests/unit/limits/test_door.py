"""Which connections go when there are too many that are no WebSockets."""

import os

from twisted.internet.task import Clock

from signald.limits.admission import Admission
from signald.limits.deadlines import Deadlines
from signald.limits.door import SPARED_AT_MOST, SPARED_S, Door
from signald.limits.parting import Parting
from signald.moderation.bans import Bans
from signald.telemetry.counts import Counts, Drop
from tests.support.clock import Time


class Connection:
    """Remembers whether it was dropped."""

    def __init__(self, gone: list["Connection"]) -> None:
        self._gone = gone

    def drop(self) -> None:
        self._gone.append(self)


class Entry:
    """A door of a clock that the test moves, and who had to go, in order."""

    def __init__(self, *, max_half_open: int = 10_000, max_sockets: int = 10_000) -> None:
        self.clock, self.counts, self.gone = Clock(), Counts(), list[Connection]()
        self.parting = Parting(self.clock)
        self.admission = Admission(Time(), Bans(Time()), max_connections=10_000)
        self.door = Door(
            handshakes=self._deadlines(Drop.HANDSHAKE_TIMEOUT),
            pages=self._deadlines(Drop.PAGE_TIMEOUT),
            kept=self._deadlines(None),
            parting=self.parting,
            admission=self.admission,
            max_half_open=max_half_open,
            max_sockets=max_sockets,
        )

    def _deadlines(self, why: Drop | None) -> Deadlines:
        return Deadlines(self.clock, 10.0, self.counts, why, self.clock.seconds)

    def comes(self) -> Connection:
        connection = Connection(self.gone)
        self.door.came(connection)
        return connection


def test_too_many_that_say_nothing() -> None:
    """Silent connections would use up the open files; or those go whose request is under way."""
    entry = Entry(max_half_open=4)
    first = [entry.comes() for _ in range(6)]
    assert entry.gone == []
    entry.clock.advance(SPARED_S)
    entry.comes()
    assert entry.gone == first[:3]
    assert entry.counts.drops[Drop.CROWDED] == 3


def test_a_flood_of_those_that_say_nothing() -> None:
    """Nobody is dropped for silence at once, so that a flood takes all there is meanwhile."""
    entry = Entry(max_half_open=4)
    first = [entry.comes() for _ in range(4 + SPARED_AT_MOST + 2)]
    assert entry.gone == first[:2]


def test_who_goes_for_another_when_all_files_are_open() -> None:
    """The process is deaf, or somebody waits in vain for a page, while connections stand there that nobody needs."""
    entry = Entry(max_sockets=5)
    asks, silent, keeps = entry.comes(), entry.comes(), entry.comes()
    for connection in (asks, keeps):
        entry.door.asks(connection)
    entry.door.stays(keeps)
    said, other = os.pipe()
    entry.parting.keep(said)
    entry.admission.enter("192.0.2.1")
    entry.comes()
    assert not entry.parting.descriptors, "it has said its last"
    assert entry.gone == []
    entry.comes()
    assert entry.gone == [keeps], "it has what it wanted"
    entry.comes()
    assert entry.gone == [keeps, silent]
    assert asks not in entry.gone
    os.close(other)


def test_nothing_is_left_of_who_went() -> None:
    """Places at the door are taken by those who are not there any more, until it is shut for everybody."""
    entry = Entry(max_sockets=3)
    for step in range(4):
        connection = entry.comes()
        if step > 0:
            entry.door.asks(connection)
        if step > 1:
            entry.door.stays(connection)
        if step > 2:
            entry.door.speaks(connection)
        entry.door.left(connection)
    for _ in range(3):
        entry.comes()
    assert entry.gone == []
    entry.comes()
    assert len(entry.gone) == 1

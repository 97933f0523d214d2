"""Shares of the event loop: a crowd of one address keeps nobody else waiting, and loses nothing."""

from twisted.internet.task import Clock

from signald.limits.turns import PUT_OFF_BYTES, SHARE_S, SHARING_S, Turns
from signald.telemetry.counts import Counts
from signald.telemetry.lag import LAG_S

READ_S = 0.004
"""What a reader of these tests takes for what it is given."""


class Reader:
    """Takes its time, and remembers what it has read and whether more may come."""

    def __init__(self, clock: Clock, address: str, log: list["Reader"]) -> None:
        self.address = address
        self.got = b""
        self.reading = True
        self.dropped = False
        self._clock = clock
        self._log = log

    def dataReceived(self, data: bytes) -> None:
        self._clock.rightNow += READ_S
        self.got += data
        self._log.append(self)
        if b"broken" in data:
            raise ValueError

    def wait_for_turn(self) -> None:
        self.reading = False

    def has_turn(self) -> None:
        self.reading = True

    def drop(self) -> None:
        self.dropped = True


class Loop:
    """A loop that is as late as the test says, and its turns."""

    def __init__(self, lag_s: float = 1.0) -> None:
        self.clock, self.lag_s, self.counts = Clock(), lag_s, Counts()
        self.log: list[Reader] = []
        self.turns = Turns(self.clock, lambda: self.lag_s, self.counts)
        self.turns.startService()
        self.clock.advance(LAG_S)

    def reader(self, address: str) -> Reader:
        return Reader(self.clock, address, self.log)

    def turn(self) -> None:
        """What is due now is called; what that brings about has to wait for the next turn."""
        for call in [call for call in self.clock.calls if call.getTime() <= self.clock.seconds()]:
            self.clock.calls.remove(call)
            call.called = True
            call.func(*call.args, **call.kw)


def test_a_crowd_of_one_address_keeps_nobody_waiting() -> None:
    """A thousand connections of one address, each within its limits, delay every message of everybody else."""
    loop = Loop()
    crowd = [loop.reader("203.0.113.7") for _ in range(100)]
    other = loop.reader("203.0.113.8")
    for one in crowd:
        loop.turns.give(one, b"x")
    loop.turns.give(other, b"y")
    assert loop.log.index(other) <= SHARE_S / READ_S
    assert loop.counts.put_off == len(crowd) - loop.log.index(other)
    loop.turn()
    loop.turns.give(other, b"y")
    assert loop.log.count(other) == 2
    assert len(loop.log) <= 2 + 2 * SHARE_S / READ_S


def test_nothing_is_lost_and_all_come_in_turn() -> None:
    """Honest clients behind the same address as a flood are never heard, or their messages change their order."""
    loop = Loop()
    crowd = [loop.reader("203.0.113.7") for _ in range(40)]
    for one in crowd:
        loop.turns.give(one, b"1")
    assert not crowd[-1].reading
    loop.turns.give(crowd[-1], b"2")  # had been read from the socket by then
    turns = 0
    while not all(one.got for one in crowd):
        loop.turn()
        turns += 1
    assert turns <= len(crowd) * READ_S / SHARE_S
    assert [one.got for one in crowd] == [b"1"] * 39 + [b"12"]
    assert all(one.reading for one in crowd)


def test_addresses_of_one_household_share() -> None:
    """Whoever has IPv6 has as many shares as it likes."""
    loop = Loop()
    for number in range(20):
        loop.turns.give(loop.reader(f"2001:db8::{number:x}"), b"x")
    assert len(loop.log) == SHARE_S / READ_S


def test_a_loop_in_time_is_not_shared() -> None:
    """Every read of every client is measured, and pays for it."""
    loop = Loop(lag_s=0.0)
    assert not loop.turns.in_use
    loop.lag_s = 0.2
    loop.clock.advance(LAG_S)
    assert loop.turns.in_use
    loop.lag_s = 0.0
    loop.clock.advance(SHARING_S)
    assert not loop.turns.in_use


def test_who_is_gone_is_forgotten() -> None:
    """What a connection sent is read after its end, or kept for ever."""
    loop = Loop()
    crowd = [loop.reader("203.0.113.7") for _ in range(20)]
    for one in crowd:
        loop.turns.give(one, b"x")
    for one in crowd[:-1]:
        loop.turns.forget(one)
    for _ in range(10):
        loop.turn()
    assert [bool(one.got) for one in crowd] == [True] * 5 + [False] * 14 + [True]
    assert loop.turns._bytes == 0


def test_what_waits_is_bounded() -> None:
    """A crowd fills the memory with what is put off."""
    loop = Loop()
    piece = bytes(PUT_OFF_BYTES // 10)
    crowd = [loop.reader("203.0.113.7") for _ in range(40)]
    for one in crowd:
        loop.turns.give(one, piece)
    assert loop.counts.put_off == 10
    assert len(loop.log) == 30


def test_one_that_breaks_costs_nobody_else_a_turn() -> None:
    """A bug that one connection meets silences all others of its address."""
    loop = Loop()
    crowd = [loop.reader("203.0.113.7") for _ in range(10)]
    for one in crowd:
        loop.turns.give(one, b"broken" if one is crowd[6] else b"x")
    loop.turn()
    loop.turn()
    assert all(one.got for one in crowd)
    assert [one.dropped for one in crowd].index(True) == 6

"""Who leaves too many partners waits for the next, and nothing of that stays behind."""

import gc
from typing import ClassVar
from weakref import WeakSet

from twisted.internet.task import Clock

from signald.core.ids import ClientId, UserId
from signald.limits.pace import BEAT_S, Pace

USER = UserId("mallory")


class Wait:
    """What is called when a wait is over."""

    alive: ClassVar[WeakSet["Wait"]] = WeakSet()

    def __init__(self, over: list[ClientId], client: ClientId) -> None:
        self._over = over
        self._client = client
        self.alive.add(self)

    def __call__(self) -> None:
        """The client may go on."""
        self._over.append(self._client)


def paced(clock: Clock) -> Pace:
    """A pace of six partners a minute, of which a user has left a hundred."""
    pace = Pace(clock, matches_per_minute=6)
    pace.startService()
    for number in range(100):
        pace.left(ClientId(f"gone {number}"), USER)
    return pace


def test_asking_again_and_again_leaves_nothing() -> None:
    """A client that asks and leaves in a loop fills the memory for as long as it likes, and beyond."""
    clock, over = Clock(), list[ClientId]()
    pace, client = paced(clock), ClientId("one")
    for _ in range(1000):
        pace.hold(client, pace.wait_s(client, USER), Wait(over, client))
        pace.withdraw(client)
    for _ in range(1000):
        pace.hold(client, pace.wait_s(client, USER), Wait(over, client))
    gc.collect()
    assert len(Wait.alive) == 1, "it waits once"
    pace.forget(client)
    gc.collect()
    assert not Wait.alive
    clock.pump([BEAT_S] * 5000)
    assert over == []


def test_each_goes_on_when_its_wait_is_over() -> None:
    """Who has left many partners never gets another; or gets one before those who asked earlier."""
    clock, over = Clock(), list[ClientId]()
    pace = paced(clock)
    clients = [ClientId(name) for name in ("b", "a", "c")]
    for client in clients:
        pace.hold(client, pace.wait_s(client, USER), Wait(over, client))
        clock.advance(BEAT_S)
    pace.withdraw(clients[2])
    clock.pump([BEAT_S] * 5000)
    assert over == clients[:2]

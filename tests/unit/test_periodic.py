"""The one timer: what fails once goes on."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getmodule
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer

from signald.brokers.redis.broker import RedisBroker
from signald.clients.bulletins import Bulletins
from signald.clients.doorstep import Doorstep
from signald.clients.heartbeat import Heartbeat
from signald.clients.users import Users
from signald.clients.vigil import Vigil
from signald.identity.jwks import Jwks
from signald.limits.deadlines import Deadlines
from signald.limits.pace import Pace
from signald.limits.parting import Parting
from signald.limits.throttle import Throttle
from signald.limits.turns import Turns
from signald.moderation.webhook import Webhook
from signald.periodic import LOGGED_S, Periodic
from signald.process.attention import Attention, SignsOfLife
from signald.process.notify import Notify
from signald.telemetry.hour import Hour
from signald.telemetry.lag import LoopLag
from signald.web.viewers import Viewers
from tests.support.memory import MemoryDaemon

ROOT = Path(__file__).parents[2]

BODIES = [
    (Attention, "_beat"),
    (Bulletins, "_beat"),
    (Deadlines, "_beat"),
    (Doorstep, "_beat"),
    (Heartbeat, "_beat"),
    (Jwks, "_beat"),
    (Hour, "_beat"),
    (LoopLag, "_beat"),
    (Notify, "_beat"),
    (Pace, "_beat"),
    (Parting, "_beat"),
    (RedisBroker, "_renew"),
    (RedisBroker, "_tick"),
    (SignsOfLife, "_beat"),
    (Viewers, "_beat"),
    (Throttle, "_beat"),
    (Turns, "_beat"),
    (Users, "_beat"),
    (Vigil, "_beat"),
    (Webhook, "_beat"),
]
"""Everything in the daemon that happens over and over."""

LONGEST_S = 10.0
"""No timer of the daemon has a longer interval."""


@implementer(ILogObserver)
class Errors:
    """What is logged as an error while it listens."""

    def __init__(self) -> None:
        self.failures: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level") is LogLevel.critical:
            self.failures.append(event)


@contextmanager
def errors() -> Iterator[list[LogEvent]]:
    """Collects what is logged as a failure."""
    observer = Errors()
    globalLogPublisher.addObserver(observer)
    try:
        yield observer.failures
    finally:
        globalLogPublisher.removeObserver(observer)


@pytest.mark.parametrize(("owner", "name"), BODIES)
def test_what_fails_once_runs_again(
    owner: type[Any], name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One exception ends for good, and in silence, pings, deadlines, leases, webhooks or systemd's signs of life."""
    body, runs = getattr(owner, name), []

    def fails_once(self: Any) -> object:
        runs.append(self)
        if runs.count(self) == 1:
            raise RuntimeError("just once")
        return body(self)

    monkeypatch.setattr(owner, name, fails_once)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    jwks = tmp_path / "jwks"
    jwks.write_text('{"keys": []}')
    with errors() as failures:
        daemon = MemoryDaemon(
            REDIS_URL="redis://127.0.0.1:1",
            CHALLENGE="on",
            AUTH_MODE="required",
            JWT_JWKS=str(jwks),
            REPORT_WEBHOOK_URL="http://127.0.0.1:1/",
            REPORT_WEBHOOK_SECRET="whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5",
        )
        with (tmp_path / "parent").open("wb") as pipe:  # what only workers and their parent do
            SignsOfLife(daemon.clock, pipe.fileno()).setServiceParent(daemon.daemon)
            Attention(daemon.clock, lambda worker: None).setServiceParent(daemon.daemon)
            daemon.advance(2 * LONGEST_S)
            daemon.stop()
        daemon.advance(LONGEST_S)
    assert runs
    for one in set(runs):
        assert runs.count(one) > 1, "it does not run again"
    assert len(failures) == len(set(runs)), "a failure that nobody hears of"
    assert all("just once" in event["log_failure"].getErrorMessage() for event in failures)
    at_the_end = len(runs)
    daemon.advance(LONGEST_S)
    assert len(runs) == at_the_end, "it runs after the end"


def test_every_timer_is_looked_at() -> None:
    """A new timer is not guarded, or not among those that the test above makes fail."""
    using, others = set(), []
    for path in sorted((ROOT / "signald").rglob("*.py")):
        names = {
            f"{node.module}.{alias.name}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if names & {"signald.periodic.Periodic", "signald.periodic.PeriodicService"}:
            using.add(str(path))
        elif path.name != "periodic.py" and "twisted.internet.task.LoopingCall" in names:
            others.append(path)
    assert not others
    assert using == {getattr(getmodule(owner), "__file__", "") for owner, _ in BODIES}


def test_a_failure_is_logged_once_a_minute() -> None:
    """A timer that fails at each beat fills the disk, or is never heard of again."""
    clock = Clock()

    def fail() -> None:
        raise RuntimeError("always")

    with errors() as failures:
        timer = Periodic(clock, 1.0, fail, "the test")
        timer.start(now=True)
        clock.pump([1.0] * int(LOGGED_S - 1))
        assert len(failures) == 1
        clock.advance(1.0)
    assert len(failures) == 2
    assert (failures[1]["name"], failures[1]["failures"]) == ("the test", LOGGED_S + 1)


def test_no_two_bodies_at_once() -> None:
    """A store that answers slowly is asked again and again by the same timer."""
    clock, waiting = Clock(), []

    async def body() -> None:
        answer: Deferred[None] = Deferred()
        waiting.append(answer)
        await answer

    timer = Periodic(clock, 1.0, body, "the test")
    timer.start()
    clock.pump([1.0] * 5)
    assert len(waiting) == 1
    with errors() as failures:
        waiting[0].errback(RuntimeError("the store is gone"))
    assert len(failures) == 1
    clock.advance(1.0)
    assert len(waiting) == 2
    timer.stop()
    assert not timer.running
    waiting[1].callback(None)
    clock.advance(10.0)
    assert len(waiting) == 2

"""Attacks on sessions that outlive their connections: tokens of others, attempts without end, absences without end.

``ATTEMPTS=100000 pytest tests/hostile/test_resume.py`` makes so many attempts.
"""

import json
import os
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hostile.conftest import Attacked
from tests.support.client import Client, Message, pair
from tests.support.daemon import DaemonProcess
from tests.support.operator import TOKEN, Operator
from tests.support.waiting import until
from tests.support.witness import processor_s, raise_file_limit

ATTEMPTS = int(os.environ.get("ATTEMPTS", "500"))
AWAY_AT_MOST = 500
KEPT_MIB = 4
TRACE_BYTES = 400
"""What a daemon with an operator remembers of each client that has gone, of 100,000 at most."""

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

MODERN = ("signald.v1",)


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    """A daemon that keeps little."""
    variables = {
        "RESUME_SECONDS": "3600",  # for as long as somebody may try
        "HEARTBEAT_SECONDS": "3600",  # clients of these tests answer nothing meanwhile
        "RESUME_MAX_AWAY": str(AWAY_AT_MOST),
        "RESUME_TOTAL_BYTES": str(KEPT_MIB * 1024 * 1024),
        "MAX_MSG_PER_SECOND": "100000",
        "ADMIN_LISTEN": "tcp:0:interface=127.0.0.1",
        "ADMIN_TOKEN": TOKEN,
    }
    with DaemonProcess(variables=variables) as process:
        yield process
        assert process.errors == []


def modern(daemon: DaemonProcess) -> Client:
    """A client that can go on with its session."""
    return Client(daemon.port, protocols=MODERN)


def calling(daemon: DaemonProcess) -> tuple[Client, str, Client]:
    """A client that is away, its token, and its partner."""
    one, other = modern(daemon), modern(daemon)
    matched, _ = pair(one, other)
    one.abort()
    other.expect("partner-away")
    return one, matched["resume"]["token"], other


def resume(client: Client, token: object, received: object = 1) -> Message:
    """Ask for a session; gives the answer."""
    client.send("resume", token=token, received=received)
    return client.receive()


def forgeries(token: str, others: list[str], rng: random.Random) -> Iterator[object]:
    """Tokens that are good for nothing, without end: altered, cut short, made longer, put together, invented."""
    while True:
        place = rng.randrange(len(token))
        other = rng.choice(others)
        yield token[:place] + rng.choice(ALPHABET.replace(token[place], "")) + token[place + 1 :]
        yield token[:place]
        yield token + rng.choice(ALPHABET)
        yield other[: len(other) // 2] + token[len(other) // 2 :]
        yield token[:-22] + other[-22:]
        yield "".join(rng.choices(ALPHABET, k=rng.randrange(1, 400)))
        yield rng.choice(["", " ", "\0", "é", "=" * 200, None, 5, {"a": []}, "A" * 4000])


def test_attempts_without_end(daemon: DaemonProcess, attacked: Attacked) -> None:
    """Whoever guesses tokens would take a call over, slow down everybody else, or fill the memory."""
    rng = random.Random(12)  # noqa: S311
    _, token, other = calling(daemon)
    bystanders = [modern(daemon) for _ in range(3)]
    others = [bystander.ready["resume"]["token"] for bystander in bystanders]
    guesses = forgeries(token, others, rng)

    def work(times: int, *, ask: bool) -> float:
        began = processor_s(daemon.pid)
        for _ in range(times):
            with modern(daemon) as client:
                if ask:
                    guess = next(guesses)
                    answer = resume(client, guess)
                    assert answer.get("code") in ("RESUME_FAILED", "INVALID_FORMAT"), (guess, answer)
                else:
                    client.send("ping")
                    client.expect("pong")
                client.close()
        return (processor_s(daemon.pid) - began) / times

    plain_s = work(min(ATTEMPTS, 5000), ask=False)
    with attacked(grows_mib=8 + ATTEMPTS * TRACE_BYTES / 2**20):
        attempt_s = work(ATTEMPTS, ask=True)
    sys.stdout.write(
        f"{ATTEMPTS} attempts to resume: {attempt_s * 1e6:.0f} us each, {plain_s * 1e6:.0f} us with a ping\n"
    )
    assert attempt_s < 2 * plain_s + 0.001, "an attempt costs no more than a connection does"
    assert other.sync() == []
    with modern(daemon) as owner:
        assert resume(owner, token)["type"] == "resumed"
        assert other.expect("partner-back")["lost"] is False


def test_one_message_of_many(daemon: DaemonProcess, attacked: Attacked) -> None:
    """A client that asks again and again on one connection would try a thousand tokens in a second."""
    _, token, other = calling(daemon)
    with attacked(), modern(daemon) as client:
        client.send("ping")
        for _ in range(200):
            client.send("resume", token=token, received=1)
        answers = client.sync()
        assert [answer["type"] for answer in answers] == ["pong", *["error"] * 200]
    assert other.sync() == []
    other.close()


def test_two_connections_with_one_token(daemon: DaemonProcess) -> None:
    """A stolen token would make two people of one, of whom each hears half."""
    for _ in range(25):
        _, token, other = calling(daemon)
        rivals = [modern(daemon), modern(daemon)]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda rival, token=token: resume(rival, token), rivals))
        assert sorted(answer["type"] for answer in answers) == ["error", "resumed"]
        winner = rivals[answers[0]["type"] == "error"]
        other.expect("partner-back")
        other.send("ice", candidate={"candidate": "for one"})
        assert winner.expect("ice")["candidate"] == {"candidate": "for one"}
        assert other.sync() == []
        for client in (*rivals, other):
            client.close()


def test_stolen_and_used_up(daemon: DaemonProcess) -> None:
    """A token that was seen once, in a log or over a shoulder, would end or take over the call later."""
    _, token, other = calling(daemon)
    owner = modern(daemon)
    renewed = resume(owner, token)["resume"]["token"]
    other.expect("partner-back")
    for stale in (token, token, owner.ready["resume"]["token"]):
        with modern(daemon) as thief:
            assert resume(thief, stale)["code"] == "RESUME_FAILED"
            thief.close()
    assert owner.sync() == other.sync() == []
    owner.send("leave")
    other.expect("partner-left")
    owner.close()
    other.close()
    with modern(daemon) as thief:
        assert resume(thief, renewed)["code"] == "RESUME_FAILED", "the session has ended, and stays so"


def test_absences_without_end(daemon: DaemonProcess, attacked: Attacked) -> None:
    """Sessions that are left behind would fill the memory, for as long as they are waited for."""
    raise_file_limit(4096)
    flood = 4 * AWAY_AT_MOST
    with attacked(grows_mib=16):
        for _ in range(flood // 50):
            clients = [modern(daemon) for _ in range(50)]
            for client in clients:
                client.abort()
        until(lambda: daemon.health()["clients"] == 2, "all losses are noticed")
        _, listed = Operator(daemon.ports[-1]).ask("GET", "/clients?limit=1")
        assert listed["total"] == AWAY_AT_MOST + 2


def test_messages_for_the_absent_without_end(daemon: DaemonProcess, attacked: Attacked) -> None:
    """What is kept for those who are away would fill the memory."""
    big = json.dumps({"type": "offer", "sdp": "x" * 60_000}).encode()
    with attacked(grows_mib=KEPT_MIB + 24):
        calls = [calling(daemon) for _ in range(30)]
        for _, _, other in calls:
            for _ in range(20):
                other.send_text(big)
            assert other.sync() == []
        _, token, other = calls[0]
        with modern(daemon) as client:
            assert resume(client, token)["lost"] is True
            assert other.expect("partner-back")["lost"] is True
    for _, _, other in calls:
        other.close()

"""A store that is there and refuses: said once, in words, and tried again without haste."""

from collections.abc import Callable

import pytest

from tests.support.censor import Censor, Command, Verdict
from tests.support.redis import RedisServer
from tests.support.service import Service, meet, talk
from tests.support.waiting import until


def _refuse_block(command: Command) -> Verdict:
    return b"-ERR BLOCK option is not supported\r\n" if b"BLOCK" in command else command


def _ignore_block(command: Command) -> Verdict:
    if b"BLOCK" not in command:
        return command
    at = command.index(b"BLOCK")
    return command[:at] + command[at + 2 :]


@pytest.mark.parametrize("judge", [_refuse_block, _ignore_block])
def test_a_store_without_blocking_reads(store: RedisServer, judge: Callable[[Command], Verdict]) -> None:
    """With a serverless store clients of two instances never meet, while /healthz says that all is well."""
    with Censor(store.port, judge) as censor, Service(censor.url, censor.url) as service:
        until(lambda: service[0].health().get("redisProblem") == "no-blocking-reads", "it is said")
        with service.client(0) as one, service.client(1) as other:
            meet(one, other)
            talk(one, other)


REFUSALS = {
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "busy": b"-BUSY Redis is busy running a script.\r\n",
    "failover": b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    "permission": b"-NOPERM this user has no permissions to run the command\r\n",
    "memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "disk": b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.\r\n",
}


@pytest.mark.parametrize("word", REFUSALS)
@pytest.mark.parametrize("refused", [b"XREAD", b"EVALSHA"])
def test_a_refusal_is_said_once(store: RedisServer, refused: bytes, word: str) -> None:
    """A store that loads its data gets a storm of connections, and the log one of lines; nobody is told what to do."""
    refuses, times = False, 0

    def judge(command: Command) -> Verdict:
        nonlocal times
        if not refuses or command[0] != refused:
            return command
        times += 1
        return REFUSALS[word]

    with Censor(store.port, judge) as censor, Service(censor.url) as service:
        refuses = True
        until(lambda: times >= 5, "it was refused some times")
        health = service[0].health()
        assert (health["ok"], health["redis"], health["redisProblem"]) == (True, False, word)
        first_word = REFUSALS[word].decode().split()[0][1:]
        service[0].wait_for(first_word)
        said = [line for line in service[0].log.splitlines() if first_word in line]
        assert len(said) == 1, said
        refuses = False
        service.wait_joined()
        assert "redisProblem" not in service[0].health()


def test_a_store_that_throws_away_is_told_of(store: RedisServer) -> None:
    """Instances are declared dead whenever the store's memory is short, and nobody knows why."""
    store.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with Service(store.url) as service:
        service[0].wait_for("maxmemory-policy is allkeys-lru")

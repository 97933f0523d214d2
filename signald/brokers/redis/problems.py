"""Sorts error replies of the store: those that we mend, that pass, or that are for the operator.

An error reply begins with a word in capitals (Redis "RESP protocol spec", simple errors); an error within a Lua script
carries the word of the command that failed further back. Pure.
"""

import re
from enum import Enum
from typing import Final, NamedTuple


class Remedy(Enum):
    """Who can do something about a problem."""

    MEND = "mend"
    """We: something that is not ours stands under a name of ours."""

    WAIT = "wait"
    """Nobody: it passes."""

    OPERATOR = "operator"
    """The operator, and until then nothing helps."""


class Problem(NamedTuple):
    """A kind of refusal.

    Attributes:
        word: Its name in ``/healthz`` and in the metrics.
        remedy: Who can do something.
        advice: What, for the log; may be empty.
    """

    word: str
    remedy: Remedy
    advice: str = ""


WRONG_TYPE: Final = Problem("wrong-type", Remedy.MEND)
LOADING: Final = Problem("loading", Remedy.WAIT, "it reads its data from the disk")
BUSY: Final = Problem("busy", Remedy.WAIT, "a script of somebody runs for too long: SCRIPT KILL ends it")
FAILOVER: Final = Problem("failover", Remedy.WAIT, "it is no primary, or not yet: REDIS_URL has to lead to the primary")
SLOT: Final = Problem("cluster", Remedy.OPERATOR, "it is a node of a cluster, and REDIS_URL does not say so")
PERMISSION: Final = Problem(
    "permission",
    Remedy.OPERATOR,
    "give its user the rights of docs/scaling.md: ~<REDIS_PREFIX>* +@all -@dangerous +role +info",
)
PASSWORD: Final = Problem("password", Remedy.OPERATOR, "look at user and password in REDIS_URL")
MEMORY: Final = Problem("memory", Remedy.OPERATOR, "it has no memory left: raise maxmemory, or free some")
DISK: Final = Problem("disk", Remedy.OPERATOR, "it cannot save to its disk and refuses to write: see its log")
REPLICAS: Final = Problem("replicas", Remedy.OPERATOR, "too few replicas are there for min-replicas-to-write")
CLIENTS: Final = Problem("clients", Remedy.OPERATOR, "it has too many connections: raise its maxclients")
DATABASE: Final = Problem("database", Remedy.OPERATOR, "it has no database of this number: look at REDIS_URL")
COMMAND: Final = Problem("command", Remedy.OPERATOR, "it lacks a command: Redis 6.2, Valkey 7.2, or newer is needed")
NO_BLOCKING_READS: Final = Problem(
    "no-blocking-reads", Remedy.OPERATOR, "it is asked four times a second instead, so other instances hear later"
)
DEAF: Final = Problem("deaf", Remedy.WAIT, "what this instance writes to itself does not come back")
UNREACHABLE: Final = Problem("unreachable", Remedy.WAIT)
SILENT: Final = Problem("silent", Remedy.WAIT)
OTHER: Final = Problem("other", Remedy.OPERATOR)


class StoreUnavailable(Exception):
    """The store cannot be reached, does not answer in time, or answers that it cannot serve.

    Attributes:
        problem: Which kind of refusal it is.
    """

    def __init__(self, why: str, problem: Problem = UNREACHABLE) -> None:
        super().__init__(why)
        self.problem = problem


class StoreRefused(StoreUnavailable):
    """The store answered with an error: the command was not done, and the connection is as good as before."""


_BY_CODE: Final = {
    "WRONGTYPE": WRONG_TYPE,
    "LOADING": LOADING,
    "BUSY": BUSY,
    "MASTERDOWN": FAILOVER,
    "READONLY": FAILOVER,
    "UNBLOCKED": FAILOVER,
    "CLUSTERDOWN": FAILOVER,
    "TRYAGAIN": FAILOVER,
    "MOVED": SLOT,
    "ASK": SLOT,
    "CROSSSLOT": SLOT,
    "NOPERM": PERMISSION,
    "NOAUTH": PASSWORD,
    "WRONGPASS": PASSWORD,
    "DENIED": PASSWORD,
    "OOM": MEMORY,
    "MISCONF": DISK,
    "NOREPLICAS": REPLICAS,
}
_CODE: Final = re.compile(rf"\b({'|'.join(_BY_CODE)})\b")

# Replies whose first word is no more than ERR.
_BY_WORDS: Final = (
    (re.compile(r"max number of clients", re.IGNORECASE), CLIENTS),
    (
        re.compile(r"invalid.*password|called without any password|no password is set|unauthenticated", re.IGNORECASE),
        PASSWORD,
    ),
    (re.compile(r"DB index|invalid DB|SELECT is not allowed", re.IGNORECASE), DATABASE),
    (re.compile(r"\bBLOCK\b|blocking", re.IGNORECASE), NO_BLOCKING_READS),
    (re.compile(r"unknown command|unknown subcommand|not supported|NOMKSTREAM|MINID", re.IGNORECASE), COMMAND),
)

PROBLEMS: Final = (
    WRONG_TYPE, LOADING, BUSY, FAILOVER, SLOT, PERMISSION, PASSWORD, MEMORY, DISK, REPLICAS, CLIENTS, DATABASE,
    COMMAND, NO_BLOCKING_READS, DEAF, UNREACHABLE, SILENT, OTHER,
)  # fmt: skip
"""All of them; labels of a metric."""


def classify(reply: str) -> Problem:
    """The kind of an error reply."""
    found = _CODE.search(reply)
    if found is not None:
        return _BY_CODE[found[1]]
    return next((problem for words, problem in _BY_WORDS if words.search(reply)), OTHER)

"""What viewers of the console are told."""

import json
from typing import Any

import msgspec

from signald.brokers.interface import Answers
from signald.clients.questions import Vitals
from signald.core.messages import MAX_WORD_LENGTH
from signald.telemetry.hour import FIELDS, POOLS_TOLD, PoolSample, Sample
from signald.web.viewers import event

SLOW_READER_BYTES = 64 * 1024
"""Above which Twisted tells a producer to pause."""


def vitals(name: str) -> bytes:
    """The longest answer of an instance."""
    pools = tuple(PoolSample("\U0001f600" * MAX_WORD_LENGTH, 10**6, 10**12, 1e9 + 0.12) for _ in range(POOLS_TOLD))
    sample = msgspec.convert([10**9] * (len(FIELDS) - 1) + [pools], Sample)
    return msgspec.json.encode(
        Vitals(
            instance_id=name,
            version="1.2.3",
            state="store-away",
            problem="unreachable",
            uptime_seconds=1e9 / 7,
            clients_limit=10**6,
            samples=[sample],
        )
    )


def told(count: int, *, silent: int = 0) -> tuple[int, Any]:
    """The length in bytes, and what is said, where so many instances answer."""
    names = [f"{number:04}" + "x" * 60 for number in range(count)]
    text = event(Answers({name: vitals(name) for name in names}, ["y" * 64] * silent))
    assert text.startswith(b"data: ")
    assert text.endswith(b"\n\n")
    return len(text), json.loads(text.removeprefix(b"data: "))


def test_many_instances_cut_nobody_off() -> None:
    """Where many instances have pools with long names, each viewer counts as one that does not read, and is dropped."""
    length, said = told(500, silent=500)
    assert 40_000 < length < SLOW_READER_BYTES
    assert said["complete"] is False
    assert 20 < len(said["instances"]) < 500


def test_those_for_which_there_is_room() -> None:
    """Some instances are missing in the charts, and nobody is told."""
    _, said = told(20)
    assert said["complete"] is True
    assert [instance["instanceId"][:4] for instance in said["instances"]] == [f"{number:04}" for number in range(20)]

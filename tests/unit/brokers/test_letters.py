"""What instances say to each other while one version of signald replaces another."""

from typing import Any

import msgspec
import pytest

from signald.brokers.redis import letters
from signald.brokers.redis.letters import Claim, Confirm, Envelope, Left
from signald.core import parcel
from signald.core.ids import ClientId, RoomId
from signald.core.messages import parting
from signald.core.parcel import Parcel
from signald.core.passes import VERSION, Pass

LATER = ["of a later version", 1, None]
"""Fields that this version does not know."""

CLAIM = Claim(RoomId("r"), ClientId("a"), ClientId("b"), 1, takes_data=True)
CONFIRM = Confirm(RoomId("r"), resumes=True, takes_data=True)


LEFT = Left(RoomId("r"), why="next")


def sent(letter: letters.Letter, more: list[Any], fewer: int) -> letters.Letter:
    """A letter as an instance reads it that was written by another version: with more fields at the end, or fewer."""
    envelope = msgspec.msgpack.decode(letters.encode(Envelope("x", ("boot", 1), 1, [letter])))
    fields = envelope[-1][0]
    envelope[-1][0] = fields[: len(fields) - fewer] + more
    (read,) = letters.decode(msgspec.msgpack.encode(envelope)).letters
    return read


@pytest.mark.parametrize(
    ("letter", "earlier"),
    [
        (CLAIM, msgspec.structs.replace(CLAIM, takes_data=False)),
        (CONFIRM, msgspec.structs.replace(CONFIRM, takes_data=False)),
        (LEFT, msgspec.structs.replace(LEFT, why="gone")),
    ],
)
def test_letter_of_another_version(letter: letters.Letter, earlier: letters.Letter) -> None:
    """During a deploy nobody is matched between the old instances and the new ones, or hears of a partner's end."""
    assert sent(letter, LATER, 0) == letter
    assert sent(letter, [], 1) == earlier


def test_word_of_a_later_version() -> None:
    """An instance of the next version knows a reason more, and all letters that came with it are lost."""
    later = msgspec.structs.replace(LEFT, why="bored")
    assert sent(later, [], 0) == later
    assert parting("bored") == "gone"


def test_session_of_another_version() -> None:
    """A deploy loses the sessions that the old process has left in the store, or its own when it is taken back."""
    packed = Parcel(client=ClientId("c"), epoch=1, stands="paired", received=0, sent=0, partner_takes_data=True)
    fields = msgspec.msgpack.decode(parcel.encode(packed))
    assert parcel.decode(msgspec.msgpack.encode(fields + LATER)) == packed
    since = Parcel.__struct_fields__.index("partner_takes_data")
    earlier = parcel.decode(msgspec.msgpack.encode(fields[:since]))
    assert earlier == msgspec.structs.replace(packed, partner_takes_data=False)


def test_token_of_another_version() -> None:
    """The same for sessions whose process was killed."""
    said = Pass(VERSION, ClientId("c"), 0, 0, 0, 0.0, "i", "boot", partner_takes_data=True)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(said))
    assert msgspec.convert(fields + LATER, Pass) == said
    assert not msgspec.convert(fields[:-1], Pass).partner_takes_data

"""The table of blocks: who is kept apart from whom, and for how long."""

import pytest

from signald.core import blocks as core_blocks
from signald.core.blocks import BLOCKS_EACH, GUEST_BLOCK_S, Blocks
from signald.core.encounters import Party
from signald.core.ids import ClientId, UserId

A, B, C = (Party(ClientId(name)) for name in "abc")
ADA, BOB = Party(ClientId("a"), UserId("ada")), Party(ClientId("b"), UserId("bob"))


def test_blocks_hold_for_users_and_else_for_clients() -> None:
    """A block ends with a page load, or it is somebody else who is not met any more."""
    blocks = Blocks(60.0)
    blocks.add(ADA, BOB, 0.0)
    blocks.add(A, C, 0.0)
    assert blocks.apart(Party(ClientId("new"), UserId("ada")), Party(ClientId("other"), UserId("bob")))
    assert blocks.apart(BOB, ADA)
    assert not blocks.apart(A, B)
    assert blocks.apart(C, A)
    assert blocks.apart(ADA, C), "what it blocked before it said who it is counts on"
    assert not blocks.apart(Party(ClientId("new"), UserId("ada")), C)


def test_blocks_end_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks fill the memory; or somebody who blocks everybody makes those of others end."""
    monkeypatch.setattr(core_blocks, "MAX_BLOCKS", 3)
    blocks = Blocks(60.0)
    for number in range(5):
        blocks.add(Party(ClientId(f"x{number}")), A, float(number))
    assert [blocks.apart(A, Party(ClientId(f"x{number}"))) for number in range(5)] == [False, False, True, True, True]
    blocks.add(B, C, 62.5)
    assert [blocks.apart(A, Party(ClientId(f"x{number}"))) for number in (2, 3)] == [False, True]


def test_who_is_blocked_cannot_undo_it() -> None:
    """Somebody who was blocked blocks a thousand others, and meets its victim again."""
    blocks = Blocks(60.0)
    blocks.add(B, A, 0.0)
    for number in range(BLOCKS_EACH + 1):
        blocks.add(A, Party(ClientId(f"x{number}")), 1.0)
    assert blocks.apart(A, B)
    assert len(blocks) == BLOCKS_EACH + 1
    assert not blocks.apart(A, Party(ClientId("x0")))
    assert blocks.apart(A, Party(ClientId("x1")))
    blocks.add(A, Party(ClientId("x1")), 2.0)
    blocks.add(A, B, 2.0)
    assert blocks.apart(A, Party(ClientId("x1"))), "what was said again is the newest"


def test_blocks_of_guests_are_short() -> None:
    """Blocks of connections that have long gone fill the store for months."""
    blocks = Blocks(90 * 86400.0)
    assert blocks.lasting(ADA, BOB) == 90 * 86400.0
    assert blocks.lasting(ADA, C) == blocks.lasting(C, ADA) == blocks.lasting(A, C) == GUEST_BLOCK_S

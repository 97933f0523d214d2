"""The table of blocks: who is kept apart from whom, and for how long."""

import pytest

from signald.core import blocks as core_blocks
from signald.core.blocks import BLOCKS_EACH, GUEST_BLOCK_S, GUEST_BLOCKS_EACH, Blocks
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
    for by, at_most in ((ADA, BLOCKS_EACH), (A, GUEST_BLOCKS_EACH)):
        blocks = Blocks(60.0)
        blocks.add(B, A, 0.0)
        for number in range(at_most + 1):
            blocks.add(by, Party(ClientId(f"x{number}")), 1.0)
        assert blocks.apart(by, B)
        assert len(blocks) == at_most + 1
        assert not blocks.apart(by, Party(ClientId("x0")))
        assert blocks.apart(by, Party(ClientId("x1")))
        blocks.add(by, Party(ClientId("x1")), 2.0)
        blocks.add(by, B, 2.0)
        assert blocks.apart(by, Party(ClientId("x1"))), "what was said again is the newest"


def test_blocks_end_with_the_connection_that_they_are_about() -> None:
    """Blocks of guests who have gone fill the memory, and push out those that still count."""
    blocks = Blocks(60.0)
    for by, whom in ((A, B), (A, C), (B, A), (ADA, B), (ADA, BOB)):
        blocks.add(by, whom, 0.0)
    assert blocks.end(A.client)
    assert not blocks.apart(Party(ClientId("a")), C)
    assert blocks.apart(ADA, B)
    assert not blocks.end(A.client)
    assert blocks.end(B.client) is False
    assert len(blocks) == 1
    assert blocks.apart(ADA, BOB), "it is about users, who may come back"
    assert len(blocks._about) == 1


def test_blocks_of_guests_are_short() -> None:
    """Blocks of connections that have long gone fill the store for months."""
    blocks = Blocks(90 * 86400.0)
    assert blocks.lasting(ADA, BOB) == 90 * 86400.0
    assert blocks.lasting(ADA, C) == blocks.lasting(C, ADA) == blocks.lasting(A, C) == GUEST_BLOCK_S

"""Resume tokens: only whoever has the key can make one."""

import hashlib
import hmac
from base64 import urlsafe_b64decode

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from signald.core.ids import ClientId, RoomId, UserId
from signald.core.passes import VERSION, Pass, Passes

SAID = Pass(VERSION, ClientId("c"), 3, 7, 9, 1.5, "a", "boot", RoomId("r"), ClientId("p"), "b/x", UserId("ada"), 2.5)
OURS = Passes("0123456789abcdef")
TOKEN = OURS.issue(SAID)


def test_what_goes_in_comes_out() -> None:
    """A session comes back as somebody else's."""
    assert OURS.read(TOKEN) == SAID
    assert len(TOKEN) < 200


@given(st.integers(0, len(TOKEN) - 1), st.characters(max_codepoint=127))
def test_no_character_can_be_changed(place: int, character: str) -> None:
    """Somebody makes the token of another session from his own."""
    altered = TOKEN[:place] + character + TOKEN[place + 1 :]
    assert (OURS.read(altered) is None) == (altered != TOKEN)


@given(st.text(max_size=300))
def test_anything_else_is_none(text: str) -> None:
    """Some text ends the connection with an internal error."""
    assert OURS.read(text) is None


@given(st.integers(0, len(TOKEN) - 1))
def test_no_part_is_one(size: int) -> None:
    """A token that was cut off in a log is good."""
    assert OURS.read(TOKEN[:size]) is None


@given(st.text(max_size=300))
def test_the_seal_is_the_usual_one(user: str) -> None:
    """While instances are upgraded one by one, those of before and after refuse each other's sessions."""
    said = msgspec.structs.replace(SAID, user=UserId(user))
    sealed = urlsafe_b64decode(OURS.issue(said) + "==")
    key = hashlib.sha256(b"signald resume\0" + OURS.secret.encode()).digest()
    assert sealed == msgspec.msgpack.encode(said) + hmac.digest(key, msgspec.msgpack.encode(said), "sha256")[:16]


def test_keys() -> None:
    """Two services take each other's tokens; or those from before the store was reached are worthless."""
    theirs = Passes("another key, another service")
    assert theirs.read(TOKEN) is None
    shared = Passes("this process's own key")
    early = shared.issue(SAID)
    shared.share("0123456789abcdef")
    assert shared.read(TOKEN) == shared.read(early) == SAID
    assert OURS.read(shared.issue(SAID)) == SAID


def test_of_another_version() -> None:
    """After an upgrade tokens are read as what they are not."""
    assert OURS.read(OURS.issue(Pass(VERSION + 1, ClientId("c"), 0, 0, 0, 0.0, "a", "b"))) is None

"""Back-off, tokens, and what the end of a connection means."""

import asyncio
import base64
import hashlib
import json
import math
from typing import Any

import pytest
from signald_client import backoff
from signald_client.closing import loss, loss_of_handshake
from signald_client.errors import (
    Banned,
    ChallengeRequired,
    Crowded,
    Ended,
    Forbidden,
    Full,
    Refused,
    Replaced,
    ThrownOut,
    TokenRefused,
    TooMany,
    Unreachable,
    Unsupported,
    refused,
)
from signald_client.protocol import Goodbye
from signald_client.tokens import Tokens, end_of
from signald_client.work import solve


def token(**claims: Any) -> str:
    """A token without a good signature: clients look at its end alone."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.seal"


def test_clients_do_not_come_back_in_one_instant() -> None:
    """Else a restarted server is brought down by all who come back at once."""
    for resumable, longest in ((False, backoff.LONGEST_S), (True, backoff.LONGEST_RESUMABLE_S)):
        for attempt, bound in ((1, 0.5), (2, 1.0), (3, 2.0), (10, longest), (100_000, longest)):
            pauses = [backoff.pause_s(attempt, resumable) for _ in range(200)]
            assert 0 <= min(pauses) < bound / 4
            assert bound * 3 / 4 < max(pauses) <= bound


@pytest.mark.parametrize(
    ("code", "error", "final"),
    [
        (1006, Unreachable, False),
        (1012, Unreachable, False),
        (1013, Unreachable, False),
        (1008, ThrownOut, True),
        (4001, Replaced, True),
        (4400, Unsupported, True),
        (4401, TokenRefused, True),
        (4403, Banned, True),
        (4409, TooMany, True),
        (4429, TooMany, False),
        (4503, Full, False),
    ],
)
def test_close_codes(code: int, error: type[Ended], final: bool) -> None:
    """Else a client that was thrown out comes back for ever, or one with a bad network never."""
    of = loss(code, "why")
    assert (type(of.error), of.final) == (error, final)
    assert "why" in str(of.error)


def test_goodbye() -> None:
    """Else the server cannot spread those who come back, nor tell anybody to stay out."""
    goodbye: Goodbye = {"type": "goodbye", "action": "resume", "afterMs": 1500, "reason": "stopping"}
    assert loss(1012, "", goodbye).again_in_s == 1.5
    out: Goodbye = {**goodbye, "action": "stay-out", "reason": "kicked"}
    of = loss(1000, "", out)
    assert of.final
    assert isinstance(of.error, ThrownOut)
    assert of.error.reason == "kicked"
    assert isinstance(loss(1008, "", {**out, "reason": "banned"}).error, Banned)


@pytest.mark.parametrize(
    ("status", "error", "final"),
    [
        (403, Forbidden, True),
        (404, Unsupported, True),
        (429, TooMany, False),
        (502, Unreachable, False),
        (503, Full, False),
    ],
)
def test_statuses(status: int, error: type[Ended], final: bool) -> None:
    """Else a proxy whose server restarts ends all clients behind it."""
    of = loss_of_handshake(status)
    assert (type(of.error), of.final) == (error, final)


def test_codes_have_classes() -> None:
    """Else whoever catches one of them catches none."""
    assert type(refused("CROWDED", "full")) is Crowded
    assert type(refused("CHALLENGE_REQUIRED", "no proof")) is ChallengeRequired
    assert type(refused("OF_TOMORROW", "?")) is Refused


def test_work_is_done() -> None:
    """Else guests wait in vain where bots are kept away, or a thread searches for ever for what is not there."""
    sha256 = hashlib.sha256(b"a?expires=1&1234").hexdigest()
    copied = {"algorithm": "SHA-256", "challenge": sha256, "salt": "a?expires=1&", "signature": "s"}
    asked: Any = {**copied, "type": "challenge", "maxnumber": 5000, "expires": 1}
    assert solve(asked) == {**copied, "number": 1234}
    asked["maxnumber"] = 1233
    assert solve(asked) is None


def test_tokens_are_renewed_before_they_end() -> None:
    """Else a client that waits is thrown out of the queue when its token ends."""
    now = 1000.0
    given = iter([token(exp=1600), token(exp=1700), token(exp=1700), token(exp=0)])

    async def tell() -> None:
        nonlocal now
        tokens = Tokens(lambda: next(given), lambda: now)
        first = await tokens.current()
        assert tokens.renew_in_s == 540
        now = 1539.0
        assert await tokens.current() == first
        now = 1541.0
        assert await tokens.current() != first
        assert tokens.forget()
        assert not tokens.forget()
        await tokens.current()
        now = 1640.0
        await tokens.current()  # Ended long ago, by a clock that is wrong: not asked for without a pause.
        assert tokens.renew_in_s == 1.0

    asyncio.run(tell())


def test_ends_of_tokens() -> None:
    """Else a token of another form breaks the client, though the server takes it."""
    assert end_of(token(exp=5)) == 5
    for other in ("", "a", "a.b.c", token(), token(exp=None), token(exp="soon")):
        assert end_of(other) == math.inf


def test_a_token_is_shown_anew_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who waits for long is thrown out of the queue; or a service that is away for a moment ends it."""

    async def tell() -> None:
        now = 1000.0
        slept: list[float] = []
        shown: list[str] = []
        answers: list[str | OSError] = [token(exp=1600), OSError("away"), token(exp=1900)]
        given = iter(answers)

        def give() -> str:
            new = next(given)
            if isinstance(new, OSError):
                raise new
            return new

        async def sleep(seconds: float) -> None:
            nonlocal now
            slept.append(seconds)
            now += seconds
            if len(slept) == 3:
                raise asyncio.CancelledError

        async def show(new: str) -> None:
            shown.append(new)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        tokens = Tokens(give, lambda: now)
        await tokens.current()
        with pytest.raises(asyncio.CancelledError):
            await tokens.keep_fresh(show)
        assert slept == [540.0, 60.0, 0.0]
        assert shown == []
        slept.clear()
        with pytest.raises(asyncio.CancelledError):
            await tokens.keep_fresh(show)
        assert shown == [token(exp=1900)]

    asyncio.run(tell())

"""What outlives a connection: counting, and what is sent again."""

import json
from typing import Any

import pytest
from signald_client.session import Session

READY: Any = {"type": "ready", "clientId": "me", "resume": {"token": "t1", "seconds": 30}}
MATCHED = {
    "type": "matched",
    "roomId": "r",
    "partnerId": "p",
    "initiator": True,
    "resume": {"token": "t2", "seconds": 30},
}


def resumed(received: int, **more: Any) -> Any:
    return {"type": "resumed", "clientId": "me", "state": "paired", "roomId": "r", "lost": False} | {
        "received": received,
        "resume": {"token": "t3", "seconds": 30},
        **more,
    }


def calling() -> Session:
    """A session in a call that has said three things: `available`, answered, and two candidates, not answered."""
    session = Session()
    session.begin(READY, resumes=True)
    session.send("available", {}, 1, 0.0)
    session.receive(MATCHED, 0.0)
    session.receive({"type": "ok", "id": 1}, 0.0)
    session.send("ice", {"candidate": None, "roomId": "r"}, 2, 0.0)
    session.send("data", {"data": "x", "roomId": "r"}, 3, 0.0)
    return session


def test_what_the_server_has_not_had_is_sent_again() -> None:
    """Else a candidate is missing, and the call fails; or it comes twice."""
    session = calling()
    wish = json.loads(session.resume("nonce", 5.0))
    assert wish == {"type": "resume", "token": "t2", "received": 2, "nonce": "nonce"}
    again, lost, forsaken = session.resumed(resumed(2), 5.0)
    assert [json.loads(text)["type"] for text in again] == ["data"]
    assert (lost, forsaken, session.sent) == (False, [], 3)
    assert [request.id for request in session.kept] == [2, 3]  # The answer to the candidate comes with what was missed.


def test_signals_of_before_are_not_sent_again_when_something_was_lost() -> None:
    """Else a partner gets candidates of a negotiation that is over, and whoever asked waits for ever."""
    session = calling()
    session.send("next", {"roomId": "r"}, 4, 0.0)
    again, lost, forsaken = session.resumed(resumed(1, lost=True), 5.0)
    assert [json.loads(text)["type"] for text in again] == ["next"]
    assert (lost, forsaken, session.sent) == (True, [2, 3], 2)


def test_a_server_that_forgot_what_it_had_answered_has_lost_something() -> None:
    """Else two negotiate on, one with signals that the other never got."""
    session = calling()
    session.receive({"type": "ok", "id": 3}, 0.0)
    again, lost, forsaken = session.resumed(resumed(1), 5.0)
    assert ([*again], lost, forsaken) == ([], True, [2])


def test_an_attempt_has_one_nonce_until_it_succeeds() -> None:
    """Else an attempt whose answer was lost ends the session."""
    session = calling()
    assert json.loads(session.resume("one", 0.0))["nonce"] == json.loads(session.resume("two", 0.0))["nonce"] == "one"
    session.resumed(resumed(3), 0.0)
    assert json.loads(session.resume("three", 0.0))["nonce"] == "three"


def test_who_waits_says_since_when_and_for_whom() -> None:
    """Else a killed server costs the place in the queue, or the wishes."""
    session = Session()
    session.begin(READY, resumes=True)
    session.send("available", {"likes": ["chess"]}, 1, 100.0)
    wish = json.loads(session.resume("n", 107.5))
    assert (wish["waited"], wish["wishes"]) == (7.5, {"likes": ["chess"]})


def test_wishes_of_before_hold_if_next_says_none() -> None:
    """Else who is found again after the end of a server waits for whoever comes."""
    session = calling()
    session.wishes = {"likes": ["chess"]}
    session.send("next", {"roomId": "r"}, 4, 0.0)
    assert session.wishes == {"likes": ["chess"]}
    assert session.state == "waiting"


@pytest.mark.parametrize("code", ["AUTH_REQUIRED", "CHALLENGE_REQUIRED", "CROWDED"])
def test_who_is_not_let_wait_does_not_wait(code: str) -> None:
    """Else a client believes that it stands in a queue in which it does not."""
    session = Session()
    session.begin(READY, resumes=True)
    session.send("available", {}, 1, 0.0)
    session.receive({"type": "error", "code": code, "message": "", "id": 1}, 0.0)
    assert (session.state, session.kept) == ("idle", [])


def test_a_saved_session_is_the_same() -> None:
    """Else a bot that is restarted loses its partner."""
    session = calling()
    restored = Session.restore(session.save(100.0), 129.0)
    assert restored == session
    assert Session.restore(session.save(100.0), 130.0) is None
    for text in ("", "{}", "[]", '{"saved_at": 1, "kept": [], "unknown": 1}'):
        with pytest.raises(ValueError, match=r"."):
            Session.restore(text, 0.0)


def test_without_resume_nothing_is_kept_up() -> None:
    """Else ``resume=False`` means nothing."""
    session = Session()
    session.begin(READY, resumes=False)
    session.receive(MATCHED, 0.0)
    assert not session.resumable


@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800"])
def test_what_json_has_no_words_for_is_refused_and_not_counted(value: Any) -> None:
    """Else one bad value ends the connection, or shifts what is sent again."""
    session = calling()
    with pytest.raises((TypeError, ValueError)):
        session.send("data", {"data": value}, 9, 0.0)
    assert session.sent == 3


@pytest.mark.parametrize(("reason", "state"), [("next", "waiting"), ("silent", "idle")])
def test_who_was_silent_does_not_wait(reason: str, state: str) -> None:
    """Else a bot that was too slow for one partner believes that it waits for another."""
    session = calling()
    session.receive({"type": "partner-left", "reason": reason}, 0.0)
    assert (session.state, session.asked) == (state, False)

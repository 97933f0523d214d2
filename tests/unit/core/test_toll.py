"""What guests pay before they wait: the format, who is challenged when, and what a proof is good for."""

import math
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from altcha import v1 as altcha

from signald.core import messages, parcel
from signald.core.effects import Effects, Enqueue, Refuse, Send, Withdraw
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.inputs import FellSilent, Identified, Interrupted, PartnerFound, PartnerGone, Returned, Spoke
from signald.core.messages import Available, Challenge, ErrorCode, Leave, Next, Proof, ProtocolError
from signald.core.passes import Pass
from signald.core.session import Session
from signald.core.standing import Policy, State
from signald.core.toll import LIFE_S, MEMORY_S, NUMBERS, NUMBERS_AT_MOST, ChallengeMode, Toll, solve

UNIX_S = 1_900_000_000.0
KEY = b"a key of thirty-two bytes, maybe"
NAME = ClientId("W_UjnOkk-AkNIRGy")


def make_toll(mode: ChallengeMode = ChallengeMode.ON, bound: float = 10.0, key: bytes = KEY, number: int = 7) -> Toll:
    return Toll(mode, bound, key, lambda: "5eed", lambda numbers: number, lambda: UNIX_S)


def make_session(toll: Toll, *, v1: bool = True, client: ClientId = NAME) -> Session:
    return Session(client, Policy(toll=toll), v1=v1)


def challenges(effects: Effects) -> list[Challenge]:
    texts = (effect.text for effect in effects if isinstance(effect, Send))
    return [msgspec.json.decode(text, type=Challenge) for text in texts if b'"challenge"' in text]


def solution(asked: Challenge, **other: Any) -> Proof:
    number = solve(asked.challenge, asked.salt, asked.maxnumber)
    assert number is not None
    fields = {name: getattr(asked, name) for name in ("algorithm", "challenge", "salt", "signature")}
    return Proof(**{**fields, "number": number, **other})


def admitted(session: Session, toll: Toll) -> list[type]:
    """What becomes of an available, and of the proof that it brings."""
    (challenge,) = challenges(session.receive(Available(), 0.0))
    return [type(effect) for effect in session.receive(solution(challenge), 0.1)]


def test_it_is_what_altcha_makes_and_takes() -> None:
    """A client with ALTCHA's own library cannot solve it; or what is signed here differs from what it says."""
    toll = make_toll()
    made = toll.make(NAME, 0.0)
    theirs = altcha.create_challenge(
        altcha.ChallengeOptions(
            algorithm="SHA-256", max_number=NUMBERS, hmac_key=KEY.decode(), salt=made.salt.rstrip("&"), number=7
        )
    )
    fields = ("algorithm", "challenge", "maxnumber", "salt", "signature")
    assert {name: getattr(made, name) for name in fields} == {
        name.lower(): value for name, value in theirs.to_dict().items()
    }
    solved = altcha.solve_challenge(theirs)
    assert solved is not None
    payload: Any = msgspec.structs.asdict(solution(made, number=solved.number))
    assert altcha.verify_solution(payload, KEY.decode(), check_expires=False) == (True, None)
    assert altcha.extract_params(payload)["expires"] == [str(int(UNIX_S + LIFE_S))]
    toll.check(solution(made), NAME, toll.turn)


@pytest.mark.parametrize("client", ["W_UjnOkk-AkNIRGy", "-3EhIwYzaBqCLzcI"])
def test_a_guest_waits_when_it_has_worked(client: str) -> None:
    """Whoever sends `available` is in the queue at once; or who has worked never is."""
    toll = make_toll()
    session = make_session(toll, client=ClientId(client))
    effects = session.receive(Available(), 0.0)
    assert not any(isinstance(effect, Enqueue) for effect in effects)
    assert session.state is State.WAITING
    (challenge,) = challenges(effects)
    first, second = session.receive(solution(challenge), 1.0)
    assert first == Enqueue(session.ticket)  # type: ignore[arg-type]
    assert challenges((second,)), "the next one is to be solved during the call"
    assert toll.results == {"made": 2, "proven": 1, "failed": 0}


def test_the_next_stay_is_paid_in_advance() -> None:
    """A user who presses Next looks at a spinner while the phone computes; or one proof is good for ever."""
    session = make_session(make_toll())
    (challenge,) = challenges(session.receive(Available(), 0.0))
    (ahead,) = challenges(session.receive(solution(challenge), 0.0))
    assert session.receive(solution(ahead), 0.0) == ()
    assert session.ticket is not None
    session.receive(PartnerFound(session.ticket, RoomId("r"), ClientId("p"), initiator=True), 1.0)
    effects = session.receive(Next(), 2.0)
    assert Enqueue(session.ticket) in effects
    assert len(challenges(effects)) == 1
    session.receive(PartnerFound(session.ticket, RoomId("s"), ClientId("p"), initiator=True), 3.0)
    effects = session.receive(PartnerGone(RoomId("s")), 4.0)  # the challenge of before is still to be solved
    assert session.state is State.WAITING
    assert not any(isinstance(effect, Enqueue) for effect in effects)
    assert not challenges(effects)


@pytest.mark.parametrize(
    "changed",
    [
        {"number": 8},
        {"algorithm": "SHA-1"},
        {"salt": f"5eed?expires=1&client={NAME}&turn=1&"},
    ],
)
def test_work_that_failed(changed: dict[str, Any]) -> None:
    """A page whose work failed once is asked nothing more for two minutes, and meets nobody."""
    toll = make_toll()
    session = make_session(toll)
    (challenge,) = challenges(session.receive(Available(), 0.0))
    refused, again = session.receive(solution(challenge, **changed), 0.1)
    assert isinstance(refused, Refuse)
    assert refused.problem.code is ErrorCode.CHALLENGE_FAILED
    assert session.owes
    assert toll.results["failed"] == 1
    with pytest.raises(ProtocolError, match="no solution of the last challenge"):
        session.receive(solution(challenge), 0.2)
    (fresh,) = challenges((again,))
    assert Enqueue(session.ticket) in session.receive(solution(fresh), 0.3)  # type: ignore[arg-type]


def test_work_that_failed_ahead_of_time() -> None:
    """Whoever failed during the call presses Next, stands at the door, and is asked nothing for two minutes."""
    session = make_session(make_toll())
    (challenge,) = challenges(session.receive(Available(), 0.0))
    (ahead,) = challenges(session.receive(solution(challenge), 0.0))
    assert session.ticket is not None
    session.receive(PartnerFound(session.ticket, RoomId("r"), ClientId("p"), initiator=True), 1.0)
    (refused,) = session.receive(solution(ahead, number=8), 2.0)
    assert isinstance(refused, Refuse)
    (fresh,) = challenges(session.receive(Next(), 3.0))
    assert Enqueue(session.ticket) in session.receive(solution(fresh), 3.1)


@pytest.mark.parametrize(
    "changed",
    [
        {"signature": "0" * 64},
        {"challenge": "0" * 64},
        {"salt": f"5eed?expires={int(UNIX_S + LIFE_S)}&client={NAME}&turn=1&"},
        {"salt": ""},
        {"signature": "ä"},
        {"challenge": "ä"},
    ],
)
def test_what_is_no_proof_of_this_challenge(changed: dict[str, Any]) -> None:
    """A bot sends what it likes, and waits; or a client whose proof crossed the next challenge is asked for ever."""
    toll = make_toll()
    toll.make(NAME, 0.0)
    session = make_session(toll)
    (challenge,) = challenges(session.receive(Available(), 0.0))
    with pytest.raises(ProtocolError) as refused:
        session.receive(solution(challenge, **changed), 0.1)
    assert session.owes
    assert refused.value.code is ErrorCode.CHALLENGE_FAILED
    assert toll.results["failed"] == 1
    assert Enqueue(session.ticket) in session.receive(solution(challenge), 0.2)  # type: ignore[arg-type]


def test_a_proof_is_good_once_and_for_one() -> None:
    """One machine works for a whole farm, or one solution is good for all of a bot's matches."""
    toll = make_toll()
    one, other = make_session(toll), make_session(toll, client=ClientId("-3EhIwYzaBqCLzcI"))
    (challenge,) = challenges(one.receive(Available(), 0.0))
    other.receive(Available(), 0.0)
    good = solution(challenge)
    one.receive(good, 0.1)
    for session in (one, other):
        with pytest.raises(ProtocolError, match="no solution of the last challenge"):
            session.receive(good, 0.2)
    fresh = make_session(make_toll(), client=ClientId("idle"))
    with pytest.raises(ProtocolError, match="there is no challenge"):
        fresh.receive(good, 0.0)


def test_a_late_proof_is_answered_by_another_challenge() -> None:
    """Solutions are stored for the day of the attack; or a phone that slept waits for ever."""
    session = make_session(make_toll())
    (challenge,) = challenges(session.receive(Available(), 0.0))
    refused, again = session.receive(solution(challenge), LIFE_S)
    assert isinstance(refused, Refuse)
    assert refused.problem.code is ErrorCode.CHALLENGE_FAILED
    (fresh,) = challenges((again,))
    assert any(isinstance(effect, Enqueue) for effect in session.receive(solution(fresh), LIFE_S + 1))


def test_who_stands_at_the_door_may_go() -> None:
    """The broker is told to withdraw a ticket that it never had, or somebody who has left is queued."""
    session = make_session(make_toll())
    (challenge,) = challenges(session.receive(Available(), 0.0))
    assert session.receive(Leave(), 0.1) == ()
    assert session.state is State.IDLE
    assert session.receive(solution(challenge), 0.2) == ()  # for the next time
    effects = session.receive(Available(), 0.3)
    assert Enqueue(session.ticket) in effects  # type: ignore[arg-type]


def test_wishes_change_at_the_door() -> None:
    """Whoever changes its interests while it works goes round the defence."""
    session = make_session(make_toll())
    (challenge,) = challenges(session.receive(Available(), 0.0))
    assert session.receive(Available(likes=["chess"]), 0.1) == ()
    effects = session.receive(solution(challenge), 0.2)
    assert Enqueue(session.ticket) in effects  # type: ignore[arg-type]
    assert session.ticket is not None
    assert session.ticket.likes == ("chess",)


def test_a_user_pays_nothing() -> None:
    """Users of a site that knows them work for those that it does not know."""
    session = make_session(make_toll())
    session.receive(Identified(UserId("ada"), 100.0), 0.0)
    (effect,) = session.receive(Available(), 0.0)
    assert effect == Enqueue(session.ticket)  # type: ignore[arg-type]


def test_a_user_may_go_on_from_the_door() -> None:
    """Who signs in while it works stands at the door for ever."""
    session = make_session(make_toll())
    session.receive(Available(), 0.0)
    assert session.receive(Identified(UserId("ada"), 100.0), 0.1) == (Enqueue(session.ticket),)  # type: ignore[arg-type]


def test_one_who_signs_in_again_at_the_door() -> None:
    """Whose token has ended during a call stands at the door for ever, although it shows the next one."""
    session = make_session(make_toll())
    session.receive(Identified(UserId("ada"), 100.0), 0.0)
    session.receive(Available(), 0.0)
    assert session.ticket is not None
    session.receive(PartnerFound(session.ticket, RoomId("r"), ClientId("p"), initiator=True), 1.0)
    assert challenges(session.receive(Next(), 200.0))
    effects = session.receive(Identified(UserId("ada"), 300.0), 201.0)
    assert effects == (Enqueue(session.ticket),)
    assert not session.owes


def test_a_page_that_is_loaded_anew_is_asked_anew() -> None:
    """It has forgotten the challenge for the next stay, and its user presses Next and is never let in."""
    session = make_session(make_toll())
    admitted(session, make_toll())
    assert session.ticket is not None
    session.receive(PartnerFound(session.ticket, RoomId("r"), ClientId("p"), initiator=True), 1.0)
    session.receive(Interrupted(), 2.0)
    (challenge,) = challenges(session.receive(Returned(lost=False), 3.0))
    assert session.state is State.PAIRED
    assert session.receive(solution(challenge), 4.0) == ()
    effects = session.receive(Next(), 5.0)
    assert Enqueue(session.ticket) in effects
    (challenge,) = challenges(session.receive(Returned(lost=False), 6.0))  # nobody had noticed the loss
    session.receive(solution(challenge), 7.0)
    session.receive(Interrupted(), 8.0)
    effects = session.receive(Returned(lost=False), 9.0)
    assert effects == (Enqueue(session.ticket),)


def test_another_home_is_no_way_round() -> None:
    """A bot waits after it has changed the instance, or its process, without work; or solves one challenge for ever."""
    here, there = make_toll(), make_toll(key=b"of another process")
    session = make_session(here)
    (challenge,) = challenges(session.receive(Available(), 0.0))
    first = solution(challenge)
    for toll in (there, here, there, here):
        session.receive(Interrupted(), 1.0)
        more: Any = {"epoch": 1, "received": 0, "sent": 0}
        packed = parcel.decode(parcel.encode(parcel.pack(session, 1.0, **more)))
        session = parcel.unpack(packed, Policy(toll=toll), 1.0)
        effects = session.receive(Returned(lost=False), 2.0)
        assert session.owes
        (challenge,) = challenges(effects)
        assert not any(isinstance(effect, Enqueue) for effect in effects)
        with pytest.raises(ProtocolError, match="no solution of the last challenge"):
            session.receive(first, 3.0)
    effects = session.receive(solution(challenge), 4.0)
    assert Enqueue(session.ticket) in effects  # type: ignore[arg-type]


@pytest.mark.parametrize(("waited_s", "user", "owes"), [(9.0, None, True), (None, None, False), (9.0, "ada", False)])
def test_what_a_token_alone_tells(waited_s: float | None, user: str | None, owes: bool) -> None:
    """A bot says that it has waited on a process that is no more, and is let in; or users have to work."""
    said = Pass(1, NAME, 1, 0, 0, 1000.0, "i", "b", None, None, "", UserId(user) if user else None, 2000.0)
    session = parcel.unpack(parcel.from_pass(said, 1010.0, 0, waited_s), Policy(toll=make_toll()), 5.0)
    effects = session.receive(Returned(lost=True), 6.0)
    assert session.owes == owes
    assert any(isinstance(effect, Enqueue) for effect in effects) == (waited_s is not None and not owes)


def test_silence_is_no_way_round() -> None:
    """A bot says nothing to its partner, loses its connection on purpose, and waits again for nothing."""
    session = make_session(make_toll())
    admitted(session, make_toll())
    assert session.ticket is not None
    session.receive(PartnerFound(session.ticket, RoomId("r"), ClientId("p"), initiator=True), 1.0)
    session.receive(FellSilent(RoomId("r")), 10.0)
    session.receive(Interrupted(), 11.0)
    effects = session.receive(Returned(lost=False), 12.0)
    assert len(challenges(effects)) == 1
    assert not any(isinstance(effect, Enqueue) for effect in effects)


def test_a_lost_connection_at_the_door() -> None:
    """A drop of the connection is a way round the defence, or loses the challenge for ever."""
    session = make_session(make_toll())
    session.receive(Available(), 0.0)
    assert session.receive(Interrupted(), 0.1) == ()
    effects = session.receive(Returned(lost=False), 0.2)
    assert not any(isinstance(effect, Enqueue) for effect in effects)
    (challenge,) = challenges(effects)
    assert session.receive(solution(challenge), 0.3)[0] == Enqueue(session.ticket)  # type: ignore[arg-type]


def test_a_partner_that_left_meanwhile() -> None:
    """Whoever is away when its partner leaves waits again without a proof."""
    session = make_session(make_toll())
    admitted(session, make_toll())
    assert session.ticket is not None
    session.receive(PartnerFound(session.ticket, RoomId("r"), ClientId("p"), initiator=True), 1.0)
    session.receive(Interrupted(), 2.0)
    session.receive(PartnerGone(RoomId("r")), 3.0)
    effects = session.receive(Returned(lost=False), 4.0)
    assert not any(isinstance(effect, Enqueue) for effect in effects)
    assert len(challenges(effects)) == 1


def test_old_clients() -> None:
    """They are told something that they cannot know, or come in where all others have to work."""
    session = make_session(make_toll(), v1=False)
    with pytest.raises(ProtocolError) as refused:
        session.receive(Available(), 0.0)
    assert refused.value.code is ErrorCode.CHALLENGE_REQUIRED
    assert session.state is State.IDLE
    quiet = make_toll(ChallengeMode.AUTO)
    session = make_session(quiet, v1=False)
    assert session.receive(Available(), 0.0) == (Enqueue(session.ticket),)  # type: ignore[arg-type]
    assert session.ticket is not None
    session.receive(PartnerFound(session.ticket, RoomId("r"), ClientId("p"), initiator=True), 1.0)
    for _ in range(1000):
        quiet.note(1.0)
    rate = quiet.rate(1.0)
    left, told = session.receive(PartnerGone(RoomId("r")), 1.0)
    assert left == Send(messages.PARTNER_LEFT)
    assert isinstance(told, Refuse)
    assert told.problem.code is ErrorCode.CHALLENGE_REQUIRED
    assert session.state is State.IDLE
    assert quiet.rate(1.0) > rate, "who is refused counts too, else all would be let in while they still come"


def test_an_old_client_that_speaks_again() -> None:
    """A bot of the first protocol says nothing to its partner, then a word, and waits again where all others work."""
    toll = make_toll(ChallengeMode.AUTO)
    session = make_session(toll, v1=False)
    session.receive(Available(), 0.0)
    assert session.ticket is not None
    session.receive(PartnerFound(session.ticket, RoomId("r"), ClientId("p"), initiator=True), 1.0)
    session.receive(FellSilent(RoomId("r")), 10.0)
    for _ in range(1000):
        toll.note(11.0)
    (told,) = session.receive(Spoke(), 11.0)
    assert isinstance(told, Refuse)
    assert told.problem.code is ErrorCode.CHALLENGE_REQUIRED
    assert session.state is State.IDLE


def test_each_stay_of_a_guest_counts() -> None:
    """Bots that stay connected and press Next all the time are no crowd."""
    toll = make_toll(ChallengeMode.AUTO)
    session = make_session(toll)
    for _ in range(1000):
        session.receive(Available(), 1.0)
        session.receive(Leave(), 1.0)
    assert toll.asks(1.0)


@pytest.mark.parametrize("v1", [True, False])
def test_who_knocks_again_and_again_counts_now_and_then(v1: bool) -> None:
    """Somebody with a few connections has everybody else work ten times as long; or is let in when it gets quiet."""
    toll = make_toll(ChallengeMode.AUTO)
    for _ in range(200):
        toll.note(0.0)
    session = make_session(toll, v1=v1)
    before = toll.rate(0.0)
    for number in range(1000):
        now = number / 100
        with suppress(ProtocolError):
            session.receive(Available(), now)
        session.receive(Leave(), now)
    assert toll.rate(10.0) == pytest.approx((before + 1 / MEMORY_S) / math.e, rel=0.01)
    with suppress(ProtocolError):
        session.receive(Available(), 11.0)
    assert toll.rate(11.0) > (before + 1 / MEMORY_S) / math.exp(1.1)


def test_auto_comes_and_goes_with_the_crowd() -> None:
    """Everybody works for ever after one bad minute; or the defence goes on and off while an attack lasts."""
    toll = make_toll(ChallengeMode.AUTO, bound=10.0)
    session = make_session(toll)
    assert session.receive(Available(), 0.0) == (Enqueue(session.ticket),)  # type: ignore[arg-type]
    assert session.receive(Leave(), 0.0) == (Withdraw(session_ticket(session)),)
    now, asked = 0.0, []
    for step in range(4000):  # 20 a second for half of the time, then 7, then 2
        now += 1 / 20 if step < 2000 else 1 / 7 if step < 3000 else 1 / 2
        toll.note(now)
        asked.append(toll.asks(now))
    assert not asked[100]
    assert asked[1999]
    assert asked[2999], "between half and the whole of the bound it stays as it is"
    assert not asked[-1]
    assert sum(one != other for one, other in pairwise(asked)) == 2


def session_ticket(session: Session) -> Any:
    """The ticket that a session has just given back: its first."""
    return Session(session.client, session.policy, v1=True).new_ticket(0.0)


def test_the_work_grows_with_the_crowd() -> None:
    """A hundred times as many bots wait no longer than one; or a phone has to work for minutes."""
    toll = make_toll(bound=10.0)
    assert toll.make(NAME, 0.0).maxnumber == NUMBERS
    for step in range(1000):
        toll.note(step / 30)
    assert toll.numbers(1000 / 30) == pytest.approx(3 * NUMBERS, rel=0.1)
    for _ in range(100_000):
        toll.note(34.0)
    assert toll.numbers(34.0) == NUMBERS_AT_MOST
    assert toll.numbers(94.0) < NUMBERS_AT_MOST
    assert toll.numbers(1e6) == NUMBERS

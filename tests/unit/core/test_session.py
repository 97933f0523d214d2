"""The session's table, cell by cell."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from signald.core import session
from signald.core.effects import (
    Close,
    CountOutcome,
    Effects,
    Enqueue,
    FileReport,
    KeepApart,
    LeaveRoom,
    Postpone,
    Refuse,
    Relay,
    Send,
    TakeUp,
    TellAway,
    TellBack,
    TellMatched,
    VerifyToken,
    Withdraw,
)
from signald.core.encounters import Encounter, Party
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.inputs import (
    Disconnected,
    FellSilent,
    Identified,
    Interrupted,
    PartnerFound,
    PartnerGone,
    PartnerInterrupted,
    PartnerReturned,
    ProofMissing,
    ResumeFailed,
    Returned,
    Spoke,
    TicketRefused,
    TokenExpired,
    TokenRefused,
)
from signald.core.matching import CROWDED, Ticket
from signald.core.messages import (
    CLIENT_MESSAGES,
    Answer,
    Auth,
    Available,
    Block,
    Crossed,
    Data,
    ErrorCode,
    Ice,
    Leave,
    Next,
    Offer,
    Outcome,
    Ping,
    Proof,
    ProtocolError,
    Report,
    Resume,
)
from signald.core.session import Session
from signald.core.standing import AuthMode, Policy, State

CLIENT, PARTNER, ROOM = ClientId("client"), ClientId("partner"), RoomId("room")
MET = Encounter(ROOM, Party(PARTNER))
POLICY = Policy(requeue_on_partner_leave=True, rematch_delay_s=3.0)
NOW = 100.0
ADA, BOB = UserId("ada"), UserId("bob")
REQUIRED = Policy(auth=AuthMode.REQUIRED)
OPTIONAL = Policy(auth=AuthMode.OPTIONAL)


def waits(number: int, avoid: tuple[ClientId, ...] = (), until: float = NOW, user: UserId | None = None) -> Ticket:
    """The ticket of the client's so many-th stay in the queue."""
    return Ticket(CLIENT, number, NOW, avoid, until, user, takes_data=True)


INPUTS: dict[type[Any], Any] = {
    Auth: Auth("me", "token"),
    Available: Available(),
    Offer: Offer(Raw(b'"o"')),
    Answer: Answer(Raw(b'"a"')),
    Ice: Ice(Raw(b'{"c":1}')),
    Data: Data(Raw(b'{"d":1}')),
    Next: Next(),
    Leave: Leave(),
    Ping: Ping(),
    Report: Report("spam", "it sells things"),
    Block: Block(),
    Outcome: Outcome(ROOM, "connected"),
    Proof: Proof("SHA-256", "c", 1, "s", "s"),
    Resume: Resume("token", 7),
    PartnerFound: PartnerFound(waits(1), ROOM, PARTNER, initiator=True, takes_data=True),
    TicketRefused: TicketRefused(waits(1), CROWDED),
    PartnerGone: PartnerGone(ROOM, "next"),
    PartnerInterrupted: PartnerInterrupted(ROOM, 30.0),
    PartnerReturned: PartnerReturned(ROOM, lost=True),
    Interrupted: Interrupted(),
    Returned: Returned(lost=True),
    ResumeFailed: ResumeFailed(),
    Identified: Identified(ADA, NOW + 60),
    TokenRefused: TokenRefused("it is bad"),
    TokenExpired: TokenExpired(),
    ProofMissing: ProofMissing(),
    FellSilent: FellSilent(ROOM),
    Spoke: Spoke(),
    Disconnected: Disconnected("removed"),
}


def idle(policy: Policy = POLICY) -> Session:
    return Session(CLIENT, policy, v1=True)


def waiting(policy: Policy = POLICY) -> Session:
    client = idle(policy)
    client.receive(Available(), NOW)
    return client


def paired(policy: Policy = POLICY) -> Session:
    client = waiting(policy)
    assert client.ticket is not None
    client.receive(PartnerFound(client.ticket, ROOM, PARTNER, initiator=True, takes_data=True), NOW)
    return client


def closed(policy: Policy = POLICY) -> Session:
    client = paired(policy)
    client.receive(Disconnected(), NOW)
    return client


def resuming(policy: Policy = POLICY) -> Session:
    client = idle(policy)
    client.receive(Resume("token", 7), NOW)
    return client


def away(policy: Policy = POLICY) -> Session:
    client = paired(policy)
    client.receive(Interrupted(), NOW)
    return client


MAKE: dict[State, Callable[[], Session]] = {
    State.IDLE: idle,
    State.WAITING: waiting,
    State.PAIRED: paired,
    State.RESUMING: resuming,
    State.AWAY: away,
    State.CLOSED: closed,
}


def facts(client: Session) -> tuple[object, ...]:
    """All that can be seen of a session."""
    return client.state, client.ticket, client.room, client.partner


def sent(text: bytes) -> tuple[Send]:
    return (Send(text),)


NOTHING: Effects = ()
RELAYED = {
    Offer: b'{"type":"offer","from":"client","sdp":"o"}',
    Answer: b'{"type":"answer","from":"client","sdp":"a"}',
    Ice: b'{"type":"ice","from":"client","candidate":{"c":1}}',
    Data: b'{"type":"data","from":"client","data":{"d":1}}',
}
AWAY_30_S = b'{"type":"partner-away","seconds":30}'
BACK_LOST = b'{"type":"partner-back","lost":true}'
PARTNERS_NETWORK = (PartnerInterrupted, PartnerReturned)
OPEN = (State.IDLE, State.WAITING, State.PAIRED)
BAD = ProtocolError(ErrorCode.AUTH_FAILED, "it is bad")
MATCHED = TellMatched(ROOM, PARTNER, initiator=True, takes_data=True)

ILLEGAL: dict[tuple[State, type[Any]], ErrorCode] = {
    **{
        (state, kind): ErrorCode.NOT_PAIRED
        for state in (State.IDLE, State.WAITING)
        for kind in (*RELAYED, Next, Report, Block, Outcome)
    },
    (State.PAIRED, Available): ErrorCode.ALREADY_PAIRED,
    **{(state, Proof): ErrorCode.CHALLENGE_FAILED for state in (State.IDLE, State.WAITING, State.PAIRED)},
    **{(state, Resume): ErrorCode.RESUME_FAILED for state in (State.WAITING, State.PAIRED, State.RESUMING)},
}

LEGAL: dict[tuple[State, type[Any]], tuple[State, Effects]] = {
    **{(state, Auth): (state, NOTHING) for state in (State.IDLE, State.WAITING, State.PAIRED)},
    **{(state, kind): (state, NOTHING) for state in OPEN for kind in (Identified, TokenExpired, ProofMissing)},
    **{(state, TokenRefused): (state, (Refuse(BAD),)) for state in OPEN},
    (State.WAITING, Identified): (
        State.WAITING,
        (Withdraw(waits(1)), Enqueue(waits(2, (), NOW, ADA))),
    ),
    **{(state, Ping): (state, sent(b'{"type":"pong"}')) for state in (State.IDLE, State.WAITING, State.PAIRED)},
    **{(State.PAIRED, kind): (State.PAIRED, (Relay(ROOM, text),)) for kind, text in RELAYED.items()},
    (State.PAIRED, Offer): (State.PAIRED, (Relay(ROOM, RELAYED[Offer], is_offer=True),)),
    **{(state, kind): (state, NOTHING) for state in OPEN for kind in (FellSilent, Spoke)},
    (State.PAIRED, FellSilent): (
        State.IDLE,
        (Send(b'{"type":"partner-left","reason":"silent"}'), LeaveRoom(ROOM, "silent")),
    ),
    **{(State.CLOSED, kind): (State.CLOSED, NOTHING) for kind in INPUTS},
    (State.IDLE, Available): (State.WAITING, (Enqueue(waits(1)),)),
    (State.IDLE, Leave): (State.IDLE, NOTHING),
    (State.IDLE, PartnerFound): (State.IDLE, NOTHING),
    (State.IDLE, TicketRefused): (State.IDLE, NOTHING),
    (State.IDLE, PartnerGone): (State.IDLE, NOTHING),
    (State.IDLE, Disconnected): (State.CLOSED, NOTHING),
    (State.WAITING, Available): (State.WAITING, NOTHING),
    (State.WAITING, Leave): (State.IDLE, (Withdraw(waits(1)),)),
    (State.WAITING, PartnerFound): (State.PAIRED, (MATCHED,)),
    (State.WAITING, TicketRefused): (State.IDLE, (Refuse(CROWDED),)),
    (State.WAITING, PartnerGone): (State.WAITING, NOTHING),
    (State.WAITING, Disconnected): (State.CLOSED, (Withdraw(waits(1)),)),
    (State.PAIRED, Next): (
        State.WAITING,
        (LeaveRoom(ROOM, "next"), Enqueue(waits(2, (PARTNER,), NOW + 3.0))),
    ),
    (State.PAIRED, Leave): (State.IDLE, (LeaveRoom(ROOM, "leave"),)),
    (State.PAIRED, Report): (State.PAIRED, (FileReport(Party(CLIENT), MET, "spam", "it sells things"),)),
    (State.PAIRED, Outcome): (State.PAIRED, (CountOutcome(INPUTS[Outcome]),)),
    (State.PAIRED, Block): (State.PAIRED, (KeepApart(Party(CLIENT), MET.partner),)),
    (State.PAIRED, PartnerFound): (State.PAIRED, NOTHING),
    (State.PAIRED, TicketRefused): (State.PAIRED, NOTHING),
    (State.PAIRED, PartnerGone): (
        State.WAITING,
        (Send(b'{"type":"partner-left","reason":"next"}'), Enqueue(waits(2))),
    ),
    (State.PAIRED, Disconnected): (State.CLOSED, (LeaveRoom(ROOM, "removed"),)),
    **{(state, kind): (state, NOTHING) for state in (State.IDLE, State.WAITING) for kind in PARTNERS_NETWORK},
    **{(state, ResumeFailed): (state, NOTHING) for state in OPEN},
    (State.IDLE, Resume): (State.RESUMING, (TakeUp(INPUTS[Resume]),)),
    (State.IDLE, Interrupted): (State.AWAY, NOTHING),
    (State.IDLE, Returned): (State.IDLE, NOTHING),
    (State.WAITING, Interrupted): (State.AWAY, (Withdraw(waits(1)),)),
    (State.WAITING, Returned): (State.WAITING, NOTHING),
    (State.PAIRED, Interrupted): (State.AWAY, (TellAway(ROOM),)),
    (State.PAIRED, Returned): (State.PAIRED, (TellBack(ROOM, lost=True),)),
    **{(state, PartnerInterrupted): (state, sent(AWAY_30_S)) for state in (State.PAIRED, State.AWAY)},
    **{(state, PartnerReturned): (state, sent(BACK_LOST)) for state in (State.PAIRED, State.AWAY)},
    **{
        (State.RESUMING, kind): (State.RESUMING, (Postpone(INPUTS[kind]),))
        for kind in CLIENT_MESSAGES
        if kind is not Resume
    },
    **{
        (State.RESUMING, kind): (State.RESUMING, NOTHING)
        for kind in (
            PartnerFound,
            TicketRefused,
            PartnerGone,
            FellSilent,
            Spoke,
            *PARTNERS_NETWORK,
            Identified,
            TokenExpired,
            ProofMissing,
            Returned,
        )
    },
    (State.RESUMING, TokenRefused): (State.RESUMING, (Refuse(BAD),)),
    (State.RESUMING, ResumeFailed): (
        State.IDLE,
        (Refuse(ProtocolError(ErrorCode.RESUME_FAILED, "this token gives no session back")),),
    ),
    **{(State.RESUMING, kind): (State.CLOSED, NOTHING) for kind in (Interrupted, Disconnected)},
    **{(State.AWAY, kind): (State.AWAY, NOTHING) for kind in CLIENT_MESSAGES},
    **{
        (State.AWAY, kind): (State.AWAY, NOTHING)
        for kind in (
            PartnerFound,
            TicketRefused,
            FellSilent,
            Spoke,
            Identified,
            TokenRefused,
            TokenExpired,
            ProofMissing,
            Interrupted,
            ResumeFailed,
        )
    },
    (State.AWAY, PartnerGone): (State.AWAY, sent(b'{"type":"partner-left","reason":"next"}')),
    (State.AWAY, Returned): (State.PAIRED, (TellBack(ROOM, lost=True),)),
    (State.AWAY, Disconnected): (State.CLOSED, (LeaveRoom(ROOM, "removed"),)),
}


def comparable(effects: Effects) -> list[object]:
    """Effects, with a refusal's code and words for its exception, since exceptions are equal to themselves alone."""
    return [effect.problem.args if isinstance(effect, Refuse) else effect for effect in effects]


def found(client: Session) -> PartnerFound:
    """A match for the ticket that the session has."""
    return PartnerFound(client.ticket or waits(1), ROOM, PARTNER, initiator=True, takes_data=True)


def test_the_table_is_whole() -> None:
    """A missing rule would end a client's connection with an internal error."""
    assert set(session.TRANSITIONS) == set(State)
    for state, rules in session.TRANSITIONS.items():
        assert set(rules) == set(INPUTS)
        for kind in rules:
            assert ((state, kind) in LEGAL) != ((state, kind) in ILLEGAL), "this test must know each cell"


@pytest.mark.parametrize("cell", LEGAL, ids=lambda cell: f"{cell[0].value}-{cell[1].__name__}")
def test_legal(cell: tuple[State, type[Any]]) -> None:
    """A client in this state that gets this input ends in the wrong state, or the wrong thing is done."""
    state, kind = cell
    client = MAKE[state]()
    given = found(client) if kind is PartnerFound else INPUTS[kind]
    effects = client.receive(given, NOW)
    assert (client.state, comparable(effects)) == (LEGAL[cell][0], comparable(LEGAL[cell][1]))
    assert (client.ticket is not None) == (client.state is State.WAITING)
    paired_now = State.PAIRED in (client.state, client.stands if client.state is State.AWAY else None)
    assert (client.room is not None) == (client.partner is not None) == paired_now
    assert (client.shelved is not None) == (client.state is State.AWAY and client.stands is State.WAITING)


@pytest.mark.parametrize("cell", ILLEGAL, ids=lambda cell: f"{cell[0].value}-{cell[1].__name__}")
def test_illegal_changes_nothing(cell: tuple[State, type[Any]]) -> None:
    """A slip of a page costs it its place in the queue, or its partner."""
    state, kind = cell
    client = MAKE[state]()
    before = facts(client)
    with pytest.raises(ProtocolError) as caught:
        client.receive(INPUTS[kind], NOW)
    assert caught.value.code is ILLEGAL[cell]
    assert facts(client) == before


def test_waiting_comes_back_with_its_old_ticket() -> None:
    """A moment without network costs the place in the queue."""
    client = waiting()
    ticket = client.ticket
    assert client.receive(Interrupted(), NOW + 1) == (Withdraw(ticket),)  # type: ignore[arg-type]
    assert client.receive(found(client), NOW + 2) == NOTHING
    assert client.receive(Returned(lost=False), NOW + 3) == (Enqueue(ticket),)  # type: ignore[arg-type]
    assert (client.state, client.ticket, client.shelved) == (State.WAITING, ticket, None)


def test_who_is_left_while_away_waits_from_then_on() -> None:
    """Who comes back is behind all who came while it was away, or is not queued at all."""
    client = away()
    client.receive(PartnerGone(ROOM), NOW + 1)
    (enqueue,) = client.receive(Returned(lost=False), NOW + 5)
    assert isinstance(enqueue, Enqueue)
    assert (client.state, enqueue.ticket.since) == (State.WAITING, NOW + 1)
    idle_then = away(Policy(requeue_on_partner_leave=False))
    idle_then.receive(PartnerGone(ROOM), NOW + 1)
    assert (idle_then.receive(Returned(lost=False), NOW + 5), idle_then.state) == (NOTHING, State.IDLE)


def test_a_token_that_ends_while_away() -> None:
    """Somebody without a good token waits, and is matched."""
    client = idle(REQUIRED)
    client.receive(Identified(ADA, NOW + 10), NOW)
    client.receive(Available(), NOW)
    client.receive(Interrupted(), NOW)
    assert client.receive(TokenExpired(), NOW + 5) == NOTHING
    assert [type(effect) for effect in client.receive(Returned(lost=False), NOW + 10)] == [Refuse]
    assert (client.state, client.ticket) == (State.IDLE, None)


def test_news_of_the_partners_network() -> None:
    """An old client is sent a type it does not know; or news of another room, or no news, is told as news."""
    client = paired()
    for given in (PartnerReturned(ROOM, lost=False), PartnerInterrupted(RoomId("x"), 1.0)):
        assert client.receive(given, NOW) == NOTHING
    client.receive(PartnerInterrupted(ROOM, 1.5), NOW)
    assert client.partner_away
    assert client.receive(PartnerReturned(ROOM, lost=False), NOW) == sent(b'{"type":"partner-back","lost":false}')
    old = Session(CLIENT, POLICY)
    meet(old, ROOM, PARTNER)
    assert old.receive(PartnerInterrupted(ROOM, 1.0), NOW) == NOTHING
    assert old.receive(PartnerReturned(ROOM, lost=True), NOW) == NOTHING
    assert not old.partner_away


def test_messages_about_another_room() -> None:
    """What crossed a change of partner reaches the next one, or skips it."""
    naming: list[Any] = [
        Offer(Raw(b'""'), Raw(b'"x"')),
        Answer(Raw(b'""'), Raw(b'"x"')),
        Ice(Raw(b"null"), Raw(b'"x"')),
    ]
    naming += [Next(roomId=Raw(b'"x"')), Leave(Raw(b'"x"'))]
    for client in (idle(), waiting(), paired()):
        before = facts(client)
        for given in naming:
            with pytest.raises(Crossed):
                client.receive(given, NOW)
        assert facts(client) == before
    client = paired()
    for name in (b'"room"', b'"ro\\u006fm"', b"null"):
        assert len(client.receive(Ice(Raw(b"null"), Raw(name)), NOW)) == 1
    with pytest.raises(ProtocolError):
        client.receive(Ice(Raw(b"null"), Raw(b"5")), NOW)
    old = Session(CLIENT, POLICY)
    meet(old, ROOM, PARTNER)
    assert len(old.receive(Ice(Raw(b"null"), Raw(b"5")), NOW)) == 1


def meet(client: Session, room: str, partner: str, user: str | None = None) -> None:
    """Make a client that is not paired the partner of somebody."""
    client.receive(Available(), NOW)
    ticket = client.ticket
    assert ticket is not None
    known = None if user is None else UserId(user)
    client.receive(PartnerFound(ticket, RoomId(room), ClientId(partner), initiator=True, user=known), NOW)


def test_reports_and_blocks_are_about_who_was_meant() -> None:
    """The next partner, who has just been matched, is reported or blocked for what the last one did."""
    client = idle()
    for number in range(3):
        meet(client, f"room {number}", f"partner {number}", user=f"user {number}")
        client.receive(Leave(), NOW)
    last, before = [
        Encounter(RoomId(f"room {n}"), Party(ClientId(f"partner {n}"), UserId(f"user {n}"))) for n in (2, 1)
    ]
    for given, expected in ((None, last), ("partner 2", last), ("partner 1", before)):
        assert client.receive(Block(given), NOW) == (KeepApart(Party(CLIENT), expected.partner),)
    assert client.receive(Report("spam", None, "partner 1"), NOW) == (FileReport(Party(CLIENT), before, "spam", ""),)
    for kind in (Block(partnerId="partner 0"), Report("spam", partnerId="partner 0")):
        with pytest.raises(ProtocolError) as caught:
            client.receive(kind, NOW)
        assert caught.value.code is ErrorCode.NOT_PAIRED


def test_a_report_says_who_proved_to_be_whom() -> None:
    """A ban could only be on an address."""
    client = idle(OPTIONAL)
    client.receive(Identified(ADA, NOW + 60), NOW)
    meet(client, "room", "partner", user="bob")
    (filed,) = client.receive(Report("spam"), NOW)
    assert filed == FileReport(Party(CLIENT, ADA), Encounter(ROOM, Party(PARTNER, BOB)), "spam", "")


def test_an_old_match_is_ignored() -> None:
    """Who left the queue and came back would be paired with somebody who was matched to the old stay."""
    client = waiting()
    old = found(client)
    client.receive(Leave(), NOW)
    client.receive(Available(), NOW)
    before = facts(client)
    assert client.receive(old, NOW) == ()
    assert facts(client) == before


def test_an_old_end_is_ignored() -> None:
    """The late end of the last room ends the new one."""
    client = paired()
    client.receive(Next(), NOW)
    assert client.ticket is not None
    client.receive(PartnerFound(client.ticket, RoomId("new"), ClientId("other"), initiator=False), NOW)
    before = facts(client)
    assert client.receive(PartnerGone(ROOM, "next"), NOW) == ()
    assert facts(client) == before


def test_without_requeue() -> None:
    """Somebody who did not ask for it is called again."""
    client = paired(Policy(requeue_on_partner_leave=False))
    assert client.receive(PartnerGone(ROOM, "next"), NOW) == sent(b'{"type":"partner-left","reason":"next"}')
    assert client.state is State.IDLE
    asker = paired(Policy(requeue_on_partner_leave=False))
    effects = asker.receive(Next(), NOW)
    assert [type(effect) for effect in effects] == [LeaveRoom, Enqueue], "who says next waits again in any case"


def test_tickets_are_never_the_same() -> None:
    """What is said about an old stay in the queue is taken for the new one."""
    client = idle()
    seen = set()
    for _ in range(5):
        client.receive(Available(), NOW)
        assert client.ticket is not None
        seen.add(client.ticket.number)
        client.receive(Leave(), NOW)
    assert len(seen) == 5


def test_the_next_partner_gets_the_head_of_this_client() -> None:
    """`from` names the wrong sender after the first call."""
    client = paired()
    client.receive(INPUTS[Offer], NOW)
    client.receive(Next(), NOW)
    assert client.ticket is not None
    client.receive(PartnerFound(client.ticket, RoomId("new"), ClientId("other"), initiator=False), NOW)
    (effect,) = client.receive(INPUTS[Offer], NOW)
    assert isinstance(effect, Relay)
    assert effect.room == "new"
    assert json.loads(effect.text) == {"type": "offer", "from": "client", "sdp": "o"}


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_where_tokens_are_not_looked_at() -> None:
    """A client of the old server that sends some token is told of an error that its author never saw."""
    for state in OPEN:
        assert MAKE[state]().receive(Auth("me", "token"), NOW) == ()


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize("mode", [AuthMode.OPTIONAL, AuthMode.REQUIRED])
def test_a_token_is_checked(state: State, mode: AuthMode) -> None:
    """Nobody can prove who they are, or only at some times."""
    client = MAKE[state]()
    client.policy = Policy(auth=mode)
    assert client.receive(Auth(token="t"), NOW) == (VerifyToken("t"),)
    for nothing in (Auth("me"), Auth(), Auth(token=None), Auth(token="")):
        assert client.receive(nothing, NOW) == ()


def test_nobody_waits_without_a_token() -> None:
    """A server for known users pairs them with anybody."""
    client = idle(REQUIRED)
    with pytest.raises(ProtocolError) as caught:
        client.receive(Available(), NOW)
    assert caught.value.code is ErrorCode.AUTH_REQUIRED
    assert client.state is State.IDLE
    client.receive(Identified(ADA, NOW + 60), NOW)
    (enqueue,) = client.receive(Available(), NOW)
    assert isinstance(enqueue, Enqueue)
    assert enqueue.ticket.user == ADA
    client.receive(Leave(), NOW)
    with pytest.raises(ProtocolError, match="auth"):
        client.receive(Available(), NOW + 60)


def test_anybody_waits_where_tokens_are_optional() -> None:
    """Guests are shut out."""
    (enqueue,) = idle(OPTIONAL).receive(Available(), NOW)
    assert isinstance(enqueue, Enqueue)
    assert enqueue.ticket.user is None


def test_the_same_user_again_keeps_the_place() -> None:
    """Who renews its token in time loses its place in the queue by it."""
    client = idle(REQUIRED)
    client.receive(Identified(ADA, NOW + 60), NOW)
    client.receive(Available(), NOW)
    assert client.receive(Identified(ADA, NOW + 120), NOW + 50) == ()
    assert client.receive(TokenExpired(), NOW + 60) == ()
    assert client.state is State.WAITING
    assert [type(effect) for effect in client.receive(Identified(BOB, NOW + 120), NOW + 50)] == [Withdraw, Enqueue]
    assert client.ticket is not None
    assert client.ticket.user == BOB


@pytest.mark.parametrize("policy", [OPTIONAL, REQUIRED])
def test_an_expired_token_ends_waiting(policy: Policy) -> None:
    """Somebody whose account was closed an hour ago is called; or it waits no longer, and never learns that."""
    client = idle(policy)
    client.receive(Identified(ADA, NOW + 60), NOW)
    client.receive(Available(), NOW)
    ticket = client.ticket
    assert ticket is not None
    assert client.receive(TokenExpired(), NOW + 59.9) == ()
    withdraw, refuse = client.receive(TokenExpired(), NOW + 60)
    assert withdraw == Withdraw(ticket)
    assert isinstance(refuse, Refuse)
    assert refuse.problem.code is ErrorCode.AUTH_REQUIRED
    assert client.state is State.IDLE


def test_an_expired_token_ends_no_call() -> None:
    """A call breaks off in its midst; or who is left by its partner waits on with an old token."""
    client = idle(REQUIRED)
    client.receive(Identified(ADA, NOW + 60), NOW)
    client.receive(Available(), NOW)
    client.receive(found(client), NOW)
    later = NOW + 100
    assert client.receive(TokenExpired(), later) == ()
    assert isinstance(client.receive(INPUTS[Ice], later)[0], Relay)
    with pytest.raises(ProtocolError) as caught:
        client.receive(Next(), later)
    assert caught.value.code is ErrorCode.AUTH_REQUIRED
    assert client.state is State.PAIRED
    told, refuse = client.receive(PartnerGone(ROOM), later)
    assert told == Send(b'{"type":"partner-left","reason":"gone"}')
    assert isinstance(refuse, Refuse)
    assert refuse.problem.code is ErrorCode.AUTH_REQUIRED
    assert client.state.value == "idle"


def test_bad_tokens_in_a_row() -> None:
    """Somebody tries tokens for ever; or one who mistook itself twice, long ago, is thrown out."""
    client = idle(OPTIONAL)
    bad = TokenRefused("it is bad")

    def closes(given: TokenRefused) -> bool:
        return any(isinstance(effect, Close) for effect in client.receive(given, NOW))

    assert not closes(bad)
    assert not closes(bad)
    client.receive(Identified(ADA, NOW + 60), NOW)
    assert [closes(bad), closes(TokenRefused("not its fault", blame=False)), closes(bad)] == [False, False, False]
    assert closes(bad)


def test_data_needs_a_partner_that_takes_it() -> None:
    """A client of the first protocol is sent what it does not know."""
    client = waiting()
    client.receive(PartnerFound(client.ticket or waits(1), ROOM, PARTNER, initiator=True), NOW)
    with pytest.raises(ProtocolError) as refused:
        client.receive(INPUTS[Data], NOW)
    assert refused.value.code is ErrorCode.PARTNER_CANNOT
    assert client.receive(INPUTS[Ice], NOW) == (Relay(ROOM, RELAYED[Ice]),)


def test_what_old_clients_are_told() -> None:
    """A client of the first protocol meets fields that it does not know."""
    client = Session(CLIENT, POLICY)
    client.receive(Available(), NOW)
    assert client.ticket is not None and not client.ticket.takes_data
    told = client.receive(PartnerFound(client.ticket, ROOM, PARTNER, initiator=True, takes_data=True), NOW)
    assert told == (TellMatched(ROOM, PARTNER, initiator=True),)
    assert client.receive(PartnerGone(ROOM, "next"), NOW)[0] == Send(b'{"type":"partner-left"}')

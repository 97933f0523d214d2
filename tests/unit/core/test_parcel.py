"""A session that travels is the same when it arrives."""

from signald.core import parcel
from signald.core.encounters import Encounter, Party
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.inputs import Identified, Interrupted, PartnerFound, Returned
from signald.core.messages import Available, Leave, Next, Wishes
from signald.core.passes import VERSION, Attempt, Pass
from signald.core.session import Session
from signald.core.standing import Policy, State

POLICY = Policy()
CLIENT, ROOM, PARTNER = ClientId("c"), RoomId("r"), ClientId("p")


def met() -> Session:
    """A client that has a partner."""
    session = Session(CLIENT, POLICY, v1=True)
    session.receive(Identified(UserId("ada"), 150.0), 100.0)
    session.receive(Available(), 100.0)
    assert session.ticket is not None
    found = PartnerFound(session.ticket, ROOM, PARTNER, initiator=True, user=UserId("bob"), takes_data=True)
    session.receive(found, 100.0)
    return session


def travel(session: Session, now: float, then: float) -> Session:
    """Pack it on one clock, and unpack it on another."""
    session.receive(Interrupted(), now)
    packed = parcel.decode(parcel.encode(parcel.pack(session, now, epoch=3, received=4, sent=5)))
    assert (packed.epoch, packed.received, packed.sent) == (3, 4, 5)
    return parcel.unpack(packed, POLICY, then)


def test_in_a_call() -> None:
    """A call that moves forgets with whom it is, or who may be reported."""
    session = met()
    there = travel(session, 110.0, 1000.0)
    assert (there.state, there.stands, there.room, there.partner) == (State.AWAY, State.PAIRED, ROOM, PARTNER)
    assert there.identity == Identified(UserId("ada"), 1040.0)
    assert there.partner_takes_data
    assert there.met == (Encounter(ROOM, Party(PARTNER, UserId("bob"))),)
    there.receive(Returned(lost=False), 1000.0)
    assert there.state is State.PAIRED


def test_waiting() -> None:
    """Who waits is younger after a move, or meets at once whom it has just left."""
    session = met()
    session.receive(Next(), 110.0)
    there = travel(session, 111.0, 1000.0)
    ticket = there.shelved
    assert ticket is not None
    assert (ticket.number, ticket.since, ticket.avoid, ticket.avoid_until) == (2, 999.0, (PARTNER,), 1002.0)
    idle = met()
    idle.receive(Leave(), 110.0)
    assert travel(idle, 110.0, 5.0).shelved is None


def test_what_a_token_tells() -> None:
    """Who lost its home is believed whatever it says of its place."""
    said = Pass(VERSION, CLIENT, 1, 2, 3, 1000.0, "a", "boot", user=UserId("ada"), user_until=1100.0)
    packed = parcel.from_pass(said, 1060.0, 0, 1e9, Wishes(pool="p"))
    wish = parcel.unpack(packed, Policy(), 5.0).wish
    assert wish is not None and wish.pool == "p"
    assert (packed.stands, packed.waited_s, packed.user_s, packed.lost) == ("waiting", 60.0, 40.0, True)
    assert parcel.from_pass(said, 1060.0, 0, None).stands == "idle"
    paired = Pass(VERSION, CLIENT, 1, 2, 3, 1000.0, "a", "boot", ROOM, PARTNER, "b/x", partner_takes_data=True)
    packed = parcel.from_pass(paired, 1060.0, 0, 5.0)
    assert packed.partner_takes_data
    assert (packed.stands, packed.room, packed.partner, packed.partner_instance) == ("paired", ROOM, PARTNER, "b/x")


def test_tokens_of_a_parked_session() -> None:
    """An old token takes a session out of the store."""
    packed = parcel.Parcel(
        client=CLIENT, epoch=3, stands="idle", received=0, sent=5, texts=(b"5",), tokens=(2, 5), attempt=Attempt("n", 2)
    )
    none, same = Attempt(), Attempt("n")
    good = ((3, 5, 5, none), (3, 2, 4, none), (2, 0, 0, same), (2, 0, 0, Attempt("n", 3)))
    bad = [(3, 2, 5, none), (3, 4, 4, none), (2, 5, 5, none), (1, 0, 0, same), (4, 5, 5, none)]
    bad += [(2, 5, 5, other) for other in (Attempt("x", 3), Attempt("n", 1), Attempt("n", 2))]
    assert all(parcel.is_last(packed, *each) for each in good)
    assert not any(parcel.is_last(packed, *each) for each in bad)

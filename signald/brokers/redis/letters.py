"""Defines the letters: what instances say to each other about their clients, through the store.

A letter is a msgpack array whose first element is its tag. Letters between two instances arrive in order and once, or
the gap is noticed (`signald.brokers.redis.links`); each is harmless when it comes too late.
"""

from typing import Final

import msgspec

from signald.core.bans import Ban
from signald.core.ids import ClientId, RoomId, UserId
from signald.core.passes import Attempt


class Claim(msgspec.Struct, array_like=True, tag=1, frozen=True, gc=False):
    """To the owner of a ticket that was taken from the queue: is this client still there, and does it still wait?

    Answered by `Confirm` or `Deny`. An answer that does not come is a refusal.

    Attributes:
        room: The room that a confirmation opens.
        claimant: Who took the ticket.
        client: Whose ticket it is.
        number: The ticket's number.
        user: The claimant's, if it has proved who it is.
        resumes: Whether the claimant's session outlives its connection.
        likes: What the claimant likes.
        takes_data: Whether the claimant's client knows `data`. An instance of an earlier version does not say so, and
            passes over what it does not know.
    """

    room: RoomId
    claimant: ClientId
    client: ClientId
    number: int
    user: UserId | None = None
    resumes: bool = False
    likes: tuple[str, ...] = ()
    takes_data: bool = False


class Confirm(msgspec.Struct, array_like=True, tag=2, frozen=True, gc=False):
    """The owner's client, maybe of a known user, is paired in this room; the claimant's is to follow.

    `resumes`, `likes` and `takes_data` as in `Claim`, of the owner's client.
    """

    room: RoomId
    user: UserId | None = None
    resumes: bool = False
    likes: tuple[str, ...] = ()
    takes_data: bool = False


class Deny(msgspec.Struct, array_like=True, tag=3, frozen=True, gc=False):
    """There is no such ticket any more: take the next."""

    room: RoomId


class Left(msgspec.Struct, array_like=True, tag=4, frozen=True, gc=False):
    """This room has ended, on the sender's side or altogether; unknown rooms are ignored.

    Attributes:
        room: Which one.
        by: The instance that said so, if the sender only passes it on to where its client has gone.
        why: See `messages.Parting`; a later version may know more words.
    """

    room: RoomId
    by: str = ""
    why: str = "gone"


class Relayed(msgspec.Struct, array_like=True, tag=5, frozen=True, gc=False):
    """A whole server message (JSON) for the receiver's client in this room; whether it is an offer, to be answered."""

    room: RoomId
    text: bytes
    is_offer: bool = False


class Released(msgspec.Struct, array_like=True, tag=6, frozen=True, gc=False):
    """To the owner of a ticket that was taken in vain: put it back, with its old place."""

    client: ClientId
    number: int


class Check(msgspec.Struct, array_like=True, tag=7, frozen=True, gc=False):
    """All rooms that the sender has with the receiver or has claimed. Rooms that only one of the two knows are over.

    But for those in which somebody waits at the sender for a partner who has been found, which it has not heard yet.
    """

    rooms: list[RoomId]
    waiting: list[RoomId] = []


class Sync(msgspec.Struct, array_like=True, tag=8, frozen=True, gc=False):
    """Says nothing but its number, by which the receiver notices that the letters before it were lost."""


class Stops(msgspec.Struct, array_like=True, tag=9, frozen=True, gc=False):
    """The sender stops; it has left all rooms, and answers no claim any more."""


class Banned(msgspec.Struct, array_like=True, tag=10, frozen=True, gc=False):
    """Bans that were said on the sender's side."""

    bans: list[Ban]


class Ask(msgspec.Struct, array_like=True, tag=11, frozen=True, gc=False):
    """A question that every instance answers with `Reply` (see `signald.brokers.interface.Broker.ask`)."""

    number: int
    question: bytes


class Reply(msgspec.Struct, array_like=True, tag=12, frozen=True, gc=False):
    """To the question of this number."""

    number: int
    text: bytes


class Away(msgspec.Struct, array_like=True, tag=13, frozen=True, gc=False):
    """The sender's client in this room has no connection for now, and ends after so many seconds."""

    room: RoomId
    seconds: float


class Back(msgspec.Struct, array_like=True, tag=14, frozen=True, gc=False):
    """It goes on, in this epoch of its session; `lost` if either client may have missed something."""

    room: RoomId
    lost: bool
    epoch: int = 0
    attempt: Attempt = Attempt()


class Hold(msgspec.Struct, array_like=True, tag=15, frozen=True, gc=False):
    """The sender's client in this room is about to have no home: keep what is for it. Answered by `Held`."""

    room: RoomId
    seconds: float


class Held(msgspec.Struct, array_like=True, tag=16, frozen=True, gc=False):
    """Nothing more comes for this room; all that was said before has arrived, since letters keep their order."""

    room: RoomId


class Demand(msgspec.Struct, array_like=True, tag=17, frozen=True, gc=False):
    """A client is on the sender's instance, with this token of a session that is at home with the receiver: give it up.

    Answered by `Given`. An answer that does not come means that the home is dead.
    """

    number: int
    client: ClientId
    epoch: int
    sent: int
    received: int
    attempt: Attempt


class Given(msgspec.Struct, array_like=True, tag=18, frozen=True, gc=False):
    """To the demand of this number: whether the session is parked; else the token is not its last, or it has ended.

    `to`: where it has gone, as ``instance/boot``, if it is not here and that is known.
    """

    number: int
    parked: bool
    to: str = ""


class Rejoin(msgspec.Struct, array_like=True, tag=19, frozen=True, gc=False):
    """The partner of the receiver's client has come to the sender: let the room go on there. Answered by `Rejoined`.

    Attributes:
        room: The room.
        client: Of the receiver.
        epoch: Of the partner's session; a later one wins.
        partner: Who has come.
        boot: The boot id of the receiver when the partner was there; empty if nobody knows.
        attempt: The one by which the partner has come. It may have come to two instances after the same loss, if it
            did not hear of the first: then the later attempt has it.
    """

    room: RoomId
    client: ClientId
    epoch: int
    partner: ClientId
    boot: str
    attempt: Attempt = Attempt()


class Rejoined(msgspec.Struct, array_like=True, tag=20, frozen=True, gc=False):
    """How a client's partner is: ``here`` or ``away``.

    Else ``elsewhere`` if it has no home here, ``gone`` with the room, ``stale`` if it knows of a later epoch of the
    client. `to` is where it has gone, if that is known. `epoch` and `attempt` are those of the partner's session, as in
    `Rejoin`: it may have come to another instance meanwhile, which has said so before.
    """

    room: RoomId
    client: ClientId
    partner: str
    to: str = ""
    epoch: int = 0
    attempt: Attempt = Attempt()


class Moved(msgspec.Struct, array_like=True, tag=21, frozen=True, gc=False):
    """This session has a home of this epoch: if that is later than the receiver's, give it up, and tell nobody.

    Attributes:
        client: Whose session.
        epoch: Of that home.
        rival: Whether that home has it even if the receiver has it in the same epoch, and not by a later attempt.
        room: Where the client is there; empty for in no room. If it is in another one here, that room has ended.
        attempt: The one by which it went there, if the client counts them.
    """

    client: ClientId
    epoch: int
    rival: bool
    room: str
    attempt: Attempt = Attempt()


Letter = (
    Claim
    | Confirm
    | Deny
    | Left
    | Relayed
    | Released
    | Check
    | Sync
    | Stops
    | Banned
    | Ask
    | Reply
    | Away
    | Back
    | Hold
    | Held
    | Demand
    | Given
    | Rejoin
    | Rejoined
    | Moved
)


class Envelope(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A batch of letters of one link, as it stands in the receiver's stream.

    Attributes:
        sender: The instance.
        epoch: Which link of the sender it belongs to; a new link has a greater serial.
        number: Of the first letter, from 1.
        letters: In order.
    """

    sender: str
    epoch: tuple[str, int]
    number: int
    letters: list[Letter]


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Envelope).decode

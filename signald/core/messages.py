"""Every message between client and server, its fields, its limits and the error codes.

This module is the single source of the protocol: ``python -m tools.schema`` makes the JSON Schema, the AsyncAPI
document, the TypeScript types and the tables of the documentation from it, docstrings and all. Client messages are
parsed with one msgspec decode, in which ``sdp`` and ``candidate`` stay the raw bytes that the sender wrote, so that a
relay changes nothing in them (RFC 8259 leaves number range, key order and escapes to implementations, and browsers
differ).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, cast, get_args

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from signald.core.ids import ClientId, ReportId, RequestId, RoomId
from signald.core.passes import Attempt

SUBPROTOCOL: Final = "signald.v1"
"""A client that asks for this WebSocket subprotocol may be sent message types that the first protocol did not have."""

MAX_MESSAGE_BYTES: Final = 64 * 1024
"""One message, as UTF-8. SDP of a browser is 2 to 8 KiB; a frame above this is closed with 1009 (RFC 6455 7.4.1)."""

MAX_NESTING: Final = 32
"""Arrays and objects inside each other. SDP objects and candidates need 3; the bound keeps partners' parsers safe."""

MAX_USER_ID_LENGTH: Final = 256
"""Characters of ``userId``."""

MAX_TOKEN_LENGTH: Final = 8192
"""Characters of ``token``; a signed JWT is 300 to 2,000."""

MAX_DATA_BYTES: Final = 16 * 1024
"""What stands in ``data``, as JSON. It is for small things; what is larger goes over a data channel."""

MAX_REASON_LENGTH: Final = 100
"""Characters of a report's ``reason``."""

MAX_REPORT_LENGTH: Final = 500
"""Characters of a report's ``text``."""

MAX_CLIENT_ID_LENGTH: Final = 64
"""Characters of an id that a client names; those that are given out have 16."""

MAX_NONCE_LENGTH: Final = 64
"""Characters of the ``nonce`` of a ``resume``."""

MAX_REQUEST_ID_LENGTH: Final = 64
"""Characters of the ``id`` of a message that is to be answered, if it is text."""

MAX_INTEGER: Final = 2**53 - 1
"""The greatest integer in a client's message: all implementations of JSON agree on it (RFC 8259 section 6)."""

MAX_CHALLENGE_LENGTH: Final = 200
"""Characters of ``salt``, ``challenge`` and ``signature`` of a ``proof``; those that are made have 64 to 110."""

MAX_RELEASE_LENGTH: Final = 64
"""Characters of ``release`` in an ``outcome``."""

MAX_SETUP_MS: Final = 600_000
"""Milliseconds of ``setupMs``; ten minutes are no set-up any more."""

MAX_CALL_MS: Final = 7 * 86_400_000
"""Milliseconds of ``durationMs``: a week."""

MAX_RTT_MS: Final = 60_000
"""Milliseconds of ``rttMs``."""

MIN_BROWSER_LENGTH: Final = 16
"""Characters of ``browser``: of fewer two browsers might have the same."""

MAX_BROWSER_LENGTH: Final = 64
"""Characters of ``browser``."""

MAX_WORD_LENGTH: Final = 32
"""Characters of a ``pool``, of a key or value of ``is``, ``wants`` and ``avoids``, and of one of the ``likes``."""

MAX_KEYS: Final = 8
"""Keys of ``is``, of ``wants`` and of ``avoids``; those that the two have in common are looked at for each match."""

MAX_VALUES: Final = 16
"""Values of one key."""

MAX_LIKES: Final = 10
"""Words in ``likes``."""

MAX_RELAX_S: Final = 3600
"""Seconds in ``relax``; who has waited for an hour waits for ever."""


class ErrorCode(StrEnum):
    """What the ``code`` of an ``error`` message can be.

    The connection stays open, but for repeated AUTH_FAILED, and where a handshake is refused.
    """

    INVALID_FORMAT = "INVALID_FORMAT"
    """Not JSON, not an object, a field missing or of the wrong type, too deeply nested, a binary frame."""

    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    """``type`` is a string, but no message type of section "client to server"."""

    NOT_PAIRED = "NOT_PAIRED"
    """``offer``, ``answer``, ``ice``, ``data`` or ``next`` without a partner; ``report`` or ``block`` of nobody who was
    met, ``outcome`` of none of the last rooms."""

    PARTNER_CANNOT = "PARTNER_CANNOT"
    """``data`` for a partner whose client does not know it: `matched` says so."""

    FULL = "FULL"
    """The handshake is refused: the server has no place for one more."""

    TOO_MANY = "TOO_MANY"
    """The handshake is refused: there are too many connections, or handshakes in this second, of one address."""

    TOO_MANY_OF_USER = "TOO_MANY_OF_USER"
    """The handshake is refused, or the token of ``auth`` is: its user has too many connections."""

    BANNED = "BANNED"
    """The handshake is refused, for its address is banned; or it, or the token of ``auth``, is, for its user is."""

    ALREADY_PAIRED = "ALREADY_PAIRED"
    """``available`` while there is a partner; ``next`` or ``leave`` comes first."""

    RATE_LIMIT = "RATE_LIMIT"
    """More than MAX_MSG_PER_SECOND messages in a second, or too many reports or blocks; the message was dropped."""

    AUTH_REQUIRED = "AUTH_REQUIRED"
    """``available`` or ``next`` without a good token on a server that wants one, or the token of a waiting client has
    expired: it waits no longer."""

    AUTH_FAILED = "AUTH_FAILED"
    """The token is not accepted; to clients of the first protocol also if its user is banned or has too many
    connections. The third token in a row that is refused closes the connection."""

    CHALLENGE_REQUIRED = "CHALLENGE_REQUIRED"
    """``available`` or ``next`` of a guest without `signald.v1` while guests have to prove work, or the partner of one
    left: it does not wait. Others are told ``challenge``, and this if no proof comes within 30 s."""

    CHALLENGE_FAILED = "CHALLENGE_FAILED"
    """``proof`` that is none: not the number, of another client or challenge, used before, or too late."""

    CROWDED = "CROWDED"
    """There are too many different wishes in this pool already, or too many connections of this user that wait
    (MAX_WAITING_PER_USER): this one does not wait."""

    RESUME_FAILED = "RESUME_FAILED"
    """There is no such session any more, or the token is not the last one of it: the connection goes on as the new
    client of its ``ready``."""


class ProtocolError(Exception):
    """The client's fault: it is told, nothing else changes.

    Attributes:
        code: What went wrong, for programs.
        message: What went wrong, for people; of what the client sent it contains at most the name of a key, as JSON.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class Crossed(Exception):
    """A message names another room than the client's: it crossed a change of partner, and is for nobody."""


# --- client to server -------------------------------------------------------------------------------------------------

SdpValue = Annotated[Raw, Meta(description="The SDP as a string, or any other JSON value.")]
CandidateValue = Annotated[
    Raw,
    Meta(
        description="An `RTCIceCandidateInit`; `null`, or an empty `candidate` in it, ends the candidates.",
        extra_json_schema={"anyOf": [{"type": "object"}, {"type": "null"}]},
    ),
]


DataValue = Annotated[Raw, Meta(description="Any JSON value, of at most 16 KiB as it is written.")]

RoomName = (
    Annotated[
        Raw,
        Meta(
            description="The room that is meant, for clients of `signald.v1`: if it is not the client's any more the "
            "message is dropped, for it crossed a change of partner. Without it the room of the moment.",
            extra_json_schema={"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
    ]
    | UnsetType
)
"""Raw, since clients of the first protocol may send what they like in a field that it did not have."""


RequestName = (
    Annotated[
        Raw,
        Meta(
            description="Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.",
            extra_json_schema={
                "anyOf": [
                    {"type": "string", "minLength": 1, "maxLength": MAX_REQUEST_ID_LENGTH},
                    {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
                ]
            },
        ),
    ]
    | UnsetType
)
"""Raw, for the same reason."""


BrowserName = (
    Annotated[
        Raw,
        Meta(
            description="Made at random and kept by a browser, for clients of `signald.v1`: two with the same one are "
            "matched with each other only if nobody else is there. Used for nothing else; it holds for the session.",
            extra_json_schema={
                "type": "string",
                "minLength": MIN_BROWSER_LENGTH,
                "maxLength": MAX_BROWSER_LENGTH,
            },
        ),
    ]
    | UnsetType
)
"""Raw, for the same reason."""


class Auth(msgspec.Struct, tag="auth", gc=False):
    """Say who you are. No reply on success; a server that checks no tokens accepts any ``userId``."""

    userId: (
        Annotated[str, Meta(max_length=MAX_USER_ID_LENGTH, description="The user's name for the server.")]
        | UnsetType
        | None
    ) = UNSET
    token: (
        Annotated[str, Meta(max_length=MAX_TOKEN_LENGTH, description="Proof of it, for a server that wants one.")]
        | UnsetType
        | None
    ) = UNSET
    id: RequestName = UNSET


Word = Annotated[str, Meta(max_length=MAX_WORD_LENGTH)]
_Facts = Annotated[dict[Word, Annotated[list[Word], Meta(max_length=MAX_VALUES)]], Meta(max_length=MAX_KEYS)]


class Wishes(msgspec.Struct, gc=False):
    """The fields that say whom a client wants to meet."""

    pool: (
        Annotated[
            str,
            Meta(
                max_length=MAX_WORD_LENGTH, description="Only clients of one pool meet; without it those who name none."
            ),
        ]
        | UnsetType
    ) = UNSET
    is_: Annotated[_Facts, Meta(description="Facts about this client: values by key.")] | UnsetType = msgspec.field(
        name="is", default=UNSET
    )
    wants: (
        Annotated[_Facts, Meta(description="Of the partner: of each key it must have one of these values.")] | UnsetType
    ) = UNSET
    avoids: Annotated[_Facts, Meta(description="Of the partner: it must have none of these values.")] | UnsetType = (
        UNSET
    )
    likes: (
        Annotated[list[Word], Meta(max_length=MAX_LIKES, description="Interests: who shares some comes first.")]
        | UnsetType
    ) = UNSET
    relax: (
        Annotated[
            dict[Word, Annotated[float, Meta(ge=0, le=MAX_RELAX_S)]],
            Meta(
                max_length=2 * MAX_KEYS + 1,
                description="Seconds of waiting after which a key of `wants` and `avoids`, or `likes`, binds no more.",
            ),
        ]
        | UnsetType
    ) = UNSET

    def wishes(self) -> "Wishes | None":
        """These fields alone; None if none of them is there."""
        if self.pool is self.is_ is self.wants is self.avoids is self.likes is self.relax is UNSET:
            return None
        return Wishes(self.pool, self.is_, self.wants, self.avoids, self.likes, self.relax)


class Available(Wishes, tag="available", gc=False):
    """Wait for a partner; without fields for whoever comes. Paired: error ``ALREADY_PAIRED``.

    Waiting already: nothing happens, or with fields these are the wishes from now on.
    """

    browser: BrowserName = UNSET
    id: RequestName = UNSET


class Offer(msgspec.Struct, tag="offer", gc=False):
    """SDP offer for the partner. ``sdp`` is relayed as it is, whatever JSON value it holds."""

    payload: SdpValue = msgspec.field(name="sdp")
    roomId: RoomName = UNSET
    id: RequestName = UNSET


class Answer(msgspec.Struct, tag="answer", gc=False):
    """SDP answer for the partner. ``sdp`` is relayed as it is, whatever JSON value it holds."""

    payload: SdpValue = msgspec.field(name="sdp")
    roomId: RoomName = UNSET
    id: RequestName = UNSET


class Ice(msgspec.Struct, tag="ice", gc=False):
    """An ICE candidate for the partner: an object, or ``null`` after the last one."""

    payload: CandidateValue = msgspec.field(name="candidate")
    roomId: RoomName = UNSET
    id: RequestName = UNSET


class Data(msgspec.Struct, tag="data", gc=False):
    """Anything for the partner's page: who types, what is muted, a text. Needs a partner whose client knows it."""

    data: DataValue
    roomId: RoomName = UNSET
    id: RequestName = UNSET


class Next(Wishes, tag="next", gc=False):
    """Leave this partner and be queued again, at the tail. Without a partner: error ``NOT_PAIRED``.

    Without fields that say whom to meet those of before hold.
    """

    browser: BrowserName = UNSET
    roomId: RoomName = UNSET
    id: RequestName = UNSET


class Leave(msgspec.Struct, tag="leave", gc=False):
    """Leave the partner, or the queue; not queued again. Neither: nothing happens."""

    roomId: RoomName = UNSET
    id: RequestName = UNSET


class Ping(msgspec.Struct, tag="ping", gc=False):
    """Answered by ``pong``."""

    id: RequestName = UNSET


PartnerId = (
    Annotated[
        str,
        Meta(
            max_length=MAX_CLIENT_ID_LENGTH,
            description="Whom it is about, as in `matched`: the partner or the last one before; "
            "without it the partner, or if there is none the last one.",
        ),
    ]
    | UnsetType
    | None
)


class Report(msgspec.Struct, tag="report", gc=False):
    """Tell the operator of the partner, or of the last one. Nothing else changes.

    Answered by ``reported`` to clients of `signald.v1`; no reply to others on success.
    """

    reason: Annotated[
        str, Meta(min_length=1, max_length=MAX_REASON_LENGTH, description="What it is, in a word that the page chose.")
    ]
    text: (
        Annotated[str, Meta(max_length=MAX_REPORT_LENGTH, description="What happened, in the client's words.")]
        | UnsetType
        | None
    ) = UNSET
    partnerId: PartnerId = UNSET
    id: RequestName = UNSET


class Block(msgspec.Struct, tag="block", gc=False):
    """Never meet the partner, or the last one, again. Does not leave it: ``next`` or ``leave`` does."""

    partnerId: PartnerId = UNSET
    id: RequestName = UNSET


class Outcome(msgspec.Struct, tag="outcome", gc=False):
    """Tell the operator what became of the call in a room, once, also when it is over: one of the last eight.

    No reply on success; for the same room again nothing happens.
    """

    roomId: Annotated[str, Meta(max_length=MAX_CLIENT_ID_LENGTH, description="Which room, as in `matched`.")]
    result: Annotated[
        Literal["connected", "failed", "untried"],
        Meta(
            description="Whether media or data ever came through; `untried` if one of the two left before that could "
            "be known."
        ),
    ]
    setupMs: (
        Annotated[
            float, Meta(ge=0, le=MAX_SETUP_MS, description="Milliseconds from `matched` to the first media or data.")
        ]
        | UnsetType
        | None
    ) = UNSET
    path: (
        Annotated[
            Literal["direct", "relayed", "unknown"],
            Meta(description="How the two reach each other: `relayed` by a TURN server."),
        ]
        | UnsetType
        | None
    ) = UNSET
    durationMs: (
        Annotated[float, Meta(ge=0, le=MAX_CALL_MS, description="Milliseconds for which media or data flowed.")]
        | UnsetType
        | None
    ) = UNSET
    candidateType: (
        Annotated[
            Literal["host", "srflx", "prflx", "relay"],
            Meta(description="Of this side's candidate in the pair that was used."),
        ]
        | UnsetType
        | None
    ) = UNSET
    loss: (
        Annotated[float, Meta(ge=0, le=1, description="Of the partner's packets, the share that was lost.")]
        | UnsetType
        | None
    ) = UNSET
    rttMs: (
        Annotated[float, Meta(ge=0, le=MAX_RTT_MS, description="Milliseconds to the partner and back.")]
        | UnsetType
        | None
    ) = UNSET
    release: (
        Annotated[
            str,
            Meta(
                max_length=MAX_RELEASE_LENGTH,
                description="Of the page; counted apart if the operator has listed it (OUTCOME_RELEASES).",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    id: RequestName = UNSET


class Proof(msgspec.Struct, tag="proof", gc=False):
    """The solution of the last ``challenge``, good once: for one stay in the queue, this one or the next.

    All fields but ``number`` are those of the challenge, as they came.
    """

    algorithm: Annotated[str, Meta(max_length=MAX_WORD_LENGTH, description="As in the challenge.")]
    challenge: Annotated[str, Meta(max_length=MAX_CHALLENGE_LENGTH, description="As in the challenge.")]
    number: Annotated[
        int,
        Meta(ge=0, le=MAX_INTEGER, description="The hash of `salt` and this, in decimal digits, is `challenge`."),
    ]
    salt: Annotated[str, Meta(max_length=MAX_CHALLENGE_LENGTH, description="As in the challenge.")]
    signature: Annotated[str, Meta(max_length=MAX_CHALLENGE_LENGTH, description="As in the challenge.")]
    id: RequestName = UNSET


class Resume(msgspec.Struct, tag="resume", gc=False):
    """Go on with a session whose connection was lost. The first message of a connection. Answered by ``resumed``."""

    token: Annotated[
        str, Meta(max_length=MAX_TOKEN_LENGTH, description="The last one that came in `ready`, `matched` or `resumed`.")
    ]
    received: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_INTEGER,
            description="Messages had in this session, all types but `ready`, `resume` and `resumed`.",
        ),
    ]
    nonce: (
        Annotated[
            str,
            Meta(
                max_length=MAX_NONCE_LENGTH,
                description="Made at random, and sent again with each attempt with the same token: an attempt whose "
                "answer was lost is answered again.",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    attempt: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MAX_INTEGER,
                description="Greater with each attempt with the same `nonce`: one that is late does not take the "
                "session away from the one after it.",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    waited: (
        Annotated[
            float,
            Meta(
                ge=0,
                description="Seconds since `available`, if the client believes that it waits: its place, if nothing "
                "but the token is left of the session.",
            ),
        ]
        | UnsetType
        | None
    ) = UNSET
    wishes: (
        Annotated[
            Wishes,
            Meta(
                description="The fields of the last `available` or `next` that say whom to meet, if there were any: "
                "they hold on, if nothing but the token is left of the session."
            ),
        ]
        | UnsetType
    ) = UNSET
    id: RequestName = UNSET

    def which(self) -> Attempt:
        """Which attempt this is."""
        return Attempt(self.nonce or "", self.attempt or 0)


Signal = Offer | Answer | Ice
ClientMessage = (
    Auth | Available | Offer | Answer | Ice | Data | Next | Leave | Ping | Report | Block | Outcome | Proof | Resume
)

REFUSALS: Final[Mapping[type[msgspec.Struct], tuple[ErrorCode, ...]]] = {
    Auth: (ErrorCode.AUTH_FAILED, ErrorCode.BANNED, ErrorCode.TOO_MANY_OF_USER),
    Available: (
        ErrorCode.ALREADY_PAIRED,
        ErrorCode.AUTH_REQUIRED,
        ErrorCode.CHALLENGE_REQUIRED,
        ErrorCode.CROWDED,
    ),
    Offer: (ErrorCode.NOT_PAIRED,),
    Answer: (ErrorCode.NOT_PAIRED,),
    Ice: (ErrorCode.NOT_PAIRED,),
    Data: (ErrorCode.NOT_PAIRED, ErrorCode.PARTNER_CANNOT),
    Next: (ErrorCode.NOT_PAIRED, ErrorCode.AUTH_REQUIRED, ErrorCode.CHALLENGE_REQUIRED, ErrorCode.CROWDED),
    Report: (ErrorCode.NOT_PAIRED,),
    Block: (ErrorCode.NOT_PAIRED,),
    Outcome: (ErrorCode.NOT_PAIRED,),
    Proof: (ErrorCode.CHALLENGE_FAILED,),
    Resume: (ErrorCode.RESUME_FAILED,),
}
"""What a well-formed message brings in the wrong state. INVALID_FORMAT and RATE_LIMIT can follow any message."""

# --- server to client -------------------------------------------------------------------------------------------------

SenderId = Annotated[str, Meta(description="The partner's id, set by the server whatever the sender wrote.")]


class IceServer(msgspec.Struct):
    """A STUN or TURN server, as an `RTCIceServer` that a browser takes."""

    urls: Annotated[list[str], Meta(description="Its `stun:`, `stuns:`, `turn:` and `turns:` URLs.")]
    username: Annotated[str, Meta(description="For TURN.")] | UnsetType = UNSET
    credential: Annotated[str, Meta(description="The password for TURN.")] | UnsetType = UNSET


IceServerList = Annotated[
    list[IceServer],
    Meta(description="For the `RTCPeerConnection`; absent if the server has none. Passwords in it end some time."),
]


class ResumeOffer(msgspec.Struct):
    """How to go on with this session if the connection is lost; each replaces the one before."""

    token: Annotated[str, Meta(description="For `resume`; good once.")]
    seconds: Annotated[int | float, Meta(description="How long after the loss.")]


ResumeToken = Annotated[ResumeOffer, Meta(description="For clients of `signald.v1`: see `resume`.")] | UnsetType


TakesData = (
    Annotated[
        bool, Meta(description="For clients of `signald.v1` with a partner: whether the partner's client knows `data`.")
    ]
    | UnsetType
)


class Ready(msgspec.Struct, tag="ready"):
    """The first message on every connection."""

    clientId: Annotated[str, Meta(description="This client's id; a new one, unless `resume` follows.")]
    iceServers: IceServerList | UnsetType = UNSET
    resume: ResumeToken = UNSET


class Resumed(msgspec.Struct, tag="resumed"):
    """The session goes on as it stands now. What the client has missed follows, in order."""

    clientId: Annotated[str, Meta(description="The session's id: the one from before.")]
    state: Annotated[Literal["idle", "waiting", "paired"], Meta(description="As it stands now.")]
    received: Annotated[int, Meta(description="Messages of the client that the server has had: send what came after.")]
    lost: Annotated[bool, Meta(description="Whether something may be missing: negotiate anew (ICE restart).")]
    roomId: Annotated[str, Meta(description="The room, if `paired`.")] | UnsetType = UNSET
    partnerId: Annotated[str, Meta(description="The partner, if `paired`.")] | UnsetType = UNSET
    partner: (
        Annotated[Literal["here", "away"], Meta(description="Whether it has a connection, if `paired`.")] | UnsetType
    ) = UNSET
    iceServers: IceServerList | UnsetType = UNSET
    resume: ResumeToken = UNSET
    data: TakesData = UNSET


class Common(msgspec.Struct):
    """What a match came of."""

    likes: Annotated[list[str], Meta(description="Of this client's `likes` those that the partner has too.")]
    relaxed: Annotated[list[str], Meta(description="Keys of this client's `relax` that did not bind any more.")]


class Matched(msgspec.Struct, tag="matched"):
    """A partner was found. Both get the same ``roomId``; ``initiator`` is true for exactly one, who should offer."""

    roomId: Annotated[str, Meta(description="The room; never used again.")]
    partnerId: Annotated[str, Meta(description="The partner's `clientId`.")]
    initiator: Annotated[bool, Meta(description="Whether this client is the one who should offer.")]
    iceServers: IceServerList | UnsetType = UNSET
    resume: ResumeToken = UNSET
    common: (
        Annotated[Common, Meta(description="For clients of `signald.v1` that said whom they want to meet.")] | UnsetType
    ) = UNSET
    data: TakesData = UNSET


class Waiting(msgspec.Struct, tag="waiting"):
    """The client waits on. To clients of ``signald.v1`` alone that said whom they want to meet, every 5 s at most."""

    seconds: Annotated[int, Meta(description="How long it has waited.")]
    atLeast: Annotated[int, Meta(description="So many wait in its pool at least: 1, 10, 100, 1,000, …")]


class Challenge(msgspec.Struct, tag="challenge"):
    """A guest has to prove work (``proof``) before it waits, or waits again. To clients of ``signald.v1`` alone.

    The format is that of ALTCHA: find the ``number`` from 0 to ``maxnumber`` for which the hash of ``salt`` and the
    number is ``challenge``.
    """

    algorithm: Annotated[Literal["SHA-256"], Meta(description="The hash.")]
    challenge: Annotated[str, Meta(description="The hash that is to be found, in hexadecimal digits.")]
    salt: Annotated[str, Meta(description="What stands before the number when it is hashed.")]
    maxnumber: Annotated[int, Meta(description="The greatest number that it can be.")]
    signature: Annotated[str, Meta(description="The server's, to be sent back.")]
    expires: Annotated[int, Meta(description="When it is too late; seconds since 1970.")]


class RelayedOffer(msgspec.Struct, tag="offer"):
    """The partner's SDP offer, untouched."""

    from_: SenderId = msgspec.field(name="from")
    sdp: SdpValue


class RelayedAnswer(msgspec.Struct, tag="answer"):
    """The partner's SDP answer, untouched."""

    from_: SenderId = msgspec.field(name="from")
    sdp: SdpValue


class RelayedIce(msgspec.Struct, tag="ice"):
    """The partner's ICE candidate, untouched."""

    from_: SenderId = msgspec.field(name="from")
    candidate: CandidateValue


class RelayedData(msgspec.Struct, tag="data"):
    """What the partner's page sent, untouched. To clients of ``signald.v1`` alone."""

    from_: SenderId = msgspec.field(name="from")
    data: DataValue


Parting = Literal["next", "leave", "gone", "removed", "stopping", "silent"]
"""Why somebody is a partner no more; what is not known is ``gone``."""


class PartnerLeft(msgspec.Struct, tag="partner-left"):
    """The partner went. With REQUEUE_ON_PARTNER_LEAVE the client is waiting again already, else it is idle."""

    reason: (
        Annotated[
            Parting,
            Meta(
                description="For clients of `signald.v1`: it said `next` or `leave`, is `gone` (closed, did not come "
                "back, or said nothing), was `removed` by the server, or its server is `stopping`. Or this client "
                "itself was `silent`, and does not wait until it says something."
            ),
        ]
        | UnsetType
    ) = UNSET


class PartnerAway(msgspec.Struct, tag="partner-away"):
    """The partner's connection was lost; it may come back. To clients of ``signald.v1`` alone."""

    seconds: Annotated[int | float, Meta(description="How long it may take; then comes `partner-left`.")]


class PartnerBack(msgspec.Struct, tag="partner-back"):
    """The partner goes on. To clients of ``signald.v1`` alone."""

    lost: Annotated[bool, Meta(description="Whether something may be missing: negotiate anew (ICE restart).")]


_RequestText = Annotated[str, Meta(min_length=1, max_length=MAX_REQUEST_ID_LENGTH)]
_RequestNumber = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
AnsweredId = Annotated[_RequestText | _RequestNumber, Meta(description="The `id` of the message that this answers.")]


ReportName = Annotated[str, Meta(description="Of the report: whoever runs the server knows it by this name.")]


class Reported(msgspec.Struct, tag="reported"):
    """A ``report`` was taken. To clients of ``signald.v1`` alone."""

    reportId: ReportName
    partnerId: Annotated[str, Meta(description="Whom it is about.")]


class Ok(msgspec.Struct, tag="ok"):
    """A message with an ``id`` was taken, and has done what it does here. To clients of ``signald.v1`` alone."""

    id: AnsweredId
    stale: (
        Annotated[bool, Meta(description="True if it named a room that is over, and was dropped; else absent.")]
        | UnsetType
    ) = UNSET
    reportId: ReportName | UnsetType = UNSET


class Error(msgspec.Struct, tag="error"):
    """A message of the client was refused; the connection stays open."""

    code: Annotated[ErrorCode, Meta(description="What went wrong, for programs.")]
    message: Annotated[str, Meta(description="What went wrong, for people; the words may change.")]
    id: AnsweredId | UnsetType = UNSET


Action = Literal["resume", "reconnect", "stay-out"]
"""What a client is to do whose connection is closed."""


class Goodbye(msgspec.Struct, tag="goodbye"):
    """The server closes this connection now. To clients of ``signald.v1`` alone."""

    action: Annotated[
        Action,
        Meta(
            description="`resume`: connect again and go on with this session; `reconnect`: connect again, as a new "
            "client unless a session can be resumed; `stay-out`: do not, unless somebody asks for it."
        ),
    ]
    afterMs: Annotated[
        int,
        Meta(
            ge=0,
            description="When, in ms from now: another moment for each client. With `stay-out`: not before; 0 if no "
            "time is known after which it would help.",
        ),
    ]
    reason: Annotated[
        str,
        Meta(
            description="`stopping`, `full`, `kicked`, `banned`, `too-many`, `bad-token`, `flood`; more words may come."
        ),
    ]


class Pong(msgspec.Struct, tag="pong"):
    """Reply to ``ping``."""


ServerMessage = (
    Ready
    | Resumed
    | Matched
    | Waiting
    | Challenge
    | RelayedOffer
    | RelayedAnswer
    | RelayedIce
    | RelayedData
    | PartnerLeft
    | PartnerAway
    | PartnerBack
    | Reported
    | Ok
    | Error
    | Goodbye
    | Pong
)

# --- parse ------------------------------------------------------------------------------------------------------------

_decode: Callable[[bytes], ClientMessage] = msgspec.json.Decoder(ClientMessage).decode
_encode = msgspec.json.Encoder().encode
_read_matched = msgspec.json.Decoder(Matched).decode


class _Typed(msgspec.Struct):
    """Just enough of a message to tell an unknown type from a broken known one."""

    type: str


_SQUARE_BRACKET: Final = 0x5B

_decode_type = msgspec.json.Decoder(_Typed).decode


class _Asking(msgspec.Struct):
    """Just enough of a message to answer it."""

    id: _RequestText | _RequestNumber | UnsetType = UNSET


_decode_asking = msgspec.json.Decoder(_Asking).decode
_decode_id: Callable[[bytes], RequestId] = msgspec.json.Decoder(_RequestText | _RequestNumber).decode


def parse(text: bytes) -> ClientMessage:
    """Decode one client message.

    Args:
        text: UTF-8, at most MAX_MESSAGE_BYTES; the caller has checked both.

    Returns:
        The message; unknown fields are ignored, of duplicate payload fields the last one counts.

    Raises:
        ProtocolError: INVALID_FORMAT or UNKNOWN_TYPE, with a message that names the field.
    """
    try:
        message = _decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _explain(text, error) from None
    # Few opening brackets prove little depth; only of many is depth counted. `count` looks at each byte by itself, and
    # takes longer than decoding; `replace`, and `in` with a number, look at many at a time.
    openings = len(text) - len(text.replace(b"{", b""))
    if _SQUARE_BRACKET in text:
        openings += text.count(b"[")
    if openings > MAX_NESTING and _nesting(text) > MAX_NESTING:
        raise ProtocolError(ErrorCode.INVALID_FORMAT, f"nested more than {MAX_NESTING} levels deep")
    if type(message) is Ice:
        if (candidate := bytes(message.payload))[0] != 0x7B and candidate != b"null":
            raise ProtocolError(ErrorCode.INVALID_FORMAT, "Expected `object | null` - at `$.candidate`")
    elif type(message) is Data and len(memoryview(message.data)) > MAX_DATA_BYTES:
        raise ProtocolError(ErrorCode.INVALID_FORMAT, f"`data` is larger than {MAX_DATA_BYTES} bytes")
    return message


def bounded(
    parse: Callable[[bytes], ClientMessage], max_sdp_bytes: int, max_candidate_bytes: int
) -> Callable[[bytes], ClientMessage]:
    """A `parse` that also refuses payloads above these sizes in bytes of JSON; 0 for no limit but MAX_MESSAGE_BYTES."""
    if not max_sdp_bytes and not max_candidate_bytes:
        return parse
    limits: dict[type[Any], tuple[str, int]] = {
        Offer: ("sdp", max_sdp_bytes or MAX_MESSAGE_BYTES),
        Answer: ("sdp", max_sdp_bytes or MAX_MESSAGE_BYTES),
        Ice: ("candidate", max_candidate_bytes or MAX_MESSAGE_BYTES),
    }

    def parse_bounded(text: bytes) -> ClientMessage:
        message = parse(text)
        limit = limits.get(type(message))
        if limit is not None and len(memoryview(message.payload)) > limit[1]:  # type: ignore[union-attr]
            raise ProtocolError(ErrorCode.INVALID_FORMAT, f"`{limit[0]}` is larger than {limit[1]} bytes")
        return message

    return parse_bounded


def request_id(given: Raw) -> RequestId:
    """The ``id`` of a message that is to be answered.

    Raises:
        ProtocolError: It has not the form of one.
    """
    try:
        return _decode_id(bytes(given))
    except msgspec.MsgspecError:
        raise ProtocolError(
            ErrorCode.INVALID_FORMAT,
            f"Expected `str` of 1 to {MAX_REQUEST_ID_LENGTH} characters or `int` from 0 to {MAX_INTEGER} - at `$.id`",
        ) from None


def asked_by(text: bytes) -> RequestId | UnsetType:
    """The ``id`` of a message that was refused; UNSET if it has no good one, or cannot be read."""
    if b'"id"' not in text:
        return UNSET
    try:
        return _decode_asking(text).id
    except (msgspec.MsgspecError, RecursionError):
        return UNSET


def _explain(text: bytes, error: Exception) -> ProtocolError:
    if isinstance(error, RecursionError):
        return ProtocolError(ErrorCode.INVALID_FORMAT, f"nested more than {MAX_NESTING} levels deep")
    if not isinstance(error, msgspec.ValidationError):
        return ProtocolError(ErrorCode.INVALID_FORMAT, f"not JSON: {error}")
    try:
        kind = _decode_type(text).type
    except msgspec.MsgspecError as without_type:
        return ProtocolError(ErrorCode.INVALID_FORMAT, str(without_type))
    if kind not in CLIENT_TYPES:
        return ProtocolError(ErrorCode.UNKNOWN_TYPE, "unknown message type")
    return ProtocolError(ErrorCode.INVALID_FORMAT, str(error))


def _nesting(text: bytes) -> int:
    """The depth of arrays and objects in valid JSON, brackets inside strings not counted."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in text:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def message_type(message: type[msgspec.Struct]) -> str:
    """The ``type`` that stands on the wire for a message class."""
    return str(message.__struct_config__.tag)


CLIENT_MESSAGES: Final[tuple[type[msgspec.Struct], ...]] = (
    Auth,
    Available,
    Offer,
    Answer,
    Ice,
    Data,
    Next,
    Leave,
    Ping,
    Report,
    Block,
    Outcome,
    Proof,
    Resume,
)
SERVER_MESSAGES: Final[tuple[type[msgspec.Struct], ...]] = (
    Ready,
    Resumed,
    Matched,
    Waiting,
    Challenge,
    RelayedOffer,
    RelayedAnswer,
    RelayedIce,
    RelayedData,
    PartnerLeft,
    PartnerAway,
    PartnerBack,
    Reported,
    Ok,
    Error,
    Goodbye,
    Pong,
)
CLIENT_TYPES: Final = frozenset(message_type(message) for message in CLIENT_MESSAGES)

# --- to JSON ----------------------------------------------------------------------------------------------------------


def to_json(message: ServerMessage) -> bytes:
    """One server message as UTF-8 JSON."""
    return _encode(message)


PONG: Final = to_json(Pong())
PARTNER_LEFT: Final = to_json(PartnerLeft())
"""For clients of the first protocol."""

FELL_SILENT: Final = to_json(PartnerLeft("silent"))
"""For a client of ``signald.v1`` that has said nothing itself."""

_PARTED: Final[Mapping[str, bytes]] = {
    why: to_json(PartnerLeft("gone" if why == "silent" else why)) for why in get_args(Parting)
}


def ready(
    client: ClientId, ice_servers: list[IceServer] | UnsetType = UNSET, resume: ResumeOffer | UnsetType = UNSET
) -> bytes:
    """The ``ready`` message for a client."""
    return _encode(Ready(client, ice_servers, resume))


def matched(
    room: RoomId,
    partner: ClientId,
    *,
    initiator: bool,
    ice_servers: list[IceServer] | UnsetType = UNSET,
    resume: ResumeOffer | UnsetType = UNSET,
    common: Common | UnsetType = UNSET,
    data: bool | UnsetType = UNSET,
) -> bytes:
    """The ``matched`` message for one of the two clients of a room."""
    return _encode(Matched(room, partner, initiator, ice_servers, resume, common, data))


def waiting(seconds: float, crowd: int) -> bytes:
    """The ``waiting`` message for a client that waits with so many in its pool, itself included."""
    return to_json(Waiting(int(seconds), 10 ** (len(str(max(1, crowd))) - 1)))


def sent_again(text: bytes) -> bytes:
    """A kept message as it follows `resumed`: a ``matched`` without its token, for the one in `resumed` is newer."""
    if not text.startswith(b'{"type":"matched"'):
        return text
    told = _read_matched(text)
    told.resume = UNSET
    return _encode(told)


def partner_left(why: Parting) -> bytes:
    """The ``partner-left`` message for a client of ``signald.v1``."""
    return _PARTED[why]


def parting(word: str) -> Parting:
    """Why somebody left, as an instance of maybe another version says it."""
    return cast(Parting, word) if word in _PARTED else "gone"


def partner_away(seconds: float) -> bytes:
    """The ``partner-away`` message."""
    return to_json(PartnerAway(plain(seconds)))


def partner_back(*, lost: bool) -> bytes:
    """The ``partner-back`` message."""
    return to_json(PartnerBack(lost))


def plain(seconds: float) -> int | float:
    """Seconds as they stand in a message: whole ones without a point."""
    return int(seconds) if seconds == int(seconds) else round(seconds, 3)


def error(problem: ProtocolError, id: RequestId | UnsetType = UNSET) -> bytes:
    """The ``error`` message that tells a client of its mistake, in the message with this ``id`` if it has one."""
    return to_json(Error(problem.code, problem.message, id))


def goodbye(action: Action, after_ms: int, reason: str) -> bytes:
    """The ``goodbye`` message."""
    return to_json(Goodbye(action, after_ms, reason))


def reported(report: ReportId, partner: ClientId) -> bytes:
    """The ``reported`` message for whoever has reported this partner."""
    return to_json(Reported(report, partner))


def ok(id: RequestId, *, stale: bool = False, report: ReportId | UnsetType = UNSET) -> bytes:
    """The ``ok`` that answers a message; `stale` if it was about a room that is over, with the report that it made."""
    return to_json(Ok(id, stale or UNSET, report))


def names(given: Raw, room: RoomId | None) -> bool:
    """Whether ``roomId`` of a message names this room. Null names the room of the moment.

    Raises:
        ProtocolError: It is no text.
    """
    text = bytes(given)
    if text == b"null" or (room is not None and text == _encode(room)):
        return True
    if text[:1] != b'"':
        raise ProtocolError(ErrorCode.INVALID_FORMAT, "Expected `str | null` - at `$.roomId`")
    return bool(msgspec.json.decode(text) == room)


def relay_heads(sender: ClientId) -> dict[type[Any], bytes]:
    """What stands before the payload in each relayed message of one client, made once for its life.

    The whole message is ``heads[type(signal)] + payload + b"}"``: see `relayed`.
    """
    quoted = _encode(sender)
    return {
        Offer: b'{"type":"offer","from":' + quoted + b',"sdp":',
        Answer: b'{"type":"answer","from":' + quoted + b',"sdp":',
        Ice: b'{"type":"ice","from":' + quoted + b',"candidate":',
    }


def relayed(heads: dict[type[Any], bytes], signal: Signal) -> bytes:
    """A signal as its receiver gets it: ``from`` is the server's word, the payload the sender's bytes."""
    return heads[type(signal)] + signal.payload + b"}"


def relayed_data(sender: ClientId, given: Data) -> bytes:
    """The same for ``data``, which is too seldom to keep its head."""
    return b'{"type":"data","from":' + _encode(sender) + b',"data":' + given.data + b"}"

"""Every message of the protocol, as types. Made from signald/core/messages.py by python -m tools.schema."""

from typing import Any, Final, Literal, NotRequired, TypedDict

SUBPROTOCOL: Final = "signald.v1"
"""A client that asks for this WebSocket subprotocol may be sent message types that the first protocol did not have."""

MAX_MESSAGE_BYTES: Final = 65536
"""One message, as UTF-8. SDP of a browser is 2 to 8 KiB; a frame above this is closed with 1009 (RFC 6455 7.4.1)."""

MAX_NESTING: Final = 32
"""Arrays and objects inside each other. SDP objects and candidates need 3; the bound keeps partners' parsers safe."""

MAX_USER_ID_LENGTH: Final = 256
"""Characters of `userId`."""

MAX_TOKEN_LENGTH: Final = 8192
"""Characters of `token`; a signed JWT is 300 to 2,000."""

MAX_DATA_BYTES: Final = 16384
"""What stands in `data`, as JSON. It is for small things; what is larger goes over a data channel."""

MAX_REASON_LENGTH: Final = 100
"""Characters of a report's `reason`."""

MAX_REPORT_LENGTH: Final = 500
"""Characters of a report's `text`."""

MAX_CLIENT_ID_LENGTH: Final = 64
"""Characters of an id that a client names; those that are given out have 16."""

MAX_NONCE_LENGTH: Final = 64
"""Characters of the `nonce` of a `resume`."""

MAX_REQUEST_ID_LENGTH: Final = 64
"""Characters of the `id` of a message that is to be answered, if it is text."""

MAX_INTEGER: Final = 9007199254740991
"""The greatest integer in a client's message: all implementations of JSON agree on it (RFC 8259 section 6)."""

MAX_CHALLENGE_LENGTH: Final = 200
"""Characters of `salt`, `challenge` and `signature` of a `proof`; those that are made have 64 to 110."""

MAX_RELEASE_LENGTH: Final = 64
"""Characters of `release` in an `outcome`."""

MAX_SETUP_MS: Final = 600000
"""Milliseconds of `setupMs`; ten minutes are no set-up any more."""

MAX_CALL_MS: Final = 604800000
"""Milliseconds of `durationMs`: a week."""

MAX_RTT_MS: Final = 60000
"""Milliseconds of `rttMs`."""

MAX_BROWSER_LENGTH: Final = 64
"""Characters of `browser`."""

MAX_WORD_LENGTH: Final = 32
"""Characters of a `pool`, of a key or value of `is`, `wants` and `avoids`, and of one of the `likes`."""

MAX_KEYS: Final = 8
"""Keys of `is`, of `wants` and of `avoids`; those that the two have in common are looked at for each match."""

MAX_VALUES: Final = 16
"""Values of one key."""

MAX_LIKES: Final = 10
"""Words in `likes`."""

MAX_RELAX_S: Final = 3600
"""Seconds in `relax`; who has waited for an hour waits for ever."""

ErrorCode = Literal[
    # Not JSON, not an object, a field missing or of the wrong type, too deeply nested, a binary frame.
    "INVALID_FORMAT",
    # `type` is a string, but no message type of section "client to server".
    "UNKNOWN_TYPE",
    # `offer`, `answer`, `ice`, `data` or `next` without a partner; `report` or `block` of nobody who was met, `outcome`
    # of none of the last rooms.
    "NOT_PAIRED",
    # `data` for a partner whose client does not know it: `matched` says so.
    "PARTNER_CANNOT",
    # The handshake is refused: the server has no place for one more.
    "FULL",
    # The handshake is refused: there are too many connections, or handshakes in this second, of one address.
    "TOO_MANY",
    # The handshake is refused, or the token of `auth` is: its user has too many connections.
    "TOO_MANY_OF_USER",
    # The handshake is refused, for its address is banned; or it, or the token of `auth`, is, for its user is.
    "BANNED",
    # `available` while there is a partner; `next` or `leave` comes first.
    "ALREADY_PAIRED",
    # More than MAX_MSG_PER_SECOND messages in a second, or too many reports or blocks; the message was dropped.
    "RATE_LIMIT",
    # `available` or `next` without a good token on a server that wants one, or the token of a waiting client has
    # expired: it waits no longer.
    "AUTH_REQUIRED",
    # The token is not accepted; to clients of the first protocol also if its user is banned or has too many
    # connections. The third token in a row that is refused closes the connection.
    "AUTH_FAILED",
    # `available` or `next` of a guest without `signald.v1` while guests have to prove work, or the partner of one left:
    # it does not wait. Others are told `challenge`, and this if no proof comes within 30 s.
    "CHALLENGE_REQUIRED",
    # `proof` that is none: not the number, of another client or challenge, used before, or too late.
    "CHALLENGE_FAILED",
    # There are too many different wishes in this pool already, or too many connections of this user that wait
    # (MAX_WAITING_PER_USER): this one does not wait.
    "CROWDED",
    # There is no such session any more, or the token is not the last one of it: the connection goes on as the new
    # client of its `ready`.
    "RESUME_FAILED",
]
"""What the `code` of an `error` message can be.

The connection stays open, but for repeated AUTH_FAILED, and where a handshake is refused.
"""


class IceServer(TypedDict):
    """A STUN or TURN server, as an `RTCIceServer` that a browser takes."""

    # Its `stun:`, `stuns:`, `turn:` and `turns:` URLs.
    urls: list[str]
    # For TURN.
    username: NotRequired[str]
    # The password for TURN.
    credential: NotRequired[str]


class ResumeOffer(TypedDict):
    """How to go on with this session if the connection is lost; each replaces the one before."""

    # For `resume`; good once.
    token: str
    # How long after the loss.
    seconds: float


class Common(TypedDict):
    """What a match came of."""

    # Of this client's `likes` those that the partner has too.
    likes: list[str]
    # Keys of this client's `relax` that did not bind any more.
    relaxed: list[str]


Wishes = TypedDict(
    "Wishes",
    {
        # Only clients of one pool meet; without it those who name none.
        "pool": NotRequired[str],
        # Facts about this client: values by key.
        "is": NotRequired[dict[str, list[str]]],
        # Of the partner: of each key it must have one of these values.
        "wants": NotRequired[dict[str, list[str]]],
        # Of the partner: it must have none of these values.
        "avoids": NotRequired[dict[str, list[str]]],
        # Interests: who shares some comes first.
        "likes": NotRequired[list[str]],
        # Seconds of waiting after which a key of `wants` and `avoids`, or `likes`, binds no more.
        "relax": NotRequired[dict[str, float]],
    },
)
"""The fields that say whom a client wants to meet."""


class Auth(TypedDict):
    """Say who you are. No reply on success; a server that checks no tokens accepts any `userId`."""

    type: Literal["auth"]
    # The user's name for the server.
    userId: NotRequired[str | None]
    # Proof of it, for a server that wants one.
    token: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


Available = TypedDict(
    "Available",
    {
        "type": Literal["available"],
        # Only clients of one pool meet; without it those who name none.
        "pool": NotRequired[str],
        # Facts about this client: values by key.
        "is": NotRequired[dict[str, list[str]]],
        # Of the partner: of each key it must have one of these values.
        "wants": NotRequired[dict[str, list[str]]],
        # Of the partner: it must have none of these values.
        "avoids": NotRequired[dict[str, list[str]]],
        # Interests: who shares some comes first.
        "likes": NotRequired[list[str]],
        # Seconds of waiting after which a key of `wants` and `avoids`, or `likes`, binds no more.
        "relax": NotRequired[dict[str, float]],
        # Made at random and kept by a browser, for clients of `signald.v1`: two with the same one are matched with each
        # other only if nobody else is there. Used for nothing else; it holds for the session.
        "browser": NotRequired[str],
        # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
        "id": NotRequired[str | int],
    },
)
"""Wait for a partner; without fields for whoever comes.

Paired: error `ALREADY_PAIRED`. Waiting already: nothing happens, or with fields these are the wishes from now on.
"""


class Offer(TypedDict):
    """SDP offer for the partner. `sdp` is relayed as it is, whatever JSON value it holds."""

    type: Literal["offer"]
    # The SDP as a string, or any other JSON value.
    sdp: Any
    # The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped,
    # for it crossed a change of partner. Without it the room of the moment.
    roomId: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Answer(TypedDict):
    """SDP answer for the partner. `sdp` is relayed as it is, whatever JSON value it holds."""

    type: Literal["answer"]
    # The SDP as a string, or any other JSON value.
    sdp: Any
    # The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped,
    # for it crossed a change of partner. Without it the room of the moment.
    roomId: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Ice(TypedDict):
    """An ICE candidate for the partner: an object, or `null` after the last one."""

    type: Literal["ice"]
    # An `RTCIceCandidateInit`; `null`, or an empty `candidate` in it, ends the candidates.
    candidate: dict[str, Any] | None
    # The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped,
    # for it crossed a change of partner. Without it the room of the moment.
    roomId: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Data(TypedDict):
    """Anything for the partner's page: who types, what is muted, a text. Needs a partner whose client knows it."""

    type: Literal["data"]
    # Any JSON value, of at most 16 KiB as it is written.
    data: Any
    # The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped,
    # for it crossed a change of partner. Without it the room of the moment.
    roomId: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


Next = TypedDict(
    "Next",
    {
        "type": Literal["next"],
        # Only clients of one pool meet; without it those who name none.
        "pool": NotRequired[str],
        # Facts about this client: values by key.
        "is": NotRequired[dict[str, list[str]]],
        # Of the partner: of each key it must have one of these values.
        "wants": NotRequired[dict[str, list[str]]],
        # Of the partner: it must have none of these values.
        "avoids": NotRequired[dict[str, list[str]]],
        # Interests: who shares some comes first.
        "likes": NotRequired[list[str]],
        # Seconds of waiting after which a key of `wants` and `avoids`, or `likes`, binds no more.
        "relax": NotRequired[dict[str, float]],
        # Made at random and kept by a browser, for clients of `signald.v1`: two with the same one are matched with each
        # other only if nobody else is there. Used for nothing else; it holds for the session.
        "browser": NotRequired[str],
        # The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is
        # dropped, for it crossed a change of partner. Without it the room of the moment.
        "roomId": NotRequired[str | None],
        # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
        "id": NotRequired[str | int],
    },
)
"""Leave this partner and be queued again, at the tail.

Without a partner: error `NOT_PAIRED`. Without fields that say whom to meet those of before hold.
"""


class Leave(TypedDict):
    """Leave the partner, or the queue; not queued again. Neither: nothing happens."""

    type: Literal["leave"]
    # The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped,
    # for it crossed a change of partner. Without it the room of the moment.
    roomId: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Ping(TypedDict):
    """Answered by `pong`."""

    type: Literal["ping"]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Report(TypedDict):
    """Tell the operator of the partner, or of the last one.

    Nothing else changes. Answered by `reported` to clients of `signald.v1`; no reply to others on success.
    """

    type: Literal["report"]
    # What it is, in a word that the page chose.
    reason: str
    # What happened, in the client's words.
    text: NotRequired[str | None]
    # Whom it is about, as in `matched`: the partner or the last one before; without it the partner, or if there is none
    # the last one.
    partnerId: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Block(TypedDict):
    """Never meet the partner, or the last one, again. Does not leave it: `next` or `leave` does."""

    type: Literal["block"]
    # Whom it is about, as in `matched`: the partner or the last one before; without it the partner, or if there is none
    # the last one.
    partnerId: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Outcome(TypedDict):
    """Tell the operator what became of the call in a room, once, also when it is over: one of the last eight.

    No reply on success; for the same room again nothing happens.
    """

    type: Literal["outcome"]
    # Which room, as in `matched`.
    roomId: str
    # Whether media or data ever came through; `untried` if one of the two left before that could be known.
    result: Literal["connected", "failed", "untried"]
    # Milliseconds from `matched` to the first media or data.
    setupMs: NotRequired[float | None]
    # How the two reach each other: `relayed` by a TURN server.
    path: NotRequired[Literal["direct", "relayed", "unknown"] | None]
    # Milliseconds for which media or data flowed.
    durationMs: NotRequired[float | None]
    # Of this side's candidate in the pair that was used.
    candidateType: NotRequired[Literal["host", "prflx", "relay", "srflx"] | None]
    # Of the partner's packets, the share that was lost.
    loss: NotRequired[float | None]
    # Milliseconds to the partner and back.
    rttMs: NotRequired[float | None]
    # Of the page; counted apart if the operator has listed it (OUTCOME_RELEASES).
    release: NotRequired[str | None]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Proof(TypedDict):
    """The solution of the last `challenge`, good once: for one stay in the queue, this one or the next.

    All fields but `number` are those of the challenge, as they came.
    """

    type: Literal["proof"]
    # As in the challenge.
    algorithm: str
    # As in the challenge.
    challenge: str
    # The hash of `salt` and this, in decimal digits, is `challenge`.
    number: int
    # As in the challenge.
    salt: str
    # As in the challenge.
    signature: str
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Resume(TypedDict):
    """Go on with a session whose connection was lost. The first message of a connection. Answered by `resumed`."""

    type: Literal["resume"]
    # The last one that came in `ready`, `matched` or `resumed`.
    token: str
    # Messages had in this session, all types but `ready`, `resume` and `resumed`.
    received: int
    # Made at random, and sent again with each attempt with the same token: an attempt whose answer was lost is answered
    # again.
    nonce: NotRequired[str | None]
    # Greater with each attempt with the same `nonce`: one that is late does not take the session away from the one
    # after it.
    attempt: NotRequired[int | None]
    # Seconds since `available`, if the client believes that it waits: its place, if nothing but the token is left of
    # the session.
    waited: NotRequired[float | None]
    # The fields of the last `available` or `next` that say whom to meet, if there were any: they hold on, if nothing
    # but the token is left of the session.
    wishes: NotRequired[Wishes]
    # Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`.
    id: NotRequired[str | int]


class Ready(TypedDict):
    """The first message on every connection."""

    type: Literal["ready"]
    # This client's id; a new one, unless `resume` follows.
    clientId: str
    # For the `RTCPeerConnection`; absent if the server has none. Passwords in it end some time.
    iceServers: NotRequired[list[IceServer]]
    # For clients of `signald.v1`: see `resume`.
    resume: NotRequired[ResumeOffer]


class Resumed(TypedDict):
    """The session goes on as it stands now. What the client has missed follows, in order."""

    type: Literal["resumed"]
    # The session's id: the one from before.
    clientId: str
    # As it stands now.
    state: Literal["idle", "paired", "waiting"]
    # Messages of the client that the server has had: send what came after.
    received: int
    # Whether something may be missing: negotiate anew (ICE restart).
    lost: bool
    # The room, if `paired`.
    roomId: NotRequired[str]
    # The partner, if `paired`.
    partnerId: NotRequired[str]
    # Whether it has a connection, if `paired`.
    partner: NotRequired[Literal["away", "here"]]
    # For the `RTCPeerConnection`; absent if the server has none. Passwords in it end some time.
    iceServers: NotRequired[list[IceServer]]
    # For clients of `signald.v1`: see `resume`.
    resume: NotRequired[ResumeOffer]
    # For clients of `signald.v1` with a partner: whether the partner's client knows `data`.
    data: NotRequired[bool]


class Matched(TypedDict):
    """A partner was found. Both get the same `roomId`; `initiator` is true for exactly one, who should offer."""

    type: Literal["matched"]
    # The room; never used again.
    roomId: str
    # The partner's `clientId`.
    partnerId: str
    # Whether this client is the one who should offer.
    initiator: bool
    # For the `RTCPeerConnection`; absent if the server has none. Passwords in it end some time.
    iceServers: NotRequired[list[IceServer]]
    # For clients of `signald.v1`: see `resume`.
    resume: NotRequired[ResumeOffer]
    # For clients of `signald.v1` that said whom they want to meet.
    common: NotRequired[Common]
    # For clients of `signald.v1` with a partner: whether the partner's client knows `data`.
    data: NotRequired[bool]


class Waiting(TypedDict):
    """The client waits on. To clients of `signald.v1` alone that said whom they want to meet, every 5 s at most."""

    type: Literal["waiting"]
    # How long it has waited.
    seconds: int
    # So many wait in its pool at least: 1, 10, 100, 1,000, …
    atLeast: int


class Challenge(TypedDict):
    """A guest has to prove work (`proof`) before it waits, or waits again.

    To clients of `signald.v1` alone. The format is that of ALTCHA: find the `number` from 0 to `maxnumber` for which
    the hash of `salt` and the number is `challenge`.
    """

    type: Literal["challenge"]
    # The hash.
    algorithm: Literal["SHA-256"]
    # The hash that is to be found, in hexadecimal digits.
    challenge: str
    # What stands before the number when it is hashed.
    salt: str
    # The greatest number that it can be.
    maxnumber: int
    # The server's, to be sent back.
    signature: str
    # When it is too late; seconds since 1970.
    expires: int


RelayedOffer = TypedDict(
    "RelayedOffer",
    {
        "type": Literal["offer"],
        # The partner's id, set by the server whatever the sender wrote.
        "from": str,
        # The SDP as a string, or any other JSON value.
        "sdp": Any,
    },
)
"""The partner's SDP offer, untouched."""


RelayedAnswer = TypedDict(
    "RelayedAnswer",
    {
        "type": Literal["answer"],
        # The partner's id, set by the server whatever the sender wrote.
        "from": str,
        # The SDP as a string, or any other JSON value.
        "sdp": Any,
    },
)
"""The partner's SDP answer, untouched."""


RelayedIce = TypedDict(
    "RelayedIce",
    {
        "type": Literal["ice"],
        # The partner's id, set by the server whatever the sender wrote.
        "from": str,
        # An `RTCIceCandidateInit`; `null`, or an empty `candidate` in it, ends the candidates.
        "candidate": dict[str, Any] | None,
    },
)
"""The partner's ICE candidate, untouched."""


RelayedData = TypedDict(
    "RelayedData",
    {
        "type": Literal["data"],
        # The partner's id, set by the server whatever the sender wrote.
        "from": str,
        # Any JSON value, of at most 16 KiB as it is written.
        "data": Any,
    },
)
"""What the partner's page sent, untouched. To clients of `signald.v1` alone."""


class PartnerLeft(TypedDict):
    """The partner went. With REQUEUE_ON_PARTNER_LEAVE the client is waiting again already, else it is idle."""

    type: Literal["partner-left"]
    # For clients of `signald.v1`: it said `next` or `leave`, is `gone` (closed, did not come back, or said nothing),
    # was `removed` by the server, or its server is `stopping`. Or this client itself was `silent`, and does not wait
    # until it says something.
    reason: NotRequired[Literal["gone", "leave", "next", "removed", "silent", "stopping"]]


class PartnerAway(TypedDict):
    """The partner's connection was lost; it may come back. To clients of `signald.v1` alone."""

    type: Literal["partner-away"]
    # How long it may take; then comes `partner-left`.
    seconds: float


class PartnerBack(TypedDict):
    """The partner goes on. To clients of `signald.v1` alone."""

    type: Literal["partner-back"]
    # Whether something may be missing: negotiate anew (ICE restart).
    lost: bool


class Reported(TypedDict):
    """A `report` was taken. To clients of `signald.v1` alone."""

    type: Literal["reported"]
    # Of the report: whoever runs the server knows it by this name.
    reportId: str
    # Whom it is about.
    partnerId: str


class Ok(TypedDict):
    """A message with an `id` was taken, and has done what it does here. To clients of `signald.v1` alone."""

    type: Literal["ok"]
    # The `id` of the message that this answers.
    id: str | int
    # True if it named a room that is over, and was dropped; else absent.
    stale: NotRequired[bool]
    # Of the report: whoever runs the server knows it by this name.
    reportId: NotRequired[str]


class Error(TypedDict):
    """A message of the client was refused; the connection stays open."""

    type: Literal["error"]
    # What went wrong, for programs.
    code: ErrorCode
    # What went wrong, for people; the words may change.
    message: str
    # The `id` of the message that this answers.
    id: NotRequired[str | int]


class Goodbye(TypedDict):
    """The server closes this connection now. To clients of `signald.v1` alone."""

    type: Literal["goodbye"]
    # `resume`: connect again and go on with this session; `reconnect`: connect again, as a new client unless a session
    # can be resumed; `stay-out`: do not, unless somebody asks for it.
    action: Literal["reconnect", "resume", "stay-out"]
    # When, in ms from now: another moment for each client. With `stay-out`: not before; 0 if no time is known after
    # which it would help.
    afterMs: int
    # `stopping`, `full`, `kicked`, `banned`, `too-many`, `bad-token`, `flood`; more words may come.
    reason: str


class Pong(TypedDict):
    """Reply to `ping`."""

    type: Literal["pong"]


ClientMessage = (
    Auth
    | Available
    | Offer
    | Answer
    | Ice
    | Data
    | Next
    | Leave
    | Ping
    | Report
    | Block
    | Outcome
    | Proof
    | Resume
)
"""What a client may send."""


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
"""What the server may send."""

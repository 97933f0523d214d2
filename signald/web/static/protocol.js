// Made from signald/core/messages.py by python -m tools.schema.

/**
 * The messages on the wire: their types, and the constants of the protocol. What they mean stands in docs/protocol.md.
 *
 * @module protocol
 */

/** @import { ErrorCode } from "./constants.js" */

/**
 * An SDP as signald relays it: the string, or the browser's object that some clients send.
 * @typedef {string | RTCSessionDescriptionInit} Sdp
 */

/**
 * How to go on with this session if the connection is lost; each replaces the one before.
 * @typedef {object} ResumeGrant
 * @property {string} token  For `resume`; good once.
 * @property {number} seconds  How long after the loss.
 */

/**
 * What a match came of.
 * @typedef {object} Common
 * @property {string[]} likes  Of this client's `likes` those that the partner has too.
 * @property {string[]} relaxed  Keys of this client's `relax` that did not bind any more.
 */

/**
 * The fields that say whom a client wants to meet.
 * @typedef {object} Wishes
 * @property {string | undefined} [pool]  Only clients of one pool meet; without it those who name none.
 * @property {Record<string, string[]> | undefined} [is]  Facts about this client: values by key.
 * @property {Record<string, string[]> | undefined} [wants]  Of the partner: of each key it must have one of these
 *   values.
 * @property {Record<string, string[]> | undefined} [avoids]  Of the partner: it must have none of these values.
 * @property {string[] | undefined} [likes]  Interests: who shares some comes first.
 * @property {Record<string, number> | undefined} [relax]  Seconds of waiting after which a key of `wants` and
 *   `avoids`, or `likes`, binds no more.
 */

/**
 * The first message on every connection.
 * @typedef {object} ReadyMessage
 * @property {"ready"} type
 * @property {string} clientId  This client's id; a new one, unless `resume` follows.
 * @property {RTCIceServer[]} [iceServers]  For the `RTCPeerConnection`; absent if the server has none. Passwords in it
 *   end some time.
 * @property {ResumeGrant} [resume]  For clients of `signald.v1`: see `resume`.
 */

/**
 * The session goes on as it stands now. What the client has missed follows, in order.
 * @typedef {object} ResumedMessage
 * @property {"resumed"} type
 * @property {string} clientId  The session's id: the one from before.
 * @property {"idle" | "paired" | "waiting"} state  As it stands now.
 * @property {number} received  Messages of the client that the server has had: send what came after.
 * @property {boolean} lost  Whether something may be missing: negotiate anew (ICE restart).
 * @property {string} [roomId]  The room, if `paired`.
 * @property {string} [partnerId]  The partner, if `paired`.
 * @property {"away" | "here"} [partner]  Whether it has a connection, if `paired`.
 * @property {RTCIceServer[]} [iceServers]  For the `RTCPeerConnection`; absent if the server has none. Passwords in it
 *   end some time.
 * @property {ResumeGrant} [resume]  For clients of `signald.v1`: see `resume`.
 * @property {boolean} [data]  For clients of `signald.v1` with a partner: whether the partner's client knows `data`.
 */

/**
 * A partner was found. Both get the same `roomId`; `initiator` is true for exactly one, who should offer.
 * @typedef {object} MatchedMessage
 * @property {"matched"} type
 * @property {string} roomId  The room; never used again.
 * @property {string} partnerId  The partner's `clientId`.
 * @property {boolean} initiator  Whether this client is the one who should offer.
 * @property {RTCIceServer[]} [iceServers]  For the `RTCPeerConnection`; absent if the server has none. Passwords in it
 *   end some time.
 * @property {ResumeGrant} [resume]  For clients of `signald.v1`: see `resume`.
 * @property {Common} [common]  For clients of `signald.v1` that said whom they want to meet.
 * @property {boolean} [data]  For clients of `signald.v1` with a partner: whether the partner's client knows `data`.
 */

/**
 * The client waits on. To clients of `signald.v1` alone that said whom they want to meet, every 5 s at most.
 * @typedef {object} WaitingMessage
 * @property {"waiting"} type
 * @property {number} seconds  How long it has waited.
 * @property {number} atLeast  So many wait in its pool at least: 1, 10, 100, 1,000, …
 */

/**
 * A guest has to prove work (`proof`) before it waits, or waits again. To clients of `signald.v1` alone. The format is
 * that of ALTCHA: find the `number` from 0 to `maxnumber` for which the hash of `salt` and the number is `challenge`.
 * @typedef {object} ChallengeMessage
 * @property {"challenge"} type
 * @property {"SHA-256"} algorithm  The hash.
 * @property {string} challenge  The hash that is to be found, in hexadecimal digits.
 * @property {string} salt  What stands before the number when it is hashed.
 * @property {number} maxnumber  The greatest number that it can be.
 * @property {string} signature  The server's, to be sent back.
 * @property {number} expires  When it is too late; seconds since 1970.
 */

/**
 * The partner's SDP offer, untouched.
 * @typedef {object} OfferMessage
 * @property {"offer"} type
 * @property {string} from  The partner's id, set by the server whatever the sender wrote.
 * @property {Sdp} sdp  The SDP as a string, or any other JSON value.
 */

/**
 * The partner's SDP answer, untouched.
 * @typedef {object} AnswerMessage
 * @property {"answer"} type
 * @property {string} from  The partner's id, set by the server whatever the sender wrote.
 * @property {Sdp} sdp  The SDP as a string, or any other JSON value.
 */

/**
 * The partner's ICE candidate, untouched.
 * @typedef {object} IceMessage
 * @property {"ice"} type
 * @property {string} from  The partner's id, set by the server whatever the sender wrote.
 * @property {RTCIceCandidateInit | null} candidate  An `RTCIceCandidateInit`; `null`, or an empty `candidate` in it,
 *   ends the candidates.
 */

/**
 * What the partner's page sent, untouched. To clients of `signald.v1` alone.
 * @typedef {object} DataMessage
 * @property {"data"} type
 * @property {string} from  The partner's id, set by the server whatever the sender wrote.
 * @property {unknown} data  Any JSON value, of at most 16 KiB as it is written.
 */

/**
 * The partner went. With REQUEUE_ON_PARTNER_LEAVE the client is waiting again already, else it is idle.
 * @typedef {object} PartnerLeftMessage
 * @property {"partner-left"} type
 * @property {"gone" | "leave" | "next" | "removed" | "silent" | "stopping"} [reason]  For clients of `signald.v1`: it
 *   said `next` or `leave`, is `gone` (closed, did not come back, or said nothing), was `removed` by the server, or
 *   its server is `stopping`. Or this client itself was `silent`, and does not wait until it says something.
 */

/**
 * The partner's connection was lost; it may come back. To clients of `signald.v1` alone.
 * @typedef {object} PartnerAwayMessage
 * @property {"partner-away"} type
 * @property {number} seconds  How long it may take; then comes `partner-left`.
 */

/**
 * The partner goes on. To clients of `signald.v1` alone.
 * @typedef {object} PartnerBackMessage
 * @property {"partner-back"} type
 * @property {boolean} lost  Whether something may be missing: negotiate anew (ICE restart).
 */

/**
 * A `report` was taken. To clients of `signald.v1` alone.
 * @typedef {object} ReportedMessage
 * @property {"reported"} type
 * @property {string} reportId  Of the report: whoever runs the server knows it by this name.
 * @property {string} partnerId  Whom it is about.
 */

/**
 * A message with an `id` was taken, and has done what it does here. To clients of `signald.v1` alone.
 * @typedef {object} OkMessage
 * @property {"ok"} type
 * @property {string | number} id  The `id` of the message that this answers.
 * @property {boolean} [stale]  True if it named a room that is over, and was dropped; else absent.
 * @property {string} [reportId]  Of the report: whoever runs the server knows it by this name.
 */

/**
 * A message of the client was refused; the connection stays open.
 * @typedef {object} ErrorMessage
 * @property {"error"} type
 * @property {ErrorCode | (string & {})} code  What went wrong, for programs.
 * @property {string} message  What went wrong, for people; the words may change.
 * @property {string | number} [id]  The `id` of the message that this answers.
 */

/**
 * The server closes this connection now. To clients of `signald.v1` alone.
 * @typedef {object} GoodbyeMessage
 * @property {"goodbye"} type
 * @property {"reconnect" | "resume" | "stay-out"} action  `resume`: connect again and go on with this session;
 *   `reconnect`: connect again, as a new client unless a session can be resumed; `stay-out`: do not, unless somebody
 *   asks for it.
 * @property {number} afterMs  When, in ms from now: another moment for each client. With `stay-out`: not before; 0 if
 *   no time is known after which it would help.
 * @property {string} reason  `stopping`, `full`, `kicked`, `banned`, `too-many`, `bad-token`, `flood`; more words may
 *   come.
 */

/**
 * Reply to `ping`.
 * @typedef {object} PongMessage
 * @property {"pong"} type
 */

/**
 * What the server may send.
 * @typedef {ReadyMessage | ResumedMessage | MatchedMessage | WaitingMessage | ChallengeMessage | OfferMessage |
 *   AnswerMessage | IceMessage | DataMessage | PartnerLeftMessage | PartnerAwayMessage | PartnerBackMessage |
 *   ReportedMessage | OkMessage | ErrorMessage | GoodbyeMessage | PongMessage} ServerMessage
 */

/** What a client is for the server. @typedef {ResumedMessage["state"]} SessionState */

/**
 * Say who you are. No reply on success; a server that checks no tokens accepts any `userId`.
 * @typedef {object} AuthRequest
 * @property {"auth"} type
 * @property {string | undefined} [userId]  The user's name for the server.
 * @property {string | undefined} [token]  Proof of it, for a server that wants one.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Wait for a partner; without fields for whoever comes. Paired: error `ALREADY_PAIRED`. Waiting already: nothing
 * happens, or with fields these are the wishes from now on.
 * @typedef {object} AvailableRequest
 * @property {"available"} type
 * @property {string | undefined} [pool]  Only clients of one pool meet; without it those who name none.
 * @property {Record<string, string[]> | undefined} [is]  Facts about this client: values by key.
 * @property {Record<string, string[]> | undefined} [wants]  Of the partner: of each key it must have one of these
 *   values.
 * @property {Record<string, string[]> | undefined} [avoids]  Of the partner: it must have none of these values.
 * @property {string[] | undefined} [likes]  Interests: who shares some comes first.
 * @property {Record<string, number> | undefined} [relax]  Seconds of waiting after which a key of `wants` and
 *   `avoids`, or `likes`, binds no more.
 * @property {string | undefined} [browser]  Made at random and kept by a browser, for clients of `signald.v1`: two
 *   with the same one are matched with each other only if nobody else is there. Used for nothing else; it holds for
 *   the session.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * SDP offer for the partner. `sdp` is relayed as it is, whatever JSON value it holds.
 * @typedef {object} OfferRequest
 * @property {"offer"} type
 * @property {string} sdp  The SDP as a string, or any other JSON value.
 * @property {string | undefined} [roomId]  The room that is meant, for clients of `signald.v1`: if it is not the
 *   client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * SDP answer for the partner. `sdp` is relayed as it is, whatever JSON value it holds.
 * @typedef {object} AnswerRequest
 * @property {"answer"} type
 * @property {string} sdp  The SDP as a string, or any other JSON value.
 * @property {string | undefined} [roomId]  The room that is meant, for clients of `signald.v1`: if it is not the
 *   client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * An ICE candidate for the partner: an object, or `null` after the last one.
 * @typedef {object} IceRequest
 * @property {"ice"} type
 * @property {RTCIceCandidateInit | null} candidate  An `RTCIceCandidateInit`; `null`, or an empty `candidate` in it,
 *   ends the candidates.
 * @property {string | undefined} [roomId]  The room that is meant, for clients of `signald.v1`: if it is not the
 *   client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Anything for the partner's page: who types, what is muted, a text. Needs a partner whose client knows it.
 * @typedef {object} DataRequest
 * @property {"data"} type
 * @property {unknown} data  Any JSON value, of at most 16 KiB as it is written.
 * @property {string | undefined} [roomId]  The room that is meant, for clients of `signald.v1`: if it is not the
 *   client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Leave this partner and be queued again, at the tail. Without a partner: error `NOT_PAIRED`. Without fields that say
 * whom to meet those of before hold.
 * @typedef {object} NextRequest
 * @property {"next"} type
 * @property {string | undefined} [pool]  Only clients of one pool meet; without it those who name none.
 * @property {Record<string, string[]> | undefined} [is]  Facts about this client: values by key.
 * @property {Record<string, string[]> | undefined} [wants]  Of the partner: of each key it must have one of these
 *   values.
 * @property {Record<string, string[]> | undefined} [avoids]  Of the partner: it must have none of these values.
 * @property {string[] | undefined} [likes]  Interests: who shares some comes first.
 * @property {Record<string, number> | undefined} [relax]  Seconds of waiting after which a key of `wants` and
 *   `avoids`, or `likes`, binds no more.
 * @property {string | undefined} [browser]  Made at random and kept by a browser, for clients of `signald.v1`: two
 *   with the same one are matched with each other only if nobody else is there. Used for nothing else; it holds for
 *   the session.
 * @property {string | undefined} [roomId]  The room that is meant, for clients of `signald.v1`: if it is not the
 *   client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Leave the partner, or the queue; not queued again. Neither: nothing happens.
 * @typedef {object} LeaveRequest
 * @property {"leave"} type
 * @property {string | undefined} [roomId]  The room that is meant, for clients of `signald.v1`: if it is not the
 *   client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Answered by `pong`.
 * @typedef {object} PingRequest
 * @property {"ping"} type
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Tell the operator of the partner, or of the last one. Nothing else changes. Answered by `reported` to clients of
 * `signald.v1`; no reply to others on success.
 * @typedef {object} ReportRequest
 * @property {"report"} type
 * @property {string} reason  What it is, in a word that the page chose.
 * @property {string | undefined} [text]  What happened, in the client's words.
 * @property {string | undefined} [partnerId]  Whom it is about, as in `matched`: the partner or the last one before;
 *   without it the partner, or if there is none the last one.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Never meet the partner, or the last one, again. Does not leave it: `next` or `leave` does.
 * @typedef {object} BlockRequest
 * @property {"block"} type
 * @property {string | undefined} [partnerId]  Whom it is about, as in `matched`: the partner or the last one before;
 *   without it the partner, or if there is none the last one.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Tell the operator what became of the call in a room, once, also when it is over: one of the last eight. No reply on
 * success; for the same room again nothing happens.
 * @typedef {object} OutcomeRequest
 * @property {"outcome"} type
 * @property {string} roomId  Which room, as in `matched`.
 * @property {"connected" | "failed" | "untried"} result  Whether media or data ever came through; `untried` if one of
 *   the two left before that could be known.
 * @property {number | undefined} [setupMs]  Milliseconds from `matched` to the first media or data.
 * @property {"direct" | "relayed" | "unknown" | undefined} [path]  How the two reach each other: `relayed` by a TURN
 *   server.
 * @property {number | undefined} [durationMs]  Milliseconds for which media or data flowed.
 * @property {"host" | "prflx" | "relay" | "srflx" | undefined} [candidateType]  Of this side's candidate in the pair
 *   that was used.
 * @property {number | undefined} [loss]  Of the partner's packets, the share that was lost.
 * @property {number | undefined} [rttMs]  Milliseconds to the partner and back.
 * @property {string | undefined} [release]  Of the page; counted apart if the operator has listed it
 *   (OUTCOME_RELEASES).
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * The solution of the last `challenge`, good once: for one stay in the queue, this one or the next. All fields but
 * `number` are those of the challenge, as they came.
 * @typedef {object} ProofRequest
 * @property {"proof"} type
 * @property {string} algorithm  As in the challenge.
 * @property {string} challenge  As in the challenge.
 * @property {number} number  The hash of `salt` and this, in decimal digits, is `challenge`.
 * @property {string} salt  As in the challenge.
 * @property {string} signature  As in the challenge.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * Go on with a session whose connection was lost. The first message of a connection. Answered by `resumed`.
 * @typedef {object} ResumeRequest
 * @property {"resume"} type
 * @property {string} token  The last one that came in `ready`, `matched` or `resumed`.
 * @property {number} received  Messages had in this session, all types but `ready`, `resume` and `resumed`.
 * @property {string | undefined} [nonce]  Made at random, and sent again with each attempt with the same token: an
 *   attempt whose answer was lost is answered again.
 * @property {number | undefined} [attempt]  Greater with each attempt with the same `nonce`: one that is late does not
 *   take the session away from the one after it.
 * @property {number | undefined} [waited]  Seconds since `available`, if the client believes that it waits: its place,
 *   if nothing but the token is left of the session.
 * @property {Wishes | undefined} [wishes]  The fields of the last `available` or `next` that say whom to meet, if
 *   there were any: they hold on, if nothing but the token is left of the session.
 * @property {string | number | undefined} [id]  Asks for an answer, for clients of `signald.v1`: `ok` or `error` with
 *   the same `id`.
 */

/**
 * What a client may send.
 * @typedef {AuthRequest | AvailableRequest | OfferRequest | AnswerRequest | IceRequest | DataRequest | NextRequest |
 *   LeaveRequest | PingRequest | ReportRequest | BlockRequest | OutcomeRequest | ProofRequest | ResumeRequest}
 *   ClientMessage
 */

export * from "./constants.js";

/**
 * The messages on the wire: their types, and the constants of the protocol. What they mean stands in docs/protocol.md.
 *
 * @module protocol
 */

/**
 * What a client needs to go on after a lost connection; each replaces the one before.
 * @typedef {object} ResumeGrant
 * @property {string} token  good once
 * @property {number} seconds  for how long after the connection was lost
 */

/**
 * First message on every connection.
 * @typedef {object} ReadyMessage
 * @property {"ready"} type
 * @property {string} clientId  this client's id; another one if an earlier session could not be resumed
 * @property {RTCIceServer[]} [iceServers]  STUN and TURN servers, when the server hands them out
 * @property {ResumeGrant} [resume]
 */

/**
 * Values by key.
 * @typedef {Record<string, string[]>} Facts
 */

/**
 * Whom a client wants to meet: docs/protocol.md has what each field means.
 * @typedef {object} Wishes
 * @property {string} [pool]
 * @property {Facts} [is]
 * @property {Facts} [wants]
 * @property {Facts} [avoids]
 * @property {string[]} [likes]
 * @property {Record<string, number>} [relax]  seconds
 */

/**
 * What a match came of.
 * @typedef {object} Common
 * @property {string[]} likes  those of this client's that the partner has too
 * @property {string[]} relaxed  keys of this client's `relax` that did not bind any more
 */

/**
 * A partner was found.
 * @typedef {object} MatchedMessage
 * @property {"matched"} type
 * @property {string} roomId  the same for both partners
 * @property {string} partnerId
 * @property {boolean} [initiator]  true for exactly one of the two: the one who offers. Older servers leave it out
 * @property {RTCIceServer[]} [iceServers]
 * @property {ResumeGrant} [resume]
 * @property {Common} [common]  for one who said whom it wants to meet
 */

/**
 * This client waits on, having said whom it wants to meet.
 * @typedef {object} WaitingMessage
 * @property {"waiting"} type
 * @property {number} seconds  how long
 * @property {number} atLeast  so many wait in its pool: 1, 10, 100, …
 */

/**
 * An SDP as signald relays it: the string, or the browser's object that some clients send.
 * @typedef {string | RTCSessionDescriptionInit} Sdp
 */

/**
 * @typedef {object} OfferMessage
 * @property {"offer"} type
 * @property {string} from  id of the partner who sent it
 * @property {Sdp} sdp
 */

/**
 * @typedef {object} AnswerMessage
 * @property {"answer"} type
 * @property {string} from
 * @property {Sdp} sdp
 */

/**
 * @typedef {object} IceMessage
 * @property {"ice"} type
 * @property {string} from
 * @property {RTCIceCandidateInit | null} candidate  null ends the candidates
 */

/**
 * The partner went: next, leave, or its connection ended and was not resumed in time.
 * @typedef {object} PartnerLeftMessage
 * @property {"partner-left"} type
 */

/**
 * The partner has lost its connection, and may come back.
 * @typedef {object} PartnerAwayMessage
 * @property {"partner-away"} type
 * @property {number} seconds  how long it has for that; then `partner-left` comes
 */

/**
 * The partner's connection is back.
 * @typedef {object} PartnerBackMessage
 * @property {"partner-back"} type
 * @property {boolean} lost  whether signals of either side may be missing: negotiate anew
 */

/**
 * The session goes on. What was missed follows, in order.
 * @typedef {object} ResumedMessage
 * @property {"resumed"} type
 * @property {string} clientId
 * @property {SessionState} state
 * @property {string} [roomId]
 * @property {string} [partnerId]
 * @property {"here" | "away"} [partner]
 * @property {number} received  how many messages of this client the server has had in this session
 * @property {boolean} lost  whether something may be missing all the same: negotiate anew
 * @property {RTCIceServer[]} [iceServers]
 * @property {ResumeGrant} [resume]
 */

/**
 * The server refused a message; the connection stays open.
 * @typedef {object} ErrorMessage
 * @property {"error"} type
 * @property {"INVALID_FORMAT" | "UNKNOWN_TYPE" | "NOT_PAIRED" | "ALREADY_PAIRED" | "RATE_LIMIT" | "AUTH_REQUIRED"
 *   | "CROWDED" | "AUTH_FAILED" | "RESUME_FAILED" | (string & {})} code
 * @property {string} message
 */

/**
 * @typedef {object} PongMessage
 * @property {"pong"} type
 */

/**
 * What a client is for the server.
 * @typedef {"idle" | "waiting" | "paired"} SessionState
 */

/**
 * @typedef {ReadyMessage | MatchedMessage | WaitingMessage | OfferMessage | AnswerMessage | IceMessage | PartnerLeftMessage
 *   | PartnerAwayMessage | PartnerBackMessage | ResumedMessage | ErrorMessage | PongMessage} ServerMessage
 */

/**
 * What the client may send; `roomId` is the room that it is meant for.
 * @typedef {{ type: "auth", userId?: string, token?: string }
 *   | { type: "ping" }
 *   | { type: "available", pool?: string, is?: Facts, wants?: Facts, avoids?: Facts, likes?: string[],
 *     relax?: Record<string, number> }
 *   | { type: "next", roomId?: string, pool?: string, is?: Facts, wants?: Facts, avoids?: Facts, likes?: string[],
 *     relax?: Record<string, number> }
 *   | { type: "leave", roomId?: string }
 *   | { type: "offer" | "answer", sdp: string, roomId?: string }
 *   | { type: "ice", candidate: RTCIceCandidateInit | null, roomId?: string }
 *   | { type: "report", reason: string, text?: string | undefined, partnerId?: string | undefined }
 *   | { type: "block", partnerId?: string | undefined }
 *   | { type: "resume", token: string, received: number, nonce?: string, waited?: number,
 *     wishes?: Wishes }} ClientMessage
 */

export * from "./constants.js";

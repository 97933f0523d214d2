// Made from signald/core/messages.py by python -m tools.schema.

/** Messages between a client and signald, a WebRTC signaling and random-pairing daemon: JSON text frames on the WebSocket at `/ws`, one object each, told apart by `type`. Either side may send fields that are not listed: ignore those you do not know. */

/** One message, as UTF-8. SDP of a browser is 2 to 8 KiB; a frame above this is closed with 1009 (RFC 6455 7.4.1). */
export type MAX_MESSAGE_BYTES = 65536;

/** Arrays and objects inside each other. SDP objects and candidates need 3; the bound keeps partners' parsers safe. */
export type MAX_NESTING = 32;

/** Characters of `userId`. */
export type MAX_USER_ID_LENGTH = 256;

/** Characters of `token`; a signed JWT is 300 to 2,000. */
export type MAX_TOKEN_LENGTH = 8192;

/** What stands in `data`, as JSON. It is for small things; what is larger goes over a data channel. */
export type MAX_DATA_BYTES = 16384;

/** Characters of a report's `reason`. */
export type MAX_REASON_LENGTH = 100;

/** Characters of a report's `text`. */
export type MAX_REPORT_LENGTH = 500;

/** Characters of an id that a client names; those that are given out have 16. */
export type MAX_CLIENT_ID_LENGTH = 64;

/** Characters of the `nonce` of a `resume`. */
export type MAX_NONCE_LENGTH = 64;

/** Characters of the `id` of a message that is to be answered, if it is text. */
export type MAX_REQUEST_ID_LENGTH = 64;

/** The greatest integer in a client's message: all implementations of JSON agree on it (RFC 8259 section 6). */
export type MAX_INTEGER = 9007199254740991;

/** Characters of `salt`, `challenge` and `signature` of a `proof`; those that are made have 64 to 110. */
export type MAX_CHALLENGE_LENGTH = 200;

/** Characters of `release` in an `outcome`. */
export type MAX_RELEASE_LENGTH = 64;

/** Milliseconds of `setupMs`; ten minutes are no set-up any more. */
export type MAX_SETUP_MS = 600000;

/** Milliseconds of `durationMs`: a week. */
export type MAX_CALL_MS = 604800000;

/** Milliseconds of `rttMs`. */
export type MAX_RTT_MS = 60000;

/** Characters of `browser`. */
export type MAX_BROWSER_LENGTH = 64;

/** Characters of a `pool`, of a key or value of `is`, `wants` and `avoids`, and of one of the `likes`. */
export type MAX_WORD_LENGTH = 32;

/** Keys of `is`, of `wants` and of `avoids`; those that the two have in common are looked at for each match. */
export type MAX_KEYS = 8;

/** Values of one key. */
export type MAX_VALUES = 16;

/** Words in `likes`. */
export type MAX_LIKES = 10;

/** Seconds in `relax`; who has waited for an hour waits for ever. */
export type MAX_RELAX_S = 3600;

/** What a client may send. */
export type ClientMessage =
  | Auth
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
  | Resume;

/** Say who you are. No reply on success; a server that checks no tokens accepts any `userId`. */
export interface Auth {
  type: "auth";
  /** The user's name for the server. */
  userId?: string | null;
  /** Proof of it, for a server that wants one. */
  token?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Wait for a partner; without fields for whoever comes. Paired: error `ALREADY_PAIRED`. Waiting already: nothing happens, or with fields these are the wishes from now on. */
export interface Available {
  type: "available";
  /** Only clients of one pool meet; without it those who name none. */
  pool?: string;
  /** Facts about this client: values by key. */
  is?: Record<string, string[]>;
  /** Of the partner: of each key it must have one of these values. */
  wants?: Record<string, string[]>;
  /** Of the partner: it must have none of these values. */
  avoids?: Record<string, string[]>;
  /** Interests: who shares some comes first. */
  likes?: string[];
  /** Seconds of waiting after which a key of `wants` and `avoids`, or `likes`, binds no more. */
  relax?: Record<string, number>;
  /** Made at random and kept by a browser, for clients of `signald.v1`: two with the same one are matched with each other only if nobody else is there. Used for nothing else; it holds for the session. */
  browser?: string;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** SDP offer for the partner. `sdp` is relayed as it is, whatever JSON value it holds. */
export interface Offer {
  type: "offer";
  /** The SDP as a string, or any other JSON value. */
  sdp: unknown;
  /** The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment. */
  roomId?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** SDP answer for the partner. `sdp` is relayed as it is, whatever JSON value it holds. */
export interface Answer {
  type: "answer";
  /** The SDP as a string, or any other JSON value. */
  sdp: unknown;
  /** The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment. */
  roomId?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** An ICE candidate for the partner: an object, or `null` after the last one. */
export interface Ice {
  type: "ice";
  /** An `RTCIceCandidateInit`; `null`, or an empty `candidate` in it, ends the candidates. */
  candidate: object | null;
  /** The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment. */
  roomId?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Anything for the partner's page: who types, what is muted, a text. Needs a partner whose client knows it. */
export interface Data {
  type: "data";
  /** Any JSON value, of at most 16 KiB as it is written. */
  data: unknown;
  /** The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment. */
  roomId?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Leave this partner and be queued again, at the tail. Without a partner: error `NOT_PAIRED`. Without fields that say whom to meet those of before hold. */
export interface Next {
  type: "next";
  /** Only clients of one pool meet; without it those who name none. */
  pool?: string;
  /** Facts about this client: values by key. */
  is?: Record<string, string[]>;
  /** Of the partner: of each key it must have one of these values. */
  wants?: Record<string, string[]>;
  /** Of the partner: it must have none of these values. */
  avoids?: Record<string, string[]>;
  /** Interests: who shares some comes first. */
  likes?: string[];
  /** Seconds of waiting after which a key of `wants` and `avoids`, or `likes`, binds no more. */
  relax?: Record<string, number>;
  /** Made at random and kept by a browser, for clients of `signald.v1`: two with the same one are matched with each other only if nobody else is there. Used for nothing else; it holds for the session. */
  browser?: string;
  /** The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment. */
  roomId?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Leave the partner, or the queue; not queued again. Neither: nothing happens. */
export interface Leave {
  type: "leave";
  /** The room that is meant, for clients of `signald.v1`: if it is not the client's any more the message is dropped, for it crossed a change of partner. Without it the room of the moment. */
  roomId?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Answered by `pong`. */
export interface Ping {
  type: "ping";
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Tell the operator of the partner, or of the last one. Nothing else changes. Answered by `reported` to clients of `signald.v1`; no reply to others on success. */
export interface Report {
  type: "report";
  /** What it is, in a word that the page chose. */
  reason: string;
  /** What happened, in the client's words. */
  text?: string | null;
  /** Whom it is about, as in `matched`: the partner or the last one before; without it the partner, or if there is none the last one. */
  partnerId?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Never meet the partner, or the last one, again. Does not leave it: `next` or `leave` does. */
export interface Block {
  type: "block";
  /** Whom it is about, as in `matched`: the partner or the last one before; without it the partner, or if there is none the last one. */
  partnerId?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Tell the operator what became of the call in a room, once, also when it is over: one of the last eight. No reply on success; for the same room again nothing happens. */
export interface Outcome {
  type: "outcome";
  /** Which room, as in `matched`. */
  roomId: string;
  /** Whether media or data ever came through; `untried` if one of the two left before that could be known. */
  result: "connected" | "failed" | "untried";
  /** Milliseconds from `matched` to the first media or data. */
  setupMs?: number | null;
  /** How the two reach each other: `relayed` by a TURN server. */
  path?: "direct" | "relayed" | "unknown" | null;
  /** Milliseconds for which media or data flowed. */
  durationMs?: number | null;
  /** Of this side's candidate in the pair that was used. */
  candidateType?: "host" | "prflx" | "relay" | "srflx" | null;
  /** Of the partner's packets, the share that was lost. */
  loss?: number | null;
  /** Milliseconds to the partner and back. */
  rttMs?: number | null;
  /** Of the page; counted apart if the operator has listed it (OUTCOME_RELEASES). */
  release?: string | null;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** The solution of the last `challenge`, good once: for one stay in the queue, this one or the next. All fields but `number` are those of the challenge, as they came. */
export interface Proof {
  type: "proof";
  /** As in the challenge. */
  algorithm: string;
  /** As in the challenge. */
  challenge: string;
  /** The hash of `salt` and this, in decimal digits, is `challenge`. */
  number: number;
  /** As in the challenge. */
  salt: string;
  /** As in the challenge. */
  signature: string;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** Go on with a session whose connection was lost. The first message of a connection. Answered by `resumed`. */
export interface Resume {
  type: "resume";
  /** The last one that came in `ready`, `matched` or `resumed`. */
  token: string;
  /** Messages had in this session, all types but `ready`, `resume` and `resumed`. */
  received: number;
  /** Made at random, and sent again with each attempt with the same token: an attempt whose answer was lost is answered again. */
  nonce?: string | null;
  /** Greater with each attempt with the same `nonce`: one that is late does not take the session away from the one after it. */
  attempt?: number | null;
  /** Seconds since `available`, if the client believes that it waits: its place, if nothing but the token is left of the session. */
  waited?: number | null;
  /** The fields of the last `available` or `next` that say whom to meet, if there were any: they hold on, if nothing but the token is left of the session. */
  wishes?: Wishes;
  /** Asks for an answer, for clients of `signald.v1`: `ok` or `error` with the same `id`. */
  id?: string | number;
}

/** What the server may send. */
export type ServerMessage =
  | Ready
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
  | Pong;

/** The first message on every connection. */
export interface Ready {
  type: "ready";
  /** This client's id; a new one, unless `resume` follows. */
  clientId: string;
  /** For the `RTCPeerConnection`; absent if the server has none. Passwords in it end some time. */
  iceServers?: IceServer[];
  /** For clients of `signald.v1`: see `resume`. */
  resume?: ResumeOffer;
}

/** The session goes on as it stands now. What the client has missed follows, in order. */
export interface Resumed {
  type: "resumed";
  /** The session's id: the one from before. */
  clientId: string;
  /** As it stands now. */
  state: "idle" | "paired" | "waiting";
  /** Messages of the client that the server has had: send what came after. */
  received: number;
  /** Whether something may be missing: negotiate anew (ICE restart). */
  lost: boolean;
  /** The room, if `paired`. */
  roomId?: string;
  /** The partner, if `paired`. */
  partnerId?: string;
  /** Whether it has a connection, if `paired`. */
  partner?: "away" | "here";
  /** For the `RTCPeerConnection`; absent if the server has none. Passwords in it end some time. */
  iceServers?: IceServer[];
  /** For clients of `signald.v1`: see `resume`. */
  resume?: ResumeOffer;
  /** For clients of `signald.v1` with a partner: whether the partner's client knows `data`. */
  data?: boolean;
}

/** A partner was found. Both get the same `roomId`; `initiator` is true for exactly one, who should offer. */
export interface Matched {
  type: "matched";
  /** The room; never used again. */
  roomId: string;
  /** The partner's `clientId`. */
  partnerId: string;
  /** Whether this client is the one who should offer. */
  initiator: boolean;
  /** For the `RTCPeerConnection`; absent if the server has none. Passwords in it end some time. */
  iceServers?: IceServer[];
  /** For clients of `signald.v1`: see `resume`. */
  resume?: ResumeOffer;
  /** For clients of `signald.v1` that said whom they want to meet. */
  common?: Common;
  /** For clients of `signald.v1` with a partner: whether the partner's client knows `data`. */
  data?: boolean;
}

/** The client waits on. To clients of `signald.v1` alone that said whom they want to meet, every 5 s at most. */
export interface Waiting {
  type: "waiting";
  /** How long it has waited. */
  seconds: number;
  /** So many wait in its pool at least: 1, 10, 100, 1,000, … */
  atLeast: number;
}

/** A guest has to prove work (`proof`) before it waits, or waits again. To clients of `signald.v1` alone. The format is that of ALTCHA: find the `number` from 0 to `maxnumber` for which the hash of `salt` and the number is `challenge`. */
export interface Challenge {
  type: "challenge";
  /** The hash. */
  algorithm: "SHA-256";
  /** The hash that is to be found, in hexadecimal digits. */
  challenge: string;
  /** What stands before the number when it is hashed. */
  salt: string;
  /** The greatest number that it can be. */
  maxnumber: number;
  /** The server's, to be sent back. */
  signature: string;
  /** When it is too late; seconds since 1970. */
  expires: number;
}

/** The partner's SDP offer, untouched. */
export interface RelayedOffer {
  type: "offer";
  /** The partner's id, set by the server whatever the sender wrote. */
  from: string;
  /** The SDP as a string, or any other JSON value. */
  sdp: unknown;
}

/** The partner's SDP answer, untouched. */
export interface RelayedAnswer {
  type: "answer";
  /** The partner's id, set by the server whatever the sender wrote. */
  from: string;
  /** The SDP as a string, or any other JSON value. */
  sdp: unknown;
}

/** The partner's ICE candidate, untouched. */
export interface RelayedIce {
  type: "ice";
  /** The partner's id, set by the server whatever the sender wrote. */
  from: string;
  /** An `RTCIceCandidateInit`; `null`, or an empty `candidate` in it, ends the candidates. */
  candidate: object | null;
}

/** What the partner's page sent, untouched. To clients of `signald.v1` alone. */
export interface RelayedData {
  type: "data";
  /** The partner's id, set by the server whatever the sender wrote. */
  from: string;
  /** Any JSON value, of at most 16 KiB as it is written. */
  data: unknown;
}

/** The partner went. With REQUEUE_ON_PARTNER_LEAVE the client is waiting again already, else it is idle. */
export interface PartnerLeft {
  type: "partner-left";
  /** For clients of `signald.v1`: it said `next` or `leave`, is `gone` (closed, did not come back, or said nothing), was `removed` by the server, or its server is `stopping`. Or this client itself was `silent`, and does not wait until it says something. */
  reason?: "gone" | "leave" | "next" | "removed" | "silent" | "stopping";
}

/** The partner's connection was lost; it may come back. To clients of `signald.v1` alone. */
export interface PartnerAway {
  type: "partner-away";
  /** How long it may take; then comes `partner-left`. */
  seconds: number | number;
}

/** The partner goes on. To clients of `signald.v1` alone. */
export interface PartnerBack {
  type: "partner-back";
  /** Whether something may be missing: negotiate anew (ICE restart). */
  lost: boolean;
}

/** A `report` was taken. To clients of `signald.v1` alone. */
export interface Reported {
  type: "reported";
  /** Of the report: whoever runs the server knows it by this name. */
  reportId: string;
  /** Whom it is about. */
  partnerId: string;
}

/** A message with an `id` was taken, and has done what it does here. To clients of `signald.v1` alone. */
export interface Ok {
  type: "ok";
  /** The `id` of the message that this answers. */
  id: string | number;
  /** True if it named a room that is over, and was dropped; else absent. */
  stale?: boolean;
  /** Of the report: whoever runs the server knows it by this name. */
  reportId?: string;
}

/** A message of the client was refused; the connection stays open. */
export interface Error {
  type: "error";
  /** What went wrong, for programs. */
  code: ErrorCode;
  /** What went wrong, for people; the words may change. */
  message: string;
  /** The `id` of the message that this answers. */
  id?: string | number;
}

/** The server closes this connection now. To clients of `signald.v1` alone. */
export interface Goodbye {
  type: "goodbye";
  /** `resume`: connect again and go on with this session; `reconnect`: connect again, as a new client unless a session can be resumed; `stay-out`: do not, unless somebody asks for it. */
  action: "reconnect" | "resume" | "stay-out";
  /** When, in ms from now: another moment for each client. With `stay-out`: not before; 0 if no time is known after which it would help. */
  afterMs: number;
  /** `stopping`, `full`, `kicked`, `banned`, `too-many`, `bad-token`, `flood`; more words may come. */
  reason: string;
}

/** Reply to `ping`. */
export interface Pong {
  type: "pong";
}

/** A STUN or TURN server, as an `RTCIceServer` that a browser takes. */
export interface IceServer {
  /** Its `stun:`, `stuns:`, `turn:` and `turns:` URLs. */
  urls: string[];
  /** For TURN. */
  username?: string;
  /** The password for TURN. */
  credential?: string;
}

/** How to go on with this session if the connection is lost; each replaces the one before. */
export interface ResumeOffer {
  /** For `resume`; good once. */
  token: string;
  /** How long after the loss. */
  seconds: number | number;
}

/** What a match came of. */
export interface Common {
  /** Of this client's `likes` those that the partner has too. */
  likes: string[];
  /** Keys of this client's `relax` that did not bind any more. */
  relaxed: string[];
}

/** The fields that say whom a client wants to meet. */
export interface Wishes {
  /** Only clients of one pool meet; without it those who name none. */
  pool?: string;
  /** Facts about this client: values by key. */
  is?: Record<string, string[]>;
  /** Of the partner: of each key it must have one of these values. */
  wants?: Record<string, string[]>;
  /** Of the partner: it must have none of these values. */
  avoids?: Record<string, string[]>;
  /** Interests: who shares some comes first. */
  likes?: string[];
  /** Seconds of waiting after which a key of `wants` and `avoids`, or `likes`, binds no more. */
  relax?: Record<string, number>;
}

/** What the `code` of an `error` message can be. The connection stays open, but for repeated AUTH_FAILED, and where a handshake is refused. */
export type ErrorCode =
  | "INVALID_FORMAT"
  | "UNKNOWN_TYPE"
  | "NOT_PAIRED"
  | "PARTNER_CANNOT"
  | "FULL"
  | "TOO_MANY"
  | "TOO_MANY_OF_USER"
  | "BANNED"
  | "ALREADY_PAIRED"
  | "RATE_LIMIT"
  | "AUTH_REQUIRED"
  | "AUTH_FAILED"
  | "CHALLENGE_REQUIRED"
  | "CHALLENGE_FAILED"
  | "CROWDED"
  | "RESUME_FAILED";

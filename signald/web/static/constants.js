// Made from signald/core/messages.py by python -m tools.schema.

/** A client that asks for this WebSocket subprotocol may be sent message types that the first protocol did not have. */
export const SUBPROTOCOL = "signald.v1";

/** One message, as UTF-8. SDP of a browser is 2 to 8 KiB; a frame above this is closed with 1009 (RFC 6455 7.4.1). */
export const MAX_MESSAGE_BYTES = 65536;

/** Arrays and objects inside each other. SDP objects and candidates need 3; the bound keeps partners' parsers safe. */
export const MAX_NESTING = 32;

/** Characters of `userId`. */
export const MAX_USER_ID_LENGTH = 256;

/** Characters of `token`; a signed JWT is 300 to 2,000. */
export const MAX_TOKEN_LENGTH = 8192;

/** What stands in `data`, as JSON. It is for small things; what is larger goes over a data channel. */
export const MAX_DATA_BYTES = 16384;

/** Characters of a report's `reason`. */
export const MAX_REASON_LENGTH = 100;

/** Characters of a report's `text`. */
export const MAX_REPORT_LENGTH = 500;

/** Characters of an id that a client names; those that are given out have 16. */
export const MAX_CLIENT_ID_LENGTH = 64;

/** Characters of the `nonce` of a `resume`. */
export const MAX_NONCE_LENGTH = 64;

/** Characters of the `id` of a message that is to be answered, if it is text. */
export const MAX_REQUEST_ID_LENGTH = 64;

/** The greatest integer in a client's message: all implementations of JSON agree on it (RFC 8259 section 6). */
export const MAX_INTEGER = 9007199254740991;

/** Characters of `salt`, `challenge` and `signature` of a `proof`; those that are made have 64 to 110. */
export const MAX_CHALLENGE_LENGTH = 200;

/** Characters of `release` in an `outcome`. */
export const MAX_RELEASE_LENGTH = 64;

/** Milliseconds of `setupMs`; ten minutes are no set-up any more. */
export const MAX_SETUP_MS = 600000;

/** Milliseconds of `durationMs`: a week. */
export const MAX_CALL_MS = 604800000;

/** Milliseconds of `rttMs`. */
export const MAX_RTT_MS = 60000;

/** Characters of `browser`. */
export const MAX_BROWSER_LENGTH = 64;

/** Characters of a `pool`, of a key or value of `is`, `wants` and `avoids`, and of one of the `likes`. */
export const MAX_WORD_LENGTH = 32;

/** Keys of `is`, of `wants` and of `avoids`; those that the two have in common are looked at for each match. */
export const MAX_KEYS = 8;

/** Values of one key. */
export const MAX_VALUES = 16;

/** Words in `likes`. */
export const MAX_LIKES = 10;

/** Seconds in `relax`; who has waited for an hour waits for ever. */
export const MAX_RELAX_S = 3600;

/** What the `code` of an `error` message can be. */
export const ErrorCode = Object.freeze({
  /** Not JSON, not an object, a field missing or of the wrong type, too deeply nested, a binary frame. */
  INVALID_FORMAT: "INVALID_FORMAT",
  /** `type` is a string, but no message type of section "client to server". */
  UNKNOWN_TYPE: "UNKNOWN_TYPE",
  /** `offer`, `answer`, `ice`, `data` or `next` without a partner; `report` or `block` of nobody who was met, `outcome` of none of the last rooms. */
  NOT_PAIRED: "NOT_PAIRED",
  /** `data` for a partner whose client does not know it: `matched` says so. */
  PARTNER_CANNOT: "PARTNER_CANNOT",
  /** The handshake is refused: the server has no place for one more. */
  FULL: "FULL",
  /** The handshake is refused: there are too many connections, or handshakes in this second, of one address. */
  TOO_MANY: "TOO_MANY",
  /** The handshake is refused, or the token of `auth` is: its user has too many connections. */
  TOO_MANY_OF_USER: "TOO_MANY_OF_USER",
  /** The handshake is refused, for its address is banned; or it, or the token of `auth`, is, for its user is. */
  BANNED: "BANNED",
  /** `available` while there is a partner; `next` or `leave` comes first. */
  ALREADY_PAIRED: "ALREADY_PAIRED",
  /** More than MAX_MSG_PER_SECOND messages in a second, or too many reports or blocks; the message was dropped. */
  RATE_LIMIT: "RATE_LIMIT",
  /** `available` or `next` without a good token on a server that wants one, or the token of a waiting client has expired: it waits no longer. */
  AUTH_REQUIRED: "AUTH_REQUIRED",
  /** The token is not accepted; to clients of the first protocol also if its user is banned or has too many connections. The third token in a row that is refused closes the connection. */
  AUTH_FAILED: "AUTH_FAILED",
  /** `available` or `next` of a guest without `signald.v1` while guests have to prove work, or the partner of one left: it does not wait. Others are told `challenge`, and this if no proof comes within 30 s. */
  CHALLENGE_REQUIRED: "CHALLENGE_REQUIRED",
  /** `proof` that is none: not the number, of another client or challenge, used before, or too late. */
  CHALLENGE_FAILED: "CHALLENGE_FAILED",
  /** There are too many different wishes in this pool already, or too many connections of this user that wait (MAX_WAITING_PER_USER): this one does not wait. */
  CROWDED: "CROWDED",
  /** There is no such session any more, or the token is not the last one of it: the connection goes on as the new client of its `ready`. */
  RESUME_FAILED: "RESUME_FAILED",
});

/** @typedef {keyof typeof ErrorCode} ErrorCode */

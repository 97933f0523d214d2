/**
 * Client for a signald server: one WebSocket, one event per message.
 *
 * This file stands alone: take it as it is into any page. It knows the wire protocol and how to come back after
 * a lost connection; it knows nothing of RTCPeerConnection (see call.js) nor of the page.
 *
 *     import { SignalingClient } from "./signaling.js";
 *     const client = new SignalingClient("wss://example.org/ws");
 *     client.on("ready", () => client.available());
 *     client.on("matched", ({ partnerId, initiator }) => startCall(partnerId, initiator));
 *     client.connect();
 *
 * @module signaling
 */

/**
 * First message on every connection.
 * @typedef {object} ReadyMessage
 * @property {"ready"} type
 * @property {string} clientId  this connection's id; a new one after each reconnect
 * @property {RTCIceServer[]} [iceServers]  STUN and TURN servers, when the server hands them out
 */

/**
 * A partner was found.
 * @typedef {object} MatchedMessage
 * @property {"matched"} type
 * @property {string} roomId  the same for both partners
 * @property {string} partnerId
 * @property {boolean} [initiator]  true for exactly one of the two: the one who offers. Older servers leave it out
 * @property {RTCIceServer[]} [iceServers]
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
 * The partner went: next, leave, or its connection ended.
 * @typedef {object} PartnerLeftMessage
 * @property {"partner-left"} type
 */

/**
 * The server refused a message; the connection stays open.
 * @typedef {object} ErrorMessage
 * @property {"error"} type
 * @property {"INVALID_FORMAT" | "UNKNOWN_TYPE" | "NOT_PAIRED" | "ALREADY_PAIRED" | "RATE_LIMIT" | "AUTH_REQUIRED"
 *   | "AUTH_FAILED" | (string & {})} code
 * @property {string} message
 */

/**
 * @typedef {object} PongMessage
 * @property {"pong"} type
 */

/**
 * @typedef {ReadyMessage | MatchedMessage | OfferMessage | AnswerMessage | IceMessage | PartnerLeftMessage
 *   | ErrorMessage | PongMessage} ServerMessage
 */

/**
 * What the client may send; each type has a method of the same name.
 * @typedef {{ type: "auth", userId?: string, token?: string }
 *   | { type: "available" | "next" | "leave" | "ping" }
 *   | { type: "offer" | "answer", sdp: string }
 *   | { type: "ice", candidate: RTCIceCandidateInit | null }
 *   | { type: "report", reason: string, text?: string, partnerId?: string }
 *   | { type: "block", partnerId?: string }} ClientMessage
 */

/**
 * Each event's name and its `detail`, which `on` hands to the listener.
 * @typedef {object} SignalingEvents
 * @property {{}} open  the WebSocket is open; `ready` follows
 * @property {{ code: number, reason: string, willReconnect: boolean }} close  `willReconnect` is false after `close()`,
 *   and when the server wants this client no more (code 1008)
 * @property {{ attempt: number, delayMs: number }} reconnecting  the next attempt is made after delayMs
 * @property {ReadyMessage} ready
 * @property {MatchedMessage} matched
 * @property {OfferMessage} offer
 * @property {AnswerMessage} answer
 * @property {IceMessage} ice
 * @property {PartnerLeftMessage} partner-left
 * @property {ErrorMessage} error
 * @property {PongMessage} pong
 */

/** @type {ReadonlySet<string>} */
const SERVER_TYPES = new Set(["ready", "matched", "offer", "answer", "ice", "partner-left", "error", "pong"]);

const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 15_000;
/** A connection that lasted this long counts as good: the next loss starts the back-off anew. */
const STABLE_AFTER_MS = 5_000;
/** Under the 30 to 60 s of silence after which proxies cut a connection. */
const PING_EVERY_MS = 25_000;
/** No word from the server for this long after a ping: the connection is dead, though the browser shows it open. */
const PONG_WITHIN_MS = 10_000;
/** A WebSocket that did not open by then is given up; browsers wait for minutes. */
const OPEN_WITHIN_MS = 10_000;
/**
 * Close code of a client that was thrown out, or whose place a newer connection of the same user has taken. It must not
 * come back by itself: two pages of one user would throw each other out for ever.
 */
const POLICY_VIOLATION = 1008;

/**
 * How long to wait before a reconnect attempt: doubles each time, with jitter so that the clients of a restarted
 * server do not all come back in the same instant.
 *
 * @param {number} attempt  1 for the first
 * @param {number} [random]  from 0 to 1; half of the delay depends on it
 * @returns {number} milliseconds
 */
export function backoffMs(attempt, random = Math.random()) {
  const full = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** (attempt - 1));
  return Math.round(full * (0.5 + random / 2));
}

/**
 * The address of `/ws` on the server that the page came from.
 * @returns {string}
 */
export function defaultUrl() {
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * One signaling connection, kept up until `close()`, or until the server throws this client out.
 *
 * Every message of the server becomes a `CustomEvent` named by its type, the message as `detail`. Messages of
 * unknown type are ignored, as the protocol may grow. After a reconnect the server knows nothing of the earlier
 * connection: `ready` comes again, with a new `clientId`, and it is for the listener to say `available` anew.
 */
export class SignalingClient extends EventTarget {
  /** This connection's id, null before `ready`. @type {string | null} */
  clientId = null;

  /** @type {string} */
  #url;
  /** @type {string[]} */
  #protocols;
  /** @type {WebSocket | null} */
  #socket = null;
  /** Whether the user of this class wants a connection. */
  #wanted = false;
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #stableTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silenceTimer;
  #retryNow = () => this.#openSocket();

  /**
   * @param {string} [url]  the server's `/ws`; by default on the page's own origin
   * @param {{ protocols?: string[] }} [options]  `protocols`: WebSocket subprotocols to ask for. A server that knows
   *   none of them (the old one, say) makes the browser fail the connection, so none is asked for by default.
   */
  constructor(url = defaultUrl(), { protocols = [] } = {}) {
    super();
    this.#url = url;
    this.#protocols = protocols;
  }

  /** Whether a message sent now would leave. @returns {boolean} */
  get connected() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Open the connection and keep it up. Nothing happens when that is under way already. */
  connect() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    globalThis.addEventListener("online", this.#retryNow);
    this.#openSocket();
  }

  /** Close for good; `connect()` starts again. */
  close() {
    if (!this.#wanted) return;
    this.#giveUp();
    const socket = this.#socket;
    this.#release();
    socket?.close(1000);
    if (socket) this.#emit("close", { code: 1000, reason: "", willReconnect: false });
  }

  /**
   * Listen to an event by name, typed; `addEventListener` works as well.
   *
   * @template {keyof SignalingEvents} K
   * @param {K} type
   * @param {(detail: SignalingEvents[K]) => void} listener
   * @returns {() => void} call it to stop listening
   */
  on(type, listener) {
    const wrapped = (/** @type {Event} */ event) => listener(/** @type {CustomEvent} */ (event).detail);
    this.addEventListener(type, wrapped);
    return () => this.removeEventListener(type, wrapped);
  }

  // Each of these returns false when there is no open connection. Nothing is kept for later: after a reconnect the
  // server has forgotten the room that the message was meant for.

  /** Say who you are. @param {{ userId?: string, token?: string }} [identity] */
  auth(identity = {}) {
    return this.#send({ ...identity, type: "auth" });
  }

  /** Wait for a partner. Harmless while waiting already. */
  available() {
    return this.#send({ type: "available" });
  }

  /** @param {string} sdp */
  offer(sdp) {
    return this.#send({ type: "offer", sdp });
  }

  /** @param {string} sdp */
  answer(sdp) {
    return this.#send({ type: "answer", sdp });
  }

  /** @param {RTCIceCandidateInit | null} candidate  an RTCIceCandidate will do; null ends the candidates */
  ice(candidate) {
    return this.#send({ type: "ice", candidate });
  }

  /** Leave the partner and wait for another; the server queues this client again. */
  next() {
    return this.#send({ type: "next" });
  }

  /** Leave the partner, or the queue, and stay connected. */
  leave() {
    return this.#send({ type: "leave" });
  }

  /**
   * Tell whoever runs the server of the partner or, also when it is gone, of the last one. No reply on success.
   *
   * @param {{ reason: string, text?: string, partnerId?: string }} report  `reason`: a word of the page's choice, at
   *   most 100 characters; `text`: what happened, in the user's words, at most 500; `partnerId`: whom it is about, as
   *   in `matched`, since the next partner may come while the user still writes
   */
  report({ reason, text, partnerId }) {
    return this.#send({ type: "report", reason, text, partnerId });
  }

  /**
   * Never meet the partner, or the last one, again. No reply on success. The call goes on: `next` or `leave` ends it.
   *
   * @param {{ partnerId?: string }} [whom]  as in `report`
   */
  block({ partnerId } = {}) {
    return this.#send({ type: "block", partnerId });
  }

  /** Ask for a `pong`. The client does so by itself to notice a dead connection. */
  ping() {
    return this.#send({ type: "ping" });
  }

  /**
   * @param {ClientMessage} message
   * @returns {boolean}
   */
  #send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #openSocket() {
    clearTimeout(this.#retryTimer);
    if (this.#socket || !this.#wanted) return;
    const socket = new WebSocket(this.#url, this.#protocols);
    this.#socket = socket;
    this.#silenceTimer = setTimeout(() => this.#lost(1006, "no connection in time"), OPEN_WITHIN_MS);
    // A socket that was given up may still speak: only the present one is heard.
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#expectTraffic();
      this.#emit("open", {});
    };
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return;
      this.#expectTraffic();
      this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#lost(event.code, event.reason);
    };
  }

  /** @param {unknown} data */
  #receive(data) {
    /** @type {unknown} */
    let parsed;
    try {
      parsed = JSON.parse(String(data));
    } catch {
      return;
    }
    const message = /** @type {ServerMessage | null} */ (parsed);
    if (typeof message !== "object" || message === null || !SERVER_TYPES.has(message.type)) return;
    if (message.type === "ready") {
      this.clientId = message.clientId;
      this.#stableTimer = setTimeout(() => (this.#attempt = 0), STABLE_AFTER_MS);
    }
    this.#emit(message.type, message);
  }

  /** Any message proves the connection alive for a while; then ask, then give up. */
  #expectTraffic() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      this.ping();
      this.#silenceTimer = setTimeout(() => this.#lost(1006, "the server went silent"), PONG_WITHIN_MS);
    }, PING_EVERY_MS);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lost(code, reason) {
    const socket = this.#socket;
    this.#release();
    socket?.close();
    if (code === POLICY_VIOLATION) {
      this.#giveUp();
      this.#emit("close", { code, reason, willReconnect: false });
      return;
    }
    this.#attempt += 1;
    const delayMs = backoffMs(this.#attempt);
    this.#retryTimer = setTimeout(() => this.#openSocket(), delayMs);
    this.#emit("close", { code, reason, willReconnect: true });
    if (this.#wanted) this.#emit("reconnecting", { attempt: this.#attempt, delayMs });
  }

  /** Neither try to connect again nor wait for a moment to do so. */
  #giveUp() {
    this.#wanted = false;
    globalThis.removeEventListener("online", this.#retryNow);
    clearTimeout(this.#retryTimer);
  }

  #release() {
    clearTimeout(this.#silenceTimer);
    clearTimeout(this.#stableTimer);
    this.#socket = null;
    this.clientId = null;
  }

  /**
   * @template {keyof SignalingEvents} K
   * @param {K} type
   * @param {SignalingEvents[K]} detail
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

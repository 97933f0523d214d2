/**
 * A client whose requests answer: what it asks of the server is a promise, and who it is a function that gives tokens.
 *
 *     import { createClient } from "@signald/client";
 *     const client = createClient({ url: "wss://example.org/ws", getToken: () => fetch("/token").then((r) => r.text()) });
 *     client.on("matched", ({ partnerId, initiator }) => startCall(partnerId, initiator));
 *     await client.connect();
 *     await client.available();
 *
 * The session itself is that of signaling.js: it outlives lost connections, sleep and reload.
 *
 * @module client
 */

import { Emitter } from "./events.js";
import { SignalingClient } from "./signaling.js";

export { SignalingClient };

/** @import { ClientMessage, ErrorMessage, OkMessage, ReadyMessage, ResumedMessage, Wishes } from "./protocol.js" */
/** @import { SignalingEvents, SignalingOptions } from "./types.js" */

/**
 * idle: not asked to connect; connecting: for the first time, or as a new client; connected; resuming: the connection is
 * lost, and what is asked meanwhile is done when it is back; refused: not let in, or thrown out, or replaced by another
 * connection, and `refusal` says why; ended: by `close()`.
 * @typedef {"idle" | "connecting" | "connected" | "resuming" | "refused" | "ended"} ClientState
 */

/**
 * @typedef {SignalingOptions & {
 *   url?: string | undefined,
 *   getToken?: (() => string | Promise<string>) | undefined,
 *   logger?: Pick<Console, "debug" | "warn"> | undefined,
 * }} ClientOptions  `url`: the server's `/ws`, by default on the page's own origin; `getToken`: a token (JWT) that says who the
 *   user is, asked for anew before the last one ends
 */

/** @typedef {SignalingEvents & { state: ClientState }} ClientEvents */

/** Close code of a client that has had enough. */
const END = 1000;
/** A token is replaced so long before it ends. */
const RENEW_BEFORE_MS = 60_000;
/** What the server says to a token that it will say again. */
const UNWELCOME = new Set(["AUTH_FAILED", "BANNED", "TOO_MANY_OF_USER"]);
/** Timers take no more than 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @typedef {{ resolve: (answer: OkMessage) => void, reject: (error: Error) => void }} Request */

/** What the server, or the loss of the connection to it, has to say to a request. */
export class SignalingError extends Error {
  name = "SignalingError";

  /**
   * @param {string} code  one of the server's error codes; CLOSED: there is no session that could be asked; LOST: the server has
   *   had the request, and its answer was lost
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @extends {Emitter<ClientEvents>} */
export class Client extends Emitter {
  /** @type {ClientState} */
  state = "idle";
  /**
   * Why the server does not let this client in: for good while it is `refused`, else until it is let in.
   *
   * @type {(Error & { code?: string }) | null}
   */
  refusal = null;

  #signaling;
  #getToken;
  #logger;
  /** What the server has not answered yet, oldest first, by its id. @type {Map<number | string, Request>} */
  #asked = new Map();
  /** @type {Promise<ReadyMessage | ResumedMessage> | null} */
  #connected = null;
  /** What `connect()` waits for. @type {{ resolve: (message: ReadyMessage | ResumedMessage) => void, reject: (error: unknown) => void } | null} */
  #waiting = null;
  /** Why it closes by itself. @type {Error | null} */
  #failure = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;

  /** @param {ClientOptions} [options] */
  constructor({ url, getToken, logger, ...options } = {}) {
    super();
    if (getToken && typeof getToken !== "function") throw new TypeError("getToken is to be a function that gives a token");
    const signaling = new SignalingClient(url, { ...options, rewait: !getToken });
    this.#signaling = signaling;
    this.#getToken = getToken;
    this.#logger = logger;
    signaling.onAll((detail, type) => this.#told(type, detail));
  }

  /** This client's id, null before it is connected. @returns {string | null} */
  get clientId() {
    return this.#signaling.clientId;
  }

  /** Whether `connect()` would go on with the session of the page that stood here before a reload. @returns {boolean} */
  get inherited() {
    return this.#signaling.inherited;
  }

  /**
   * Open the connection, and keep it up. Also while it is being opened, and after it is: the same promise.
   *
   * @returns {Promise<ReadyMessage | ResumedMessage>} rejects if the address is none, if `getToken` fails or its token is
   *   refused, and if the client is closed or thrown out meanwhile
   */
  connect() {
    if (this.#connected) return this.#connected;
    this.refusal = null;
    /** @type {Promise<ReadyMessage | ResumedMessage>} */
    const connected = new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
    this.#connected = heard(connected);
    this.#become("connecting");
    try {
      this.#signaling.connect();
    } catch (error) {
      this.#end("ended", error);
    }
    return connected;
  }

  /** Close for good; `connect()` starts again. */
  close() {
    this.#signaling.close();
  }

  /** Find out now whether the connection lives: it is opened anew if nothing answers within 3 s. */
  check() {
    this.#signaling.check();
  }

  // Each is a promise: it resolves when the server has done it, and rejects with a SignalingError if it does not. Nobody has to
  // hear it.

  /** Wait for a partner. @param {Wishes} [wishes]  whom to meet; without it whoever comes */
  available(wishes) {
    return this.request({ ...wishes, type: "available" });
  }

  /** Leave the partner and wait for another. @param {Wishes} [wishes]  whom to meet; without it as before */
  next(wishes) {
    return this.request({ ...wishes, type: "next" });
  }

  /** Leave the partner, or the queue, and stay connected. */
  leave() {
    return this.request({ type: "leave" });
  }

  /** Tell whoever runs the server of somebody. @param {Parameters<SignalingClient["report"]>[0]} report */
  report(report) {
    return this.request({ ...report, type: "report" });
  }

  /** Never meet somebody again. @param {Parameters<SignalingClient["block"]>[0]} [whom] */
  block(whom) {
    return this.request({ ...whom, type: "block" });
  }

  /** Whatever the partner's page is to know, at most 16 KiB of JSON; its `data` event tells of it. @param {unknown} data */
  data(data) {
    if (this.#signaling.state === "paired" && !this.#signaling.takesData) {
      return heard(Promise.reject(new SignalingError("PARTNER_CANNOT", "there is no partner whose client knows data")));
    }
    return this.request({ type: "data", data });
  }

  /** Tell whoever runs the server what became of a call; `Call` does it. @param {Parameters<SignalingClient["outcome"]>[0]} outcome */
  outcome(outcome) {
    return this.request({ ...outcome, type: "outcome" });
  }

  /**
   * Any other message of the protocol.
   *
   * @param {ClientMessage} message
   * @returns {Promise<OkMessage>} `stale`: it was for a room that is over, and was dropped
   */
  request(message) {
    return heard(
      this.#ask(message).catch(async (error) => {
        if (error.code !== "AUTH_REQUIRED" || !this.#getToken) throw error;
        await this.#identify(); // The token has ended, or the server has forgotten it.
        return this.#ask(message);
      }),
    );
  }

  // To the partner; as call.js wants it.

  /** @param {string} sdp */
  offer(sdp) {
    return this.#signaling.offer(sdp);
  }

  /** @param {string} sdp */
  answer(sdp) {
    return this.#signaling.answer(sdp);
  }

  /** @param {RTCIceCandidateInit | null} candidate */
  ice(candidate) {
    return this.#signaling.ice(candidate);
  }

  /**
   * @param {ClientMessage} message
   * @returns {Promise<OkMessage>}
   */
  #ask(message) {
    return new Promise((resolve, reject) => {
      const id = this.#signaling.request(message);
      if (id) this.#asked.set(id, { resolve, reject });
      else reject(new SignalingError("CLOSED", "there is no session with the server"));
    });
  }

  /**
   * @param {keyof SignalingEvents} type
   * @param {any} detail
   */
  #told(type, detail) {
    if (type === "ready") return this.#enter(detail);
    if (type === "resumed") return this.#return(detail);
    if (type === "ok") this.#take(detail.id)?.resolve(detail);
    if (type === "error") this.#refused(detail);
    if (type === "close") this.#closed(detail);
    this.emit(type, detail);
  }

  /** Who waits for the answer with this id. @param {number | string} [id] */
  #take(id = 0) {
    const request = this.#asked.get(id);
    this.#asked.delete(id);
    return request;
  }

  /** @param {ErrorMessage} error */
  #refused({ id, code, message }) {
    const request = this.#take(id);
    if (request) return request.reject(new SignalingError(code, message));
    // Nobody has asked: the token of one who waits has ended. It waits on with another.
    if (code === "AUTH_REQUIRED" && this.#getToken) {
      const { wishes } = this.#signaling;
      this.#identify().then(() => this.#signaling.available(wishes), () => {});
    }
  }

  /** A new client says who it is before it counts as connected. @param {SignalingEvents["ready"]} ready */
  #enter(ready) {
    this.#forsake("the session was lost");
    if (!this.#getToken) return this.#arrive("ready", ready);
    const enter = (/** @type {(Error & { code?: string }) | undefined} */ error) => {
      if (this.clientId !== ready.clientId) return;
      // Whose token cannot be had just now, on the way back, is asked again later.
      if (error && (this.#waiting || UNWELCOME.has(error.code ?? ""))) return this.#giveUp(error);
      if (ready.before === "waiting") this.#signaling.available(this.#signaling.wishes);
      this.#arrive("ready", ready);
    };
    this.#identify().then(() => enter(undefined), enter);
  }

  /** @param {SignalingEvents["resumed"]} resumed */
  #return(resumed) {
    // Answers were lost: those that do not come before the answer to this will not come.
    if (resumed.lost) {
      const ids = [...this.#asked.keys()];
      const lost = () => ids.forEach((id) => this.#take(id)?.reject(new SignalingError("LOST", "the answer was lost")));
      this.#ask({ type: "ping" }).then(lost, () => {});
    }
    this.#arrive("resumed", resumed);
  }

  /** Say who the user is, now and before that ends. */
  async #identify() {
    if (!this.#getToken) return;
    clearTimeout(this.#renewal);
    let delayMs = RENEW_BEFORE_MS;
    try {
      const token = await this.#getToken();
      if (typeof token !== "string") throw new TypeError("getToken has given no token");
      await this.#ask({ type: "auth", token });
      delayMs = Math.max(delayMs, endOf(token) - Date.now() - RENEW_BEFORE_MS);
    } catch (error) {
      this.#logger?.warn("signald: no good token:", error);
      throw error;
    } finally {
      if (this.#connected) {
        this.#renewal = setTimeout(() => this.#identify().catch(() => {}), Math.min(delayMs, LONGEST_TIMER_MS));
      }
    }
  }

  /**
   * @template {"ready" | "resumed"} K
   * @param {K} type
   * @param {SignalingEvents[K]} message
   */
  #arrive(type, message) {
    this.refusal = null;
    this.#become("connected");
    this.#waiting?.resolve(message);
    this.#waiting = null;
    this.emit(type, /** @type {any} */ (message));
  }

  /** @param {SignalingEvents["close"]} detail */
  #closed({ code, reason, refusal, willReconnect }) {
    this.#logger?.debug("signald: closed,", code, refusal?.message ?? reason, willReconnect ? "- connecting again" : "");
    if (refusal) this.refusal = new SignalingError(refusal.code, refusal.message);
    if (willReconnect) return this.#become(this.clientId === null ? "connecting" : "resuming");
    const wanted = code === END && !this.#failure;
    const error = this.#failure ?? this.refusal ?? new SignalingError("CLOSED", reason || `closed with ${code}`);
    this.#failure = null;
    this.refusal = wanted ? null : error;
    this.#end(wanted ? "ended" : "refused", error);
  }

  /** @param {Error} error */
  #giveUp(error) {
    this.#failure = error;
    this.close();
  }

  /**
   * @param {ClientState} state
   * @param {unknown} error  for whoever still waits to be connected
   */
  #end(state, error) {
    clearTimeout(this.#renewal);
    this.#connected = null;
    this.#forsake("closed");
    this.#waiting?.reject(error);
    this.#waiting = null;
    this.#become(state);
  }

  /** Nobody will answer these any more. @param {string} why */
  #forsake(why) {
    for (const id of [...this.#asked.keys()]) this.#take(id)?.reject(new SignalingError("CLOSED", why));
  }

  /** @param {ClientState} state */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.#logger?.debug("signald:", state);
    this.emit("state", state);
  }
}

/**
 * @param {ClientOptions} [options]
 * @returns {Client}
 */
export function createClient(options) {
  return new Client(options);
}

/**
 * A promise that may be left alone: nobody has to hear that it was rejected, and Node does not end for it.
 *
 * @template T
 * @param {Promise<T>} promise
 */
function heard(promise) {
  promise.catch(() => {});
  return promise;
}

/**
 * When a token ends, in ms since 1970 (RFC 7519 4.1.4).
 *
 * @param {string} token
 */
function endOf(token) {
  try {
    const claims = JSON.parse(atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")));
    return claims.exp * 1000 || Infinity;
  } catch {
    return Infinity; // The server knows.
  }
}

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

/** @import { ReadyMessage, ResumedMessage, Wishes } from "./protocol.js" */
/** @import { SignalingEvents, SignalingOptions } from "./types.js" */

/**
 * idle: not asked to connect; connecting: for the first time, or as a new client; connected; resuming: the connection is
 * lost, and what is asked meanwhile is done when it is back; refused: thrown out, or replaced by another connection;
 * ended: by `close()`.
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

/** What may be said to a request of each kind; an error that fits none is about a signal. */
const REFUSALS = {
  auth: "AUTH_FAILED",
  available: "ALREADY_PAIRED AUTH_REQUIRED CROWDED",
  next: "NOT_PAIRED AUTH_REQUIRED CROWDED",
  leave: "",
  report: "NOT_PAIRED UNKNOWN_TYPE",
  block: "NOT_PAIRED UNKNOWN_TYPE",
};
const REFUSED_ALWAYS = "INVALID_FORMAT RATE_LIMIT ";

/** A token is replaced so long before it ends. */
const RENEW_BEFORE_MS = 60_000;
/** Timers take no more than 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @typedef {{ number: number, refusals: string, settle: (error?: Error) => void }} Request */

/** What the server, or the loss of the connection to it, has to say to a request. */
export class SignalingError extends Error {
  name = "SignalingError";

  /**
   * @param {string} code  one of the server's error codes, or CLOSED: there is no session that could be asked
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
  /** Why the server does not want this client, while it is `refused`. @type {SignalingError | null} */
  refusal = null;

  #signaling;
  #getToken;
  #logger;
  /** What the server has not dealt with yet, oldest first. @type {Request[]} */
  #asked = [];
  /** @type {Promise<ReadyMessage | ResumedMessage> | null} */
  #connected = null;
  /** What `connect()` waits for. @type {{ resolve: (message: ReadyMessage | ResumedMessage) => void, reject: (error: unknown) => void } | null} */
  #waiting = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;

  /** @param {ClientOptions} [options] */
  constructor({ url, getToken, logger, ...options } = {}) {
    super();
    const signaling = new SignalingClient(url, options);
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
    this.#connected ??= heard((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.refusal = null;
      this.#become("connecting");
      try {
        this.#signaling.connect();
      } catch (error) {
        this.#end("ended", error);
      }
    });
    return this.#connected;
  }

  /** Close for good; `connect()` starts again. */
  close() {
    this.#signaling.close();
  }

  /** Find out now whether the connection lives: it is opened anew if nothing answers within 3 s. */
  check() {
    this.#signaling.check();
  }

  // What the server takes without a word is done when it has dealt with it; what it refuses rejects with a SignalingError.

  /** Wait for a partner. @param {Wishes} [wishes]  whom to meet; without it whoever comes */
  available(wishes) {
    return this.#ask("available", wishes ?? {});
  }

  /** Leave the partner and wait for another. @param {Wishes} [wishes]  whom to meet; without it as before */
  next(wishes) {
    return this.#ask("next", wishes ?? {});
  }

  /** Leave the partner, or the queue, and stay connected. */
  leave() {
    return this.#ask("leave", {});
  }

  /** Tell whoever runs the server of somebody. @param {Parameters<SignalingClient["report"]>[0]} report */
  report(report) {
    return this.#ask("report", report);
  }

  /** Never meet somebody again. @param {Parameters<SignalingClient["block"]>[0]} [whom] */
  block(whom) {
    return this.#ask("block", whom ?? {});
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
   * @param {keyof typeof REFUSALS} kind
   * @param {any} what
   * @returns {Promise<void>}
   */
  #ask(kind, what) {
    return heard((resolve, reject) => {
      if (!this.#signaling[kind](what)) return reject(new SignalingError("CLOSED", "there is no session with the server"));
      const settle = (/** @type {Error | undefined} */ error) => (error ? reject(error) : resolve());
      this.#asked.push({ number: this.#signaling.sent, refusals: REFUSED_ALWAYS + REFUSALS[kind], settle });
      this.#signaling.ping(); // Its answer comes when the request has been dealt with.
    });
  }

  /**
   * @param {keyof SignalingEvents} type
   * @param {any} detail
   */
  #told(type, detail) {
    if (type === "pong") this.#confirmed();
    if (type === "error") this.#refused(detail);
    if (type === "ready") {
      this.#forsake("the session was lost");
      void this.#enter(detail);
    }
    if (type === "resumed") {
      if (detail.lost) this.#recount();
      this.#arrive(detail);
    }
    if (type === "close") this.#closed(detail);
    this.emit(type, detail);
  }

  #confirmed() {
    const { confirmed } = this.#signaling;
    while (this.#asked[0] && this.#asked[0].number <= confirmed) this.#asked.shift()?.settle();
  }

  /** Messages were lost, and their numbers begin anew: all that was asked has been dealt with when the next ping is. */
  #recount() {
    for (const request of this.#asked) request.number = this.#signaling.sent;
    this.#signaling.ping();
  }

  /** @param {SignalingEvents["error"]} error */
  #refused({ code, message }) {
    const place = this.#asked.findIndex(({ refusals }) => refusals.includes(code));
    if (place >= 0) this.#asked.splice(place, 1)[0]?.settle(new SignalingError(code, message));
  }

  /** A new client says who it is before it counts as connected. @param {SignalingEvents["ready"]} ready */
  async #enter(ready) {
    try {
      await this.#identify();
    } catch (error) {
      if (this.#waiting && this.clientId === ready.clientId) {
        this.#end("ended", error);
        this.close();
      }
    }
    if (!this.#connected || this.clientId !== ready.clientId) return;
    // It may have waited again before it had said who it is.
    if (ready.before === "waiting") this.#signaling.available(this.#signaling.wishes);
    this.#arrive(ready);
  }

  /** Say who the user is, now and before that ends. */
  async #identify() {
    if (!this.#getToken) return;
    clearTimeout(this.#renewal);
    let delayMs = RENEW_BEFORE_MS;
    try {
      const token = await this.#getToken();
      await this.#ask("auth", { token });
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

  /** @param {ReadyMessage | ResumedMessage} message */
  #arrive(message) {
    this.#become("connected");
    this.#waiting?.resolve(message);
    this.#waiting = null;
  }

  /** @param {SignalingEvents["close"]} detail */
  #closed({ code, reason, willReconnect }) {
    if (willReconnect) this.#become(this.clientId === null ? "connecting" : "resuming");
    else {
      const error = new SignalingError("CLOSED", reason || `closed with ${code}`);
      if (code !== 1000) this.refusal = error;
      this.#end(code === 1000 ? "ended" : "refused", error);
    }
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
    for (const { settle } of this.#asked.splice(0)) settle(new SignalingError("CLOSED", why));
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
 * @param {(resolve: (value: T) => void, reject: (error: unknown) => void) => void} run
 * @returns {Promise<T>}
 */
function heard(run) {
  const promise = new Promise(run);
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

/**
 * Client for a signald server: one session over one WebSocket after the other, one event per message.
 *
 * It knows the wire protocol, and how to go on after a lost connection or a reload as if nothing had been; it knows
 * nothing of RTCPeerConnection (see call.js) nor of what the page shows. It runs in browsers, Node and React Native.
 *
 *     import { SignalingClient } from "./signaling.js";
 *     const client = new SignalingClient("wss://example.org/ws");
 *     client.on("ready", () => client.available());
 *     client.on("matched", ({ partnerId, initiator }) => startCall(partnerId, initiator));
 *     client.connect();
 *
 * @module signaling
 */

import { patienceMs, pauseMs } from "./backoff.js";
import { Emitter } from "./events.js";
import { Liveness } from "./liveness.js";
import { defaultUrl, Shelf, watchPage } from "./page.js";
import { Session } from "./session.js";

/**
 * @import { BlockRequest, ClientMessage, ErrorMessage, ReadyMessage, ReportRequest, ResumedMessage, ServerMessage, SessionState,
 *   Wishes } from "./protocol.js"
 */
/** @import { SignalingEvents, SignalingOptions, Socket } from "./types.js" */

/** Those that are handed on as they come. @type {ReadonlySet<string>} */
const HANDED_ON = new Set(
  "matched waiting offer answer ice data partner-left partner-away partner-back ok error goodbye pong".split(" "),
);

/** A connection that lasted this long counts as good: the next loss starts the back-off anew. */
const STABLE_AFTER_MS = 5_000;

// Close codes of the server.
/** It restarts, and another, or itself, is there in a moment. */
const SERVICE_RESTART = 1012;
/**
 * Thrown out, or replaced by a newer connection of the same user (1008) or session (4001). Such a client must not come
 * back by itself: two pages of one user would throw each other out for ever.
 */
const STAY_OUT = new Set([1008, 4001]);

// Close codes of the client: what the server then does with the session.
const END = 1000;
const GO_ON_ELSEWHERE = 4000;
const PAGE_UNLOADS = 4002;

/**
 * One session with the server, kept up until `close()`, or until the server throws this client out.
 *
 * Every message of the server becomes an event named by its type, the message as detail. Messages of unknown type are
 * ignored, as the protocol may grow. After a lost connection the session is resumed: `resumed` comes, then what was
 * missed, and what this side has said meanwhile is sent. If that cannot be, this is a new client, and `ready` comes.
 *
 * @extends {Emitter<SignalingEvents>}
 */
export class SignalingClient extends Emitter {
  #url;
  #protocols;
  #WebSocket;
  #shelf;
  #backoff;
  #resumes;
  /** @type {Socket | null} */
  #socket = null;
  /** @type {Session | null} */
  #session;
  /** Whether the server has let the session in over the present socket. */
  #admitted = false;
  /** What a new client would be called, while it is not yet known whether the session goes on. @type {ReadyMessage | null} */
  #ready = null;
  /** Whether the user of this class wants a connection. */
  #wanted = false;
  #attempt = 0;
  /** Until the next attempt, then for this one to succeed, then for the connection to count as good. */
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #liveness = new Liveness({ ask: () => this.ping(), lost: () => this.#lost(1006, "the server went silent") });
  #unwatch = () => {};

  /**
   * @param {string} [url]  the server's `/ws`; by default on the page's own origin
   * @param {SignalingOptions} [options]
   */
  constructor(url = defaultUrl(), options = {}) {
    super();
    const { protocols = ["signald.v1"], WebSocket, storage = null, backoff = pauseMs, resume = true } = options;
    this.#url = url;
    this.#protocols = protocols;
    this.#WebSocket = WebSocket;
    this.#backoff = backoff;
    this.#resumes = resume;
    this.#shelf = new Shelf(storage, `signald ${url}`);
    this.#session = Session.parse(this.#shelf.inherit());
  }

  /** This client's id, null before `ready`; the same for as long as the session is resumed. @returns {string | null} */
  get clientId() {
    return this.#session?.clientId ?? null;
  }

  /** What the server takes this client for. @returns {SessionState} */
  get state() {
    return this.#session?.state ?? "idle";
  }

  /** Whom it wants to meet, as it said last. @returns {Wishes} */
  get wishes() {
    return this.#session?.wishes ?? {};
  }

  /** Whether a message sent now would leave at once. @returns {boolean} */
  get connected() {
    return this.#admitted;
  }

  /** The number of the last message that was sent, or is kept to be. @returns {number} */
  get sent() {
    return this.#session?.sent ?? 0;
  }

  /** The number up to which the server has dealt with what was sent, as a `pong` has told. @returns {number} */
  get confirmed() {
    return this.#session?.confirmed ?? 0;
  }

  /** Whether `connect()` would go on with the session of the page that stood here before a reload. @returns {boolean} */
  get inherited() {
    return this.#session?.inherited ?? false;
  }

  /**
   * Open the connection and keep it up. Nothing happens when that is under way already.
   * @throws if the address or a protocol is none, or there is no WebSocket
   */
  connect() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#attempt = 0;
    try {
      this.#openSocket();
    } catch (error) {
      this.#wanted = false;
      throw error;
    }
    this.#unwatch = watchPage({
      doubt: () => this.check(),
      online: () => this.#online(),
      offline: () => this.#socket && this.#lost(1006, "offline"),
      hide: () => this.#hide(),
      show: () => this.#show(),
    });
  }

  /** Close for good; `connect()` starts again. */
  close() {
    if (this.#wanted) this.#end(END, "");
  }

  /** Find out now whether the connection lives: it is opened anew if nothing answers within 3 s. */
  check() {
    if (this.#admitted) this.#liveness.check();
    else if (this.#wanted) this.#openSocket();
  }

  // Each of these returns false, and drops the message, when there is no session that it could be for. While a session
  // waits to be resumed it is kept, and sent then.

  /** Say who you are. @param {{ userId?: string, token?: string }} [identity] */
  auth(identity = {}) {
    return this.#send({ ...identity, type: "auth" });
  }

  /**
   * Wait for a partner. Harmless while waiting already.
   *
   * @param {Wishes} [wishes]  whom to meet; without it whoever comes
   */
  available(wishes = {}) {
    return this.#send({ ...wishes, type: "available" });
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

  /**
   * Leave the partner and wait for another; the server queues this client again.
   *
   * @param {Wishes} [wishes]  whom to meet; without it as before
   */
  next(wishes = {}) {
    return this.#send({ ...wishes, type: "next" });
  }

  /** Leave the partner, or the queue, and stay connected. */
  leave() {
    return this.#send({ type: "leave" });
  }

  /**
   * Tell whoever runs the server of the partner or, also when it is gone, of the last one. No reply on success.
   *
   * @param {Omit<ReportRequest, "type">} report  `reason`: a word of the page's choice, at
   *   most 100 characters; `text`: what happened, in the user's words, at most 500; `partnerId`: whom it is about, as
   *   in `matched`, since the next partner may come while the user still writes
   */
  report(report) {
    return this.#send({ ...report, type: "report" });
  }

  /**
   * Never meet the partner, or the last one, again. No reply on success. The call goes on: `next` or `leave` ends it.
   *
   * @param {Omit<BlockRequest, "type">} [whom]  as in `report`
   */
  block(whom = {}) {
    return this.#send({ ...whom, type: "block" });
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
    if (!this.#session || !(this.#admitted || this.#session.resumable)) return false;
    const text = this.#session.send(message);
    if (this.#admitted) this.#socket?.send(text);
    if (this.#admitted && this.#session.full) this.ping();
    return true;
  }

  #openSocket() {
    if (this.#socket || !this.#wanted) return;
    const Class = this.#WebSocket ?? globalThis.WebSocket;
    if (!Class) throw new TypeError("this runtime has no WebSocket: give one in the options");
    /** @type {Socket} */
    const socket = new Class(this.#url, this.#protocols);
    this.#socket = socket;
    const withinMs = patienceMs(this.#attempt, this.#session?.resumable);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(1006, "no connection in time"), withinMs);
    // A socket that was given up may still speak: only the present one is heard.
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      if (this.#session?.resumable) socket.send(this.#session.resume());
      else {
        this.#session = new Session({ resumes: this.#resumes });
        this.#admitted = true;
      }
      this.emit("open", {});
    };
    socket.onmessage = (/** @type {{ data: unknown }} */ event) => {
      if (socket === this.#socket) this.#receive(event.data);
    };
    socket.onclose = (/** @type {{ code: number, reason: string }} */ event) => {
      if (socket === this.#socket) this.#lost(event.code, event.reason);
    };
    socket.onerror = () => {}; // `close` follows. Without a listener Node's `ws` ends the process.
  }

  /** @param {unknown} data */
  #receive(data) {
    /** @type {ServerMessage | null} */
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      return;
    }
    const session = this.#session;
    if (!message?.type || !session) return;
    this.#liveness.heard();
    if (message.type === "ready") {
      if (this.#admitted) this.#begin(message);
      else this.#ready = message;
      return;
    }
    if (message.type === "resumed") return this.#resume(message);
    if (!this.#admitted) {
      if (message.type === "error" && message.code === "RESUME_FAILED") this.#beginAgain(message);
      return;
    }
    session.receive(message);
    if (HANDED_ON.has(message.type)) this.emit(message.type, /** @type {any} */ (message));
  }

  /** @param {ReadyMessage & { before?: SessionState | undefined }} message */
  #begin(message) {
    this.#session?.begin(message);
    this.#settle();
    this.emit("ready", message);
  }

  /** The session is not to be had any more: this is a new client. @param {ErrorMessage} refusal */
  #beginAgain(refusal) {
    const { state: before, wishes } = this;
    const ready = this.#ready;
    if (!ready) return;
    this.#session = new Session({ resumes: this.#resumes });
    this.#session.wishes = wishes;
    this.#session.receive(refusal);
    this.#admitted = true;
    this.#begin({ ...ready, before });
    if (before === "waiting" && this.state === "idle") this.available(wishes);
  }

  /** @param {ResumedMessage} message */
  #resume(message) {
    const session = this.#session;
    if (!session) return;
    const { again, lost } = session.resumed(message);
    this.#admitted = true;
    this.#settle();
    for (const text of again) this.#socket?.send(text);
    this.emit("resumed", { ...message, lost, initiator: session.room?.initiator });
  }

  /** The connection is as it should be. */
  #settle() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#attempt = 0), STABLE_AFTER_MS);
    this.#liveness.start();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lost(code, reason) {
    if (STAY_OUT.has(code)) return this.#end(code, reason);
    this.#drop(GO_ON_ELSEWHERE);
    this.#attempt = code === SERVICE_RESTART ? 1 : this.#attempt + 1;
    const delayMs = this.#backoff(this.#attempt, { resumable: this.#session?.resumable ?? false });
    this.#timer = setTimeout(() => this.#openSocket(), delayMs);
    this.emit("close", { code, reason, willReconnect: true });
    if (this.#wanted) this.emit("reconnecting", { attempt: this.#attempt, delayMs });
  }

  /**
   * Neither be connected nor try to.
   *
   * @param {number} code
   * @param {string} reason
   */
  #end(code, reason) {
    this.#wanted = false;
    this.#unwatch();
    this.#drop(END);
    this.#session = null;
    this.#shelf.take();
    this.emit("close", { code, reason, willReconnect: false });
  }

  /** Have no socket. @param {number} code  what the server is told, if it still hears */
  #drop(code) {
    const socket = this.#socket;
    clearTimeout(this.#timer);
    this.#liveness.stop();
    this.#socket = this.#ready = null;
    this.#admitted = false;
    if (!this.#session?.resumable) this.#session = null;
    socket?.close(code);
  }

  /** There is a network again, or another: a connection that was being made over the one before may hang for long. */
  #online() {
    if (!this.#admitted) this.#drop(GO_ON_ELSEWHERE);
    this.check();
  }

  /** The page goes, and may come back in a moment; a browser says no more about it than that. */
  #hide() {
    if (!this.#shelf.usable) return;
    const resumable = this.#session?.resumable ?? false;
    if (resumable) this.#shelf.put(JSON.stringify(this.#session));
    this.#drop(resumable ? PAGE_UNLOADS : END);
  }

  /** The page was kept by the browser, and is shown again. */
  #show() {
    if (!this.#shelf.usable || this.#socket) return;
    this.#session = Session.parse(this.#shelf.take());
    this.#openSocket();
  }
}

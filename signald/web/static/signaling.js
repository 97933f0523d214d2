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
import { Liveness } from "./liveness.js";
import { defaultUrl, Shelf, watchPage } from "./page.js";
import { Sender } from "./sender.js";
import { Session } from "./session.js";

/**
 * @import { ChallengeMessage, ClientMessage, ErrorMessage, GoodbyeMessage, ReadyMessage, ResumedMessage, ServerMessage, SessionState, Wishes }
 *   from "./protocol.js"
 */
/** @import { SignalingEvents, SignalingOptions, Socket } from "./types.js" */

/** Those that are handed on as they come. @type {ReadonlySet<string>} */
const HANDED_ON = new Set(
  "matched waiting challenge offer answer ice data partner-left partner-away partner-back reported ok error goodbye pong".split(" "),
);

/** A connection that lasted this long counts as good: the next loss starts the back-off anew. */
const STABLE_AFTER_MS = 5_000;

/** There was no closing handshake (RFC 6455 7.4.1). */
const ABNORMAL = 1006;

/** `readyState` of a WebSocket that takes messages. */
const OPEN = 1;

// Close codes of the server.
/** It restarts, and another, or itself, is there in a moment. */
const SERVICE_RESTART = 1012;
/**
 * Thrown out, or replaced by a newer connection of the same user (1008) or session (4001). Such a client must not come
 * back by itself: two pages of one user would throw each other out for ever. The others are refusals of the connection that
 * will be the same the next time: no v1 client, a bad token, a ban, too many connections of one user.
 */
const STAY_OUT = new Set([1008, 4001, 4400, 4401, 4403, 4409]);

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
 * @extends {Sender<SignalingEvents>}
 */
export class SignalingClient extends Sender {
  #url;
  #protocols;
  #WebSocket;
  #shelf;
  #backoff;
  #resumes;
  #rewaits;
  #browser;
  /** @type {Socket | null} */
  #socket = null;
  /** @type {Session | null} */
  #session;
  /** Whether the server has let the session in over the present socket. */
  #admitted = false;
  /** What the server has said last over it. @type {ServerMessage | null} */
  #last = null;
  /** Why the server does not let it in. @type {ErrorMessage | null} */
  #refusal = null;
  /** What the client was whose session cannot be resumed. @type {{ state: SessionState, wishes: Wishes } | null} */
  #before = null;
  /** What a new client would be called, while it is not yet known whether the session goes on. @type {ReadyMessage | null} */
  #ready = null;
  /** Ends the work for the last challenge: one before it, or of a session that is over, is of no use. @type {AbortController | null} */
  #work = null;
  /** The last one, if the work came to nothing: who wishes to wait tries it again, as the server asks for no other so soon. @type {ChallengeMessage | null} */
  #unsolved = null;
  /** Whether the user of this class wants a connection. */
  #wanted = false;
  #attempt = 0;
  /** Until the next attempt, then for this one to succeed, then for the connection to count as good. */
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);
  #liveness = new Liveness({ ask: () => this.ping(), lost: () => this.#lost(ABNORMAL, "the server went silent") });
  #unwatch = () => {};

  /**
   * @param {string} [url]  the server's `/ws`; by default on the page's own origin
   * @param {SignalingOptions} [options]
   */
  constructor(url = defaultUrl(), options = {}) {
    super();
    const { protocols = ["signald.v1"], WebSocket, storage = null, backoff = pauseMs } = options;
    const { resume = true, rewait = true, browser } = options;
    this.#url = url;
    this.#protocols = protocols;
    this.#WebSocket = WebSocket;
    this.#backoff = backoff;
    this.#resumes = resume;
    this.#rewaits = rewait;
    this.#browser = browser;
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

  /** Whether the partner's client can be sent `data`. @returns {boolean} */
  get takesData() {
    return this.#session?.room?.data ?? false;
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
      offline: () => this.#socket && this.#lost(ABNORMAL, "offline"),
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

  /** Nothing is sent to a partner whose client does not know it. @override @param {unknown} data */
  data(data) {
    return this.takesData && super.data(data);
  }

  /**
   * @override
   * @param {ClientMessage} message
   * @returns {number | false}
   * @protected
   */
  send(message) {
    const session = this.#session;
    if (!session || !(this.#admitted || session.resumable)) return false;
    const looks = message.type === "available" || message.type === "next";
    const text = session.send(looks && this.#browser ? { browser: this.#browser, ...message } : message);
    const id = session.asked;
    if (this.#admitted) this.#write(text);
    if (this.#admitted && session.full) this.ping();
    if (looks && this.#unsolved) this.#prove(this.#unsolved);
    return id;
  }

  /** A socket that closes takes nothing, and browsers complain of the attempt. @param {string} text */
  #write(text) {
    if (this.#socket && (this.#socket.readyState ?? OPEN) === OPEN) this.#socket.send(text);
  }

  #openSocket() {
    if (this.#socket || !this.#wanted) return;
    const Class = this.#WebSocket ?? globalThis.WebSocket;
    if (!Class) throw new TypeError("this runtime has no WebSocket: give one, as in createClient({ url, WebSocket })");
    /** @type {Socket} */
    const socket = new Class(this.#url, this.#protocols);
    this.#socket = socket;
    const withinMs = patienceMs(this.#attempt, this.#session?.resumable);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(ABNORMAL, "no connection in time"), withinMs);
    let opened = false;
    // A socket that was given up may still speak: only the present one is heard.
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      opened = true;
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
    // `close` follows, but for a connection that never came about in Node 20. Without a listener `ws` ends the process.
    socket.onerror = () => {
      if (socket === this.#socket && !opened) this.#lost(ABNORMAL, "no connection");
    };
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
    if (message.type === "goodbye" && this.#last?.type === "error") this.#refusal = this.#last;
    this.#last = message;
    if (message.type === "ready") {
      if (this.#admitted) this.#begin(message);
      else this.#ready = message;
      return;
    }
    if (message.type === "resumed") return this.#resume(message);
    if (!this.#admitted) {
      if (message.type !== "error") return;
      if (message.code === "RESUME_FAILED") this.#beginAgain(message);
      else this.#refusal = message;
      return;
    }
    if (!session.clientId && message.type === "error") this.#refusal = message;
    session.receive(message);
    if (message.type === "challenge") this.#prove(message);
    if (HANDED_ON.has(message.type)) this.emit(message.type, /** @type {any} */ (message));
  }

  /** Prove to the server that this is no cheap script, if it wants that. Only the last challenge counts. @param {ChallengeMessage} asked */
  async #prove(asked) {
    this.#rest();
    const { signal } = (this.#work = new AbortController());
    const proof = await import("./work.js").then(({ solve }) => solve(asked, signal)).catch(() => null);
    if (signal.aborted) return;
    if (proof) this.send(proof);
    else this.#unsolved = asked;
  }

  /** Work for no challenge any more. */
  #rest() {
    this.#work?.abort();
    this.#unsolved = null;
  }

  /** @param {ReadyMessage} message */
  #begin(message) {
    const { state: before, wishes } = this.#before ?? {};
    this.#before = null;
    this.#session?.begin(message);
    if (wishes && this.#session) this.#session.wishes = wishes;
    this.#settle();
    this.emit("ready", { ...message, before });
    if (before === "waiting" && this.#rewaits && this.state === "idle") this.available(wishes);
  }

  /** The session is not to be had any more: this is a new client. @param {ErrorMessage} refusal */
  #beginAgain(refusal) {
    if (!this.#ready) return;
    this.#forget();
    this.#session = new Session({ resumes: this.#resumes });
    this.#session.receive(refusal);
    this.#admitted = true;
    this.#begin(this.#ready);
  }

  /** The session is over, but not what its user wants. */
  #forget() {
    this.#rest();
    if (this.#session?.clientId) this.#before = { state: this.#session.state, wishes: this.#session.wishes };
    this.#session = null;
  }

  /** @param {ResumedMessage} message */
  #resume(message) {
    const session = this.#session;
    if (!session) return;
    const { again, lost } = session.resumed(message);
    this.#admitted = true;
    this.#settle();
    for (const text of again) this.#write(text);
    this.emit("resumed", { ...message, lost, initiator: session.room?.initiator });
  }

  /** The connection is as it should be. */
  #settle() {
    this.#refusal = null;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#attempt = 0), STABLE_AFTER_MS);
    this.#liveness.start();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lost(code, reason) {
    const goodbye = this.#goodbye(code);
    if (goodbye ? goodbye.action === "stay-out" : STAY_OUT.has(code)) return this.#end(code, reason);
    if (goodbye?.action === "reconnect" && this.#admitted) this.#forget(); // Else the session is not what was refused.
    const refusal = this.#refusal;
    this.#drop(GO_ON_ELSEWHERE);
    this.#attempt = code === SERVICE_RESTART || goodbye ? 1 : this.#attempt + 1;
    const delayMs = goodbye?.afterMs ?? this.#backoff(this.#attempt, { resumable: this.#session?.resumable ?? false });
    this.#timer = setTimeout(() => this.#openSocket(), delayMs);
    this.emit("close", { code, reason, refusal, willReconnect: true });
    if (this.#wanted) this.emit("reconnecting", { attempt: this.#attempt, delayMs });
  }

  /**
   * What the server has asked for before it closed. One that comes late, after `resumed`, says nothing.
   *
   * @param {number} code
   * @returns {GoodbyeMessage | null}
   */
  #goodbye(code) {
    return code !== ABNORMAL && this.#last?.type === "goodbye" ? this.#last : null;
  }

  /**
   * Neither be connected nor try to.
   *
   * @param {number} code
   * @param {string} reason
   */
  #end(code, reason) {
    this.#wanted = false;
    this.#rest();
    this.#unwatch();
    const refusal = this.#refusal;
    this.#drop(END);
    this.#session = this.#before = null;
    this.#shelf.take();
    this.emit("close", { code, reason, refusal, willReconnect: false });
  }

  /** Have no socket. @param {number} code  what the server is told, if it still hears */
  #drop(code) {
    const socket = this.#socket;
    clearTimeout(this.#timer);
    this.#liveness.stop();
    this.#socket = this.#ready = this.#last = this.#refusal = null;
    this.#admitted = false;
    if (!this.#session?.resumable) this.#forget();
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
    if (!this.#shelf.usable || this.#socket) return this.check();
    this.#session = Session.parse(this.#shelf.take());
    this.#openSocket();
  }
}

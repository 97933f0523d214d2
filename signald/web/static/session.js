/**
 * What outlives a connection: who the client is, and what each side has had of the other. No socket, timer or page.
 *
 * Both sides count every message but `ready`, `resume` and `resumed`. The client keeps what it has sent until the
 * answer to a later `ping` is here, since TCP keeps the order; after a lost connection each side says how far it
 * got, and the other sends again what came after.
 *
 * @module session
 */

/**
 * @import { ClientMessage, ErrorMessage, ReadyMessage, ResumedMessage, ResumeGrant, ServerMessage, SessionState, Wishes }
 *   from "./protocol.js"
 */

/**
 * The room that this client is in, as `matched` told. `data`: whether the partner can be sent `data`.
 * @typedef {{ roomId: string, partnerId: string, initiator: boolean | undefined, data: boolean }} Room
 */

/**
 * What was so before a message that the server may refuse.
 * @typedef {{ id: number, state: SessionState, room: Room | null, wishes: Wishes }} Before
 */

/** A whole call is 15 to 30 messages: so many are never under way. */
const KEPT_MESSAGES = 256;
/** Four times a large SDP (64 KiB) in characters. */
const KEPT_CHARS = 256 * 1024;
/** With so many kept it is time to ask what the server has had, though the connection is not silent. */
const ASK_AFTER_MESSAGES = 64;

/** Those that are meant for the partner of the moment. Who leaves wants out of whatever there is by then. */
const IN_ROOM = new Set(["offer", "answer", "ice", "data", "next"]);
const SIGNALS = new Set(["offer", "answer", "ice"]);
const UNANSWERED = new Set([...SIGNALS, "ping"]);
const MOVES = new Set(["available", "next", "leave"]);

/** Its fields are what a page keeps over a reload. */
export class Session {
  /** Null before `ready`. @type {string | null} */
  clientId = null;
  /** @type {SessionState} */
  state = "idle";
  /** @type {Room | null} */
  room = null;
  /** Whom the server looks for, as this client has said. @type {Wishes} */
  wishes = {};
  /** Whether a page before this one began it, whose calls are gone. */
  inherited = false;
  /** The number of the last message that was sent, or is kept to be. */
  sent = 0;
  /** The last `id` that a message of this session was given; unlike the count above it never begins anew. */
  asked = 0;
  received = 0;

  /** @type {ResumeGrant | null} */
  grant = null;
  /** Sent with each attempt for the present token: one whose answer was lost is answered again. @type {string | null} */
  nonce = null;
  /** How many there were: one that arrives late, after the one after it, takes nothing away from that. */
  attempts = 0;
  /** What `next` has left, as long as there is no other room: whoever presses it twice means this one. @type {string | null} */
  leftRoom = null;
  /** Of the last `available` or `next`. @type {Before | null} */
  before = null;
  /** When it began to wait, in ms since 1970. */
  waitsSince = 0;
  resumes;
  /** The last ones sent, that the server may not have had. @type {{ type: string, text: string, id: number }[]} */
  kept = [];
  /** Numbers of the pings that have not been answered. @type {number[]} */
  pings = [];

  /** @param {{ resumes?: boolean }} [options]  `resumes`: whether to go on after a lost connection, if the server can */
  constructor({ resumes = true } = {}) {
    this.resumes = resumes;
  }

  /** Whether there is something to go on with after a lost connection. */
  get resumable() {
    return this.grant !== null && this.grant.seconds > 0;
  }

  /** Whether to `ping`, so that what is kept can be dropped. */
  get full() {
    return this.kept.length >= ASK_AFTER_MESSAGES && this.pings.length === 0;
  }

  /** @param {ReadyMessage} message */
  begin({ clientId, resume }) {
    this.clientId = clientId;
    this.#accept(resume ?? null);
  }

  /**
   * Count a message that is to be sent, and keep it.
   *
   * @param {ClientMessage} message
   * @returns {string} as it goes over the wire
   */
  send(message) {
    // `browser` is no wish.
    const { type, browser: _, ...said } = /** @type {ClientMessage & { browser?: string }} */ (message);
    const meant = IN_ROOM.has(type) ? this.room?.roomId ?? (type === "next" && this.leftRoom) : null;
    const id = (this.asked += 1);
    const answered = !UNANSWERED.has(type) || "id" in message;
    const text = JSON.stringify({ ...(meant && { roomId: meant }), ...message, ...(answered && { id }) });
    this.sent += 1;
    this.#keep([...this.kept, { type, text, id }]);
    if (type === "ping") this.pings.push(this.sent);
    if (type === "available" || type === "next") {
      const { state, room, wishes } = this;
      this.before = { id, state, room, wishes };
    }
    const begins = type === "available" && this.state === "idle";
    // Those of before hold if nothing is said, but for who begins to wait; the server drops a second `next`.
    const counts = type === "next" ? this.room : type === "available" && !this.room;
    if (begins || (counts && Object.keys(said).length)) this.wishes = /** @type {Wishes} */ (said);
    if (begins) this.#move("waiting");
    if (type === "next") this.#move("waiting", null, meant || null);
    if (type === "leave") this.#move("idle");
    return text;
  }

  /**
   * Count a message of the server: each but `ready` and `resumed`.
   *
   * @param {ServerMessage} message
   */
  receive(message) {
    this.received += 1;
    switch (message.type) {
      case "matched": {
        const { roomId, partnerId, initiator, resume, data = false } = message;
        this.#move("paired", { roomId, partnerId, initiator, data });
        if (resume) this.#accept(resume);
        break;
      }
      case "partner-left":
        // A server that does not queue it again is rare, and a client of that one says `available` anyway. Who said nothing that
        // was waited for is queued again with its next word.
        this.#move(/** @type {string | undefined} */ (message.reason) === "silent" ? "idle" : "waiting");
        break;
      case "ok":
        this.#hasHad(this.#numberOf(message.id));
        break;
      case "error":
        this.#hasHad(this.#numberOf(message.id));
        this.#refused(message);
        break;
      case "pong":
        this.#hasHad(this.pings.shift() ?? 0);
    }
  }

  /** @param {ErrorMessage} error */
  #refused({ id, code }) {
    if (code === "NOT_PAIRED") this.leftRoom = null; // The next one is to be refused too.
    const { before } = this;
    if (before && id === before.id) {
      this.wishes = before.wishes;
      const gone = code === "NOT_PAIRED" || code === "CROWDED";
      if (this.state === "waiting") this.#move(gone ? "idle" : before.state, gone ? null : before.room);
    } else if (id === undefined && ["AUTH_REQUIRED", "CHALLENGE_REQUIRED", "CROWDED"].includes(code) && this.state === "waiting") this.#move("idle");
  }

  /** What to say first on a new connection. @returns {string} */
  resume() {
    this.nonce ??= Math.random().toString(36).slice(2);
    const waited = this.state === "waiting" ? Math.max(0, Date.now() - this.waitsSince) / 1000 : undefined;
    const { token } = this.grant ?? {};
    const wishes = Object.keys(this.wishes).length ? this.wishes : undefined;
    const attempt = (this.attempts += 1);
    const { received, nonce } = this;
    return JSON.stringify({ type: "resume", token, received, nonce, attempt, waited, wishes });
  }

  /**
   * The server goes on with the session.
   *
   * @param {ResumedMessage} message
   * @returns {{ again: string[], lost: boolean }} what to send again, and whether signals may be missing
   */
  resumed({ received, lost, resume, state, roomId, data }) {
    const dropped = this.sent - this.kept.length;
    const missing = lost || received < dropped;
    let again = this.kept.slice(Math.max(0, received - dropped));
    // Signals of a call that is gone, or that is negotiated anew.
    if (missing || this.inherited) again = again.filter(({ type }) => !SIGNALS.has(type));
    this.inherited = false;
    this.sent = received + again.length;
    this.pings = this.pings.filter((number) => number <= received && !missing);
    again.forEach(({ type }, place) => type === "ping" && this.pings.push(received + place + 1));
    this.#keep(again);
    this.#accept(resume ?? null);
    // A partner that came or went meanwhile is told of by what follows; what this side has just said counts more.
    const room = this.room?.roomId === roomId ? this.room : null;
    if (room) room.data = data ?? room.data;
    if (!again.some(({ type }) => MOVES.has(type))) this.#move(state, room);
    return { again: again.map(({ text }) => text), lost: missing };
  }

  /** For a storage. @returns {object} */
  toJSON() {
    return { ...this, savedAt: Date.now() };
  }

  /**
   * @param {string | null} text  a Session as JSON
   * @returns {Session | null} null if there is none, or none that the server could still have
   */
  static parse(text) {
    let saved;
    try {
      saved = JSON.parse(text ?? "null");
    } catch {
      return null; // Not ours.
    }
    if (!(Date.now() - saved?.savedAt < saved?.grant?.seconds * 1000)) return null;
    return Object.assign(new Session(), saved, { inherited: true });
  }

  /**
   * @param {SessionState} state
   * @param {Room | null} [room]
   * @param {string | null} [leftRoom]
   */
  #move(state, room = null, leftRoom = null) {
    if (state === "waiting" && this.state !== "waiting") this.waitsSince = Date.now();
    this.state = state;
    this.room = room;
    this.leftRoom = leftRoom;
  }

  /** @param {ResumeGrant | null} grant */
  #accept(grant) {
    this.grant = this.resumes ? grant : null;
    this.nonce = null;
  }

  /**
   * The number of the message that an answer is to.
   *
   * @param {number | string | undefined} id
   */
  #numberOf(id) {
    const place = this.kept.findIndex((message) => message.id === id);
    return place < 0 ? 0 : this.sent - this.kept.length + place + 1;
  }

  /** @param {number} number  the server has had everything up to this one */
  #hasHad(number) {
    const dropped = this.sent - this.kept.length;
    if (number > dropped) this.#keep(this.kept.slice(number - dropped));
  }

  /** @param {{ type: string, text: string, id: number }[]} messages */
  #keep(messages) {
    let chars = messages.reduce((sum, { text }) => sum + text.length, 0);
    while (messages.length > KEPT_MESSAGES || chars > KEPT_CHARS) chars -= messages.shift()?.text.length ?? 0;
    this.kept = messages;
  }
}

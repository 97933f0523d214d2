/**
 * Random calls, one after the other: everything between a client of the server and what a page shows.
 *
 *     import { createClient } from "@signald/client";
 *     import { RandomChat } from "@signald/client/call";
 *     const chat = new RandomChat({ client: createClient({ url: "wss://example.org/ws" }) });
 *     chat.on("change", ({ state, remoteStream }) => { … });
 *     await chat.start();
 *
 * @module chat
 */

import { Call } from "./call.js";
import { Devices } from "./devices.js";
import { Emitter } from "./events.js";
import { Shelf } from "./page.js";
import { Search } from "./search.js";
import { IDLE } from "./snapshot.js";

export { Call };

/** @import { CallState } from "./call.js" */
/** @import { Client } from "./client.js" */
/** @import { Kind, Media } from "./devices.js" */
/** @import { Common, Wishes } from "./protocol.js" */

/** @typedef {import("./snapshot.js").ChatOptions} ChatOptions */
/** @typedef {import("./snapshot.js").ChatSnapshot} ChatSnapshot */
/** @typedef {import("./snapshot.js").ChatState} ChatState */
/** @typedef {import("./snapshot.js").Partner} Partner */

/** For a partner whose page has closed the call: it is being loaded anew, or the partner is gone. */
const RELOAD_WITHIN_MS = 10_000;
/** For a gap in a call that cannot be mended, since the server no longer knows of it. */
const GAP_AT_MOST_MS = 5_000;
/** A server that is back sooner was never away for the user. */
const OUT_OF_REACH_AFTER_MS = 2_000;
/** Nobody sees who is there in less: a `next()` that comes so soon is the second of two, and meant the one before. */
const UNSEEN_MS = 300;
const MAX_TEXTS = 500;
/** What the server says to one who has been told that it waits, and does not any more. */
const NOT_LOOKED_FOR = new Set(["CROWDED", "CHALLENGE_REQUIRED"]);

/**
 * The call under way. `attended`: the server still has the room. It has not when the session could not be resumed;
 * picture, sound and text do not pass through the server, so the call goes on for as long as the partner stays.
 * `away`: the partner's connection to the server is lost. `since`: by `performance.now()`.
 * @typedef {{ call: Call, roomId: string, attended: boolean, away: boolean, since: number }} Current
 */

/**
 * `change`: there is something else to show; `data`: what the partner's page has sent with the client's `data()`.
 *
 * @extends {Emitter<{ change: ChatSnapshot, data: unknown }>}
 */
export class RandomChat extends Emitter {
  snapshot = IDLE;
  client;

  #options;
  #offShelf;
  #search;
  /** @type {Wishes | undefined} */
  #wishes;
  #devices = new Devices(() => this.#devicesChanged());
  /** @type {Current | null} */
  #current = null;
  /** Whether the user wants to talk to somebody: between start() and stop(). */
  #wanted = false;
  /** Whether the partner left and nobody else is looked for. */
  #left = false;
  #ended = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reachTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #goneTimer;

  /** @param {ChatOptions} options */
  constructor(options) {
    super();
    const { client, wishes, autoNext = true, media = { audio: true, video: true } } = options;
    this.client = client;
    this.#options = { ...options, autoNext, media };
    this.#wishes = wishes;
    this.#search = new Search(client, {
      isOver: () => !this.#wanted || this.#current !== null,
      refused: (error) => this.#stopFor(error),
    });
    this.#offShelf = new Shelf(options.storage ?? null, "signald off");
    /** @type {Client["on"]} */
    const on = (type, listener) => client.on(type, listener, { signal: this.#ended.signal });
    on("ready", () => this.#isNew());
    on("resumed", (message) => this.#isBack(message));
    on("matched", ({ roomId, partnerId, initiator, iceServers, common }) => {
      if (!this.#wanted || this.#left) return;
      this.#endCall();
      this.#begin({ roomId, partnerId, initiator, iceServers, common });
    });
    // Signals of an earlier partner, late on their way, are not for this call.
    on("offer", ({ from, sdp }) => this.#callOf(from)?.offer(sdp));
    on("answer", ({ from, sdp }) => this.#callOf(from)?.answer(sdp));
    on("ice", ({ from, candidate }) => this.#callOf(from)?.ice(candidate));
    on("data", ({ from, data }) => this.#callOf(from)?.data(data) === false && this.emit("data", data));
    on("partner-away", () => {
      if (this.#current) this.#current.away = true;
      this.#current?.call.partnerAway();
      this.#waitForReload();
      this.#show();
    });
    on("partner-back", ({ lost }) => {
      if (this.#current) this.#current.away = false;
      clearTimeout(this.#goneTimer);
      this.#mend(lost);
      this.#show();
    });
    // After the server had said `ok`.
    on("error", ({ id, code, message }) => {
      if (id === undefined && NOT_LOOKED_FOR.has(code) && !this.#current) this.#stopFor(Object.assign(new Error(message), { code }));
    });
    on("partner-left", () => this.#wanted && this.#partnerGone(false));
    on("state", (state) => {
      if (!this.#wanted) return;
      if (state === "refused") this.#stopFor(client.refusal ?? new Error("refused"));
      else this.#serverReached(state === "connected");
    });
    // Before the client hears of it and is gone. The camera's lamp goes out with the page, also when it is kept (bfcache).
    const early = { capture: true, signal: this.#ended.signal };
    globalThis.addEventListener?.("pagehide", () => this.#hide(), early);
    globalThis.addEventListener?.("pageshow", ({ persisted }) => persisted && this.retryMedia(), early);
    for (const kind of JSON.parse(this.#offShelf.inherit() ?? "[]")) this.turn(kind, false);
  }

  /**
   * Ask for camera and microphone, connect, and look for a partner.
   *
   * @param {Wishes} [wishes]  whom to meet; without it as in the options
   * @returns {Promise<void>} rejects if the server refuses this client, or its wishes
   */
  async start(wishes = this.#wishes) {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#wishes = wishes;
    this.#set({ ...IDLE, sending: this.snapshot.sending, state: "starting" });
    const opened = this.#devices.open(this.#options.media);
    // After a reload the partner waits: the camera joins the call when it is there.
    if (!this.client.inherited) await opened;
    if (!this.#wanted) return this.#devices.close();
    try {
      await this.client.connect();
    } catch (error) {
      this.#stopFor(/** @type {Error} */ (error));
      throw error;
    }
    if (this.snapshot.state === "starting") this.#look(false); // It was connected already.
    await opened;
  }

  /** Leave this partner, and look for another. @param {Wishes} [wishes]  whom to meet; without it as before */
  next(wishes) {
    const current = this.#current;
    if (!this.#wanted || (current && performance.now() - current.since < UNSEEN_MS)) return;
    if (wishes) this.#wishes = wishes;
    this.#endCall();
    this.#left = false;
    this.#look(current?.attended ?? false);
  }

  /** Leave the partner, or the queue, and switch the devices off. The client stays connected unless it is to close. */
  stop() {
    if (!this.#wanted) return;
    this.#end();
    void this.client.leave();
    this.client.close();
    this.#set({ ...IDLE, sending: this.snapshot.sending });
  }

  /** Stop, and hear no more of the client. */
  close() {
    this.stop();
    this.#ended.abort();
  }

  /** Switch `audio` or `video` on or off, and tell the partner. @param {Kind} kind @param {boolean} on */
  turn(kind, on) {
    this.#devices.turn(kind, on);
  }

  /** Another camera or microphone. @param {Parameters<Devices["use"]>[0]} constraints */
  use(constraints) {
    return this.#devices.use(constraints);
  }

  /** Ask for camera and microphone again, as after a refusal; or for others. @param {Media} [media] */
  async retryMedia(media = this.#options.media) {
    if (this.#wanted) await this.#devices.open(media);
  }

  /**
   * @param {string} text
   * @returns {boolean} false when there is no way to the partner
   */
  sendText(text) {
    const sent = this.#current?.call.sendText(text) ?? false;
    if (sent) this.#addText("me", text);
    return sent;
  }

  /** Tell whoever runs the server of this partner, and leave it. @param {string} reason @param {string} [text] */
  async report(reason, text) {
    const partnerId = this.snapshot.partner?.id;
    await this.client.report({ reason, text, partnerId });
    if (partnerId && this.snapshot.partner?.id === partnerId) this.next();
  }

  // What the server says.

  /** Of what was before, the server knows nothing. A call that works goes on without it. */
  #isNew() {
    if (!this.#wanted) return;
    const current = this.#current;
    if (current && ["connected", "interrupted"].includes(current.call.state)) {
      current.attended = current.away = false;
      clearTimeout(this.#goneTimer);
      if (current.call.state === "interrupted") this.#giveUpAfter(GAP_AT_MOST_MS);
      this.#show();
    } else {
      this.#endCall();
      if (!this.#left) this.#look(false);
    }
  }

  /** @param {import("./types.js").SignalingEvents["resumed"]} message */
  #isBack({ roomId, partnerId, partner, lost, initiator, iceServers, clientId, state }) {
    if (!this.#wanted) return;
    const current = this.#current;
    const away = partner === "away";
    if (current && current.roomId === roomId) {
      current.away = away;
      this.#mend(lost);
    } else if (current && lost) this.#partnerGone(false);
    else if (!current && state === "paired" && roomId && partnerId) {
      // The page was loaded anew. A room that it has not heard of yet is told of by the `matched` that follows.
      const offers = initiator ?? (lost ? clientId < partnerId : undefined);
      if (offers !== undefined) this.#begin({ roomId, partnerId, initiator: offers, iceServers, again: true, away });
    } else if (!current && state === "idle" && !this.#left) this.#look(false);
    this.#show();
  }

  /** @param {string} partnerId */
  #callOf(partnerId) {
    return this.snapshot.partner?.id === partnerId ? this.#current?.call : undefined;
  }

  /**
   * @param {{ roomId: string, partnerId: string, initiator: boolean, iceServers?: RTCIceServer[] | undefined,
   *   common?: Common | undefined, again?: boolean, away?: boolean }} room
   */
  #begin({ roomId, partnerId, initiator, iceServers, common, again = false, away = false }) {
    const { rtcConfig, release } = this.#options;
    const call = new Call({
      ...{ initiator, iceServers, again, stream: this.#devices.stream, send: this.client, roomId, release },
      ...(rtcConfig && { rtcConfig }),
    });
    this.#current = { call, roomId, attended: true, away, since: performance.now() };
    const isCurrent = () => call === this.#current?.call;
    call.on("state", (state) => isCurrent() && this.#callChanged(state));
    call.on("doubt", () => this.client.check());
    call.on("media", (remoteStream) => isCurrent() && this.#set({ remoteStream }));
    call.on("text", (text) => isCurrent() && this.#addText("partner", text));
    call.on("sending", (sending) => {
      const { partner } = this.snapshot;
      if (isCurrent() && partner) this.#set({ partner: { ...partner, sending } });
    });
    call.on("channel", (open) => isCurrent() && this.#channelChanged(open));
    const partner = { id: partnerId, sending: { audio: true, video: true }, common: common ?? null };
    this.#set({ partner, texts: again ? this.snapshot.texts : [] });
    this.#show();
  }

  /** The server waits longer for a partner that is away; but one whose page is gone comes back soon, or not at all. */
  #waitForReload() {
    clearTimeout(this.#goneTimer);
    const current = this.#current;
    if (current?.away && !this.snapshot.canText && current.call.state !== "connecting") this.#giveUpAfter(RELOAD_WITHIN_MS);
  }

  /** @param {number} ms  then the partner is taken to be gone */
  #giveUpAfter(ms) {
    clearTimeout(this.#goneTimer);
    this.#goneTimer = setTimeout(() => this.#partnerGone(), ms);
  }

  /** Both are back. @param {boolean} lost  whether signals may be missing */
  #mend(lost) {
    const current = this.#current;
    if (current && !current.away && (lost || ["interrupted", "failed"].includes(current.call.state))) current.call.restart();
  }

  /** @param {boolean} reachable */
  #serverReached(reachable) {
    clearTimeout(this.#reachTimer);
    if (reachable) this.#set({ reachable });
    else this.#reachTimer = setTimeout(() => this.#set({ reachable }), OUT_OF_REACH_AFTER_MS);
  }

  /** @param {CallState} state */
  #callChanged(state) {
    const current = /** @type {Current} */ (this.#current);
    if (state === "interrupted") this.client.check(); // What has cut off the partner may have cut off the server too.
    if (!current.attended && state === "interrupted") this.#giveUpAfter(GAP_AT_MOST_MS);
    if (!current.attended && state === "connected") clearTimeout(this.#goneTimer);
    // Who cannot talk to the partner over the server cannot mend the call; that is tried when both are back.
    if (state === "failed" && this.client.state === "connected" && !current.away) this.#partnerGone();
    else this.#show();
  }

  /** @param {boolean} canText */
  #channelChanged(canText) {
    const current = /** @type {Current} */ (this.#current);
    this.#set({ canText });
    // Without the server's word, this is how a partner that left shows.
    if (!canText && !current.attended && current.call.state !== "connecting") this.#partnerGone();
    else this.#waitForReload();
  }

  /** @param {boolean} [inRoom]  whether the server still has this client in a room */
  #partnerGone(inRoom = this.#current?.attended ?? false) {
    const hadPartner = this.#current !== null;
    this.#endCall();
    if (this.#options.autoNext || !hadPartner) return this.#look(inRoom);
    this.#left = true;
    void this.client.leave();
    this.#show();
  }

  /**
   * With REQUEUE_ON_PARTNER_LEAVE the server has this client waiting already, and takes no notice.
   *
   * @param {boolean} leaving  whether the server still has this client in a room
   */
  #look(leaving) {
    this.#show();
    void this.#search.begin(leaving, this.#wishes);
  }

  #show() {
    const current = this.#current;
    const call = current?.call.state;
    /** @type {ChatState} */
    let state = this.#left ? "left" : "waiting";
    if (current?.away && !(this.snapshot.canText && call === "connected")) state = "interrupted";
    else if (call === "connected") state = call;
    else if (call === "interrupted" || call === "failed") state = "interrupted";
    else if (current) state = "matched";
    else if (this.snapshot.state === "starting" && this.client.state !== "connected") state = "starting";
    if (state !== this.snapshot.state) this.#set({ state });
  }

  #devicesChanged() {
    const { stream: localStream, problem: mediaError, on: sending } = this.#devices;
    this.#current?.call.setStream(localStream);
    this.#set({ localStream, mediaError, sending });
  }

  /** @param {Error} error */
  #stopFor(error) {
    if (!this.#wanted) return;
    this.#end();
    this.client.close();
    this.#set({ ...IDLE, sending: this.snapshot.sending, state: "stopped", error });
  }

  #end() {
    this.#wanted = this.#left = false;
    this.#endCall();
    this.#devices.close();
    this.#search.stop();
    clearTimeout(this.#reachTimer);
  }

  #hide() {
    this.#endCall();
    this.#devices.close();
    this.#offShelf.put(JSON.stringify(this.#devices.off));
  }

  #endCall() {
    clearTimeout(this.#goneTimer);
    const ended = this.#current;
    if (!ended) return;
    this.#current = null;
    ended.call.close();
    this.#set({ remoteStream: null, partner: null, canText: false });
  }

  /** @param {"me" | "partner"} from @param {string} text */
  #addText(from, text) {
    this.#set({ texts: [...this.snapshot.texts, { from, text }].slice(-MAX_TEXTS) });
  }

  /** @param {Partial<ChatSnapshot>} changed */
  #set(changed) {
    this.snapshot = Object.freeze({ ...this.snapshot, ...changed });
    this.emit("change", this.snapshot);
  }
}

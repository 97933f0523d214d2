/**
 * The call with the partner of the moment, for as long as either the server or the two browsers hold it together.
 *
 * @module meeting
 */

import { Call } from "../call.js";

/** @import { AnswerMessage, DataMessage, IceMessage, MatchedMessage, OfferMessage } from "../protocol.js" */
/** @import { SignalingClient } from "../signaling.js" */

/**
 * A room as the server names it. `again`: this page was loaded anew, and the partner's side may be up already; `away`:
 * the partner's connection to the server is lost.
 * @typedef {{ roomId: string, partnerId: string, initiator: boolean, again?: boolean, away?: boolean }} Room
 */

/**
 * What the page makes of it. `changed`: how far things are; `media`, `text`: from the partner; `channel`: whether there is a
 * way for text; `sending`: what of the partner's is on; `over`: the partner has left, or cannot be reached.
 * @typedef {{
 *   changed: () => void,
 *   media: (stream: MediaStream) => void,
 *   text: (text: string) => void,
 *   channel: (open: boolean) => void,
 *   sending: (sending: { audio: boolean, video: boolean }) => void,
 *   over: (why: "left" | "failed") => void,
 * }} Told
 */

/** @typedef {OfferMessage | AnswerMessage | IceMessage | DataMessage} Signal */

/** For a partner whose page has closed the call: it is being loaded anew, or the partner is gone. */
const RELOAD_WITHIN_MS = 10_000;
/** For a gap in a call that cannot be mended, since the server no longer knows of it. */
const GAP_AT_MOST_MS = 5_000;

export class Meeting {
  roomId;
  partnerId;
  /**
   * Whether the server still has the room. It has not when the session could not be resumed; picture, sound and text do not
   * pass through the server, so the call goes on for as long as the partner stays.
   */
  attended = true;
  /** Whether the partner's connection to the server is lost. */
  away;

  #client;
  #told;
  #call;
  /** Whether there is a way for text. */
  #open = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {SignalingClient} client
   * @param {Room} room
   * @param {{ stream: MediaStream | null, iceServers: RTCIceServer[] }} options
   * @param {Told} told
   */
  constructor(client, { roomId, partnerId, initiator, again = false, away = false }, { stream, iceServers }, told) {
    this.#client = client;
    this.#told = told;
    this.roomId = roomId;
    this.partnerId = partnerId;
    this.away = away;
    const call = new Call({ initiator, stream, iceServers, again, send: client, roomId });
    this.#call = call;
    call.on("state", () => this.#changed());
    call.on("channel", (open) => this.#channel(open));
    call.on("doubt", () => client.check());
    call.on("media", (media) => this.#goesOn && told.media(media));
    call.on("text", (text) => this.#goesOn && told.text(text));
    call.on("sending", (sending) => this.#goesOn && told.sending(sending));
    /** When it can be seen first, by `performance.now()`: what is above takes a busy machine hundreds of milliseconds. */
    this.since = performance.now();
  }

  /** How the call is. */
  get state() {
    return this.#call.state;
  }

  /** Whether the two are in touch, whatever the server knows of it. */
  get alive() {
    return ["connected", "interrupted"].includes(this.#call.state);
  }

  /** Whether text can be sent. */
  get open() {
    return this.#open;
  }

  end() {
    clearTimeout(this.#timer);
    this.#call.close();
  }

  /** @param {MediaStream | null} stream */
  setStream(stream) {
    this.#call.setStream(stream);
  }

  /** The user has switched something on or off. */
  announce() {
    this.#call.announce();
  }

  /** @param {string} text */
  sendText(text) {
    return this.#call.sendText(text);
  }

  /** @param {Signal} message */
  signal(message) {
    if (message.from !== this.partnerId) return; // Of an earlier partner, late on its way.
    if (message.type === "ice") this.#call.ice(message.candidate);
    else if (message.type === "data") this.#call.data(message.data);
    else this.#call[message.type](message.sdp);
  }

  // What the server says of it.

  /** It knows nothing of the room any more. */
  forgotten() {
    this.attended = this.away = false;
    clearTimeout(this.#timer);
    if (this.#call.state === "interrupted") this.#giveUpAfter(GAP_AT_MOST_MS);
  }

  /** The two have it again. @param {MatchedMessage} message */
  remembered({ roomId, partnerId }) {
    this.roomId = roomId;
    this.partnerId = partnerId;
    this.attended = true;
    clearTimeout(this.#timer);
    this.mend(false);
  }

  partnerAway() {
    this.away = true;
    this.#call.partnerAway();
    this.#waitForReload();
    this.#told.changed();
  }

  /** @param {boolean} lost  whether signals may be missing */
  partnerBack(lost) {
    this.away = false;
    clearTimeout(this.#timer);
    this.mend(lost);
    this.#told.changed();
  }

  /** Both are back. @param {boolean} lost  whether signals may be missing */
  mend(lost) {
    if (!this.away && (lost || ["interrupted", "failed"].includes(this.#call.state))) this.#call.restart();
  }

  /** A call that this side has ended may still say something. */
  get #goesOn() {
    return this.#call.state !== "closed";
  }

  #changed() {
    const { state } = this.#call;
    if (!this.#goesOn) return;
    if (state === "interrupted") this.#client.check(); // What has cut off the partner may have cut off the server too.
    if (!this.attended && state === "interrupted") this.#giveUpAfter(GAP_AT_MOST_MS);
    if (!this.attended && state === "connected") clearTimeout(this.#timer);
    // Who cannot talk to the partner over the server cannot mend the call; that is tried when both are back.
    if (state === "failed" && this.#client.connected && !this.away) this.#told.over("failed");
    else this.#told.changed();
  }

  /** @param {boolean} open */
  #channel(open) {
    if (!this.#goesOn) return;
    this.#open = open;
    this.#told.channel(open);
    // Without the server's word, this is how a partner that left shows.
    if (!open && !this.attended && this.#call.state !== "connecting") return this.#told.over("left");
    this.#waitForReload();
    this.#told.changed();
  }

  /** The server waits longer for a partner that is away; but one whose page is gone comes back soon, or not at all. */
  #waitForReload() {
    clearTimeout(this.#timer);
    if (this.away && !this.#open && this.#call.state !== "connecting") this.#giveUpAfter(RELOAD_WITHIN_MS);
  }

  /** @param {number} ms  then the partner is taken to be gone */
  #giveUpAfter(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#told.over("left"), ms);
  }
}

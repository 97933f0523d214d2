/**
 * What two pages say to each other over their call: text, and whether camera and microphone are on.
 *
 * @module channels
 */

/**
 * Whether a side sends sound and picture just now, or has switched them off.
 * @typedef {{ audio: boolean, video: boolean }} Sending
 */

/** Longer texts from the partner are cut: nobody reads them, and they could stall the page. */
const MAX_TEXT_CHARS = 4_000;

/**
 * The channel for `Sending` is agreed on beforehand, not announced (RFC 8832 4): a partner that does not know it never
 * hears of it, where another announced channel would be taken for one with text.
 */
const SENDING_CHANNEL = { negotiated: true, id: 99 };

/** A partner can have this side look for the server no more often. */
const AWAY_EVERY_MS = 5_000;

/** The name of a `Sending` in what goes through the server, beside whatever a page has to say there. */
export const SENDING = "signald.sending";

/** The data channels of one RTCPeerConnection after the other. */
export class Channels {
  #told;
  /** For text: ours and the partner's. @type {RTCDataChannel[]} */
  #texts = [];
  /** @type {RTCDataChannel | undefined} */
  #sendings;
  #awayAt = -Infinity;

  /**
   * @param {{ text: (text: string) => void, open: (open: boolean) => void, ready: () => void,
   *   sending: (sending: Sending) => void, away: () => void }} told  `text`, `sending`: what the partner says; `open`: whether
   *   text can be sent; `ready`: from now on `announce` reaches the partner; `away`: the server has told the partner that
   *   this side's connection to it is lost
   */
  constructor(told) {
    this.#told = told;
  }

  /** Use this connection from now on. @param {RTCPeerConnection} pc */
  open(pc) {
    this.#texts = [];
    pc.ondatachannel = ({ channel }) => this.#addText(channel);
    // Each side opens a channel, so that text works with a partner that opens none, or knows only its own.
    this.#addText(pc.createDataChannel("chat"));
    const sendings = pc.createDataChannel("sending", SENDING_CHANNEL);
    sendings.onopen = this.#told.ready;
    sendings.onmessage = ({ data }) => {
      const said = read(data);
      this.#told.sending(sendingIn(said));
      if (said?.away !== true || performance.now() - this.#awayAt < AWAY_EVERY_MS) return;
      this.#awayAt = performance.now();
      this.#told.away();
    };
    this.#sendings = sendings;
  }

  /**
   * @param {string} text
   * @returns {boolean} false when there is no open channel
   */
  sendText(text) {
    // The newest open one: the partner's own if it opened any, and that it surely reads.
    const channel = this.#texts.findLast(({ readyState }) => readyState === "open");
    channel?.send(text);
    return channel !== undefined;
  }

  /**
   * @param {Sending & { away?: boolean }} sending  `away`: the partner's connection to the server is lost, as this side hears
   * @returns {boolean} false when there is no open channel
   */
  announce(sending) {
    if (this.#sendings?.readyState !== "open") return false;
    this.#sendings.send(JSON.stringify(sending));
    return true;
  }

  /** @param {RTCDataChannel} channel */
  #addText(channel) {
    this.#texts.push(channel);
    const report = () => this.#told.open(this.#texts.some(({ readyState }) => readyState === "open"));
    channel.onopen = report;
    channel.onclose = report;
    channel.onmessage = ({ data }) => {
      if (typeof data === "string") this.#told.text(data.slice(0, MAX_TEXT_CHARS));
    };
    if (channel.readyState === "open") report();
  }
}

/**
 * What is on.
 *
 * @param {MediaStream | null} stream
 * @returns {Sending}
 */
export function sendingOf(stream) {
  const on = (stream?.getTracks() ?? []).filter(({ enabled, readyState }) => enabled && readyState === "live");
  return { audio: on.some(({ kind }) => kind === "audio"), video: on.some(({ kind }) => kind === "video") };
}

/**
 * @param {any} said  by the partner: it may be anything
 * @returns {Sending}
 */
export function sendingIn(said) {
  return { audio: said?.audio !== false, video: said?.video !== false };
}

/** @param {unknown} text  JSON, if it is ours @returns {any} */
function read(text) {
  try {
    return JSON.parse(String(text));
  } catch {
    return null;
  }
}

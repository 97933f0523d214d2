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

/** The name of a `Sending` in what goes through the server, beside whatever a page has to say there. */
export const SENDING = "signald.sending";

/** The data channels of one RTCPeerConnection after the other. */
export class Channels {
  #told;
  /** For text: ours and the partner's. @type {RTCDataChannel[]} */
  #texts = [];
  /** @type {RTCDataChannel | undefined} */
  #sendings;

  /**
   * @param {{ text: (text: string) => void, open: (open: boolean) => void, ready: () => void,
   *   sending: (sending: Sending) => void }} told  `text`, `sending`: what the partner says; `open`: whether text can be
   *   sent; `ready`: from now on `announce` reaches the partner
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
    sendings.onmessage = ({ data }) => this.#told.sending(sendingIn(data));
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
   * @param {Sending} sending
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
 * What a partner has said, which may be anything.
 *
 * @param {unknown} said  JSON, or what it holds
 * @returns {Sending}
 */
export function sendingIn(said) {
  let read;
  try {
    read = typeof said === "string" ? JSON.parse(said) : said;
  } catch {
    // Not ours.
  }
  return { audio: read?.audio !== false, video: read?.video !== false };
}

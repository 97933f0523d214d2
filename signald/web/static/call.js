/**
 * One call with one partner: an RTCPeerConnection negotiated by the W3C's "perfect negotiation" pattern
 * (https://www.w3.org/TR/webrtc/#perfect-negotiation-example), and data channels for text and for what is muted.
 *
 * It knows nothing of the server: what it has to say goes out through `send`, what the partner says comes in
 * through `offer()`, `answer()` and `ice()`. Make a new Call for each room, close it when the room ends; a closed
 * Call sends nothing and ignores what comes late.
 *
 * @module call
 */

import { Channels, SENDING, sendingIn, sendingOf } from "./channels.js";
import { Emitter } from "./events.js";
import { Gauge, watchPath } from "./measure.js";
import { fingerprints, sdpText } from "./sdp.js";

/** @import { Sending } from "./channels.js" */
/** @import { Measured, Outcome } from "./measure.js" */
/** @import { Sdp } from "./protocol.js" */

/**
 * connecting: being set up; connected; interrupted: was connected, and is being mended; failed: given up;
 * closed: ended on this side.
 * @typedef {"connecting" | "connected" | "interrupted" | "failed" | "closed"} CallState
 */

/**
 * @typedef {object} CallOptions
 * @property {boolean} initiator  true on exactly one of the two sides. The initiator offers, and when both have
 *   offered (glare) its offer stands: it is the "impolite" peer of the pattern
 * @property {MediaStream | null} [stream]  camera and microphone; without it this side receives only
 * @property {RTCIceServer[] | undefined} [iceServers]  as the server named them
 * @property {RTCConfiguration | undefined} [rtcConfig]  what else the RTCPeerConnection is to know, such as
 *   `{ iceTransportPolicy: "relay" }`; its iceServers count more than the server's
 * @property {boolean} [again]  the partner's side of this call may be up already, as after a reload of this page: offer at
 *   once, whoever the initiator is
 * @property {{ offer: (sdp: string) => unknown, answer: (sdp: string) => unknown,
 *   ice: (candidate: RTCIceCandidate) => unknown, data?: (data: object) => unknown,
 *   outcome?: (outcome: Outcome & { roomId: string, release?: string | undefined }) => unknown }} send  how to reach the partner; a
 *   client fits. `data`: for what is muted while there is no channel yet; `outcome`: for whoever runs the server
 * @property {string | undefined} [roomId]  of this call: for `outcome`, which is told when the call is over
 * @property {string | undefined} [release]  the page's version, for `outcome`
 */

/**
 * @typedef {object} CallEvents
 * @property {CallState} state
 * @property {{}} doubt  this side's connection to the server may be dead: the way to the partner is another one, as when either
 *   has changed its network, or the partner hears from the server that this side is away
 * @property {MediaStream} media  the partner's picture and sound; again when a track is added
 * @property {boolean} channel  whether text can be sent
 * @property {string} text  a message from the partner: untrusted, show it as text only
 * @property {Sending} sending  whether the partner's microphone and camera are on. Partners that do not tell have them on
 */

/**
 * The initiator offers first. A partner that does not know so (a client older than `initiator`) may wait for us
 * instead; after this long the other side offers, and glare is resolved as ever.
 */
const FIRST_OFFER_WITHIN_MS = 2_000;
/** A call that is not connected by then, or not mended after an interruption, has failed. */
const CONNECT_WITHIN_MS = 25_000;
/** A short gap mends itself; after this long new paths are tried, without the 20 s until the browser calls it failed. */
const RESTART_AFTER_MS = 3_000;

/** @extends {Emitter<CallEvents>} */
export class Call extends Emitter {
  /** @type {CallState} */
  state = "connecting";

  #pc;
  #config;
  #send;
  #initiator;
  #tellOutcome;
  /** @type {MediaStream | null} */
  #stream;
  /** The certificates of the partner's peer connection, as fingerprints. @type {Set<string>} */
  #partnerKeys = new Set();
  #makingOffer = false;
  #holdOffer; // Whether to leave the first offer to the partner.
  /** Candidates that came before the description they belong to. @type {(RTCIceCandidateInit | null)[]} */
  #earlyCandidates = [];
  /** Signals are handled one after another. @type {Promise<void>} */
  #signals = Promise.resolve();
  #channels = new Channels({
    text: (text) => this.emit("text", text),
    open: (open) => this.emit("channel", open),
    ready: () => this.announce(),
    sending: (sending) => this.emit("sending", sending),
    away: () => this.emit("doubt", {}),
  });
  /** By the kind of what they carry. @type {Map<string, RTCRtpSender>} */
  #senders = new Map();
  #ended = new AbortController();
  #unplugged = () => this.announce();
  #gauge = new Gauge(() => this.#pc.getStats());
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #offerTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #restartTimer;

  /** @param {CallOptions} options */
  constructor({ initiator, stream = null, iceServers = [], rtcConfig, again = false, send, roomId, release }) {
    super();
    this.#tellOutcome = () => roomId && send.outcome?.({ roomId, ...this.outcome, release });
    this.#initiator = initiator;
    this.#stream = stream;
    // max-bundle: one set of candidates, not one each for sound, picture and text, stays under the server's rate limit.
    this.#config = /** @type {RTCConfiguration} */ ({ iceServers, bundlePolicy: "max-bundle", ...rtcConfig });
    this.#send = send;
    this.#holdOffer = !initiator && !again;
    this.#pc = this.#connect();
    if (this.#holdOffer) this.#offerTimer = setTimeout(() => this.#stopHolding(), FIRST_OFFER_WITHIN_MS);
    else this.#receiveBoth();
    this.#expectConnection();
    if (Object.values(sendingOf(stream)).includes(false)) this.announce();
  }

  /**
   * Send this camera and microphone, in place of what was sent before; in the middle of a call too.
   *
   * @param {MediaStream | null} stream
   */
  setStream(stream) {
    this.#stream = stream;
    this.#sendTracks();
    this.announce();
  }

  /** Tell the partner what is on, after a track was enabled or disabled. Unplugged ones are told of by themselves. */
  announce() {
    const sending = sendingOf(this.#stream);
    if (this.state !== "closed" && !this.#channels.announce(sending)) this.#send.data?.({ [SENDING]: sending });
  }

  /** Tell the partner that its connection to the server is lost: this side hears of that first, and the call may not show it. */
  partnerAway() {
    this.#channels.announce({ ...sendingOf(this.#stream), away: true });
  }

  /**
   * What the partner has sent through the server.
   *
   * @param {unknown} data
   * @returns {boolean} whether it was for this call, and not for the page
   */
  data(data) {
    const { [SENDING]: sending } = /** @type {Record<string, unknown>} */ (data ?? {});
    if (sending) this.emit("sending", sendingIn(sending));
    return Boolean(sending);
  }

  /** How the two reach each other, and how well. @type {() => Promise<Measured>} */
  measure = () => this.#gauge.measure();

  /** What became of it up to now. @returns {Outcome} */
  get outcome() {
    return this.#gauge.outcome(this.state === "failed");
  }

  /** The partner's offer. @param {Sdp} sdp */
  offer(sdp) {
    this.#handle(async () => {
      const collision = this.#makingOffer || this.#pc.signalingState !== "stable";
      if (this.#isFromAnother(sdp)) this.#reconnect(); // Nobody answers an offer of ours to the one before.
      else if (collision && this.#initiator) return; // The partner takes ours, and answers it.
      else if (collision && this.#partnerKeys.size > 0) {
        // Chromium (156) never shows the partner's picture again when an offer is rolled back that was to change a call.
        // Both begin anew instead, and the picture stops for a moment.
        this.#reconnect();
        this.#receiveBoth();
        return;
      }
      await this.#take("offer", sdp); // Rolls our own offer back.
      this.#stopHolding();
      await this.#pc.setLocalDescription();
      this.#sendDescription();
      await this.#addEarlyCandidates();
    });
  }

  /** The partner's answer. @param {Sdp} sdp */
  answer(sdp) {
    this.#handle(async () => {
      if (this.#isFromAnother(sdp)) {
        // Our offer was one to change a call that the partner no longer has.
        this.#reconnect();
        this.#receiveBoth();
        return;
      }
      if (this.#pc.signalingState !== "have-local-offer") return; // To an offer that was rolled back.
      await this.#take("answer", sdp);
      await this.#addEarlyCandidates();
    });
  }

  /** One of the partner's candidates. @param {RTCIceCandidateInit | null} candidate */
  ice(candidate) {
    this.#handle(async () => {
      if (this.#pc.remoteDescription) await this.#addCandidate(candidate);
      else this.#earlyCandidates.push(candidate);
    });
  }

  /** Negotiate anew, on both sides, since signals or the way to the partner may be lost. Picture and sound go on. */
  restart() {
    if (this.state === "closed") return;
    if (this.state !== "connected") this.#expectConnection();
    if (this.state === "failed") this.#setState("interrupted");
    if (this.#pc.signalingState === "have-local-offer") this.#sendDescription();
    else if (this.#initiator || this.state !== "connected") this.#restartIce();
  }

  /**
   * Send a text to the partner.
   *
   * @param {string} text
   * @returns {boolean} false when there is no open channel
   */
  sendText(text) {
    return this.#channels.sendText(text);
  }

  /** End the call on this side. */
  close() {
    if (this.state === "closed") return;
    this.#tellOutcome();
    this.#setState("closed");
    clearTimeout(this.#deadline);
    clearTimeout(this.#offerTimer);
    clearTimeout(this.#restartTimer);
    this.#gauge.stop();
    this.#ended.abort();
    this.#pc.close();
  }

  /** A peer connection with all that this side sends. */
  #connect() {
    const pc = new RTCPeerConnection(this.#config);
    pc.onnegotiationneeded = () => this.#offer();
    pc.onicecandidate = ({ candidate }) => candidate && this.state !== "closed" && this.#send.ice(candidate);
    pc.oniceconnectionstatechange = () => pc.iceConnectionState === "failed" && this.#restartIce();
    pc.onconnectionstatechange = () => this.#connectionChanged();
    pc.ontrack = ({ track, streams }) => this.emit("media", streams[0] ?? new MediaStream([track]));
    this.#channels.open(pc);
    this.#pc = pc;
    this.#senders = new Map();
    this.#sendTracks();
    return pc;
  }

  /** The partner's page has begun its side of the call anew: so does this one, since one cannot take up the other. */
  #reconnect() {
    this.#pc.close(); // Fires no more events.
    this.#earlyCandidates = [];
    this.#partnerKeys = new Set();
    this.emit("channel", false);
    this.#expectConnection();
    if (this.state === "connected" || this.state === "failed") this.#setState("interrupted");
    this.#pc = this.#connect();
  }

  #sendTracks() {
    const stream = this.#stream;
    for (const kind of ["audio", "video"]) {
      const track = stream?.getTracks().find((each) => each.kind === kind) ?? null;
      const sender = this.#senders.get(kind);
      if (sender) this.#handle(() => sender.replaceTrack(track));
      else if (stream && track) this.#senders.set(kind, this.#pc.addTrack(track, stream));
      track?.addEventListener("ended", this.#unplugged, { signal: this.#ended.signal }); // Once, however often it is set.
    }
  }

  /**
   * @param {"offer" | "answer"} type
   * @param {Sdp} sdp
   */
  async #take(type, sdp) {
    await this.#pc.setRemoteDescription({ type, sdp: sdpText(sdp) });
    this.#partnerKeys = fingerprints(sdp);
  }

  /**
   * Whether a description comes from another peer connection than those before: each has a certificate of its own, and
   * an encrypted connection to one cannot go on with the other (RFC 8842 3).
   *
   * @param {Sdp} sdp
   */
  #isFromAnother(sdp) {
    const keys = [...fingerprints(sdp)];
    return this.#partnerKeys.size > 0 && keys.length > 0 && !keys.some((key) => this.#partnerKeys.has(key));
  }

  /**
   * Look for new paths. Both sides may come to want it in the same moment; then one leaves it to the other.
   *
   * @param {number} [afterMs]
   */
  #restartIce(afterMs = 0) {
    clearTimeout(this.#restartTimer);
    const inTurnMs = this.#initiator ? 0 : FIRST_OFFER_WITHIN_MS;
    this.#restartTimer = setTimeout(() => this.#pc.restartIce(), afterMs + inTurnMs);
  }

  /** From now on it must come about within a bounded time. */
  #expectConnection() {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#setState("failed"), CONNECT_WITHIN_MS);
  }

  async #offer() {
    if (this.#holdOffer || this.state === "closed") return;
    const pc = this.#pc;
    try {
      this.#makingOffer = true;
      await pc.setLocalDescription();
      if (pc !== this.#pc) return;
      // An answer, or nothing, if the partner's offer came in meanwhile: that was, or is, sent where it is handled.
      if (this.#pc.localDescription?.type === "offer") this.#sendDescription();
    } catch (error) {
      this.#report(error);
    } finally {
      this.#makingOffer = false;
    }
  }

  /** The partner has offered, or takes too long: from now on this side offers when it needs to. */
  #stopHolding() {
    clearTimeout(this.#offerTimer);
    if (!this.#holdOffer) return;
    this.#holdOffer = false;
    // With the partner's offer at hand, the browser asks by itself for what that left out.
    if (this.#pc.remoteDescription) return;
    this.#receiveBoth();
    this.#offer();
  }

  /** The one who offers asks for picture and sound, also when it has none to send. */
  #receiveBoth() {
    const kinds = this.#pc.getTransceivers().map(({ receiver }) => receiver.track.kind);
    for (const kind of ["audio", "video"]) {
      if (!kinds.includes(kind)) this.#pc.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  #sendDescription() {
    const description = this.#pc.localDescription;
    if (!description || this.state === "closed") return;
    if (description.type === "offer") this.#send.offer(description.sdp);
    else this.#send.answer(description.sdp);
  }

  /** @param {() => Promise<void>} step */
  #handle(step) {
    this.#signals = this.#signals.then(async () => {
      if (this.state === "closed") return;
      try {
        await step();
      } catch (error) {
        this.#report(error);
      }
    });
  }

  /** A signal that the browser cannot use must not end the call: the deadline decides. @param {unknown} error */
  #report(error) {
    if (this.state !== "closed") console.warn("signal not used:", error);
  }

  async #addEarlyCandidates() {
    for (const candidate of this.#earlyCandidates.splice(0)) await this.#addCandidate(candidate);
  }

  /** @param {RTCIceCandidateInit | null} candidate */
  async #addCandidate(candidate) {
    try {
      await this.#pc.addIceCandidate(candidate ?? undefined);
    } catch {
      // It belongs to an offer that was ignored or replaced. One candidate less never matters more than that.
    }
  }

  #connectionChanged() {
    const { connectionState } = this.#pc;
    if (connectionState === "connected") {
      clearTimeout(this.#deadline);
      clearTimeout(this.#restartTimer);
      this.#gauge.connected();
      watchPath(this.#pc, () => this.emit("doubt", {}));
      this.#setState("connected");
    } else if ((connectionState === "disconnected" || connectionState === "failed") && this.state === "connected") {
      this.#expectConnection();
      this.#restartIce(RESTART_AFTER_MS);
      this.#setState("interrupted");
    }
  }

  /** @param {CallState} state */
  #setState(state) {
    if (this.state === state || this.state === "closed") return;
    this.state = state;
    this.emit("state", state);
  }
}

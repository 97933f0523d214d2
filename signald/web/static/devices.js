/**
 * Camera and microphone of a page: asked for, muted, exchanged, and found again when one was unplugged.
 *
 * @module devices
 */

/** @import { Sending } from "./channels.js" */

/**
 * What to send: what getUserMedia is asked for, a stream that the page has (and stops by itself), or null to receive only.
 * @typedef {MediaStreamConstraints | MediaStream | null} Media
 */

/** @typedef {"audio" | "video"} Kind */

/** @type {Kind[]} */
const KINDS = ["audio", "video"];

/** A refusal is a decision: asking for half of it at once would be a second prompt. */
const DECIDED = new Set(["NotAllowedError", "SecurityError"]);

export class Devices {
  /** What is sent: the same one for as long as it is open, whatever comes and goes in it. @type {MediaStream | null} */
  stream = null;
  /** Why something is missing. @type {Error | null} */
  problem = null;

  /** What was asked for last, by kind. @type {{ [kind in Kind]?: MediaTrackConstraints | boolean | undefined }} */
  #asked = {};
  /** Whether `stream` belongs to the page. */
  #lent = false;
  /** @type {Set<Kind>} */
  #off = new Set();
  #changed;
  /** Ends what is listened to for as long as it is open. @type {AbortController | null} */
  #opened = null;

  /** @param {() => void} changed  the stream has other tracks, or one was switched on or off */
  constructor(changed) {
    this.#changed = changed;
  }

  /** What the user has on: what is missing may be on too. @returns {Sending} */
  get on() {
    return { audio: !this.#off.has("audio"), video: !this.#off.has("video") };
  }

  /** @returns {Kind[]} */
  get off() {
    return [...this.#off];
  }

  /**
   * Ask for what is to be sent; for half of it when there is not both. Never rejects: see `problem`.
   *
   * @param {Media} media
   * @returns {Promise<void>}
   */
  async open(media) {
    this.close();
    const opened = (this.#opened = new AbortController());
    this.problem = null;
    this.#lent = false;
    if (media && "getTracks" in media) {
      this.#lent = true;
      this.stream = media;
    } else if (media) {
      this.#asked = { audio: media.audio, video: media.video };
      const stream = await this.#ask(media);
      if (opened.signal.aborted) return stop(stream?.getTracks());
      this.stream = stream;
      navigator.mediaDevices?.addEventListener("devicechange", () => this.#findMissing(), opened);
    }
    this.#watch(opened);
    this.#switch();
  }

  /**
   * Use another device in place of the one of its kind.
   *
   * @param {{ [kind in Kind]?: MediaTrackConstraints }} constraints  such as `{ video: { deviceId: { exact: id } } }`
   * @returns {Promise<void>} rejects as getUserMedia does; what was sent goes on then
   */
  async use(constraints) {
    const opened = this.#opened;
    if (!opened) throw new TypeError("not open");
    const taken = await navigator.mediaDevices.getUserMedia(constraints);
    if (opened.signal.aborted) return stop(taken.getTracks());
    this.#asked = { ...this.#asked, ...constraints };
    this.#put(taken, opened);
  }

  /**
   * Switch a kind on or off; what comes later of that kind too.
   *
   * @param {Kind} kind
   * @param {boolean} on
   */
  turn(kind, on) {
    if (on) this.#off.delete(kind);
    else this.#off.add(kind);
    this.#switch();
  }

  /** Switch the devices off, lamp and all. */
  close() {
    this.#opened?.abort();
    this.#opened = null;
    if (!this.#lent) stop(this.stream?.getTracks());
    this.stream = null;
  }

  /**
   * @param {MediaStreamConstraints} constraints
   * @returns {Promise<MediaStream | null>}
   */
  async #ask(constraints) {
    const wanted = KINDS.filter((kind) => constraints[kind]);
    const tries = [constraints, ...(wanted.length > 1 ? wanted.map((kind) => ({ [kind]: constraints[kind] })) : [])];
    for (const each of tries) {
      try {
        return await navigator.mediaDevices.getUserMedia(each);
      } catch (error) {
        this.problem ??= /** @type {Error} */ (error);
        if (DECIDED.has(this.problem.name)) break;
      }
    }
    return null;
  }

  /** One was plugged in or out: what was asked for and is not there may be there now. */
  async #findMissing() {
    const opened = this.#opened;
    const live = this.stream?.getTracks().filter(({ readyState }) => readyState === "live") ?? [];
    const missing = KINDS.filter((kind) => this.#asked[kind] && !live.some((track) => track.kind === kind));
    if (!opened || !missing.length || DECIDED.has(this.problem?.name ?? "")) return;
    try {
      // Any of the kind: the one that was asked for by its id may be the one that is gone.
      const taken = await navigator.mediaDevices.getUserMedia(Object.fromEntries(missing.map((kind) => [kind, true])));
      if (opened.signal.aborted) return stop(taken.getTracks());
      this.problem = null;
      this.#put(taken, opened);
    } catch (error) {
      this.problem = /** @type {Error} */ (error);
      this.#changed();
    }
  }

  /**
   * @param {MediaStream} taken
   * @param {AbortController} opened
   */
  #put(taken, opened) {
    const stream = (this.stream ??= new MediaStream());
    for (const track of taken.getTracks()) {
      for (const before of stream.getTracks().filter(({ kind }) => kind === track.kind)) {
        stream.removeTrack(before);
        stop([before]);
      }
      stream.addTrack(track);
    }
    this.#watch(opened);
    this.#switch();
  }

  /** @param {AbortController} opened */
  #watch(opened) {
    if (this.#lent) return;
    for (const track of this.stream?.getTracks() ?? []) track.onended = () => opened.signal.aborted || this.#findMissing();
  }

  #switch() {
    for (const track of this.stream?.getTracks() ?? []) track.enabled = !this.#off.has(/** @type {Kind} */ (track.kind));
    this.#changed();
  }
}

/** @param {MediaStreamTrack[]} [tracks] */
function stop(tracks = []) {
  for (const track of tracks) track.stop();
}

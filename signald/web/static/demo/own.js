/**
 * The user's own camera and microphone: which ones, whether they are switched off, and what is wrong with them.
 *
 * @module own
 */

import { closeMedia, openMedia } from "./media.js";

/** @import { Devices } from "./media.js" */

const KEY = "signald devices";

export class Own {
  /** @type {MediaStream | null} */
  stream = null;
  /** What the user has switched off: `audio`, `video`. @type {Set<string>} */
  off = new Set();

  #changed;
  #storage;
  #chosen;
  /** The last time that they were asked for; null: they are not wanted. @type {object | null} */
  #asked = null;

  /**
   * @param {(stream: MediaStream | null, problem: string | null) => void} changed  `problem`: what is missing, empty if all
   *   is well, null if nothing is new about that
   * @param {Storage | null} storage  where it is kept which devices the user has chosen
   */
  constructor(changed, storage) {
    this.#changed = changed;
    this.#storage = storage;
    this.#chosen = this.#kept();
  }

  /** Ask for what the user has chosen, in place of what is open. */
  async open() {
    const asked = {};
    this.#asked = asked;
    const { stream, problem } = await openMedia(this.#chosen);
    if (asked !== this.#asked) return closeMedia(stream);
    closeMedia(this.stream);
    this.stream = stream;
    for (const track of stream?.getTracks() ?? []) {
      track.enabled = !this.off.has(track.kind);
      // Unplugged, or taken away by the system: perhaps there is another one.
      track.addEventListener("ended", () => stream === this.stream && this.open());
    }
    this.#changed(stream, problem);
  }

  /** Switch the devices off, lamp and all. */
  close() {
    this.#asked = null;
    closeMedia(this.stream);
    this.stream = null;
    this.#changed(null, null);
  }

  /** @param {"audio" | "video"} kind */
  toggle(kind) {
    if (!this.off.delete(kind)) this.off.add(kind);
    for (const track of this.stream?.getTracks() ?? []) track.enabled = !this.off.has(track.kind);
    this.#changed(this.stream, null);
  }

  /** Take these from now on. @param {Devices} devices */
  choose(devices) {
    this.#chosen = devices;
    try {
      this.#storage?.setItem(KEY, JSON.stringify(devices));
    } catch {
      // Full or forbidden: then it holds until the page is closed.
    }
    return this.open();
  }

  /** @returns {Devices} */
  #kept() {
    try {
      return JSON.parse(this.#storage?.getItem(KEY) ?? "{}");
    } catch {
      return {}; // Not ours, or forbidden.
    }
  }
}

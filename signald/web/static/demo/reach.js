/**
 * Whether the server is out of reach for so long that the user should know, and what is known of the reason.
 *
 * @module reach
 */

import { whyNever, whyNot } from "./refusals.js";

/** A server that is back sooner was never away for the user. */
const OUT_OF_REACH_AFTER_MS = 2_000;
/** So many attempts without any success: perhaps the server does not want this page at all. */
const ATTEMPTS_IN_DOUBT = 3;

export class Reach {
  /** Whether the user is to know that it is out of reach. */
  out = false;
  /** Empty: nothing is known. */
  why = "";

  #changed;
  #everThere = false;
  #attempts = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
  }

  /** The server is there, or is not wanted any more. @param {boolean} there */
  back(there) {
    this.#everThere ||= there;
    this.#attempts = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.out = false;
    this.why = "";
  }

  /** An attempt failed, or the connection is lost. @param {number} code  of the close frame */
  async lost(code) {
    this.#attempts += 1;
    this.#timer ??= setTimeout(() => {
      this.out = true;
      this.#changed();
    }, OUT_OF_REACH_AFTER_MS);
    this.why = whyNot(code);
    if (!this.why && !this.#everThere && this.#attempts >= ATTEMPTS_IN_DOUBT) this.why = await whyNever();
    if (this.out) this.#changed();
  }
}

/**
 * Looking for a partner: what is asked of the server, and what if it does not take that.
 *
 * @module search
 */

import { showNotice } from "./view.js";

/** @import { SignalingClient } from "../signaling.js" */
/** @import { Choice } from "./wishes.js" */

/** After a message that the server dropped for coming too fast. */
const RATE_LIMIT_PAUSE_MS = 1_000;

export class Search {
  #client;
  #choice;
  /** Whether the server looks in the room of two that it had forgotten, and nowhere else. */
  #apart = false;

  /**
   * @param {SignalingClient} client
   * @param {Choice} choice
   */
  constructor(client, choice) {
    this.#client = client;
    this.#choice = choice;
  }

  /** With REQUEUE_ON_PARTNER_LEAVE the server has this client waiting already, and takes no notice. */
  look() {
    if (this.#apart) this.#client.leave();
    this.#apart = false;
    this.#client.available(this.#choice.wishes);
  }

  /** Out of the room, to somebody else. */
  next() {
    this.#client.next(this.#apart ? this.#choice.wishesAnew : {});
    this.#apart = false;
  }

  /**
   * The server has forgotten two who are in a call: let it bring these two together again, and nobody else. Only they know
   * what their room was called.
   *
   * @param {string} roomId
   */
  lookForTheSame(roomId) {
    this.#apart = true;
    this.#client.available({ pool: `again ${roomId}` });
  }

  /**
   * Nobody is there, and the server has refused something.
   *
   * @param {string} code
   * @param {() => boolean} stillAlone
   * @returns {string} why there is no use in looking; empty: it goes on
   */
  refused(code, stillAlone) {
    if (code === "NOT_PAIRED") this.look(); // The partner left just before Next was pressed.
    if (code === "ALREADY_PAIRED") this.#client.next(); // The server has a room that this side has left.
    if (code === "RATE_LIMIT") setTimeout(() => stillAlone() && this.look(), RATE_LIMIT_PAUSE_MS);
    if (code !== "INVALID_FORMAT" && code !== "CROWDED") return "";
    // The server does not know of wishes, or of these, or has no place for more of them.
    if (this.#choice.pool) return "This server has no rooms of your own.";
    this.#choice.refuse();
    showNotice("This server cannot look for what you have chosen just now: you meet whoever is here.");
    this.look();
    return "";
  }
}

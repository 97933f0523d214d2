/**
 * Looks for a partner, until there is one or the server has said that there is none to be had.
 *
 * @module search
 */

/** @import { Client } from "./client.js" */
/** @import { Wishes } from "./protocol.js" */

/** After a message that the server dropped for coming too fast. */
const RATE_LIMIT_PAUSE_MS = 1_000;

export class Search {
  #client;
  #isOver;
  #refused;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {Client} client
   * @param {{ isOver: () => boolean, refused: (error: Error) => void }} told  `isOver`: whether nobody is looked for any more;
   *   `refused`: the server does not look for anybody
   */
  constructor(client, { isOver, refused }) {
    this.#client = client;
    this.#isOver = isOver;
    this.#refused = refused;
  }

  /**
   * @param {boolean} leaving  whether the server still has this client in a room
   * @param {Wishes} [wishes]
   */
  async begin(leaving, wishes) {
    this.stop();
    try {
      await (leaving ? this.#client.next(wishes) : this.#client.available(wishes));
    } catch (error) {
      if (!this.#isOver()) this.#goOn(/** @type {Error & { code?: string }} */ (error), wishes);
    }
  }

  stop() {
    clearTimeout(this.#timer);
  }

  /**
   * @param {Error & { code?: string }} error
   * @param {Wishes} [wishes]
   */
  #goOn(error, wishes) {
    const again = (/** @type {boolean} */ leaving) => void this.begin(leaving, wishes);
    if (error.code === "NOT_PAIRED") again(false); // The partner left just before.
    else if (error.code === "ALREADY_PAIRED") again(true); // The server has a room that this side has left.
    else if (error.code === "RATE_LIMIT") this.#timer = setTimeout(again, RATE_LIMIT_PAUSE_MS, false);
    else if (error.code !== "CLOSED" && error.code !== "LOST") this.#refused(error); // After those comes `ready`, or `close`.
  }
}

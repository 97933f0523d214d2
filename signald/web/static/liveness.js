/**
 * Notices that nothing comes any more from a server whose connection the browser shows as open.
 *
 * @module liveness
 */

const TICK_MS = 5_000;
/** 25 s: under the 30 to 60 s of silence after which proxies cut a connection. */
const SILENT_TICKS = 5;
/** A timer that is so much too late: the machine slept, or the browser held the page up. */
const LATE_MS = 3_000;
/** For the answer to a ping in a silence that means nothing. */
const ANSWER_WITHIN_MS = 10_000;
/** For the answer to a ping when there is reason to doubt, as after a sleep or a change of the network. */
const CHECK_WITHIN_MS = 3_000;
/** After a sleep, what has come meanwhile is read after the timers that ran out meanwhile. */
const GRACE_MS = 250;

export class Liveness {
  #ask;
  #lost;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticker;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #deadline;
  #deadlineAt = 0;
  #silentTicks = 0;
  #tickedAt = 0;

  /** @param {{ ask: () => void, lost: () => void }} options  `ask`: send a ping; `lost`: nothing has answered it */
  constructor({ ask, lost }) {
    this.#ask = ask;
    this.#lost = lost;
  }

  start() {
    this.stop();
    this.#silentTicks = 0;
    this.#tickedAt = Date.now();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  stop() {
    clearInterval(this.#ticker);
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  /** Something came: it lives. */
  heard() {
    this.#silentTicks = 0;
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }

  /** Find out now whether it lives. */
  check() {
    this.#expectAnswer(CHECK_WITHIN_MS);
  }

  #tick() {
    const late = Date.now() - this.#tickedAt - TICK_MS;
    this.#tickedAt = Date.now();
    this.#silentTicks += 1;
    if (late > LATE_MS) this.check();
    else if (this.#silentTicks >= SILENT_TICKS && this.#deadline === undefined) this.#expectAnswer(ANSWER_WITHIN_MS);
  }

  /** @param {number} withinMs */
  #expectAnswer(withinMs) {
    // An earlier question stands: where timers come once a minute, each would put it off to the next minute.
    if (this.#deadline !== undefined && this.#deadlineAt <= Date.now() + withinMs) return;
    this.#expect(withinMs, () => this.#expect(GRACE_MS, () => this.#end()));
    this.#ask();
  }

  /**
   * @param {number} withinMs
   * @param {() => void} otherwise
   */
  #expect(withinMs, otherwise) {
    clearTimeout(this.#deadline);
    this.#deadlineAt = Date.now() + withinMs;
    this.#deadline = setTimeout(otherwise, withinMs);
  }

  #end() {
    this.stop();
    this.#lost();
  }
}

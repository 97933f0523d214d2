/**
 * Reports of the demo page: whom one can be about, and what became of it.
 *
 * @module report
 */

import { allowReport, givenReport, showReport } from "./dialogs.js";
import { showNotice } from "./view.js";

/** @import { SignalingClient } from "../signaling.js" */

/** What became of a report that the server did not take, by the error's code. @type {Record<string, string>} */
const REFUSED = {
  RATE_LIMIT: "Your report was not taken, because too many were sent in a short time.",
  NOT_PAIRED: "Your report was not taken: you have met others since, and the server no longer knows whom you mean.",
  UNKNOWN_TYPE: "Your report was not taken: this server does not know of reports.",
};
const FAILED = "Your report was not taken.";
const NOT_SENT =
  "Your report was not sent: the connection was lost meanwhile, and the server no longer knows whom you mean.";
const LOST = "Your report may not have arrived: the connection to the server was lost.";

/**
 * Somebody met as the client `clientId`. The server remembers nobody whom an earlier client has met.
 * @typedef {{ partnerId: string, clientId: string | null }} Met
 */

export class Reports {
  #client;
  #done;
  /** The partner or, when it is gone, the last one: who can be reported. @type {Met | null} */
  #lastMet = null;
  /** Whom the open dialog is about: who was on the screen when it was opened. @type {Met | null} */
  #accused = null;
  /** The report that the server has not confirmed yet. @type {{ about: Met, number: string, blocked: boolean } | null} */
  #unconfirmed = null;

  /**
   * @param {SignalingClient} client
   * @param {(partnerId: string) => void} done  the user has reported this one, and wants to see no more of it
   */
  constructor(client, done) {
    this.#client = client;
    this.#done = done;
    client.on("reported", ({ reportId }) => {
      if (this.#unconfirmed) this.#unconfirmed.number = reportId;
    });
    client.on("pong", () => this.#confirmed());
  }

  /** This one is here now. @param {string} partnerId */
  met(partnerId) {
    this.#remember({ partnerId, clientId: this.#client.clientId });
  }

  /** For the server this is a new client, which has met nobody. */
  beginAnew() {
    if (this.#unconfirmed) showNotice(LOST);
    this.#unconfirmed = null;
    allowReport(false);
  }

  /** And now it has: the last one, who goes by another name. @param {string} partnerId */
  metAgain(partnerId) {
    const met = this.#lastMet ?? { partnerId, clientId: null };
    this.#remember(Object.assign(met, { partnerId, clientId: this.#client.clientId }));
  }

  /** The user has left. */
  forget() {
    this.#accused = this.#unconfirmed = null;
    this.#remember(null);
  }

  /** Ask the user what is wrong. */
  open() {
    if (!this.#lastMet) return;
    this.#accused = this.#lastMet;
    showReport();
  }

  /** The user has said it. */
  send() {
    if (!this.#accused) return;
    const { partnerId, clientId } = this.#accused;
    const { reason, text, block } = givenReport();
    if (this.#client.clientId === clientId && this.#client.report({ reason, text, partnerId })) {
      if (block) this.#client.block({ partnerId });
      // The server answers neither if all is well. Then the next answer is that to a ping.
      this.#client.ping();
      this.#unconfirmed = { about: this.#accused, number: "", blocked: block };
    } else showNotice(NOT_SENT);
    this.#done(partnerId);
  }

  /**
   * The server has refused something.
   *
   * @param {string} code
   * @returns {boolean} whether it was a report
   */
  refused(code) {
    if (!this.#unconfirmed) return false;
    this.#unconfirmed = null;
    showNotice(REFUSED[code] ?? FAILED);
    return true;
  }

  #confirmed() {
    if (!this.#unconfirmed) return;
    const { about, number, blocked } = this.#unconfirmed;
    this.#unconfirmed = null;
    // Whoever asks the operator what became of it has to name it.
    showNotice(`Thank you for your report${number && `, number ${number}`}.${blocked ? " You will not meet this person again." : ""}`);
    if (this.#lastMet === about) this.#remember(null); // Once is enough: the server takes no second report.
  }

  /** @param {Met | null} met */
  #remember(met) {
    this.#lastMet = met;
    allowReport(met !== null);
  }
}

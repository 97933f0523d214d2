/**
 * What a client can say to the server, a method for each message.
 *
 * @module sender
 */

import { Emitter } from "./events.js";

/** @import { AuthRequest, BlockRequest, ClientMessage, OutcomeRequest, ReportRequest, Wishes } from "./protocol.js" */

/**
 * Each method gives the number of its message, which is the `id` in the server's answer to it: an `ok`, or an `error`. Or false,
 * when there is no session that it could be for: then it is dropped. While a session waits to be resumed messages are
 * kept, and sent then. Signals (`offer`, `answer`, `ice`) and `ping` have no such answer.
 *
 * @template {object} Events
 * @extends {Emitter<Events>}
 */
export class Sender extends Emitter {
  /**
   * @param {ClientMessage} _message
   * @returns {number | false}
   * @protected
   */
  send(_message) {
    return false;
  }

  /**
   * Send any message, and have it answered by `ok` or `error`, whatever it is.
   *
   * @param {ClientMessage} message
   */
  request(message) {
    return this.send({ ...message, id: 0 });
  }

  /** Say who you are. @param {Omit<AuthRequest, "type" | "id">} [identity] */
  auth(identity = {}) {
    return this.send({ ...identity, type: "auth" });
  }

  /**
   * Wait for a partner. Harmless while waiting already.
   *
   * @param {Wishes} [wishes]  whom to meet; without it whoever comes
   */
  available(wishes = {}) {
    return this.send({ ...wishes, type: "available" });
  }

  /** @param {string} sdp */
  offer(sdp) {
    return this.send({ type: "offer", sdp });
  }

  /** @param {string} sdp */
  answer(sdp) {
    return this.send({ type: "answer", sdp });
  }

  /** @param {RTCIceCandidateInit | null} candidate  an RTCIceCandidate will do; null ends the candidates */
  ice(candidate) {
    return this.send({ type: "ice", candidate });
  }

  /** Whatever the partner's page is to know, at most 16 KiB of JSON. @param {unknown} data */
  data(data) {
    return this.send({ type: "data", data });
  }

  /**
   * Leave the partner and wait for another; the server queues this client again.
   *
   * @param {Wishes} [wishes]  whom to meet; without it as before
   */
  next(wishes = {}) {
    return this.send({ ...wishes, type: "next" });
  }

  /** Leave the partner, or the queue, and stay connected. */
  leave() {
    return this.send({ type: "leave" });
  }

  /**
   * Tell whoever runs the server of the partner or, also when it is gone, of the last one.
   *
   * @param {Omit<ReportRequest, "type" | "id">} report  `reason`: a word of the page's choice, at most 100 characters; `text`:
   *   what happened, in the user's words, at most 500; `partnerId`: whom it is about, as in `matched`, since the next
   *   partner may come while the user still writes
   */
  report(report) {
    return this.send({ ...report, type: "report" });
  }

  /**
   * Never meet the partner, or the last one, again. The call goes on: `next` or `leave` ends it.
   *
   * @param {Omit<BlockRequest, "type" | "id">} [whom]  as in `report`
   */
  block(whom = {}) {
    return this.send({ ...whom, type: "block" });
  }

  /** Tell whoever runs the server what became of a call; `Call` does it. @param {Omit<OutcomeRequest, "type" | "id">} outcome */
  outcome(outcome) {
    return this.send({ ...outcome, type: "outcome" });
  }

  /** Ask for a `pong`. The client does so by itself to notice a dead connection. */
  ping() {
    return this.send({ type: "ping" });
  }
}

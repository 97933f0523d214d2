/**
 * What a call came to, in few numbers: from the statistics of its RTCPeerConnection.
 *
 * @module measure
 */

/**
 * How the two reach each other, and how well.
 * @typedef {object} Measured
 * @property {"direct" | "relayed" | "unknown"} path
 * @property {"host" | "srflx" | "prflx" | "relay"} [candidateType]  of this side
 * @property {number} [rttMs]  there and back
 * @property {number} [loss]  0 … 1: of the partner's packets that should have come
 */

/**
 * What became of a call. untried: it ended before it could be known.
 * @typedef {{ result: "connected" | "failed" | "untried", setupMs?: number, durationMs?: number } & Partial<Measured>} Outcome
 */

/** How often a call that is up is measured: what it came to must be known when it ends at once. */
const MEASURE_EVERY_MS = 5_000;
/** Who leaves a call that has not come about by then leaves one that failed. Both sides say so, whoever gives up first. */
const FAILED_AFTER_MS = 15_000;

/** Measures one call for as long as it lasts. */
export class Gauge {
  #stats;
  #begunAt = performance.now();
  #connectedAt = 0;
  /** @type {Measured} */
  #measured = { path: "unknown" };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /** @param {() => Promise<RTCStatsReport>} stats  of the peer connection of the moment */
  constructor(stats) {
    this.#stats = stats;
  }

  connected() {
    this.#connectedAt ||= performance.now();
    this.stop();
    this.#timer = setInterval(() => void this.measure(), MEASURE_EVERY_MS);
    void this.measure();
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** @returns {Promise<Measured>} */
  async measure() {
    try {
      this.#measured = measure(await this.#stats());
    } catch {
      // It was closed meanwhile.
    }
    return this.#measured;
  }

  /**
   * @param {boolean} failed  whether it has been given up
   * @returns {Outcome}
   */
  outcome(failed) {
    if (!this.#connectedAt) {
      const late = performance.now() - this.#begunAt >= FAILED_AFTER_MS;
      return { result: failed || late ? "failed" : "untried" };
    }
    const setupMs = Math.round(this.#connectedAt - this.#begunAt);
    const durationMs = Math.round(performance.now() - this.#connectedAt);
    return { result: "connected", setupMs, durationMs, ...this.#measured };
  }
}

/**
 * Tell of each change of the way to the partner. The call goes on then, and what went by the way before may be dead.
 *
 * @param {RTCPeerConnection} pc
 * @param {() => void} changed
 */
export function watchPath(pc, changed) {
  const ice = pc.sctp?.transport.iceTransport;
  if (ice) ice.onselectedcandidatepairchange = changed;
}

/**
 * @param {RTCStatsReport} report
 * @returns {Measured}
 */
export function measure(report) {
  const stats = [...report.values()];
  const transport = stats.find(({ type, selectedCandidatePairId }) => type === "transport" && selectedCandidatePairId);
  // Firefox has no statistics of transports (126): its pair says by itself that it is the one.
  const own = stats.find(({ type, selected }) => type === "candidate-pair" && selected);
  const pair = report.get(transport?.selectedCandidatePairId) ?? own;
  const local = report.get(pair?.localCandidateId)?.candidateType;
  const remote = report.get(pair?.remoteCandidateId)?.candidateType;
  const inbound = stats.filter(({ type }) => type === "inbound-rtp");
  const lost = sum(inbound, "packetsLost");
  const expected = lost + sum(inbound, "packetsReceived");
  const relayed = [local, remote].includes("relay");
  return {
    path: local ? (relayed ? "relayed" : "direct") : "unknown",
    ...(local && { candidateType: local }),
    ...(pair?.currentRoundTripTime !== undefined && { rttMs: Math.round(pair.currentRoundTripTime * 1_000) }),
    ...(expected > 0 && { loss: Math.max(0, lost / expected) }),
  };
}

/**
 * @param {any[]} stats
 * @param {string} name
 */
function sum(stats, name) {
  return stats.reduce((total, { [name]: value = 0 }) => total + value, 0);
}

/**
 * How long to wait before a lost connection is opened again, and for it to come about.
 *
 * @module backoff
 */

const BASE_MS = 500;
const MAX_MS = 15_000;
/** While the session could still be resumed: a long pause would cost the call. */
const RESUMABLE_MAX_MS = 4_000;

/** Browsers wait for minutes until they give a connection up. */
const OPEN_WITHIN_MS = 10_000;
/** The first attempts to resume may hang in a network that was, and there is not much time. */
const HURRIED_MS = 5_000;
const HURRIED_ATTEMPTS = 3;

/**
 * Anything up to a bound that doubles with each attempt ("full jitter"), so that the clients of a server that is gone do
 * not all come back in the same instant.
 *
 * @param {number} attempt  1 for the first
 * @param {{ resumable?: boolean, random?: number }} [options]  `random`: from 0 to 1
 * @returns {number} milliseconds
 */
export function pauseMs(attempt, { resumable = false, random = Math.random() } = {}) {
  return Math.round(random * Math.min(resumable ? RESUMABLE_MAX_MS : MAX_MS, BASE_MS * 2 ** (attempt - 1)));
}

/**
 * How long an attempt to connect may take until it is given up.
 *
 * @param {number} attempt  0 for a connection that follows no lost one
 * @param {boolean} [resumable]
 * @returns {number} milliseconds
 */
export function patienceMs(attempt, resumable = false) {
  return resumable && attempt <= HURRIED_ATTEMPTS ? HURRIED_MS : OPEN_WITHIN_MS;
}

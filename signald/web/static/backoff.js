/**
 * How long to wait before a lost connection is opened again.
 *
 * @module backoff
 */

const BASE_MS = 500;
const MAX_MS = 15_000;
/** While the session could still be resumed: a long pause would cost the call. */
const RESUMABLE_MAX_MS = 4_000;

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

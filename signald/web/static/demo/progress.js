/**
 * How far things are with a partner, in one word.
 *
 * @module progress
 */

/** @import { Meeting } from "./meeting.js" */
/** @import { PageState } from "./words.js" */

/**
 * @param {Meeting | null} meeting
 * @param {boolean} outOfReach  whether the server is
 * @returns {PageState | undefined} undefined: there is none
 */
export function progress(meeting, outOfReach) {
  const call = meeting?.state;
  if (meeting?.away && !(meeting.open && call === "connected")) return "away";
  if (call === "connected" || call === "interrupted") return call;
  if (outOfReach) return "reconnecting";
  if (call === "failed") return "interrupted"; // And tried again when both are back.
  return meeting ? "matched" : undefined;
}

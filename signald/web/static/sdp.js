/**
 * What of an SDP (RFC 8866) matters to a call: its text, and whose it is.
 *
 * @module sdp
 */

/** @import { Sdp } from "./protocol.js" */

/**
 * @param {Sdp} sdp
 * @returns {string}
 */
export function sdpText(sdp) {
  return typeof sdp === "string" ? sdp : (sdp.sdp ?? "");
}

/**
 * The certificates of the peer connection that it comes from.
 *
 * @param {Sdp} sdp
 * @returns {Set<string>}
 */
export function fingerprints(sdp) {
  return new Set(sdpText(sdp).toLowerCase().match(/^a=fingerprint:.*$/gm));
}

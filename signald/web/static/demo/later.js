/**
 * What a call needs, and a page that only lies there does not: it is loaded at Start.
 *
 * @module later
 */

export { Shelf } from "../page.js";
export { SignalingClient } from "../signaling.js";
export { Meeting } from "./meeting.js";

/**
 * What a RandomChat is told, and what there is to show of it.
 *
 * @module snapshot
 */

/** @import { Sending } from "./channels.js" */
/** @import { Client } from "./client.js" */
/** @import { Media } from "./devices.js" */
/** @import { Common, Wishes } from "./protocol.js" */

/**
 * idle: not started; starting: devices are asked for, the server is looked for; waiting: for a partner; matched: the call is
 * being made; connected; interrupted: the call is being mended, or the partner's connection; left: the partner has, and
 * `autoNext` is off; stopped: it cannot go on, and `error` says why.
 * @typedef {"idle" | "starting" | "waiting" | "matched" | "connected" | "interrupted" | "left" | "stopped"} ChatState
 */

/**
 * A text of this call.
 * @typedef {{ from: "me" | "partner", text: string }} ChatText
 */

/**
 * Whom one talks to. `sending`: whether microphone and camera are on.
 * @typedef {{ id: string, sending: Sending, common: Common | null }} Partner
 */

/**
 * Everything that there is to show. Never changed, always replaced.
 * @typedef {object} ChatSnapshot
 * @property {ChatState} state
 * @property {boolean} reachable  whether the server is; a call goes on without
 * @property {MediaStream | null} localStream
 * @property {MediaStream | null} remoteStream
 * @property {Sending} sending  what of this side is on
 * @property {Partner | null} partner
 * @property {readonly ChatText[]} texts
 * @property {boolean} canText
 * @property {Error | null} mediaError  why camera or microphone is missing: its `name` is one of getUserMedia's
 * @property {(Error & { code?: string }) | null} error  why it has stopped
 */

/**
 * @typedef {object} ChatOptions
 * @property {Client} client
 * @property {Media | undefined} [media]  `{ audio: true, video: true }` if not given
 * @property {RTCConfiguration | undefined} [rtcConfig]  such as `{ iceTransportPolicy: "relay" }`
 * @property {boolean | undefined} [autoNext]  whether to look for somebody else when the partner has left or could not be reached
 * @property {Wishes | undefined} [wishes]  whom to meet
 * @property {string | undefined} [release]  the page's version, told with what became of calls
 * @property {Storage | null | undefined} [storage]  the client's, if it has one: what is switched off is so after a reload too
 */

/** @type {ChatSnapshot} */
export const IDLE = Object.freeze({
  state: "idle",
  reachable: true,
  localStream: null,
  remoteStream: null,
  sending: Object.freeze({ audio: true, video: true }),
  partner: null,
  texts: Object.freeze([]),
  canText: false,
  mediaError: null,
  error: null,
});

/**
 * What there is to show of a RandomChat.
 *
 * @module snapshot
 */

/** @import { Sending } from "./channels.js" */
/** @import { Common } from "./protocol.js" */

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

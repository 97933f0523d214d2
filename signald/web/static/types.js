/**
 * The types that signaling.js adds to those of the messages; there is nothing here to run.
 *
 * @module types
 */

/**
 * @import { AnswerMessage, ChallengeMessage, DataMessage, ErrorMessage, GoodbyeMessage, IceMessage, MatchedMessage, OfferMessage, OkMessage,
 *   PartnerAwayMessage, PartnerBackMessage, PartnerLeftMessage, PongMessage, ReadyMessage, ReportedMessage, ResumedMessage, SessionState, WaitingMessage } from "./protocol.js"
 */

/**
 * Each event's name and its detail, which `on` hands to the listener.
 * @typedef {object} SignalingEvents
 * @property {{}} open  the WebSocket is open; `ready` or `resumed` follows
 * @property {{ code: number, reason: string, refusal: ErrorMessage | null, willReconnect: boolean }} close  `refusal`: why the
 *   server has not let the client in; `willReconnect` is false after `close()`, and when the server wants this client no more
 * @property {{ attempt: number, delayMs: number }} reconnecting  the next attempt is made after delayMs
 * @property {ReadyMessage & { before?: SessionState | undefined }} ready  this is a new client. `before`: what the one before it was,
 *   if its session could not be resumed. One that waited waits again
 * @property {ResumedMessage & { initiator?: boolean | undefined }} resumed  the session goes on.
 *   `initiator`: as in the `matched` of this room; undefined also while that `matched` is still to come
 * @property {MatchedMessage} matched
 * @property {WaitingMessage} waiting
 * @property {ChallengeMessage} challenge  it is answered already
 * @property {OfferMessage} offer
 * @property {AnswerMessage} answer
 * @property {IceMessage} ice
 * @property {DataMessage} data
 * @property {PartnerLeftMessage} partner-left
 * @property {PartnerAwayMessage} partner-away
 * @property {PartnerBackMessage} partner-back
 * @property {ReportedMessage} reported
 * @property {OkMessage} ok
 * @property {ErrorMessage} error
 * @property {GoodbyeMessage} goodbye
 * @property {PongMessage} pong
 */

/**
 * What is needed of a WebSocket: those of browsers, of Node and of the package ws fit.
 * @typedef {{ send: (text: string) => void, close: (code?: number) => void, onopen: any, onmessage: any, onclose: any,
 *   onerror: any, readonly readyState?: number }} Socket
 */

/** @typedef {new (url: string, protocols: string[]) => Socket} WebSocketClass */

/**
 * @typedef {object} SignalingOptions
 * @property {string[] | undefined} [protocols]  WebSocket subprotocols to ask for. A server that knows none of them (the old one, say)
 *   makes the browser fail the connection; `[]` asks for none, and cannot resume
 * @property {WebSocketClass | undefined} [WebSocket]  where the runtime has none of its own
 * @property {Storage | null | undefined} [storage]  where the session outlives a reload, such as sessionStorage; the page must then make a
 *   new call on `resumed`. One client for each URL and storage
 * @property {((attempt: number, how: { resumable: boolean }) => number) | undefined} [backoff]  ms until the next attempt, 1 for the first
 * @property {boolean | undefined} [resume]  false: be a new client after each lost connection
 * @property {string | undefined} [browser]  a name for this browser, made at random and kept in it, 16 to 64 characters: two
 *   clients with the same one, such as two tabs, meet only if nobody else is there
 * @property {boolean | undefined} [rewait]  false: a new client whose session could not be resumed, and which waited, does not
 *   wait again by itself
 */

export {};

/**
 * What the page shows of how things are: states in words, the two pictures, lasting words. Knows nothing of calls or servers.
 *
 * @module view
 */

import { closeDialogs } from "./dialogs.js";
import { controls, element } from "./elements.js";
import { CAMERA_OFF, OUT_OF_REACH, WORDS } from "./words.js";

/** @import { PageState } from "./words.js" */

const chosen = element("chosen", HTMLElement);
const common = element("common", HTMLElement);
const elapsed = element("elapsed", HTMLElement);
const explanation = element("explanation", HTMLElement);
const headline = element("headline", HTMLElement);
const invite = element("invite", HTMLAnchorElement);
const localVideo = element("local-video", HTMLVideoElement);
const muted = element("muted", HTMLElement);
const notice = element("notice", HTMLElement);
const noticeText = element("notice-text", HTMLElement);
const online = element("online", HTMLElement);
const remoteVideo = element("remote-video", HTMLVideoElement);
const selfNote = element("self-note", HTMLElement);
const status = element("status", HTMLElement);

/** What the partner has not switched off, as far as it tells. */
let sending = { audio: true, video: true };
/** @type {ReturnType<typeof setInterval> | undefined} */
let clock;

/** @returns {PageState} */
export function pageState() {
  return /** @type {PageState} */ (document.body.dataset.state);
}

/** @param {PageState} state */
export function showState(state) {
  if (state === pageState()) return;
  // What lies under a dialog has no focus and is not read out.
  if (state === "idle") closeDialogs();
  const focused = document.activeElement;
  document.body.dataset.state = state;
  status.textContent = WORDS[state].status;
  showWords();
  document.title = state === "idle" ? "signald: meet someone new" : `${WORDS[state].status} · signald`;
  if (state === "connected") startClock();
  else if (state !== "interrupted" && state !== "away") stopClock();
  // The button just pressed may be gone now: the keyboard goes on with the one in its place.
  if (state === "idle") controls.start.focus({ preventScroll: true });
  else if (focused === controls.start) controls.next.focus({ preventScroll: true });
}

/** Shown large. @param {string} [why]  in place of what the state explains itself with */
function showWords(why) {
  const state = pageState();
  const off = state === "connected" && !sending.video && hasPicture();
  const words = off ? CAMERA_OFF : WORDS[state];
  headline.textContent = words.headline;
  explanation.textContent = why || words.explanation;
}

/**
 * @param {boolean} reachable  whether the server is, or was a moment ago
 * @param {string} why  what is known of the reason; empty: nothing
 */
export function showReach(reachable, why) {
  document.body.dataset.server = reachable ? "here" : "away";
  const words = WORDS[pageState()].status;
  status.textContent = pageState() === "connected" && !reachable ? words + OUT_OF_REACH : words;
  if (pageState() === "reconnecting") showWords(why);
}

/**
 * Say whom this page introduces to each other.
 *
 * @param {string} room  the name of one for those who have the link; empty: whoever is here
 * @param {string} link  leads to a new one, or out of it
 */
export function showRoom(room, link) {
  invite.href = link;
  if (!room) return;
  invite.textContent = "Meet whoever is here instead";
  controls.choose.hidden = chosen.hidden = true;
  WORDS.idle.headline = "A room of your own";
  WORDS.idle.explanation =
    `This is the room “${room}”. Only people with the same link meet here: send the address of this page to a friend, ` +
    "and press Start.";
  WORDS.waiting.explanation = `You are in the room “${room}”. It starts by itself as soon as somebody opens the same link.`;
  showWords();
}

/** @param {string} text  how many are here; empty: nobody knows */
export function showOnline(text) {
  online.textContent = text;
}

/** @param {string} text  what the user has chosen */
export function showChosen(text) {
  chosen.textContent = text;
}

/** @param {string} text  what the user and the partner have in common; empty: nothing that is known */
export function showCommon(text) {
  common.textContent = text;
}

/**
 * Nobody has come yet.
 *
 * @param {number} seconds  how long the user has waited
 * @param {number} atLeast  how many wait there
 */
export function showWait(seconds, atLeast) {
  if (pageState() !== "waiting") return;
  const crowd = atLeast >= 10 ? `at least ${atLeast} people wait here` : "fewer than ten people wait here";
  const waited = seconds < 5 ? "a moment" : minutes(seconds);
  showWords(`${WORDS.waiting.explanation} You have waited ${waited}, and ${crowd}.`);
}

/** @param {MediaStream | null} stream */
export function showLocal(stream) {
  localVideo.srcObject = stream;
  const [sound, picture] = [stream?.getAudioTracks()[0], stream?.getVideoTracks()[0]];
  controls.mute.disabled = !sound;
  controls.cameraOff.disabled = !picture;
  controls.mute.ariaPressed = String(sound !== undefined && !sound.enabled);
  controls.cameraOff.ariaPressed = String(picture !== undefined && !picture.enabled);
  document.body.dataset.sending = picture?.enabled ? "on" : "off";
  selfNote.textContent = picture ? (picture.enabled ? "You" : "Camera off") : "No camera";
}

/** @param {MediaStream | null} stream  null: nobody is there */
export function showRemote(stream) {
  if (remoteVideo.srcObject !== stream) remoteVideo.srcObject = stream;
  if (!stream) sending = { audio: true, video: true };
  showSending(sending);
}

/** What the partner has switched off looks like it. @param {{ audio: boolean, video: boolean }} now */
export function showSending(now) {
  sending = now;
  document.body.dataset.picture = hasPicture() && sending.video ? "on" : "off";
  muted.textContent = sending.audio ? "" : "Their microphone is off";
  if (pageState() === "connected") showWords();
}

function hasPicture() {
  return /** @type {MediaStream | null} */ (remoteVideo.srcObject)?.getVideoTracks().length;
}

/**
 * A lasting word to the user, until the next.
 *
 * @param {string} text  empty: take it away
 * @param {{ retry?: boolean }} [options]  retry: offer to ask for the camera again
 */
export function showNotice(text, { retry = false } = {}) {
  noticeText.textContent = text;
  notice.hidden = text === "";
  controls.retryMedia.hidden = !retry;
}

/** @param {number} seconds */
function minutes(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function startClock() {
  if (clock !== undefined) return;
  const began = performance.now();
  const tick = () => {
    elapsed.textContent = minutes(Math.floor((performance.now() - began) / 1000));
  };
  tick();
  clock = setInterval(tick, 1000);
}

function stopClock() {
  clearInterval(clock);
  clock = undefined;
  elapsed.textContent = "";
}

/**
 * The demo page's flow: what the user wants, what the server says, and the call between.
 *
 * @module demo
 */

import { Call } from "../call.js";
import { listen } from "./keyboard.js";
import { closeMedia, openMedia } from "./media.js";
import { showOnline } from "./online.js";
import { Shelf } from "../page.js";
import { Reports } from "./report.js";
import { SignalingClient } from "../signaling.js";
import { ofBrowser, ofTab } from "./storage.js";
import * as view from "./view.js";
import { Choice, inCommon, roomName } from "./wishes.js";

/** After a message that the server dropped for coming too fast. */
const RATE_LIMIT_PAUSE_MS = 1_000;
/** A server that is back sooner was never away for the user. */
const OUT_OF_REACH_AFTER_MS = 2_000;
/** For a partner whose page has closed the call: it is being loaded anew, or the partner is gone. */
const RELOAD_WITHIN_MS = 10_000;
/** For a gap in a call that cannot be mended, since the server no longer knows of it. */
const GAP_AT_MOST_MS = 5_000;
/** Nobody sees who is there in less: a click on Next that comes so soon is the second of two, and meant the one before. */
const UNSEEN_MS = 300;

const { controls } = view;
const storage = ofTab();
const client = new SignalingClient(undefined, { storage });
const offShelf = new Shelf(storage, "signald off");
const choice = new Choice(location.search, ofBrowser());
const reports = new Reports(client, (partnerId) => current?.partnerId === partnerId && next());

/** @type {MediaStream | null} */
let localStream = null;
/**
 * The call under way. `attended`: the server still has the room. It has not when the session could not be resumed;
 * picture, sound and text do not pass through the server, so the call goes on for as long as the partner stays.
 * `away`: the partner's connection to the server is lost. `text`: there is a way for text. `since`: when it began, by
 * `performance.now()`.
 * @type {{ call: Call, roomId: string, partnerId: string, attended: boolean, away: boolean, text: boolean, since: number } | null}
 */
let current = null;
/** What the server named for this connection. @type {RTCIceServer[] | undefined} */
let iceServers;
/** What the user has switched off: `audio`, `video`; a page after a reload leaves it off. @type {Set<string>} */
let off = new Set(JSON.parse(offShelf.inherit() ?? "[]"));
/** Whether the user wants to talk to someone: between Start and Leave. */
let wanted = false;
/** Whether the server is out of reach for so long that the user should know. */
let outOfReach = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let reachTimer;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let goneTimer;

async function start() {
  if (wanted) return;
  wanted = true;
  choice.reset();
  view.showState(client.inherited ? "connecting" : "preparing");
  view.showChat(matchMedia("(min-width: 60rem)").matches);
  // After a reload the partner waits: the camera joins the call when it is there.
  if (client.inherited) client.connect();
  await useMedia();
  if (!wanted) return closeLocal();
  if (localStream) current?.call.setStream(localStream);
  if (view.pageState() === "preparing") view.showState("connecting");
  client.connect();
}

/** Ask for camera and microphone, and say what is missing. */
async function useMedia() {
  const { stream, problem } = await openMedia();
  localStream = stream;
  switchTracks();
  view.showNotice(problem, { retry: true });
}

async function retryMedia() {
  const before = localStream;
  controls.retryMedia.disabled = true;
  await useMedia();
  controls.retryMedia.disabled = false;
  closeMedia(before);
  if (!wanted) closeLocal();
  else if (localStream) current?.call.setStream(localStream);
}

function next() {
  if (!wanted || view.pageState() === "preparing") return;
  const inRoom = current?.attended;
  endCall();
  lookForPartner(inRoom ? () => client.next() : () => client.available(choice.wishes));
}

/** The user wants somebody else, and has seen whom instead of. */
function askForNext() {
  if (!current || performance.now() - current.since >= UNSEEN_MS) next();
}

function leave() {
  if (!wanted) return;
  stop();
  client.leave();
  client.close();
}

/** Be as before Start. */
function stop() {
  wanted = false;
  off = new Set();
  serverReached(true);
  reports.forget();
  endCall();
  closeLocal();
  view.clearMessages();
  view.showChat(false);
  view.showNotice("");
  view.showState("idle");
  showOnline(choice.pool);
}

function closeLocal() {
  closeMedia(localStream);
  localStream = null;
  view.showLocal(null);
}

/** Show how far things are. */
function show() {
  const call = current?.call.state;
  if (current?.away && !(current.text && call === "connected")) view.showState("away");
  else if (call === "connected" || call === "interrupted") view.showState(call);
  else if (outOfReach) view.showState("reconnecting");
  else if (call === "failed") view.showState("interrupted"); // And tried again when both are back.
  else if (current) view.showState("matched");
  else if (client.connected || view.pageState() !== "connecting") view.showState("waiting");
  view.showReach(!outOfReach);
}

/** @param {boolean} reached  whether the server is there */
function serverReached(reached) {
  if (reached) {
    clearTimeout(reachTimer);
    reachTimer = undefined;
    outOfReach = false;
    return;
  }
  reachTimer ??= setTimeout(() => {
    outOfReach = true;
    show();
  }, OUT_OF_REACH_AFTER_MS);
}

// What the server says.

client.on("ready", (message) => {
  serverReached(true);
  iceServers = message.iceServers;
  reports.beginAnew();
  // Of what was before, the server knows nothing. A call that works goes on without it.
  if (current && ["connected", "interrupted"].includes(current.call.state)) {
    current.attended = current.away = false;
    clearTimeout(goneTimer);
    if (current.call.state === "interrupted") giveUpAfter(GAP_AT_MOST_MS);
    show();
  } else {
    endCall();
    lookForPartner(() => client.available(choice.wishes));
  }
});

client.on("resumed", (message) => {
  if (!wanted) return;
  serverReached(true);
  iceServers = message.iceServers ?? iceServers;
  const { roomId, partnerId, lost } = message;
  if (current && current.roomId === roomId) {
    current.away = message.partner === "away";
    mendCall(lost);
  } else if (current && lost) partnerGone();
  else if (!current && client.state === "paired" && roomId && partnerId) {
    // The page was loaded anew. A room that it has not heard of yet is told of by the `matched` that follows.
    const initiator = message.initiator ?? (lost ? message.clientId < partnerId : undefined);
    if (initiator !== undefined) beginCall({ roomId, partnerId, initiator, again: true, away: message.partner === "away" });
  } else if (!current && client.state === "idle") client.available(choice.wishes);
  show();
});

client.on("waiting", ({ seconds, atLeast }) => view.showWait(seconds, atLeast));

client.on("matched", ({ roomId, partnerId, initiator, iceServers: named, common }) => {
  if (!wanted) return;
  endCall();
  view.clearMessages();
  view.showCommon(inCommon(common));
  iceServers = named ?? iceServers;
  // A server that does not say who offers: the two compare ids, and come to the same result.
  beginCall({ roomId, partnerId, initiator: initiator ?? String(client.clientId) < partnerId });
});

/** @param {{ roomId: string, partnerId: string, initiator: boolean, again?: boolean, away?: boolean }} room */
function beginCall({ roomId, partnerId, initiator, again = false, away = false }) {
  const call = new Call({ initiator, stream: localStream, iceServers: iceServers ?? [], again, send: client });
  current = { call, roomId, partnerId, attended: true, away, text: false, since: performance.now() };
  reports.met(partnerId);
  call.on("state", (state) => callChanged(call, state));
  call.on("media", (stream) => call === current?.call && view.showRemote(stream));
  call.on("text", (text) => call === current?.call && view.addMessage("partner", text));
  call.on("channel", (open) => channelChanged(call, open));
  show();
}

client.on("partner-away", () => {
  if (current) current.away = true;
  waitForReload();
  show();
});

/** The server waits longer for a partner that is away; but one whose page is gone comes back soon, or not at all. */
function waitForReload() {
  clearTimeout(goneTimer);
  if (current?.away && !current.text && current.call.state !== "connecting") giveUpAfter(RELOAD_WITHIN_MS);
}

/** @param {number} ms  then the partner is taken to be gone */
function giveUpAfter(ms) {
  clearTimeout(goneTimer);
  goneTimer = setTimeout(() => {
    view.addMessage("page", "Your partner left.");
    next();
  }, ms);
}

client.on("partner-back", ({ lost }) => {
  if (current) current.away = false;
  clearTimeout(goneTimer);
  mendCall(lost);
  show();
});

/** Both are back. @param {boolean} lost  whether signals may be missing */
function mendCall(lost) {
  if (current && !current.away && (lost || ["interrupted", "failed"].includes(current.call.state))) current.call.restart();
}

// Signals of an earlier partner, late on their way, are not for this call.
client.on("offer", ({ from, sdp }) => from === current?.partnerId && current.call.offer(sdp));
client.on("answer", ({ from, sdp }) => from === current?.partnerId && current.call.answer(sdp));
client.on("ice", ({ from, candidate }) => from === current?.partnerId && current.call.ice(candidate));

client.on("partner-left", () => {
  if (!wanted) return;
  partnerGone();
});

client.on("error", ({ code }) => {
  if (reports.refused(code)) return;
  if (!wanted || current) return; // A candidate that came after the partner had left, say.
  if (code === "NOT_PAIRED") client.available(choice.wishes); // The partner left just before Next was pressed.
  if (code === "ALREADY_PAIRED") client.next(); // The server has a room that this side has left.
  if (code === "INVALID_FORMAT" || code === "CROWDED") wishesRefused();
  if (code === "RATE_LIMIT") setTimeout(() => wanted && !current && client.available(choice.wishes), RATE_LIMIT_PAUSE_MS);
});

/** The server does not know of wishes, or of these, or has no place for more of them. */
function wishesRefused() {
  if (choice.pool) {
    leave();
    view.showNotice("This server has no rooms of your own.");
    return;
  }
  choice.refuse();
  view.showNotice("This server cannot look for what you have chosen just now: you meet whoever is here.");
  client.available(choice.wishes);
}

client.on("close", ({ reason, willReconnect }) => {
  if (!wanted) return;
  if (willReconnect) return serverReached(false);
  stop();
  view.showNotice(`The server has ended your connection${reason && `: ${reason}`}`);
});

// What the call says.

/**
 * @param {Call} call
 * @param {import("../call.js").CallState} state
 */
function callChanged(call, state) {
  if (call !== current?.call) return;
  if (state === "interrupted") client.check(); // What has cut off the partner may have cut off the server too.
  if (!current.attended && state === "interrupted") giveUpAfter(GAP_AT_MOST_MS);
  if (!current.attended && state === "connected") clearTimeout(goneTimer);
  // Who cannot talk to the partner over the server cannot mend the call; that is tried when both are back.
  if (state === "failed" && client.connected && !current.away) {
    view.addMessage("page", "The connection could not be made. Looking for someone else.");
    next();
  } else if (state !== "closed") show();
}

/**
 * @param {Call} call
 * @param {boolean} open
 */
function channelChanged(call, open) {
  if (call !== current?.call) return;
  current.text = open;
  view.allowText(open);
  // Without the server's word, this is how a partner that left shows.
  if (!open && !current.attended && call.state !== "connecting") partnerGone();
  else {
    waitForReload();
    show();
  }
}

function partnerGone() {
  if (current) view.addMessage("page", "Your partner left.");
  endCall();
  // With REQUEUE_ON_PARTNER_LEAVE the server has this client waiting already, and takes no notice.
  lookForPartner(() => client.available(choice.wishes));
}

/** @param {() => void} ask */
function lookForPartner(ask) {
  ask();
  show();
}

function endCall() {
  clearTimeout(goneTimer);
  const ended = current?.call;
  current = null;
  ended?.close();
  view.showRemote(null);
  view.showCommon("");
  view.allowText(false);
}

// What the user does.

/** @param {"audio" | "video"} kind */
function toggleTrack(kind) {
  if (!off.delete(kind)) off.add(kind);
  switchTracks();
}

function switchTracks() {
  for (const track of localStream?.getTracks() ?? []) track.enabled = !off.has(track.kind);
  view.showLocal(localStream);
}

function writeMessage() {
  view.showChat(true);
  controls.chatText.focus();
}

controls.start.addEventListener("click", start);
controls.next.addEventListener("click", askForNext);
controls.leave.addEventListener("click", leave);
controls.mute.addEventListener("click", () => toggleTrack("audio"));
controls.cameraOff.addEventListener("click", () => toggleTrack("video"));
controls.retryMedia.addEventListener("click", retryMedia);
controls.dismissNotice.addEventListener("click", () => view.showNotice(""));
controls.report.addEventListener("click", () => reports.open());
controls.reportCancel.addEventListener("click", view.closeReport);
controls.reportForm.addEventListener("submit", () => reports.send());
controls.help.addEventListener("click", view.showShortcuts);
controls.toggleChat.addEventListener("click", () => view.showChat(document.body.dataset.chat === "closed"));

controls.chatForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = controls.chatText.value.trim();
  if (!text || !current?.call.sendText(text)) return;
  view.addMessage("you", text);
  controls.chatText.value = "";
});

listen({
  KeyS: start,
  KeyN: askForNext,
  KeyL: leave,
  KeyM: () => toggleTrack("audio"),
  KeyV: () => toggleTrack("video"),
  KeyR: () => reports.open(),
  KeyC: writeMessage,
});

// The camera's lamp goes out with the page, also when the browser keeps it for the way back. The client's session waits
// a moment for the page, as it may only be loaded anew.
addEventListener("pagehide", () => {
  endCall();
  closeLocal();
  offShelf.put(JSON.stringify([...off]));
});
addEventListener("pageshow", async ({ persisted }) => {
  if (!persisted || !wanted) return;
  await useMedia();
  if (localStream) current?.call.setStream(localStream);
});

view.allowText(false);
view.showLocal(null);
view.showRoom(choice.pool, choice.pool ? location.pathname : `?pool=${roomName()}`);
showOnline(choice.pool);
if (client.inherited) start();

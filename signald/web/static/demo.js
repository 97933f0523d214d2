/**
 * The demo page's flow: what the user wants, what the server says, and the call between.
 *
 * @module demo
 */

import { Call } from "./call.js";
import { closeMedia, openMedia } from "./media.js";
import { SignalingClient } from "./signaling.js";
import * as view from "./view.js";

/** After a message that the server dropped for coming too fast. */
const RATE_LIMIT_PAUSE_MS = 1_000;

/** What became of a report that the server did not take, by the error's code. @type {Record<string, string>} */
const REPORT_REFUSED = {
  RATE_LIMIT: "Your report was not taken, because too many were sent in a short time.",
  NOT_PAIRED: "Your report was not taken: you have met others since, and the server no longer knows whom you mean.",
  UNKNOWN_TYPE: "Your report was not taken: this server does not know of reports.",
};
const REPORT_FAILED = "Your report was not taken.";
const REPORT_NOT_SENT =
  "Your report was not sent: the connection was lost meanwhile, and the server no longer knows whom you mean.";
const REPORT_LOST = "Your report may not have arrived: the connection to the server was lost.";

/**
 * Somebody met on the connection `clientId`. The server remembers nobody of an earlier connection.
 * @typedef {{ partnerId: string, clientId: string | null }} Met
 */

const { controls } = view;
const client = new SignalingClient();

/** @type {MediaStream | null} */
let localStream = null;
/**
 * The call under way. `attended`: the server still has the room. It has not after the signaling connection was lost;
 * picture, sound and text do not pass through the server, so the call goes on for as long as the partner stays.
 * @type {{ call: Call, partnerId: string, attended: boolean } | null}
 */
let current = null;
/** The partner or, when it is gone, the last one: who can be reported. @type {Met | null} */
let lastMet = null;
/** Whom the open dialog is about: who was on the screen when it was opened. @type {Met | null} */
let accused = null;
/** The report that the server has not confirmed yet. @type {{ about: Met, thanks: string } | null} */
let unconfirmed = null;
/** What the server named for this connection. @type {RTCIceServer[] | undefined} */
let iceServers;
/** Whether the user wants to talk to someone: between Start and Leave. */
let wanted = false;

async function start() {
  if (wanted) return;
  wanted = true;
  view.showState("preparing");
  view.showChat(matchMedia("(min-width: 60rem)").matches);
  await useMedia();
  if (!wanted) return closeLocal();
  view.showState("connecting");
  client.connect();
}

/** Ask for camera and microphone, and say what is missing. */
async function useMedia() {
  const { stream, problem } = await openMedia();
  localStream = stream;
  view.showLocal(stream);
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
  lookForPartner(inRoom ? () => client.next() : () => client.available());
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
  accused = unconfirmed = null;
  remember(null);
  endCall();
  closeLocal();
  view.clearMessages();
  view.showChat(false);
  view.showNotice("");
  view.showState("idle");
}

function closeLocal() {
  closeMedia(localStream);
  localStream = null;
  view.showLocal(null);
}

// What the server says.

client.on("ready", (message) => {
  iceServers = message.iceServers;
  if (!current) lookForPartner(() => client.available());
});

client.on("matched", (message) => {
  if (!wanted) return;
  endCall();
  view.clearMessages();
  // A server that does not say who offers: the two compare ids, and come to the same result.
  const initiator = message.initiator ?? String(client.clientId) < message.partnerId;
  const call = new Call({
    initiator,
    stream: localStream,
    iceServers: message.iceServers ?? iceServers ?? [],
    send: client,
  });
  current = { call, partnerId: message.partnerId, attended: true };
  remember({ partnerId: message.partnerId, clientId: client.clientId });
  call.on("state", (state) => callChanged(call, state));
  call.on("media", (stream) => call === current?.call && view.showRemote(stream));
  call.on("text", (text) => call === current?.call && view.addMessage("partner", text));
  call.on("channel", (open) => channelChanged(call, open));
  view.showState("matched");
});

// Signals of an earlier partner, late on their way, are not for this call.
client.on("offer", ({ from, sdp }) => from === current?.partnerId && current.call.offer(sdp));
client.on("answer", ({ from, sdp }) => from === current?.partnerId && current.call.answer(sdp));
client.on("ice", ({ from, candidate }) => from === current?.partnerId && current.call.ice(candidate));

client.on("partner-left", () => {
  if (!wanted) return;
  partnerGone();
});

client.on("error", ({ code }) => {
  if (unconfirmed) {
    unconfirmed = null;
    view.showNotice(REPORT_REFUSED[code] ?? REPORT_FAILED);
    return;
  }
  if (!wanted || current) return; // A candidate that came after the partner had left, say.
  if (code === "NOT_PAIRED") client.available(); // The partner left just before Next was pressed.
  if (code === "ALREADY_PAIRED") client.next(); // The server has a room that this side has left.
  if (code === "RATE_LIMIT") setTimeout(() => wanted && !current && client.available(), RATE_LIMIT_PAUSE_MS);
});

client.on("pong", () => {
  if (!unconfirmed) return;
  const { about, thanks } = unconfirmed;
  unconfirmed = null;
  view.showNotice(thanks);
  if (lastMet === about) remember(null); // Once is enough: the server takes no second report.
});

client.on("close", ({ reason, willReconnect }) => {
  if (!wanted) return;
  if (!willReconnect) {
    stop();
    view.showNotice(`The server has ended your connection${reason && `: ${reason}`}`);
    return;
  }
  if (unconfirmed) view.showNotice(REPORT_LOST);
  unconfirmed = null;
  remember(null);
  if (current?.call.state === "connected" || current?.call.state === "interrupted") current.attended = false;
  else {
    endCall();
    view.showState("reconnecting");
  }
});

// What the call says.

/**
 * @param {Call} call
 * @param {import("./call.js").CallState} state
 */
function callChanged(call, state) {
  if (call !== current?.call) return;
  if (state === "connected" || state === "interrupted") view.showState(state);
  if (state === "failed") {
    view.addMessage("page", "The connection could not be made. Looking for someone else.");
    next();
  }
}

/**
 * @param {Call} call
 * @param {boolean} open
 */
function channelChanged(call, open) {
  if (call !== current?.call) return;
  view.allowText(open);
  // Without the server's word, this is how a partner that left shows.
  if (!open && !current.attended && call.state !== "connecting") partnerGone();
}

function partnerGone() {
  if (current) view.addMessage("page", "Your partner left.");
  endCall();
  // With REQUEUE_ON_PARTNER_LEAVE the server has this client waiting already, and takes no notice.
  lookForPartner(() => client.available());
}

/** @param {Met | null} met */
function remember(met) {
  lastMet = met;
  view.allowReport(met !== null);
}

/** @param {() => void} ask */
function lookForPartner(ask) {
  view.showState(client.connected ? "waiting" : "reconnecting");
  ask();
}

function endCall() {
  const ended = current?.call;
  current = null;
  ended?.close();
  view.showRemote(null);
  view.allowText(false);
}

// What the user does.

/** @param {"audio" | "video"} kind */
function toggleTrack(kind) {
  for (const track of localStream?.getTracks() ?? []) {
    if (track.kind === kind) track.enabled = !track.enabled;
  }
  view.showLocal(localStream);
}

function writeMessage() {
  view.showChat(true);
  controls.chatText.focus();
}

function openReport() {
  if (!lastMet) return;
  accused = lastMet;
  view.showReport();
}

function sendReport() {
  if (!accused) return;
  const { partnerId, clientId } = accused;
  const { reason, text, block } = view.givenReport();
  if (client.clientId === clientId) {
    client.report({ reason, text, partnerId });
    if (block) client.block({ partnerId });
    // The server answers neither if all is well. Then the next answer is that to a ping.
    client.ping();
    const thanks = `Thank you for your report.${block ? " You will not meet this person again." : ""}`;
    unconfirmed = { about: accused, thanks };
  } else view.showNotice(REPORT_NOT_SENT);
  if (current?.partnerId === partnerId) next();
}

controls.start.addEventListener("click", start);
controls.next.addEventListener("click", next);
controls.leave.addEventListener("click", leave);
controls.mute.addEventListener("click", () => toggleTrack("audio"));
controls.cameraOff.addEventListener("click", () => toggleTrack("video"));
controls.retryMedia.addEventListener("click", retryMedia);
controls.dismissNotice.addEventListener("click", () => view.showNotice(""));
controls.report.addEventListener("click", openReport);
controls.reportCancel.addEventListener("click", view.closeReport);
controls.reportForm.addEventListener("submit", sendReport);
controls.help.addEventListener("click", view.showShortcuts);
controls.toggleChat.addEventListener("click", () => view.showChat(document.body.dataset.chat === "closed"));

controls.chatForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = controls.chatText.value.trim();
  if (!text || !current?.call.sendText(text)) return;
  view.addMessage("you", text);
  controls.chatText.value = "";
});

/** @type {Record<string, () => void>} */
const SHORTCUTS = {
  KeyS: start,
  KeyN: next,
  KeyL: leave,
  KeyM: () => toggleTrack("audio"),
  KeyV: () => toggleTrack("video"),
  KeyR: openReport,
  KeyC: writeMessage,
};

document.addEventListener("keydown", (event) => {
  if (event.target === controls.chatText) {
    if (event.key === "Escape") controls.next.focus();
    return; // Alt with a letter is a letter of its own on many keyboards.
  }
  const action = event.altKey && !event.ctrlKey && !event.metaKey && !event.repeat && SHORTCUTS[event.code];
  if (!action || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  action();
});

// The camera's lamp goes out with the page, also when the browser keeps it for the way back.
addEventListener("pagehide", leave);

view.allowText(false);
view.showLocal(null);

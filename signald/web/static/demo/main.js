/**
 * The demo page: what the user wants.
 *
 * @module main
 */

import { letChoose } from "./devices.js";
import { closeReport, showShortcuts } from "./dialogs.js";
import { controls } from "./elements.js";
import { listen } from "./keyboard.js";
import { token } from "./login.js";
import { showOnline, watchOnline } from "./online.js";
import { Own } from "./own.js";
import { Reports } from "./report.js";
import { browserName, ofBrowser, ofTab } from "./storage.js";
import { Strangers } from "./strangers.js";
import { allowText, beginToWrite, clearMessages, onWritten, showChat, toggleChat } from "./texts.js";
import * as view from "./view.js";
import { Choice, roomName } from "./wishes.js";

/** @import { Shelf } from "../page.js" */
/** @import { SignalingClient } from "../signaling.js" */

const tab = ofTab();
const login = token(tab);
const choice = new Choice(location.search, ofBrowser());
const own = new Own(ownChanged, ofBrowser());

/**
 * What a call needs, once it is loaded. `off`: what the user has switched off; a page after a reload leaves it off.
 * @type {{ client: SignalingClient, reports: Reports, strangers: Strangers, off: Shelf } | undefined}
 */
let talk;
/** Whether the user wants to talk to someone: between Start and Leave. */
let wanted = false;

/** Load it; after that it is there at once. */
async function load() {
  const { Meeting, Shelf, SignalingClient } = await import("./later.js");
  if (talk) return talk;
  const client = new SignalingClient(undefined, { storage: tab, browser: browserName() });
  const off = new Shelf(tab, "signald off");
  own.off = new Set(JSON.parse(off.inherit() ?? "[]"));
  const reports = new Reports(client, (partnerId) => strangers.meeting?.partnerId === partnerId && strangers.lookAgain());
  if (login) client.on("ready", () => client.auth({ token: login })); // Before anything else is asked.
  const strangers = new Strangers({ client, Meeting, choice, reports, own, ended });
  talk = { client, reports, strangers, off };
  return talk;
}

async function start() {
  if (wanted) return;
  wanted = true;
  choice.reset();
  view.showState(talk?.client.inherited ? "connecting" : "preparing");
  showChat(matchMedia("(min-width: 60rem)").matches);
  // After a reload the partner waits: the camera joins the call when it is there.
  if (talk?.client.inherited) talk.strangers.begin();
  const opened = own.open();
  try {
    const { strangers } = await load();
    await opened;
    if (!wanted) return;
    if (view.pageState() === "preparing") view.showState("connecting");
    strangers.begin();
  } catch {
    ended("The server is out of reach. Load this page anew in a moment.");
  }
}

function next() {
  if (wanted && view.pageState() !== "preparing") talk?.strangers.next();
}

function leave() {
  if (!wanted) return;
  stop();
  talk?.client.leave();
  talk?.client.close();
}

/** Be as before Start. */
function stop() {
  wanted = false;
  own.off = new Set();
  talk?.reports.forget();
  talk?.strangers.end();
  own.close();
  clearMessages();
  showChat(false);
  view.showNotice("");
  view.showState("idle");
  showOnline(choice.pool);
}

/** It cannot go on. @param {string} why */
function ended(why) {
  leave();
  view.showNotice(why);
}

/**
 * @param {MediaStream | null} stream
 * @param {string | null} problem
 */
function ownChanged(stream, problem) {
  view.showLocal(stream);
  if (problem === null) return talk?.strangers.meeting?.announce();
  view.showNotice(problem, { retry: true });
  talk?.strangers.meeting?.setStream(stream);
}

async function retryMedia() {
  controls.retryMedia.disabled = true;
  await own.open();
  controls.retryMedia.disabled = false;
}

controls.start.addEventListener("click", start);
controls.next.addEventListener("click", next);
controls.leave.addEventListener("click", leave);
controls.mute.addEventListener("click", () => own.toggle("audio"));
controls.cameraOff.addEventListener("click", () => own.toggle("video"));
controls.retryMedia.addEventListener("click", retryMedia);
controls.dismissNotice.addEventListener("click", () => view.showNotice(""));
controls.report.addEventListener("click", () => talk?.reports.open());
controls.reportCancel.addEventListener("click", closeReport);
controls.reportForm.addEventListener("submit", () => talk?.reports.send());
controls.help.addEventListener("click", showShortcuts);
controls.toggleChat.addEventListener("click", toggleChat);
onWritten((text) => talk?.strangers.meeting?.sendText(text));
letChoose(own);

listen({
  KeyS: start,
  KeyN: next,
  KeyL: leave,
  KeyM: () => own.toggle("audio"),
  KeyV: () => own.toggle("video"),
  KeyR: () => talk?.reports.open(),
  KeyC: beginToWrite,
});

// The camera's lamp goes out with the page, also when the browser keeps it for the way back. The client's session waits
// a moment for the page, as it may only be loaded anew.
addEventListener("pagehide", () => {
  talk?.strangers.endMeeting();
  own.close();
  talk?.off.put(JSON.stringify([...own.off]));
});
addEventListener("pageshow", ({ persisted }) => persisted && wanted && own.open());

allowText(false);
view.showLocal(null);
view.showRoom(choice.pool, choice.pool ? location.pathname : `?pool=${roomName()}`);
watchOnline(choice.pool);
// There may be a call to go on with.
if (tab?.length) load().then(({ client }) => void (client.inherited && start()), () => {});

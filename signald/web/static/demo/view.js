/**
 * What the page shows: states in words, the two pictures, the text chat. Knows the elements of index.html and
 * nothing of calls or servers.
 *
 * @module view
 */

/**
 * @typedef {"idle" | "preparing" | "connecting" | "waiting" | "matched" | "connected" | "interrupted"
 *   | "away" | "reconnecting"} PageState
 */

/**
 * Status: one line, read out at each change. Headline and explanation: shown large where there is no picture.
 * @type {Record<PageState, { status: string, headline: string, explanation: string }>}
 */
const WORDS = {
  idle: {
    status: "Ready when you are",
    headline: "Meet someone new",
    explanation:
      "Press Start and you are introduced to whoever else is here. Picture, sound and text then go " +
      "straight from your browser to theirs.",
  },
  preparing: {
    status: "Asking for your camera",
    headline: "May we see you?",
    explanation: "Your browser asks whether this page may use your camera and microphone.",
  },
  connecting: { status: "Reaching the server", headline: "One moment", explanation: "Reaching the server." },
  waiting: {
    status: "Looking for someone",
    headline: "Looking for someone",
    explanation: "It starts by itself as soon as somebody is here.",
  },
  matched: { status: "Someone is here, connecting", headline: "Someone is here", explanation: "Connecting you two." },
  connected: {
    status: "Connected",
    headline: "No picture from your partner",
    explanation: "They have no camera, or keep it to themselves. You can talk and write all the same.",
  },
  interrupted: {
    status: "The connection is weak, mending it",
    headline: "The connection is weak",
    explanation: "Trying to mend it.",
  },
  away: {
    status: "Your partner is away for a moment",
    headline: "Your partner is away for a moment",
    explanation: "Their page is loading anew, or was closed. It goes on by itself, with them or with someone else.",
  },
  reconnecting: {
    status: "The server is out of reach, trying again",
    headline: "The server is out of reach",
    explanation: "Trying again by itself. Nothing for you to do.",
  },
};

/** Beside the state, while a call goes on that does not need the server. */
const OUT_OF_REACH = ", though the server is out of reach for now";

/** Older messages go: a page left open must not grow for ever. */
const MAX_MESSAGES = 200;

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`no ${type.name} #${id} in the page`);
  return found;
}

export const controls = {
  start: element("start", HTMLButtonElement),
  next: element("next", HTMLButtonElement),
  leave: element("leave", HTMLButtonElement),
  mute: element("mute", HTMLButtonElement),
  cameraOff: element("camera-off", HTMLButtonElement),
  toggleChat: element("toggle-chat", HTMLButtonElement),
  retryMedia: element("retry-media", HTMLButtonElement),
  dismissNotice: element("dismiss-notice", HTMLButtonElement),
  help: element("help", HTMLButtonElement),
  report: element("report", HTMLButtonElement),
  reportForm: element("report-form", HTMLFormElement),
  reportCancel: element("report-cancel", HTMLButtonElement),
  choose: element("choose", HTMLButtonElement),
  wishesForm: element("wishes-form", HTMLFormElement),
  wishesCancel: element("wishes-cancel", HTMLButtonElement),
  likes: element("likes", HTMLInputElement),
  chatForm: element("chat-form", HTMLFormElement),
  chatText: element("chat-text", HTMLInputElement),
};

const chatSend = element("chat-send", HTMLButtonElement);
const chosen = element("chosen", HTMLElement);
const common = element("common", HTMLElement);
const invite = element("invite", HTMLAnchorElement);
const online = element("online", HTMLElement);
const wishesDialog = element("wishes-dialog", HTMLDialogElement);
const chatLog = element("chat-log", HTMLElement);
const elapsed = element("elapsed", HTMLElement);
const explanation = element("explanation", HTMLElement);
const headline = element("headline", HTMLElement);
const localVideo = element("local-video", HTMLVideoElement);
const notice = element("notice", HTMLElement);
const noticeText = element("notice-text", HTMLElement);
const remoteVideo = element("remote-video", HTMLVideoElement);
const reportDialog = element("report-dialog", HTMLDialogElement);
const selfNote = element("self-note", HTMLElement);
const shortcuts = element("shortcuts", HTMLDialogElement);
const status = element("status", HTMLElement);
const unread = element("unread", HTMLElement);

/** What the page asks for, by code. @type {ReadonlyMap<string, string>} */
export const LANGUAGES = new Map(
  [...controls.wishesForm.querySelectorAll("input[name=language]")].map((box) => [
    /** @type {HTMLInputElement} */ (box).value,
    box.parentElement?.textContent?.trim() ?? "",
  ]),
);

let unreadCount = 0;
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
  if (state === "idle") for (const dialog of [reportDialog, shortcuts]) dialog.close();
  const focused = document.activeElement;
  document.body.dataset.state = state;
  const words = WORDS[state];
  status.textContent = words.status;
  headline.textContent = words.headline;
  explanation.textContent = words.explanation;
  document.title = state === "idle" ? "signald: meet someone new" : `${words.status} · signald`;
  if (state === "connected") startClock();
  else if (state !== "interrupted" && state !== "away") stopClock();
  // The button just pressed may be gone now: the keyboard goes on with the one in its place.
  if (state === "idle") controls.start.focus({ preventScroll: true });
  else if (focused === controls.start) controls.next.focus({ preventScroll: true });
}

/** @param {boolean} reachable  whether the server is, or was a moment ago */
export function showReach(reachable) {
  document.body.dataset.server = reachable ? "here" : "away";
  const words = WORDS[pageState()].status;
  status.textContent = pageState() === "connected" && !reachable ? words + OUT_OF_REACH : words;
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
  headline.textContent = WORDS.idle.headline;
  explanation.textContent = WORDS.idle.explanation;
}

/** @param {string} text  how many are here; empty: nobody knows */
export function showOnline(text) {
  online.textContent = text;
}

/** @param {string} text  what the user has chosen */
export function showChosen(text) {
  chosen.textContent = text;
}

/** Ask whom the user wants to meet. @param {{ likes: string, languages: string[] }} chosen  as chosen before */
export function showWishes({ likes, languages }) {
  controls.wishesForm.reset();
  refuseLikes("");
  controls.likes.value = likes;
  for (const box of controls.wishesForm.querySelectorAll("input")) {
    if (box.name === "language") box.checked = languages.includes(box.value);
  }
  wishesDialog.showModal();
}

/** What the user has filled in. @returns {{ likes: string, languages: string[] }} */
export function givenWishes() {
  const languages = new FormData(controls.wishesForm).getAll("language").map(String);
  return { likes: controls.likes.value, languages };
}

/** @param {string} why  what is wrong with the interests; empty: nothing */
export function refuseLikes(why) {
  controls.likes.setCustomValidity(why);
}

export function closeWishes() {
  wishesDialog.close();
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
  explanation.textContent = `${WORDS.waiting.explanation} You have waited ${waited}, and ${crowd}.`;
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

/** @param {MediaStream | null} stream */
export function showRemote(stream) {
  if (remoteVideo.srcObject !== stream) remoteVideo.srcObject = stream;
  document.body.dataset.picture = stream?.getVideoTracks().length ? "on" : "off";
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

/** @param {boolean} possible */
export function allowText(possible) {
  controls.chatText.disabled = !possible;
  chatSend.disabled = !possible;
  controls.chatText.placeholder = possible ? "Say hello" : "Opens with the call";
}

/**
 * @param {"you" | "partner" | "page"} from
 * @param {string} text  shown as text, whatever it contains
 */
export function addMessage(from, text) {
  const item = document.createElement("p");
  item.className = `from-${from}`;
  if (from !== "page") {
    const who = document.createElement("span");
    who.className = "label";
    who.textContent = from === "you" ? "You: " : "Partner: ";
    item.append(who);
  }
  item.append(text);
  chatLog.append(item);
  while (chatLog.childElementCount > MAX_MESSAGES) chatLog.firstElementChild?.remove();
  chatLog.scrollTop = chatLog.scrollHeight;
  if (from === "partner" && document.body.dataset.chat === "closed") showUnread(unreadCount + 1);
}

export function clearMessages() {
  chatLog.replaceChildren();
  showUnread(0);
}

/** @param {boolean} open */
export function showChat(open) {
  document.body.dataset.chat = open ? "open" : "closed";
  controls.toggleChat.ariaExpanded = String(open);
  if (open) {
    showUnread(0);
    chatLog.scrollTop = chatLog.scrollHeight;
  }
}

export function showShortcuts() {
  shortcuts.showModal();
}

/** @param {boolean} possible */
export function allowReport(possible) {
  if (!possible && document.activeElement === controls.report) controls.next.focus({ preventScroll: true });
  controls.report.disabled = !possible;
}

/** Ask what is wrong, with nothing filled in yet. */
export function showReport() {
  controls.reportForm.reset();
  reportDialog.showModal();
}

/** What the user has filled in. @returns {{ reason: string, text: string, block: boolean }} */
export function givenReport() {
  const given = new FormData(controls.reportForm);
  return { reason: String(given.get("reason")), text: String(given.get("text")).trim(), block: given.has("block") };
}

export function closeReport() {
  reportDialog.close();
}

/** @param {number} count */
function showUnread(count) {
  unreadCount = count;
  unread.textContent = count ? `${count} new` : "";
  unread.hidden = count === 0;
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

/**
 * The text chat: what was written, and whether something can be.
 *
 * @module texts
 */

import { controls, element } from "./elements.js";

/** Older messages go: a page left open must not grow for ever. */
const MAX_MESSAGES = 200;

const chatLog = element("chat-log", HTMLElement);
const chatSend = element("chat-send", HTMLButtonElement);
const unread = element("unread", HTMLElement);

let unreadCount = 0;

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

export function toggleChat() {
  showChat(document.body.dataset.chat === "closed");
}

/** Show it, for somebody who wants to write. */
export function beginToWrite() {
  showChat(true);
  controls.chatText.focus();
}

/** @param {(text: string) => boolean | undefined} send  whether it could be sent */
export function onWritten(send) {
  controls.chatForm.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = controls.chatText.value.trim();
    if (!text || !send(text)) return;
    addMessage("you", text);
    controls.chatText.value = "";
  });
}

/** @param {number} count */
function showUnread(count) {
  unreadCount = count;
  unread.textContent = count ? `${count} new` : "";
  unread.hidden = count === 0;
}

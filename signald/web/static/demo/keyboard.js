/**
 * Shortcuts of the demo page: Alt and a letter, wherever the focus is but in a text.
 *
 * @module keyboard
 */

import { controls } from "./elements.js";

/** @param {Record<string, () => void>} shortcuts  what each key does, by its code */
export function listen(shortcuts) {
  document.addEventListener("keydown", (event) => {
    if (event.target === controls.chatText) {
      if (event.key === "Escape") controls.next.focus();
      return; // Alt with a letter is a letter of its own on many keyboards.
    }
    const action = event.altKey && !event.ctrlKey && !event.metaKey && !event.repeat && shortcuts[event.code];
    if (!action || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    action();
  });
}

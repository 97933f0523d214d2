/**
 * How many are here, for somebody who hesitates to press Start.
 *
 * @module online
 */

import * as view from "./view.js";

/** How often it is asked while somebody looks and has not pressed Start, in ms. */
const EVERY_MS = 10000;

/** Ask the server now and then, and show it; nothing if it does not tell. @param {string} pool  empty: on all of the server */
export function watchOnline(pool) {
  const ask = () => void showOnline(pool);
  setInterval(() => view.pageState() === "idle" && document.visibilityState === "visible" && ask(), EVERY_MS);
  ask();
}

/** Ask the server, and show it. @param {string} pool  empty: on all of the server */
export async function showOnline(pool) {
  try {
    const answer = await fetch(pool ? `/online?pool=${encodeURIComponent(pool)}` : "/online");
    const { online } = await answer.json();
    view.showOnline(online ? `${online === 1 ? "1 person is" : `${online} people are`} here now.` : "");
  } catch {
    view.showOnline("");
  }
}

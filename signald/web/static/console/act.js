/**
 * Asks before somebody is thrown out, and does it: one dialog for kicks and bans.
 *
 * @module act
 */

import * as api from "./api.js";
import { $, el, plain, tell } from "./dom.js";

/** @type {(() => Promise<string>) | null} */
let does = null;
/** @type {() => void} */
let done = () => {};

const dialog = $("act");
$("act-cancel").addEventListener("click", () => dialog.close());
$("act-form").addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  const what = does;
  dialog.close();
  if (what) await attempt(what, done);
});

/** Do something, and tell what came of it. @param {() => Promise<string>} what @param {() => void} [after] */
export async function attempt(what, after = () => {}) {
  try {
    tell(await what());
  } catch (error) {
    tell(`Not done: ${error instanceof Error ? error.message : error}`);
  }
  // What had the focus is about to be drawn anew: whoever uses the keyboard goes on from the top of the view.
  /** @type {HTMLElement | null} */ (document.querySelector("section:not([hidden]) h2"))?.focus();
  after();
}

/** @param {string} title @param {string} what @param {string} verb @param {{ seconds: boolean, whom: boolean }} rows */
function ask(title, what, verb, rows) {
  $("act-title").textContent = title;
  $("act-what").textContent = plain(what);
  $("act-do").textContent = verb;
  $("act-reason").value = "";
  $("act-seconds-row").hidden = !rows.seconds;
  $("act-whom-row").hidden = !rows.whom;
  $("act-whom").required = rows.whom;
  dialog.showModal();
  $(rows.whom ? "act-whom" : "act-reason").focus();
}

const chosen = () => ({ seconds: Number($("act-seconds").value), reason: $("act-reason").value });

/** Who was banned, as far as it may be known. @param {any} answer */
const banned = ({ bans }) => bans.map((/** @type {any} */ ban) => `${ban.kind} ${ban.value ?? "(hidden)"}`).join(" and ");

/** Close a client's connection. @param {string} client @param {() => void} after */
export function kick(client, after) {
  ask(`Kick client ${client}`, "It is closed, and may come again.", "Kick", { seconds: false, whom: false });
  done = after;
  does = async () => {
    await api.remove(`clients/${encodeURIComponent(client)}?reason=${encodeURIComponent($("act-reason").value)}`);
    return `Client ${client} was kicked.`;
  };
}

/** Ban whoever is or was this client: by its user, who is known when the client has long gone. @param {string} client @param {string | undefined} user @param {() => void} after */
export function ban(client, user, after) {
  const what = user ? `Its user ${user} is banned, on all instances.` : "Its address is banned, on all instances.";
  ask(`Ban client ${client}`, what, "Ban", { seconds: true, whom: false });
  done = after;
  does = async () => `Banned: ${banned(await api.post("bans", { ...(user ? { user } : { client }), ...chosen() }))}.`;
}

/** Ban somebody by what is written. @param {string[]} kinds @param {() => void} after */
export function banAny(kinds, after) {
  $("act-kind").replaceChildren(...kinds.map((kind) => el("option", { value: kind }, kind)));
  $("act-whom").value = "";
  ask("Ban somebody", "A client that has gone can be banned for an hour by its id.", "Ban", { seconds: true, whom: true });
  done = after;
  does = async () => {
    const answer = await api.post("bans", { [$("act-kind").value]: $("act-whom").value.trim(), ...chosen() });
    return `Banned: ${banned(answer)}.`;
  };
}

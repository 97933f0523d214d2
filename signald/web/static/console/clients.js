/**
 * The list of clients of all instances, with search, kick and ban.
 *
 * @module clients
 */

import * as act from "./act.js";
import * as api from "./api.js";
import { $, button, el, fill, span, tell } from "./dom.js";

/** Rows at most: who looks for somebody searches. */
const LISTED = 200;

let asked = 0;

$("search-form").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  load(true);
});
$("addresses").addEventListener("change", () => load());

/** Search for somebody. @param {string} text */
export function search(text) {
  $("search").value = text;
  return load(true);
}

/** Ask for the list, and show it. @param {boolean} [aloud]  whether to tell how many were found */
export async function load(aloud = false) {
  const number = ++asked, text = $("search").value.trim();
  const query = `limit=${LISTED}&search=${encodeURIComponent(text)}${$("addresses").checked ? "&addresses=true" : ""}`;
  try {
    const answer = await api.get(`clients?${query}`);
    if (number !== asked) return;
    show(answer, text);
    if (aloud) tell(`${answer.clients.length} found.`);
  } catch (error) {
    tell(`The clients are not to be had: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {any} answer @param {string} text */
function show({ total, clients, complete, silent }, text) {
  const found = text ? `${clients.length} found of ${total}` : `${clients.length} of ${total}, the oldest first`;
  const missing = complete ? "" : ` Not all instances have answered${silent.length ? `: ${silent.join(", ")}` : ""}.`;
  $("clients-note").textContent = `${found}.${missing}`;
  const addresses = clients.some((/** @type {any} */ client) => client.address !== undefined);
  const heads = ["Client", "User", "State", "Since", "Messages", "Partner", "Instance", ...(addresses ? ["Address"] : []), "Actions"];
  fill($("clients"), heads, clients.map((/** @type {any} */ client) => row(client, addresses)));
}

/** @param {any} client @param {boolean} addresses */
function row(client, addresses) {
  const { clientId, userId, state, connectedSeconds, messages, partnerId, instanceId, address, awaySeconds } = client;
  const away = awaySeconds === undefined ? "" : ` for ${span(awaySeconds)}`;
  const acts = el("span", { className: "buttons" },
    button("Kick", () => act.kick(clientId, () => load()), `Kick client ${clientId}`),
    button("Ban", () => act.ban(clientId, userId, () => load()), `Ban client ${clientId}`));
  const partner = partnerId ? button(partnerId, () => search(partnerId), `Search for ${partnerId}`) : "";
  return [clientId, userId ?? "", state + away, span(connectedSeconds), messages, partner, instanceId, ...(addresses ? [address ?? ""] : []), acts];
}

/**
 * Who is banned, and lifting that. Of addresses a moderator sees that they are, and not which.
 *
 * @module bans
 */

import * as act from "./act.js";
import * as api from "./api.js";
import { $, button, fill, moment, tell } from "./dom.js";

const LISTED = 500;
let kinds = ["client"];

/** @param {{ role: string, users: boolean }} me */
export function begin(me) {
  kinds = ["client", ...(me.users ? ["user"] : []), ...(me.role === "operator" ? ["address"] : [])];
}

$("new-ban").addEventListener("click", () => act.banAny(kinds, load));

/** Ask who is banned, and show it. */
export async function load() {
  try {
    const { total, bans } = await api.get(`bans?limit=${LISTED}`);
    $("bans-note").textContent = `${total} in force.`;
    fill($("bans"), ["Who", "Until", "Reason", "Actions"], bans.map(row));
  } catch (error) {
    tell(`The bans are not to be had: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {any} ban */
function row({ id, kind, value, until, reason, automatic }) {
  const who = `${kind} ${value ?? "(hidden)"}`;
  const lift = () =>
    act.attempt(async () => {
      await api.remove(`bans/id/${encodeURIComponent(id)}`);
      return `The ban on ${who} was lifted.`;
    }, load);
  return [who, moment(until), automatic ? `${reason} (by signald)` : reason, button("Lift", lift, `Lift the ban on ${who}`)];
}

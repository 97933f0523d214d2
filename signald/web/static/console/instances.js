/**
 * All instances, with version and state, and what the settings mean, for operators.
 *
 * @module instances
 */

import * as api from "./api.js";
import { $, el, fill, span, tell } from "./dom.js";

/** Show what the last event said. @param {any} event @param {string[]} fields */
export function show({ instances, silent, complete }, fields) {
  const versions = new Set(instances.map((/** @type {any} */ each) => each.version));
  const remarks = [
    complete ? "" : silent.length ? `No answer from ${silent.join(", ")}.` : "The store is away: other instances cannot be asked.",
    versions.size > 1 ? "Versions differ: finish the upgrade, or go back." : "",
  ];
  $("instances-note").textContent = remarks.filter(Boolean).join(" ") || "All have answered.";
  const rows = instances.map((/** @type {any} */ each) => {
    const sample = each.samples.at(-1), clients = sample[fields.indexOf("clients")], waiting = sample[fields.indexOf("waiting")];
    const state = each.problem ? `${each.state} (${each.problem})` : each.state;
    return [each.instanceId, state, each.version, span(each.uptimeSeconds), `${clients} of ${each.clientsLimit}`, waiting];
  });
  fill($("instances"), ["Instance", "State", "Version", "Running for", "Clients", "Waiting"], rows);
}

/** Ask what the settings mean, if that may be known. @param {string} role */
export async function settings(role) {
  $("settings-title").hidden = role !== "operator";
  if (role !== "operator") return;
  try {
    const { settings: lines } = await api.get("console/settings");
    $("settings").replaceChildren(...lines.map((/** @type {string} */ line) => el("li", {}, line)));
  } catch (error) {
    tell(`The settings are not to be had: ${error instanceof Error ? error.message : error}`);
  }
}

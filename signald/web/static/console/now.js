/**
 * The first view: numbers and charts of all instances, or of one, and the pools.
 *
 * @module now
 */

import { chart } from "./chart.js";
import { $, el, fill, span } from "./dom.js";
import { History, latest, ofPool } from "./numbers.js";

/** @typedef {import("./numbers.js").Points} Points */

export const history = new History();

const whole = (/** @type {number} */ value) => String(Math.round(value));
const share = (/** @type {number} */ value) => `${Math.round(value * 100)} %`;
const minutes = (/** @type {number} */ value) => `${Math.round(value * 10) / 10} a minute`;
const millis = (/** @type {number} */ value) => `${Math.round(value * 1000)} ms`;

/** @type {[string, (value: number) => string, (which: string) => Points][]} */
const CHARTS = [
  ["Clients", whole, (which) => history.gauge(which, (sample) => sample.clients)],
  ["Waiting", whole, (which) => history.gauge(which, (sample) => sample.waiting)],
  ["Wait of those matched", span, (which) => history.ratio(which, (sample) => sample.waited_s, (sample) => sample.matched)],
  ["Matches", minutes, (which) => history.rate(which, (sample) => sample.matched / 2)],
  ["Calls that connect", share, (which) =>
    history.ratio(which, (sample) => sample.connected, (sample) => sample.connected + sample.failed)],
  ["Errors told to clients", minutes, (which) => history.rate(which, (sample) => sample.errors)],
  ["Loop lag, the worst", millis, (which) => history.gauge(which, (sample) => sample.lag_s, Math.max)],
];

const charts = CHARTS.map(([title, words, points]) => ({ drawn: chart(title, words), points }));
$("charts").replaceChildren(...charts.map(({ drawn }) => drawn.element));
$("which").addEventListener("change", show);

/** Show what is known now. */
export function show() {
  history.sweep();
  choices();
  if ($("view-now").hidden) return;
  const which = $("which").value;
  for (const { drawn, points } of charts) drawn.show(points(which));
  pools(which);
}

/** Offer all instances, without a change of what is chosen. */
function choices() {
  const names = [...history.instances.keys()].sort(), select = $("which"), chosen = select.value;
  if (select.options.length === names.length + 1 && names.every((name, at) => select.options[at + 1].value === name)) return;
  select.replaceChildren(
    el("option", { value: "" }, "all instances"),
    ...names.map((name) => el("option", { value: name }, `instance ${name}`)),
  );
  select.value = names.includes(chosen) ? chosen : "";
}

/** @param {string} which */
function pools(which) {
  const names = new Set([...history.instances.values()].flatMap((kept) => kept.at(-1)?.pools ?? []).map((pool) => pool[0]));
  const rows = [...names].map((name) => {
    const waiting = latest(history.gauge(which, (sample) => ofPool(sample, name, 1)));
    const wait = latest(history.ratio(which, (sample) => ofPool(sample, name, 3), (sample) => ofPool(sample, name, 2)));
    const matched = latest(history.rate(which, (sample) => ofPool(sample, name, 2) / 2));
    return [name || "those who name none", waiting ?? "–", wait === null ? "–" : span(wait), matched === null ? "–" : minutes(matched)];
  });
  fill($("pools"), ["Pool", "Waiting", "Wait of those matched", "Matches"], rows);
}

/**
 * The inbox: what clients reported of each other, what else is known of both, and what was made of it.
 *
 * @module reports
 */

import * as act from "./act.js";
import * as api from "./api.js";
import { $, button, el, moment, tell, theirs } from "./dom.js";

const LISTED = 50;

/** Other reports of one side that are shown: enough to see who reports everybody, or is reported by all. */
const OTHERS = 20;

let before = "", asked = 0;
/** @type {(client: string) => void} */
let find = () => {};

/** @param {(client: string) => void} search  shows a client in the list */
export function begin(search) {
  find = search;
}

$("report-state").addEventListener("change", () => load());
$("older").addEventListener("click", () => load(before));

/** How many are open, on the button of this view. */
export async function count() {
  const { reports, before: more } = await api.get(`reports?state=open&limit=${LISTED}`);
  $("open-reports").hidden = !reports.length;
  $("open-reports").textContent = `${reports.length}${more ? "+" : ""} open`;
}

/** Ask for reports, and show them. @param {string} [from]  only those before this one, below the others */
export async function load(from = "") {
  const number = ++asked, state = $("report-state").value;
  try {
    const answer = await api.get(`reports?limit=${LISTED}${state && `&state=${state}`}${from && `&before=${encodeURIComponent(from)}`}`);
    if (number !== asked) return;
    const items = answer.reports.map(item);
    if (from) $("reports").append(...items);
    else $("reports").replaceChildren(...items);
    before = answer.before ?? "";
    $("older").hidden = !before;
    const shown = $("reports").children.length;
    $("reports-note").textContent = `${shown} shown, ${answer.total} kept.${answer.complete ? "" : " The store is away: others are not here."}`;
    await count();
  } catch (error) {
    tell(`The reports are not to be had: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {any} report */
function item(report) {
  const { reportId, reason, text, time, state, by, note, reported, reporter } = report;
  const word = el("input", { maxLength: 500, "aria-label": `Note on report ${reportId}`, placeholder: "a note for others" });
  const rule = (/** @type {string} */ what) => () =>
    act.attempt(async () => {
      await api.post(`reports/${encodeURIComponent(reportId)}`, { state: what, note: word.value });
      return `Report ${reportId} is ${what}.`;
    }, () => load());
  const states = ["open", "acted", "dismissed"].filter((each) => each !== state);
  const failed = (/** @type {unknown} */ error) => tell(`The history is not to be had: ${error instanceof Error ? error.message : error}`);
  const told = el("div"); // Beside the summary: that keeps the focus when more is known.
  const history = el("details", { ontoggle: () => history.open && others(report, told).catch(failed) }, el("summary", {}, "History of both"), told);
  return el("li", { className: "card" },
    el("h3", {}, theirs(reason), ": ", theirs(reported.userId ?? reported.clientId)),
    text ? el("blockquote", { dir: "auto" }, text) : null,
    el("p", { className: "soft" }, moment(time), ` · report ${reportId} · ${state}${by ? ` by ${by}` : ""}${note ? ": " : ""}`, note ? theirs(note) : null),
    side("Reported", reported),
    side("Reporter", reporter),
    history,
    el("p", { className: "buttons" }, word, ...states.map((each) => button(each, rule(each), `Report ${reportId} is ${each}`))));
}

/** @param {string} title @param {any} party */
function side(title, { clientId, userId }) {
  return el("p", { className: "side" }, `${title}: `, userId ? theirs(userId) : null, `${userId ? ", " : ""}client ${clientId} `,
    el("span", { className: "buttons" },
      button("Find", () => find(clientId), `Find client ${clientId}`),
      button("Ban", () => act.ban(clientId, userId, () => load()), `Ban client ${clientId}, ${title.toLowerCase()}`)));
}

/** @param {any} report @param {HTMLElement} into */
async function others(report, into) {
  const parts = [];
  for (const [title, { clientId, userId }] of [["Reported", report.reported], ["Reporter", report.reporter]]) {
    const id = userId ?? clientId;
    const { reports, complete } = await api.get(`reports?limit=${OTHERS}&about=${encodeURIComponent(id)}`);
    const rest = reports.filter((/** @type {any} */ other) => other.reportId !== report.reportId);
    const lines = rest.map((/** @type {any} */ other) => {
      const did = [other.reporter.userId, other.reporter.clientId].includes(id) ? "reported somebody" : "was reported";
      return el("li", {}, moment(other.time), ` ${did}: `, theirs(other.reason), `, ${other.state}`, other.note ? ": " : null, other.note ? theirs(other.note) : null);
    });
    const known = complete ? (rest.length ? "" : "nothing else.") : "not all is known, the store is away.";
    parts.push(el("p", {}, `${title} `, theirs(id), `: ${known}`), el("ul", {}, ...lines));
  }
  into.replaceChildren(...parts);
}

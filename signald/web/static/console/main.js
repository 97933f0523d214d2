/**
 * Signs in, shows one view at a time, and keeps the stream of numbers.
 *
 * @module main
 */

import * as api from "./api.js";
import * as bans from "./bans.js";
import * as clients from "./clients.js";
import { $, tell } from "./dom.js";
import * as instances from "./instances.js";
import * as now from "./now.js";
import * as reports from "./reports.js";

/** How long to wait before the stream is asked for again; doubled after each failure, up to the second. */
const AGAIN_MS = 1000, LONGEST_MS = 30000;

/** @type {any} */
let me = null;
let ended = new AbortController();
let filed = -1;

const loads = {
  now: now.show,
  clients: () => clients.load(),
  reports: () => reports.load(),
  bans: bans.load,
  instances: () => instances.settings(me.role),
};

$("sign-in").addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  const token = $("token");
  api.use(token.value);
  token.value = "";
  try {
    me = await api.get("console/me");
  } catch (error) {
    api.use("");
    tell(`Not signed in: ${error instanceof Error ? error.message : error}`);
    token.focus();
    return;
  }
  signedIn();
});

$("sign-out").addEventListener("click", () => location.reload());

for (const button of $("nav").querySelectorAll("button")) button.addEventListener("click", () => view(button.dataset.view));

function signedIn() {
  tell(`Signed in as ${me.name}.`);
  $("sign-in").hidden = true;
  for (const id of ["nav", "live", "me", "sign-out"]) $(id).hidden = false;
  $("me").textContent = `${me.name}, ${me.role}`;
  $("addresses-label").hidden = me.role !== "operator";
  bans.begin(me);
  reports.begin((client) => {
    view("clients");
    clients.search(client);
  });
  view("now");
  reports.count().catch(() => {});
  watch();
}

/** Show one view. @param {keyof typeof loads} name */
function view(name) {
  for (const each of Object.keys(loads)) $(`view-${each}`).hidden = each !== name;
  for (const button of $("nav").querySelectorAll("button")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  $(`title-${name}`).focus();
  loads[name]();
}

/** Take numbers for as long as the page is open. */
async function watch() {
  ended = new AbortController();
  for (let wait = AGAIN_MS; ; wait = Math.min(2 * wait, LONGEST_MS)) {
    try {
      now.history.begin(await api.get("console/hour"));
      now.show();
      await api.stream("console/stream", (event) => {
        wait = AGAIN_MS;
        take(event);
      }, ended.signal);
      throw new Error("the connection has ended");
    } catch (error) {
      if (error instanceof api.Refused && error.status === 401) {
        location.reload();
        return;
      }
      $("live").textContent = `No numbers now: ${error instanceof Error ? error.message : error}`;
    }
    await new Promise((again) => setTimeout(again, wait));
  }
}

/** @param {any} event */
function take(event) {
  const fields = now.history.fields;
  for (const { instanceId, samples } of event.instances) now.history.add(instanceId, samples.at(-1));
  now.show();
  instances.show(event, fields);
  const sum = (/** @type {string} */ name) =>
    event.instances.reduce((/** @type {number} */ all, /** @type {any} */ each) => all + each.samples.at(-1)[fields.indexOf(name)], 0);
  $("live").textContent = `${sum("clients")} clients, ${sum("waiting")} waiting, ${event.instances.length} of ${event.instances.length + event.silent.length} instances`;
  if (filed >= 0 && filed !== sum("reports")) reports.count().catch(() => {});
  filed = sum("reports");
}

/**
 * Makes elements. Text is always text: nothing here, or in any other module of the console, makes markup of a string,
 * and none can turn around what stands beside it.
 *
 * @module dom
 */

/** Characters that turn around what follows, past the end of what a stranger has written. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

/** A text as it can be trusted to look. @param {string} text */
export const plain = (text) => text.replace(TURNS, (turn) => `\\u${turn.charCodeAt(0).toString(16)}`);

/** What somebody else wrote, beside words of ours: its own direction is not that of these. @param {string} text */
export const theirs = (text) => el("bdi", {}, text);

/** The element with this id. @param {string} id @returns {any} */
export const $ = (id) => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id} in the page`);
  return found;
};

/**
 * A new element.
 *
 * @param {string} tag
 * @param {Record<string, any>} [properties]  of the element; `on…` are listeners, names with a dash are attributes
 * @param {...(Node | string | number | null | undefined)} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  /** @type {any} */
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : plain(String(child)))));
  return made;
}

/**
 * Fill a table.
 *
 * @param {HTMLElement} table
 * @param {string[]} heads
 * @param {(Node | string | number)[][]} rows  the first cell of each is the row's name
 */
export function fill(table, heads, rows) {
  const head = el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text))));
  const body = rows.map((row) =>
    el("tr", {}, ...row.map((cell, at) => el(at ? "td" : "th", at ? {} : { scope: "row" }, cell))),
  );
  table.replaceChildren(head, el("tbody", {}, ...body));
}

/** A button. @param {string} text @param {() => void} does @param {string} [label]  what it is called, if that says more */
export const button = (text, does, label) =>
  el("button", { type: "button", onclick: does, ...(label ? { "aria-label": label } : {}) }, text);

/** Say something to everybody who looks or listens. @param {string} text */
export function tell(text) {
  $("told").textContent = plain(text);
}

/** Seconds as people say them. @param {number} seconds */
export function span(seconds) {
  for (const [unit, length] of /** @type {[string, number][]} */ ([["d", 86400], ["h", 3600], ["min", 60]])) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`;
}

/** A time of day, with the date if it is another day. @param {number} seconds  since 1970 */
export function moment(seconds) {
  const time = new Date(seconds * 1000);
  const today = time.toDateString() === new Date().toDateString();
  const text = today ? time.toLocaleTimeString() : time.toLocaleString();
  return el("time", { dateTime: time.toISOString() }, text);
}

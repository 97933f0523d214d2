/**
 * Draws a small chart of the last hour: one line over an axis that begins at 0, and what it says for those who do not
 * see it.
 *
 * @module chart
 */

import { el } from "./dom.js";
import { latest } from "./numbers.js";

const WIDTH = 240, HEIGHT = 64, SVG = "http://www.w3.org/2000/svg";

/** @param {string} tag @param {Record<string, string | number>} attributes */
function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

/** The line through all points, with gaps where nothing is known. @param {[number, number | null][]} points @param {number} top */
export function line(points, top) {
  let path = "", open = false;
  points.forEach(([, value], at) => {
    if (value !== null) {
      const x = ((at / (points.length - 1)) * WIDTH).toFixed(1), y = (HEIGHT - (value / top) * HEIGHT).toFixed(1);
      path += open ? `L${x} ${y}` : `M${x} ${y}h.01`;
    }
    open = value !== null;
  });
  return path;
}

/**
 * A chart that shows other points whenever it is told.
 *
 * @param {string} title
 * @param {(value: number) => string} words  a value as people read it
 */
export function chart(title, words) {
  const curve = svg("path", { class: "line" });
  const picture = svg("svg", { viewBox: `0 -4 ${WIDTH} ${HEIGHT + 8}`, role: "img", preserveAspectRatio: "none" });
  picture.append(svg("path", { class: "axis", d: `M0 ${HEIGHT}H${WIDTH}` }), curve);
  const value = el("strong"), bounds = el("span", { className: "soft" });
  const element = el("figure", { className: "card" }, el("figcaption", {}, title, " ", value), picture, bounds);
  return {
    element,
    /** @param {[number, number | null][]} points */
    show(points) {
      const known = points.map(([, each]) => each).filter((each) => each !== null);
      const now = latest(points), most = Math.max(...known, 0);
      value.textContent = now === null ? "–" : words(now);
      bounds.textContent = known.length ? `${words(Math.min(...known))} to ${words(most)} in the last hour` : "nothing yet";
      picture.setAttribute("aria-label", `${title}: now ${value.textContent}; ${bounds.textContent}`);
      curve.setAttribute("d", line(points, most || 1));
    },
  };
}

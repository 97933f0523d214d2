/**
 * Why the server does not let this page in, in words for its user.
 *
 * @module refusals
 */

/** By the close codes of docs/protocol.md: for good. @type {Record<number, string>} */
const ENDED = {
  4401: "The server does not accept your login.",
  4403: "You are banned from this server.",
};

/** The same, while the page tries again. @type {Record<number, string>} */
const FOR_NOW = {
  4429: "Too many from your network are here, or came at once. Trying again by itself.",
  4503: "The server is full. Trying again by itself.",
};

const NO_LOGIN =
  "This server wants to know who you are, and this page has no login of its own. Come here from the site that you have an account with.";
const UNWELCOME =
  "The server is there and does not take this page. If it is yours: look at ALLOWED_ORIGIN, and whether a proxy passes WebSockets on.";

/**
 * The server has ended it, and this page must not try again.
 *
 * @param {number} code
 * @param {string} reason  the server's own words
 */
export function whyEnded(code, reason) {
  return ENDED[code] ?? `The server has ended your connection${reason && `: ${reason}`}`;
}

/**
 * The server will not have it just now.
 *
 * @param {number} code
 * @returns {string} empty: nothing is known
 */
export function whyNot(code) {
  return FOR_NOW[code] ?? "";
}

/** By the codes of errors: what stands between the user and anybody else. @type {Record<string, string>} */
export const LOGIN = {
  AUTH_REQUIRED: NO_LOGIN,
  CHALLENGE_REQUIRED: "This server has browsers do some work before they may look, and this one has not. Press Start to try again.",
  AUTH_FAILED: "The server does not accept your login. Come here anew from the site that you have an account with.",
  BANNED: "You are banned from this server.",
  TOO_MANY_OF_USER: "You have this page open too often already. Close another one, then press Start.",
};

/** Browsers do not tell a page why a server refuses it; whether one is there can be found out. @returns {Promise<string>} */
export async function whyNever() {
  try {
    const { ok } = await fetch("/healthz", { cache: "no-store" });
    return ok ? UNWELCOME : "";
  } catch {
    return "";
  }
}

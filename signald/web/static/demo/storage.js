/**
 * Where the demo page keeps what is to be there again. Some browsers forbid it.
 *
 * @module storage
 */

/** Over a reload of this tab. @returns {Storage | null} */
export function ofTab() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/** Until the next visit. @returns {Storage | null} */
export function ofBrowser() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

const KEY = "signald browser";

/**
 * A name of this browser that says nothing of it, made up at the first visit: two tabs of one are no good company, and the
 * server introduces them to each other only if nobody else is there. It is used for nothing else.
 *
 * @returns {string}
 */
export function browserName() {
  const storage = ofBrowser();
  const random = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  const fresh = random.slice(0, 22).replaceAll("+", "-").replaceAll("/", "_");
  try {
    const known = storage?.getItem(KEY);
    if (!known) storage?.setItem(KEY, fresh);
    return known || fresh;
  } catch {
    return fresh; // Full: then it holds until the page is left.
  }
}

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

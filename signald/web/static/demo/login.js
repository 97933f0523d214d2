/**
 * Who the user is, as the site has said that sent it here: `https://signald.example.org/#token=…`, with a token (JWT).
 *
 * What follows the `#` reaches no server and no log. It goes from the address at once, for a link that is copied must not
 * carry a login along, and stays with the tab.
 *
 * @module login
 */

const KEY = "signald token";

/**
 * @param {Storage | null} storage  of the tab
 * @returns {string | null} the token; null if there is none
 */
export function token(storage) {
  const named = new URLSearchParams(location.hash.slice(1)).get("token");
  if (named) history.replaceState(null, "", location.pathname + location.search);
  try {
    if (named) storage?.setItem(KEY, named);
    return named ?? storage?.getItem(KEY) ?? null;
  } catch {
    return named; // Full or forbidden: then it holds until the page is left.
  }
}

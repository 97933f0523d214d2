/**
 * What a browser tells a page of its life: hidden, asleep, offline, gone and back. Outside a browser nothing of it comes.
 *
 * @module page
 */

/**
 * @param {{
 *   doubt: () => void,
 *   online: () => void,
 *   offline: () => void,
 *   hide: () => void,
 *   show: () => void,
 * }} told  `doubt`: the page may have slept, or have another network; `online`: there is a network, maybe another than before; `offline`: there is
 *   none; `hide`: the page goes, by a reload, a link or a closed tab, and may come back; `show`: it is back as it was (bfcache)
 * @returns {() => void} call it to hear no more
 */
export function watchPage({ doubt, online, offline, hide, show }) {
  if (typeof addEventListener !== "function" || typeof document !== "object") return () => {};
  const ended = new AbortController();
  const options = { signal: ended.signal };
  addEventListener("online", online, options);
  addEventListener("offline", offline, options);
  addEventListener("pagehide", hide, options);
  addEventListener("pageshow", ({ persisted }) => persisted && show(), options);
  // Where browsers tell: another network, though there was one all the time.
  const { connection } = /** @type {any} */ (globalThis.navigator ?? {});
  connection?.addEventListener?.("change", doubt, options);
  document.addEventListener("resume", doubt, options);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && doubt(), options);
  return () => ended.abort();
}

/**
 * The address of `/ws` on the server that the page came from.
 * @returns {string}
 */
export function defaultUrl() {
  if (typeof location !== "object") throw new TypeError("outside a browser the server's address must be given: its url, such as wss://example.org/ws");
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/**
 * Whether this page stands where it stood a moment ago: after a reload, or a step back or forward. A page that was
 * opened anew is another visit, and so is a copy of a tab.
 */
function isBack() {
  const [entry] = globalThis.performance?.getEntriesByType?.("navigation") ?? [];
  return ["reload", "back_forward"].includes(/** @type {PerformanceNavigationTiming | undefined} */ (entry)?.type ?? "");
}

/**
 * One text that outlives a reload. It lies in the storage only while the page is gone: a tab that is copied copies its
 * sessionStorage, and must find nothing there that belongs to the first one.
 */
export class Shelf {
  #storage;
  #key;

  /**
   * @param {Storage | null} storage
   * @param {string} key
   */
  constructor(storage, key) {
    this.#storage = storage;
    this.#key = key;
  }

  /** Whether what is put here can be found again. */
  get usable() {
    return this.#storage !== null;
  }

  /** @param {string} text */
  put(text) {
    try {
      this.#storage?.setItem(this.#key, text);
    } catch {
      // Full or forbidden: then a reload begins a new session.
    }
  }

  /** What the page before this one has put, if this one follows it. @returns {string | null} */
  inherit() {
    const text = this.take();
    return isBack() ? text : null;
  }

  /** What was put, and nothing at the second time. @returns {string | null} */
  take() {
    try {
      const text = this.#storage?.getItem(this.#key) ?? null;
      this.#storage?.removeItem(this.#key);
      return text;
    } catch {
      return null;
    }
  }
}
